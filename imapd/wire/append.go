package wire

import (
	"bytes"
	"io"
	"time"

	"github.com/emersion/go-imap/v2"
)

// APPEND and REPLACE are the commands that do not fit into memory: they are read
// piece by piece. ReadCommand stops before the first part of the first message;
// then, for each part, Literal when it has one, and NextAppend. SkipAppend ends
// the command at any point.

// AppendArgs of APPEND and REPLACE.
type AppendArgs struct {
	Mailbox string
	// Replaced is the message of REPLACE, nil for APPEND.
	Replaced imap.NumSet
	First    AppendMessage
}

// AppendMessage is the beginning of a message.
type AppendMessage struct {
	Flags []imap.Flag
	Date  time.Time // zero when not given
	Part  AppendPart
}

// AppendPart is a literal or, with CATENATE (RFC 4469), the URL of what goes
// into its place.
type AppendPart struct {
	URL    string
	Size   int64
	UTF8   bool // RFC 6855 §4
	Binary bool // literal8
}

// appending is the state of a command whose messages are being read.
type appending struct {
	open     bool
	single   bool // REPLACE
	catenate bool
	parts    int // of a CATENATE
	part     AppendPart
	sync     bool
	left     *io.LimitedReader // of the literal, once it is read
}

func (r *Reader) appendArgs() (a AppendArgs) {
	a.Mailbox = r.arg(r.mailbox)
	r.need(' ')
	a.First = r.appendMessage()
	return a
}

// replaceArgs is RFC 8508 §5.
func (r *Reader) replaceArgs(uid bool) (a AppendArgs) {
	r.message.single = true
	r.need(' ')
	n := r.setNumber()
	if uid {
		if n == 0 {
			r.fail("UID REPLACE takes one UID")
		}
		a.Replaced = imap.UIDSetNum(imap.UID(n))
	} else {
		a.Replaced = imap.SeqSet{{Start: n, Stop: n}}
	}
	a.Mailbox = r.arg(r.mailbox)
	r.need(' ')
	a.First = r.appendMessage()
	return a
}

// appendMessage is RFC 4466 §6 append-message, without the space before it.
func (r *Reader) appendMessage() (m AppendMessage) {
	if r.peek() == '(' {
		m.Flags = r.flags()
		r.need(' ')
	}
	if r.peek() == '"' {
		m.Date = r.dateTime()
		r.need(' ')
	}
	r.message.catenate, r.message.parts = false, 0
	if b := r.peek(); b == '{' || b == '~' {
		m.Part = r.appendLiteral(false)
		return m
	}
	switch r.keyword() {
	case "UTF8":
		r.need(' ')
		r.need('(')
		m.Part = r.appendLiteral(true)
	case "CATENATE":
		r.need(' ')
		r.need('(')
		r.message.catenate = true
		m.Part = r.catenatePart()
	default:
		r.fail("a message is missing")
	}
	return m
}

// appendLiteral reads the announcement of a literal.
func (r *Reader) appendLiteral(utf8 bool) (p AppendPart) {
	p.UTF8, p.Binary = utf8, r.take('~')
	if utf8 && !p.Binary {
		r.fail("UTF8 needs a literal8")
	}
	p.Size, r.message.sync = r.announce()
	r.openPart(p)
	return p
}

func (r *Reader) openPart(p AppendPart) {
	if r.err == nil {
		r.message.open, r.message.part, r.message.left = true, p, nil
	}
}

// catenatePart is RFC 4469 §5 cat-part, with RFC 6855 §4.
func (r *Reader) catenatePart() (p AppendPart) {
	if r.message.parts++; r.message.parts > maxListed {
		r.fail("CATENATE of too many parts")
	}
	switch r.keyword() {
	case "TEXT":
		r.need(' ')
		return r.appendLiteral(false)
	case "URL":
		r.need(' ')
		if p.URL = r.astring(); p.URL == "" {
			r.fail("an empty URL")
		}
		r.openPart(p)
	case "UTF8":
		r.need(' ')
		r.need('(')
		return r.appendLiteral(true)
	default:
		r.fail("CATENATE knows TEXT, URL and UTF8")
	}
	return p
}

// Literal gives the literal of the part that comes now, after the client was
// told to go on when it waits for that. What is not read of it is passed over.
func (r *Reader) Literal() (io.Reader, error) {
	if r.message.sync {
		if err := r.cont("go ahead"); err != nil {
			return nil, err
		}
	}
	r.message.left = &io.LimitedReader{R: r.br, N: r.message.part.Size}
	return r.message.left, nil
}

// NextAppend reads on behind a part: another part of the message, or another
// message with its first part, or, when it gives neither, the end of the
// command. The error is a *SyntaxError when what comes is nothing of these; the
// command is over then.
func (r *Reader) NextAppend(tag string) (*AppendMessage, *AppendPart, error) {
	m := &r.message
	if m.part.URL == "" {
		if err := r.endLiteral(); err != nil {
			return nil, nil, err
		}
	}
	m.open = false
	r.literals = 0
	if m.part.UTF8 {
		r.need(')')
	}
	if m.catenate {
		if r.take(' ') {
			p := r.catenatePart()
			return nil, &p, r.finish(tag)
		}
		r.need(')')
	}
	if !m.single && r.peek() == ' ' {
		for r.take(' ') {
		}
		if r.peek() != '\n' {
			r.used = 0
			next := r.appendMessage()
			return &next, &next.Part, r.finish(tag)
		}
	}
	r.lineEnd()
	return nil, nil, r.finish(tag)
}

// endLiteral passes over what is left of a literal.
func (r *Reader) endLiteral() error {
	l := r.message.left
	if l == nil && !r.message.sync {
		l = &io.LimitedReader{R: r.br, N: r.message.part.Size}
	}
	if l != nil && l.N > 0 {
		if _, err := io.Copy(io.Discard, l); err != nil {
			return err
		}
		if l.N > 0 {
			return io.ErrUnexpectedEOF
		}
	}
	r.ended, r.line = false, r.line[:0]
	return nil
}

// SkipAppend refuses the rest of the command: what the client sends anyway is
// read over.
func (r *Reader) SkipAppend() error {
	m := &r.message
	m.open = false
	if m.part.URL != "" {
		return r.resync()
	}
	if m.left == nil && m.sync {
		return nil // the client waits for "+" and gets the answer instead
	}
	if err := r.endLiteral(); err != nil {
		return err
	}
	return r.resync()
}

// ParseSection reads what stands between the brackets of BODY[...].
func ParseSection(s string) (FetchItem, bool) {
	r := NewReader(bytes.NewReader([]byte("["+s+"]\r\n")), Limits{}, func(string) error { return errNoLiteral })
	it := FetchItem{Kind: FetchSection, Peek: true}
	r.section(&it)
	if r.err == nil && r.peek() != '\n' {
		r.fail("more than a section")
	}
	return it, r.err == nil
}

// Catenates tells whether the part that comes now is one of a CATENATE.
func (r *Reader) Catenates() bool { return r.message.catenate }
