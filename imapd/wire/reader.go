package wire

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"
)

// Limits of one command. Zero values mean the defaults named.
type Limits struct {
	Line    int   // bytes of a command beside its literals; 64 KiB
	Literal int64 // bytes of all its literals but APPEND's message; 128 KiB
	Depth   int   // of parentheses and NOT in SEARCH; 32
}

const (
	defaultLine    = 64 << 10
	defaultLiteral = 128 << 10
	defaultDepth   = 32
	maxTag         = 64
	maxListed      = 1000 // members of a list of flags, header names, patterns, search keys or ranges
)

// readerSize is the buffer of a Reader: most commands fit, and what is read in
// large pieces does not go through it. It is there as long as the connection.
const readerSize = 1 << 10

// ErrTooLong is a command beyond Limits.Line or Limits.Literal. What the client
// sends next can't be told from the rest of it: say BYE.
var ErrTooLong = errors.New("command too long")

// SyntaxError is a command that was read to its end but not understood: answer
// it with BAD and go on. Tag is "*" when it was not readable.
type SyntaxError struct{ Tag, Text string }

// Error implements error.
func (e *SyntaxError) Error() string { return "syntax error: " + e.Text }

// BadCharsetError is a SEARCH in a charset that is not known: answer NO
// [BADCHARSET].
type BadCharsetError struct{ Tag, Charset string }

// Error implements error.
func (e *BadCharsetError) Error() string { return fmt.Sprintf("charset %q is not known", e.Charset) }

// Reader reads commands from a client. It is for one goroutine.
type Reader struct {
	br   *bufio.Reader
	lim  Limits
	cont func(text string) error
	utf8 bool

	line     []byte // what was read of the current line
	used     int    // bytes of the command beside literals
	literals int64
	ended    bool  // the command's last line break was read
	err      error // the first failure of this command
	message  appending
}

// NewReader reads from r. cont is called for a synchronising literal: it sends
// "+ text" and flushes.
func NewReader(r io.Reader, lim Limits, cont func(text string) error) *Reader {
	if lim.Line == 0 {
		lim.Line = defaultLine
	}
	if lim.Literal == 0 {
		lim.Literal = defaultLiteral
	}
	if lim.Depth == 0 {
		lim.Depth = defaultDepth
	}
	return &Reader{br: bufio.NewReaderSize(r, readerSize), lim: lim, cont: cont}
}

// SetUTF8 tells that mailbox names come in UTF-8, not in modified UTF-7
// (IMAP4rev2 or UTF8=ACCEPT is enabled).
func (r *Reader) SetUTF8(on bool) { r.utf8 = on }

// Buffered is the number of bytes received but not read yet.
func (r *Reader) Buffered() int { return r.br.Buffered() }

// Reset goes on with another stream (after STARTTLS).
func (r *Reader) Reset(s io.Reader) { r.br.Reset(s) }

// ReadLine reads one line outside of commands: a SASL response, or DONE. It
// gives ErrTooLong beyond max bytes.
func (r *Reader) ReadLine(max int) ([]byte, error) {
	var line []byte
	for {
		b, err := r.br.ReadByte()
		if err != nil {
			return nil, err
		}
		if b == '\n' {
			return bytes.TrimSuffix(line, []byte{'\r'}), nil
		}
		if line = append(line, b); len(line) > max {
			return nil, ErrTooLong
		}
	}
}

// fail notes the first syntax error of the command.
func (r *Reader) fail(format string, args ...any) {
	if r.err == nil {
		r.err = &SyntaxError{Text: fmt.Sprintf(format, args...)}
	}
}

// peek is the next byte; '\n' at the end of the command, 0 after a failure.
func (r *Reader) peek() byte {
	if r.err != nil || r.ended {
		return 0
	}
	b, err := r.br.Peek(1)
	if err != nil {
		r.err = err
		return 0
	}
	if b[0] == '\r' {
		if b, err = r.br.Peek(2); err == nil && b[1] == '\n' {
			return '\n'
		}
		return '\r'
	}
	return b[0]
}

// next takes the next byte of the line.
func (r *Reader) next() byte {
	b := r.peek()
	if r.err != nil || b == '\n' {
		return 0
	}
	if r.used++; r.used > r.lim.Line {
		r.err = ErrTooLong
		return 0
	}
	if _, err := r.br.Discard(1); err != nil {
		r.err = err
		return 0
	}
	r.line = append(r.line, b)
	return b
}

