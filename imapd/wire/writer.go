package wire

import (
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"mailstead/mail"
)

// Writer writes responses. Errors stay in it and come out of Flush. It has a
// buffer only while something waits in it. It is for one goroutine.
type Writer struct {
	s    io.Writer
	to   flusher // nil: Flush need not go further
	utf8 bool
	err  error

	pool *Pool
	home *[]byte // the pool's buffer, nil when there is none
	buf  []byte
}

// flusher is a stream that keeps bytes back until it is flushed.
type flusher interface{ Flush() error }

// NewWriter is Pool.NewWriter with a pool of its own.
func NewWriter(s io.Writer) *Writer { return NewPool().NewWriter(s) }

// SetUTF8 tells that the client takes UTF-8 in quoted strings and mailbox names
// (IMAP4rev2 or UTF8=ACCEPT is enabled).
func (w *Writer) SetUTF8(on bool) { w.utf8 = on }

// End ends a response.
func (w *Writer) End() { w.Raw("\r\n") }

// text makes a human-readable text fit one line.
func text(s string) string {
	s = strings.Map(func(c rune) rune {
		if c < ' ' || c == 0x7f || c == utf8.RuneError {
			return ' '
		}
		return c
	}, s)
	if s == "" {
		return "." // RFC 9051 §9: text is not empty
	}
	return s
}

// Status writes a status response (RFC 9051 §7.1); tag "*" is untagged, kind
// OK, NO, BAD, BYE or PREAUTH, code without its brackets or empty.
func (w *Writer) Status(tag, kind, code, human string) {
	w.Raw(tag + " " + kind + " ")
	if code != "" {
		w.Raw("[" + text(code) + "] ")
	}
	w.Raw(text(human))
	w.End()
}

// Continuation asks the client to go on.
func (w *Writer) Continuation(human string) { w.Raw("+ " + text(human) + "\r\n") }

// Untagged writes "* " and s, which must hold no line break.
func (w *Writer) Untagged(s string) { w.Raw("* " + s + "\r\n") }

// NumResponse writes a number and a word: EXISTS, RECENT, EXPUNGE.
func (w *Writer) NumResponse(n uint32, word string) {
	w.Raw("* ")
	w.Num(int64(n))
	w.Raw(" " + word + "\r\n")
}

// String writes a string: quoted when that can be, else as a literal. NUL, which
// neither may hold, becomes a space.
func (w *Writer) String(s string) {
	var found kindOfByte
	for i := range len(s) {
		found |= kindsOfBytes[s[i]]
	}
	if found&isNUL != 0 {
		s = strings.ReplaceAll(s, "\x00", " ")
	}
	if len(s) > maxQuoted || found&isLine != 0 || found&is8bit != 0 && !(w.utf8 && utf8.ValidString(s)) {
		w.announce("{", int64(len(s)))
		w.Raw(s)
		return
	}
	w.Raw(`"`)
	if found&isEscaped != 0 {
		w.escaped(s)
	} else {
		w.Raw(s)
	}
	w.Raw(`"`)
}

// Quoted gives what String writes.
func (w *Writer) Quoted(s string) string {
	var b strings.Builder
	q := &Writer{s: &b, utf8: w.utf8, pool: w.pool}
	q.String(s)
	_ = q.Flush() // a Builder takes everything
	return b.String()
}

// maxQuoted is the longest string that is written quoted.
const maxQuoted = 4096

