package transfer

import (
	"fmt"
	netmail "net/mail"
	"strconv"
	"strings"
	"time"

	"mailstead/storage"
)

// ownField begins each message of an mbox of ours: "lines=lf" or "lines=kept",
// "end=lf" or "end=none", the internal date, and how many fields after it are
// not part of the message.
const ownField = "X-Mailstead-Mbox"

// state is what header fields of an mbox say of a message.
type state struct {
	flags    storage.Flags
	keywords []string
	uid      storage.UID
	validity uint32 // of the mailbox, from X-IMAPbase
	next     storage.UID
	length   int64 // Content-Length; -1: none
	date     time.Time
	internal bool // no message, but what UW IMAP keeps in one
}

// read takes in a field and tells whether it belongs to the mbox and not to
// the message.
func (s *state) read(name, value string) bool {
	value = strings.TrimSpace(value)
	switch strings.ToLower(name) {
	case "status":
		s.flag(value, "R", storage.Seen)
	case "x-status":
		s.flag(value, "A", storage.Answered)
		s.flag(value, "F", storage.Flagged)
		s.flag(value, "T", storage.Draft)
		s.flag(value, "D", storage.Deleted)
	case "x-keywords", "x-mozilla-keys":
		s.keywords = append(s.keywords, strings.Fields(value)...)
	case "x-uid":
		s.uid = storage.UID(number(value))
	case "x-imapbase", "x-imap":
		s.base(value)
	case "x-mozilla-status":
		s.mozilla(value)
	case "x-mozilla-status2":
	case "content-length":
		if n, err := strconv.ParseInt(value, 10, 64); err == nil && n >= 0 {
			s.length = n
		}
		return false
	case "subject":
		s.internal = strings.Contains(value, "FOLDER INTERNAL DATA")
		return false
	case "date":
		if t, err := netmail.ParseDate(value); err == nil {
			s.date = t
		}
		return false
	default:
		return false
	}
	return true
}

func (s *state) flag(letters, letter string, f storage.Flags) {
	if strings.Contains(letters, letter) {
		s.flags |= f
	}
}

// base reads UIDVALIDITY and the last UID given out.
func (s *state) base(value string) {
	words := strings.Fields(value)
	if len(words) >= 2 {
		s.validity, s.next = number(words[0]), storage.UID(number(words[1]))+1
	}
}

// mozilla reads Thunderbird's flags.
func (s *state) mozilla(value string) {
	n, err := strconv.ParseUint(value, 16, 16)
	if err != nil {
		return
	}
	for i, f := range []storage.Flags{storage.Seen, storage.Answered, storage.Flagged, storage.Deleted} {
		if n&(1<<i) != 0 {
			s.flags |= f
		}
	}
}

// own is what ownField says.
type own struct {
	kept   bool // line ends are the message's own
	open   bool // the message does not end in a line end
	fields int
	date   time.Time
}

// String gives the field's value.
func (o own) String() string {
	lines, end := "lf", "lf"
	if o.kept {
		lines = "kept"
	}
	if o.open {
		end = "none"
	}
	return fmt.Sprintf("lines=%s; end=%s; date=%s; fields=%d", lines, end, o.date.Format("2006-01-02T15:04:05-0700"), o.fields)
}

// readOwn reads the value that String gives.
func readOwn(value string) (o own, ok bool) {
	seen := 0
	for part := range strings.SplitSeq(value, ";") {
		key, v, _ := strings.Cut(strings.TrimSpace(part), "=")
		var err error
		switch key {
		case "lines":
			o.kept = v == "kept"
		case "end":
			o.open = v == "none"
		case "date":
			o.date, err = time.Parse("2006-01-02T15:04:05-0700", v)
		case "fields":
			o.fields, err = strconv.Atoi(v)
		default:
			continue
		}
		if err != nil {
			return o, false
		}
		seen++
	}
	return o, seen == 4 && o.fields >= 0 && o.fields <= maxOwnFields
}

// maxOwnFields bounds the fields an export puts before a message.
const maxOwnFields = 8

// statusFields are the fields an export writes, other than ownField.
func statusFields(m Message) []string {
	status, x := "O", ""
	for _, f := range []struct {
		flag   storage.Flags
		letter string
	}{{storage.Answered, "A"}, {storage.Flagged, "F"}, {storage.Draft, "T"}, {storage.Deleted, "D"}} {
		if m.Flags&f.flag != 0 {
			x += f.letter
		}
	}
	if m.Flags&storage.Seen != 0 {
		status = "RO"
	}
	fields := []string{fmt.Sprintf("X-UID: %d", m.UID), "Status: " + status}
	if x != "" {
		fields = append(fields, "X-Status: "+x)
	}
	if len(m.Keywords) > 0 {
		fields = append(fields, "X-Keywords: "+strings.Join(m.Keywords, " "))
	}
	return fields
}
