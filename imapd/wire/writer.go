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

// Challenge sends one of SASL, in base64; an empty one is nothing behind the
// space (RFC 9051 §9, continue-req).
func (w *Writer) Challenge(base64 string) { w.Raw("+ " + base64 + "\r\n") }

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
	if len(s) > maxQuoted {
		w.longString(s)
		return
	}
	w.end(appendString(w.begin(), s, w.utf8))
}

// longString is String for one that is not written quoted.
func (w *Writer) longString(s string) {
	s = withoutNUL(s)
	w.announce("{", int64(len(s)))
	w.Raw(s)
}

// Quoted gives what String writes.
func (w *Writer) Quoted(s string) string { return string(appendString(nil, s, w.utf8)) }

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