// take takes b when it is next.
func (r *Reader) take(b byte) bool {
	if r.peek() != b || r.err != nil {
		return false
	}
	r.next()
	return true
}

// need takes b or fails.
func (r *Reader) need(b byte) {
	if !r.take(b) {
		if b == ' ' {
			r.fail("a space is missing")
			return
		}
		r.fail("%q is missing", string(b))
	}
}

// lineEnd takes the line break; trailing spaces, which some clients send, are
// passed over.
func (r *Reader) lineEnd() {
	if r.ended {
		return // it was refused at a literal that the client has not sent
	}
	for r.take(' ') {
	}
	switch r.peek() {
	case '\n':
		r.breakLine()
	default:
		r.fail("more than the command takes")
	}
}

func (r *Reader) breakLine() {
	b, err := r.br.ReadByte()
	if err == nil && b == '\r' {
		_, err = r.br.ReadByte()
	}
	if err != nil && r.err == nil {
		r.err = err
	}
	r.ended = true
}

// announced matches a literal's announcement at the end of a line.
var announced = regexp.MustCompile(`~?\{([0-9]{1,19})(\+?)\}$`)

// maxSkipped bounds what is read over to find the end of a bad command.
const maxSkipped = 64 << 20

// resync reads to the end of a command that was not understood, the literals
// the client sends without waiting included.
func (r *Reader) resync() error {
	skipped := int64(0)
	for !r.ended {
		b, err := r.br.ReadByte()
		if err != nil {
			return err
		}
		if skipped++; skipped > maxSkipped {
			return ErrTooLong
		}
		if b != '\n' {
			if r.line = append(r.line, b); len(r.line) > 64 {
				r.line = append(r.line[:0], r.line[len(r.line)-32:]...)
			}
			continue
		}
		m := announced.FindSubmatch(bytes.TrimSuffix(r.line, []byte{'\r'}))
		r.line = r.line[:0]
		if m == nil || len(m[2]) == 0 {
			return nil // a client that waits for "+" gets BAD instead
		}
		n, err := strconv.ParseInt(string(m[1]), 10, 64)
		if err != nil || skipped+n > maxSkipped {
			return ErrTooLong
		}
		if _, err := io.CopyN(io.Discard, r.br, n); err != nil {
			return err
		}
		skipped += n
	}
	return nil
}

// announce reads "{n}" or "{n+}" and its line break.
func (r *Reader) announce() (size int64, sync bool) {
	r.need('{')
	size = r.number64()
	sync = !r.take('+')
	r.need('}')
	if r.err == nil && r.peek() != '\n' {
		r.fail("a line break is missing after a literal's size")
	}
	if r.err != nil {
		return 0, false
	}
	r.breakLine()
	r.ended, r.line = false, r.line[:0]
	return size, sync
}

// literal reads a literal of a command.
func (r *Reader) literal() string {
	size, sync := r.announce()
	if r.err != nil {
		return ""
	}
	if r.literals += size; r.literals > r.lim.Literal {
		if sync { // the client waits, so the command has ended
			r.ended = true
			r.fail("literal of %d bytes is too big", size)
			return ""
		}
		r.err = ErrTooLong
		return ""
	}
	s := r.literalBytes(size, sync)
	if strings.IndexByte(s, 0) >= 0 {
		r.fail("NUL in a literal")
	}
	return s
}

// literalBytes reads what was announced, after the client was told to go on when
// it waits for that.
func (r *Reader) literalBytes(size int64, sync bool) string {
	if sync {
		if err := r.cont("go ahead"); err != nil {
			r.err = err
			return ""
		}
	}
	b := make([]byte, size)
	if _, err := io.ReadFull(r.br, b); err != nil {
		r.err = err
		return ""
	}
	return string(b)
}

// finish turns the command's failure into what the session is told.
func (r *Reader) finish(tag string) error {
	if r.err == nil {
		return nil
	}
	if s, ok := errors.AsType[*SyntaxError](r.err); ok {
		s.Tag = tag
		if err := r.resync(); err != nil {
			return err
		}
		return s
	}
	if c, ok := errors.AsType[*BadCharsetError](r.err); ok {
		c.Tag = tag
		if err := r.resync(); err != nil {
			return err
		}
	}
	return r.err
}

func upper(s string) string { return strings.ToUpper(s) }
