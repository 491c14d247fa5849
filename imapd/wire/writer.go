package wire

import (
	"bufio"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"mailstead/mail"
)

// Writer writes responses. Errors stay in it and come out of Flush. It is for
// one goroutine.
type Writer struct {
	bw   *bufio.Writer
	to   flusher // nil: Flush need not go further
	utf8 bool
}

// flusher is a stream that keeps bytes back until it is flushed.
type flusher interface{ Flush() error }

// NewWriter writes to s. When s has a method Flush, that is called too when the
// Writer is flushed.
func NewWriter(s io.Writer) *Writer {
	w := &Writer{bw: bufio.NewWriterSize(s, 16<<10)}
	w.to, _ = s.(flusher)
	return w
}

// SetUTF8 tells that the client takes UTF-8 in quoted strings and mailbox names
// (IMAP4rev2 or UTF8=ACCEPT is enabled).
func (w *Writer) SetUTF8(on bool) { w.utf8 = on }

// Flush sends what was written.
func (w *Writer) Flush() error {
	if err := w.bw.Flush(); err != nil || w.to == nil {
		return err
	}
	return w.to.Flush()
}

// Reset goes on with another stream (after COMPRESS).
func (w *Writer) Reset(s io.Writer) {
	w.bw.Reset(s)
	w.to, _ = s.(flusher)
}

// Raw writes s as it is.
func (w *Writer) Raw(s string) { w.bw.WriteString(s) }

// End ends a response.
func (w *Writer) End() { w.bw.WriteString("\r\n") }

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
	w.Raw("* " + strconv.FormatUint(uint64(n), 10) + " " + word + "\r\n")
}

// String writes a string: quoted when that can be, else as a literal. NUL, which
// neither may hold, becomes a space.
func (w *Writer) String(s string) {
	quote, escape := len(s) <= 4096, false
	for i := range len(s) {
		switch c := s[i]; {
		case c == 0:
			s = strings.ReplaceAll(s, "\x00", " ")
		case c == '\r' || c == '\n' || c >= 0x80 && !w.utf8:
			quote = false
		case c == '"' || c == '\\':
			escape = true
		}
	}
	if !quote || w.utf8 && !utf8.ValidString(s) {
		fmt.Fprintf(w.bw, "{%d}\r\n%s", len(s), s)
		return
	}
	if escape {
		s = strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s)
	}
	w.Raw(`"` + s + `"`)
}

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

// Literal streams size bytes of r as a literal; what r is short of is filled
// with spaces, so that the client keeps in step, and the error returned.
func (w *Writer) Literal(size int64, r io.Reader) error { return w.literal("{", size, r) }

// LiteralBinary is Literal for content that may hold NUL (RFC 3516 literal8).
func (w *Writer) LiteralBinary(size int64, r io.Reader) error { return w.literal("~{", size, r) }

func (w *Writer) literal(open string, size int64, r io.Reader) error {
	fmt.Fprintf(w.bw, "%s%d}\r\n", open, size)
	n, err := io.Copy(w.bw, io.LimitReader(r, size))
	if n == size {
		return err
	}
	if err == nil {
		err = io.ErrUnexpectedEOF
	}
	for ; n < size; n++ {
		if w.bw.WriteByte(' ') != nil {
			break
		}
	}
	return err
}

// InternalDate writes a date-time.
func (w *Writer) InternalDate(t time.Time) { w.Raw(t.Format(`"_2-Jan-2006 15:04:05 -0700"`)) }

// ListExtra is the extended data of a LIST response.
type ListExtra struct {
	ChildInfo bool   // ("CHILDINFO" ("SUBSCRIBED")), RFC 5258 §3.5
	OldName   string // ("OLDNAME" ("old")), RFC 9051 §6.3.9.7
}

// List writes a LIST response. An empty name is that of the delimiter query.
func (w *Writer) List(attributes []string, name string, x ListExtra) {
	w.Raw("* LIST (" + strings.Join(attributes, " ") + `) "/" `)
	w.Mailbox(name)
	switch {
	case x.ChildInfo:
		w.Raw(` ("CHILDINFO" ("SUBSCRIBED"))`)
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
	for _, l := range [][]mail.Mailbox{e.From, e.Sender, e.ReplyTo, e.To, e.Cc, e.Bcc} {
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
	for _, a := range l {
		w.Raw("(")
		for i, s := range []string{a.Name, a.Route, a.Local, a.Host} {
			if i > 0 {
				w.Raw(" ")
			}
			w.NString(s)
		}
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
	fmt.Fprintf(w.bw, " %d", p.End-p.BodyStart)
	switch {
	case p.Envelope != nil && len(p.Children) > 0:
		w.Raw(" ")
		w.Envelope(p.Envelope)
		w.Raw(" ")
		w.BodyStructure(p.Children[0], extended)
		fmt.Fprintf(w.bw, " %d", p.Lines)
	case p.Type == "text":
		fmt.Fprintf(w.bw, " %d", p.Lines)
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