func (w *Writer) escaped(s string) {
	for {
		i := strings.IndexAny(s, `"\`)
		if i < 0 {
			w.Raw(s)
			return
		}
		w.Raw(s[:i])
		w.Raw(`\`)
		w.Raw(s[i : i+1])
		s = s[i+1:]
	}
}

// kindOfByte says what a byte means for how a string can be written.
type kindOfByte uint8

const (
	isNUL kindOfByte = 1 << iota
	isLine
	is8bit
	isEscaped
)

var kindsOfBytes = func() (t [256]kindOfByte) {
	t[0], t['\r'], t['\n'], t['"'], t['\\'] = isNUL, isLine, isLine, isEscaped, isEscaped
	for c := 0x80; c < len(t); c++ {
		t[c] = is8bit
	}
	return t
}()

// NString writes a string, or NIL for an empty one.
func (w *Writer) NString(s string) {
	if s == "" {
		w.Raw("NIL")
		return
	}
	w.String(s)
}

// Mailbox writes a mailbox name.
func (w *Writer) Mailbox(name string) {
	if !w.utf8 {
		name = mail.EncodeMUTF7(name)
	}
	w.String(name)
}

// ListExtra is the extended data of a LIST response.
type ListExtra struct {
	ChildInfo []string // ("CHILDINFO" ("SUBSCRIBED")), RFC 5258 §3.5
	OldName   string   // ("OLDNAME" ("old")), RFC 9051 §6.3.9.7
}

// List writes a LIST response. An empty name is that of the delimiter query.
func (w *Writer) List(attributes []string, name string, x ListExtra) {
	w.Raw("* LIST (" + strings.Join(attributes, " ") + `) "/" `)
	w.Mailbox(name)
	switch {
	case len(x.ChildInfo) > 0:
		w.Raw(` ("CHILDINFO" ("` + strings.Join(x.ChildInfo, `" "`) + `"))`)
	case x.OldName != "":
		w.Raw(` ("OLDNAME" (`)
		w.Mailbox(x.OldName)
		w.Raw("))")
	}
	w.End()
}

// LSub writes an LSUB response (RFC 3501 §7.2.3).
func (w *Writer) LSub(attributes []string, name string) {
	w.Raw("* LSUB (" + strings.Join(attributes, " ") + `) "/" `)
	w.Mailbox(name)
	w.End()
}

// StatusData writes a STATUS response; list is its items with their values.
func (w *Writer) StatusData(name, list string) {
	w.Raw("* STATUS ")
	w.Mailbox(name)
	w.Raw(" (" + list + ")\r\n")
}

// CopyUIDCode is the response code COPYUID (RFC 4315 §3).
func CopyUIDCode(validity uint32, src, dst string) string {
	return fmt.Sprintf("COPYUID %d %s %s", validity, src, dst)
}

// Envelope writes an ENVELOPE (RFC 9051 §7.5.2); nil as one of nothing.
func (w *Writer) Envelope(e *mail.Envelope) {
	if e == nil {
		e = &mail.Envelope{}
	}
	w.Raw("(")
	w.NString(e.Date)
	w.Raw(" ")
	w.NString(e.Subject)
	for _, l := range [...][]mail.Mailbox{e.From, e.Sender, e.ReplyTo, e.To, e.Cc, e.Bcc} {
		w.Raw(" ")
		w.addresses(l)
	}
	w.Raw(" ")
	w.NString(e.InReplyTo)
	w.Raw(" ")
	w.NString(e.MessageID)
	w.Raw(")")
}

func (w *Writer) addresses(l []mail.Mailbox) {
	if len(l) == 0 {
		w.Raw("NIL")
		return
	}
	w.Raw("(")
	for i := range l {
		a := &l[i]
		w.Raw("(")
		w.NString(a.Name)
		w.Raw(" ")
		w.NString(a.Route)
		w.Raw(" ")
		w.NString(a.Local)
		w.Raw(" ")
		w.NString(a.Host)
		w.Raw(")")
	}
	w.Raw(")")
}

// BodyStructure writes BODYSTRUCTURE, or without extended BODY (RFC 9051
// §7.5.2).
func (w *Writer) BodyStructure(p *mail.Part, extended bool) {
	w.Raw("(")
	defer w.Raw(")")
	if p.Type == "multipart" {
		for _, c := range p.Children {
			w.BodyStructure(c, extended)
		}
		w.Raw(" ")
		w.String(p.Subtype)
		if extended {
			w.Raw(" ")
			w.params(p.Params)
			w.extension(p)
		}
		return
	}
	w.String(p.Type)
	w.Raw(" ")
	w.String(p.Subtype)
	w.Raw(" ")
	w.params(p.Params)
	w.Raw(" ")
	w.NString(p.ID)
	w.Raw(" ")
	w.NString(p.Description)
	w.Raw(" ")
	w.String(p.Encoding)
	w.Raw(" ")
	w.Num(p.End - p.BodyStart)
	switch {
	case p.Envelope != nil && len(p.Children) > 0:
		w.Raw(" ")
		w.Envelope(p.Envelope)
		w.Raw(" ")
		w.BodyStructure(p.Children[0], extended)
		w.Raw(" ")
		w.Num(p.Lines)
	case p.Type == "text":
		w.Raw(" ")
		w.Num(p.Lines)
	}
	if extended {
		w.Raw(" ")
		w.NString(p.MD5)
		w.extension(p)
	}
}

// extension writes disposition, language and location.
func (w *Writer) extension(p *mail.Part) {
	if p.Disposition == "" {
		w.Raw(" NIL")
	} else {
		w.Raw(" (")
		w.String(p.Disposition)
		w.Raw(" ")
		w.params(p.DispParams)
		w.Raw(")")
	}
	if len(p.Language) == 0 {
		w.Raw(" NIL ")
	} else {
		w.Raw(" (")
		for i, l := range p.Language {
			if i > 0 {
				w.Raw(" ")
			}
			w.String(l)
		}
		w.Raw(") ")
	}
	w.NString(p.Location)
}

func (w *Writer) params(l []mail.Param) {
	if len(l) == 0 {
		w.Raw("NIL")
		return
	}
	w.Raw("(")
	for i, p := range l {
		if i > 0 {
			w.Raw(" ")
		}
		w.String(p.Name)
		w.Raw(" ")
		w.String(p.Value)
	}
	w.Raw(")")
}
