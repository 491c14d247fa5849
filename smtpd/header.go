package smtpd

import (
	"bytes"
	"crypto/rand"
	"errors"
	"io"
	"strings"
	"time"

	"mailstead/mail"
)

// header is the header of a message, as far as it is needed to rewrite it.
type header struct {
	raw []byte // whole fields, without the empty line; empty when the text has no header
	// bare tells that the text begins with a line that is no field: an empty
	// line has to come between it and what is put before it.
	bare bool
}

// errHeaderTooBig is the error of readHeader for a header over the limit.
var errHeaderTooBig = errors.New("header too big")

// readHeader reads the header of a message of size bytes. It holds limit bytes
// in memory at most.
func readHeader(r io.ReaderAt, size int64, limit int) (header, error) {
	var buf []byte
	for want := 8 << 10; ; want *= 2 {
		n := int(min(int64(want), int64(limit)+2, size))
		buf = append(buf, make([]byte, n-len(buf))...)
		if _, err := r.ReadAt(buf, 0); err != nil && err != io.EOF {
			return header{}, err
		}
		if h, ok := cutHeader(buf, int64(n) == size); ok {
			if len(h.raw) > limit {
				return header{}, errHeaderTooBig
			}
			return h, nil
		}
		if n == limit+2 {
			return header{}, errHeaderTooBig
		}
	}
}

// cutHeader finds the header at the start of b; ok is false when more of the
// message is needed. whole tells that there is no more.
func cutHeader(b []byte, whole bool) (h header, ok bool) {
	line, _, found := bytes.Cut(b, []byte("\r\n"))
	if !found && !whole {
		return header{}, false
	}
	if len(line) == 0 {
		return header{}, true
	}
	if !isField(line) {
		return header{bare: true}, true
	}
	if i := bytes.Index(b, []byte("\r\n\r\n")); i >= 0 {
		return header{raw: b[:i+2]}, true
	}
	return header{raw: b}, whole
}

// isField tells whether a line begins a header field.
func isField(line []byte) bool {
	for range mail.HeaderFields(line) {
		return true
	}
	return false
}

// count tells how many fields of a name there are.
func (h header) count(name string) int {
	n := 0
	for f := range mail.HeaderFields(h.raw) {
		if f.Is(name) {
			n++
		}
	}
	return n
}

// value is that of the first field of a name, or empty.
func (h header) value(name string) string {
	for f := range mail.HeaderFields(h.raw) {
		if f.Is(name) {
			return f.Value()
		}
	}
	return ""
}

// without copies the header but for the fields with one of the names, which are
// removed with all their lines.
func (h header) without(names ...string) []byte {
	out := make([]byte, 0, len(h.raw))
	kept := 0
	for f := range mail.HeaderFields(h.raw) {
		for _, name := range names {
			if f.Is(name) {
				out = append(out, h.raw[kept:f.Start]...)
				kept = f.End
				break
			}
		}
	}
	return append(out, h.raw[kept:]...)
}

// addresses reads the mailboxes of one field, From or Sender. ok is false when
// one of them is no address.
func (h header) addresses(name string) (list []mail.Address, ok bool) {
	for f := range mail.HeaderFields(h.raw) {
		if !f.Is(name) {
			continue
		}
		raw := append(bytes.Clone(f.Raw), "\r\n"...)
		m, err := mail.ParseMessage(bytes.NewReader(raw), int64(len(raw)))
		if err != nil {
			return nil, false
		}
		boxes := m.Envelope.From
		if strings.EqualFold(name, "Sender") {
			boxes = m.Envelope.Sender
		}
		for _, b := range boxes {
			if b.Host == "" {
				continue // begin or end of a group (RFC 6854)
			}
			a, err := mailboxAddress(b)
			if err != nil {
				return nil, false
			}
			list = append(list, a)
		}
	}
	return list, len(list) > 0
}

// mailboxAddress normalises an address of a header.
func mailboxAddress(b mail.Mailbox) (mail.Address, error) {
	if a, err := mail.ParseAddress(b.Local + "@" + b.Host); err == nil {
		return a, nil
	}
	return parsePath(b.Local + "@" + b.Host)
}

// missing makes the fields that RFC 6409 §8.2 and §8.3 want added.
func (h header) missing(domain string, now time.Time) []byte {
	var b []byte
	if h.count("Date") == 0 {
		b = append(b, "Date: "+now.Format(dateFormat)+"\r\n"...)
	}
	if h.count("Message-ID") == 0 {
		b = append(b, "Message-ID: <"+rand.Text()+"@"+domain+">\r\n"...)
	}
	return b
}

// dateFormat is RFC 5322 §3.3.
const dateFormat = "Mon, 02 Jan 2006 15:04:05 -0700"
