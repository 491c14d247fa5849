package mail

import (
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// SortFields is what sorting and threading look at of a packed message (RFC
// 5256 §3), as it stands in the header.
type SortFields struct {
	Date, Subject, InReplyTo, MessageID string
	From, To, Cc                        Mailbox // the first of each; zero for none
	SentDate                            int64   // of Message
	References                          []string
}

// DecodeSortFields reads these fields of what AppendMessage wrote, and passes
// over the rest without making anything of it. It is safe on any bytes; what it
// can't read gives ErrBadRow.
func DecodeSortFields(b []byte) (f SortFields, err error) {
	r, ok := unpack(string(b))
	if !ok {
		return f, ErrBadRow
	}
	from := len(r.s)
	own := func() string { return strings.Clone(r.str()) } // the fields are kept, the rest is not
	if r.bool() {
		f.Date, f.Subject, f.InReplyTo, f.MessageID = own(), own(), own(), own()
		f.From = r.first()
		r.skipMailboxes() // Sender
		r.skipMailboxes() // Reply-To
		f.To, f.Cc = r.first(), r.first()
		r.skipMailboxes() // Bcc
	}
	r.took(from, r.envelopeLen)
	r.passRoot()
	f.SentDate = r.int()
	r.int()
	if n := r.len(); n > 0 {
		f.References = make([]string, n)
		for i := range f.References {
			f.References[i] = own()
		}
	}
	r.skipStrings(1)
	r.bool()
	if r.bad || len(r.s) > 0 {
		return SortFields{}, ErrBadRow
	}
	return f, nil
}

// first reads a list of mailboxes and gives the first.
func (r *unpacker) first() (m Mailbox) {
	n := r.count(minMailbox)
	if n == 0 {
		return m
	}
	own := func() string { return strings.Clone(r.str()) }
	m = Mailbox{Name: own(), Route: own(), Local: own(), Host: own()}
	r.skipStrings(4 * (n - 1))
	return m
}

func (r *unpacker) skipMailboxes() { r.skipStrings(4 * r.count(minMailbox)) }

// Parents are the message identifiers that say what the message answers,
// nearest last (RFC 5256 §3, REFERENCES step 1): those of References, or the
// first of In-Reply-To when there are none.
func (f *SortFields) Parents() []string {
	// Message.References has both, References first.
	replies := len(identifiers(f.InReplyTo, maxReferences))
	if n := len(f.References) - replies; n > 0 {
		return f.References[:n]
	}
	return f.References[:min(1, len(f.References))]
}

// ID is the message's identifier without "<>", empty when it has none.
func (f *SortFields) ID() string {
	if ids := identifiers(f.MessageID, 1); len(ids) > 0 {
		return ids[0]
	}
	return ""
}

// Sent is when the message was sent, in Unix seconds (RFC 5256 §2.2): a zone
// that is none counts as UTC, a time that is none as midnight. ok is false when
// there is no date.
func (f *SortFields) Sent() (at int64, ok bool) {
	if f.SentDate != 0 {
		return f.SentDate, true
	}
	v := f.Date
	if _, rest, found := strings.Cut(v, ","); found {
		v = rest
	}
	w := strings.Fields(v)
	if len(w) < 3 {
		return 0, false
	}
	day := strings.Join(w[:3], " ")
	for _, layout := range []string{"2 Jan 2006", "2 Jan 06"} {
		t, err := time.Parse(layout, day)
		if err != nil {
			continue
		}
		if len(w) > 3 {
			for _, clock := range []string{"15:04:05", "15:04"} {
				if c, err := time.Parse(clock, w[3]); err == nil {
					t = t.Add(time.Duration(c.Hour())*time.Hour + time.Duration(c.Minute())*time.Minute + time.Duration(c.Second())*time.Second)
					break
				}
			}
		}
		return t.Unix(), true
	}
	return 0, false
}

// Display is what SORT=DISPLAY compares of an address (RFC 5957 §3): the name,
// decoded, or else the address, or the name of a group.
func (m Mailbox) Display() string {
	if name := strings.TrimSpace(DecodeHeader(m.Name)); name != "" {
		return name
	}
	if m.Host != "" {
		return m.Local + "@" + m.Host
	}
	return DecodeHeader(m.Local)
}

// SortForm gives s in the form whose bytes i;unicode-casemap compares (RFC 5051
// §2): in title case, and decomposed.
func SortForm(s string) string {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return norm.NFKD.String(strings.ToValidUTF8(strings.Map(unicode.ToTitle, s), "\ufffd"))
		}
	}
	return strings.ToUpper(s)
}
