package wire

import (
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/emersion/go-imap/v2"

	"mailstead/mail"
)

// isAtomChar is RFC 9051 §9 ATOM-CHAR.
func isAtomChar(b byte) bool {
	return b > ' ' && b < 0x7f && strings.IndexByte(`(){%*"\]`, b) < 0
}

// run takes bytes as long as ok holds.
func (r *Reader) run(ok func(byte) bool) string {
	start := len(r.line)
	for r.err == nil {
		b := r.peek()
		if b == 0 || b == '\n' || !ok(b) {
			break
		}
		r.next()
	}
	if r.err != nil || start > len(r.line) {
		return ""
	}
	return string(r.line[start:])
}

func (r *Reader) atom() string {
	s := r.run(isAtomChar)
	if s == "" {
		r.fail("a word is missing")
	}
	return s
}

// keyword is an atom in upper case.
func (r *Reader) keyword() string { return upper(r.atom()) }

func (r *Reader) number64() int64 {
	s := r.run(func(b byte) bool { return b >= '0' && b <= '9' })
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		r.fail("a number is missing or too big")
	}
	return n
}

func (r *Reader) number() uint32 {
	n := r.number64()
	if n > 1<<32-1 {
		r.fail("number too big")
		return 0
	}
	return uint32(n)
}

func (r *Reader) quoted() string {
	r.need('"')
	var b []byte
	for r.err == nil {
		switch c := r.peek(); c {
		case '\n', '\r', 0:
			if r.err == nil {
				r.fail("quote not closed")
			}
		case '"':
			r.next()
			if !utf8.Valid(b) {
				r.fail("quoted string is not UTF-8")
			}
			return string(b)
		case '\\':
			r.next()
			if c = r.peek(); c != '"' && c != '\\' {
				r.fail(`only \ and " can be quoted by \`)
			}
			b = append(b, r.next())
		default:
			b = append(b, r.next())
		}
	}
	return ""
}

// str is a quoted string or a literal.
func (r *Reader) str() string {
	switch r.peek() {
	case '"':
		return r.quoted()
	case '{':
		return r.literal()
	}
	r.fail("a string is missing")
	return ""
}

func (r *Reader) astring() string {
	switch r.peek() {
	case '"', '{':
		return r.str()
	}
	s := r.run(func(b byte) bool { return isAtomChar(b) || b == ']' })
	if s == "" {
		r.fail("a string is missing")
	}
	return s
}

// mailbox is a mailbox name in UTF-8; INBOX in capitals.
func (r *Reader) mailbox() string {
	s := r.astringUTF8(func(b byte) bool { return isAtomChar(b) || b == ']' })
	if r.err != nil {
		return ""
	}
	return r.name(s)
}

// astringUTF8 lets raw 8-bit stand in atoms too: some clients do it.
func (r *Reader) astringUTF8(ok func(byte) bool) string {
	switch r.peek() {
	case '"', '{':
		return r.str()
	}
	s := r.run(func(b byte) bool { return ok(b) || b >= 0x80 })
	if s == "" {
		r.fail("a mailbox name is missing")
	}
	return s
}

func (r *Reader) name(s string) string {
	if !utf8.ValidString(s) {
		r.fail("mailbox name is not UTF-8")
		return ""
	}
	if !r.utf8 {
		if d, ok := mail.DecodeMUTF7(s); ok {
			s = d
		}
	}
	if strings.EqualFold(s, "INBOX") {
		return "INBOX"
	}
	return s
}

// list reads "(" member *(SP member) ")".
func (r *Reader) list(member func()) {
	r.need('(')
	for n := 0; r.err == nil && !r.take(')'); n++ {
		if n > 0 {
			r.need(' ')
		}
		if n >= maxListed {
			r.fail("list too long")
		}
		if r.err == nil {
			member()
		}
	}
}

// flag is a system flag or keyword (RFC 9051 §9 flag).
func (r *Reader) flag() imap.Flag {
	if !r.take('\\') {
		return imap.Flag(r.atom())
	}
	name := `\` + r.atom()
	for _, f := range []imap.Flag{imap.FlagSeen, imap.FlagAnswered, imap.FlagFlagged, imap.FlagDeleted, imap.FlagDraft} {
		if strings.EqualFold(name, string(f)) {
			return f
		}
	}
	r.fail("%s can't be set", name)
	return ""
}

func (r *Reader) flags() (l []imap.Flag) {
	r.list(func() { l = append(l, r.flag()) })
	return l
}

// date is "1-Feb-1994", quoted or not (RFC 9051 §9 date).
func (r *Reader) date() time.Time {
	var s string
	if r.peek() == '"' {
		s = r.quoted()
	} else {
		s = r.atom()
	}
	t, err := time.Parse("2-Jan-2006", s)
	if err != nil {
		r.fail("%q is not a date", s)
	}
	return t
}

// dateTime is RFC 9051 §9 date-time.
func (r *Reader) dateTime() time.Time {
	s := strings.TrimPrefix(r.quoted(), " ")
	t, err := time.Parse("2-Jan-2006 15:04:05 -0700", s)
	if err != nil {
		r.fail("%q is not a date and time", s)
	}
	return t
}

// setNumber is a number of a set; 0 stands for "*".
func (r *Reader) setNumber() uint32 {
	if r.take('*') {
		return 0
	}
	n := r.number()
	if n == 0 {
		r.fail("0 in a set")
	}
	return n
}

// set reads a sequence set; "$" is the result saved by SEARCH (RFC 5182).
func (r *Reader) set(uid bool) imap.NumSet {
	if r.take('$') {
		return imap.SearchRes()
	}
	var seq imap.SeqSet
	var uids imap.UIDSet
	for n := 0; r.err == nil; n++ {
		if n >= 10*maxListed {
			r.fail("set too long")
		}
		first := r.setNumber()
		last := first
		if r.take(':') {
			last = r.setNumber()
		}
		if first != 0 && last != 0 && first > last {
			first, last = last, first
		}
		if first == 0 && last != 0 {
			first, last = last, first // "*:4" is "4:*"
		}
		seq = append(seq, imap.SeqRange{Start: first, Stop: last})
		uids = append(uids, imap.UIDRange{Start: imap.UID(first), Stop: imap.UID(last)})
		if !r.take(',') {
			break
		}
	}
	if uid {
		return uids
	}
	return seq
}
