package smtpd

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"strconv"
	"strings"
)

// errAborted ends the body of a message whose sender went on to another
// command between two chunks.
var errAborted = errors.New("message was not finished")

// errEndless ends a connection that sends many times what is allowed.
var errEndless = errors.New("message far over the limit")

// body reads one message off the connection, by DATA or by BDAT, and ends with
// io.EOF. It looks at every line break: only CR LF is one (RFC 5321 §2.3.8),
// and only CR LF "." CR LF ends DATA. After a bare CR or LF the rest of the
// message is read but not given out, and bare is set.
type body struct {
	c       *conn
	chunked bool   // BDAT
	bare    bool   // a CR without LF or an LF without CR was met
	err     error  // at the end
	ready   []byte // to be given out; part of the connection's buffer

	inLine bool // DATA: not at the start of a line
	cr     bool // the last byte was a CR

	left int64 // BDAT: of this chunk
	size int64 // BDAT: of this chunk
	last bool  // BDAT: no more chunks

	total    int64 // bytes received
	progress int64 // bytes since the time limit was set
	timed    bool
}

// receive begins the body of the message go-smtp has just accepted.
func (c *conn) receive() *body {
	b := &body{c: c}
	if c.verb == "BDAT" {
		b.chunked, b.left, b.size, b.last = true, c.chunk.size, c.chunk.size, c.chunk.last
		c.chunk = chunk{}
	}
	return b
}

// Read implements io.Reader. It gives as much as has come in: a line at a time
// would be a system call each for who writes it to a file.
func (b *body) Read(p []byte) (n int, err error) {
	for n < len(p) {
		for len(b.ready) == 0 && b.err == nil {
			if n > 0 && b.c.br.Buffered() == 0 {
				return n, nil
			}
			b.fill()
		}
		if len(b.ready) == 0 {
			if n > 0 {
				return n, nil
			}
			return 0, b.err
		}
		got := copy(p[n:], b.ready)
		n, b.ready = n+got, b.ready[got:]
	}
	return n, nil
}

// discard reads on to the end of the message, or of the chunk with BDAT, whose
// further chunks are commands out of place.
func (b *body) discard() {
	b.ready = nil
	for b.err == nil {
		if b.chunked && b.left == 0 {
			b.err = io.EOF
			return
		}
		b.fill()
		b.ready = nil
	}
}

// fill gets the next piece.
func (b *body) fill() {
	if b.total > 4*b.c.srv.o.MaxMessageSize+maxSkippedChunk {
		b.fail(errEndless)
		return
	}
	if !b.timed || b.progress > dataProgress {
		b.timed, b.progress = true, 0
		if !b.c.wait(forUs, b.c.srv.o.DataTimeout) {
			b.fail(io.ErrUnexpectedEOF)
			return
		}
	}
	if b.chunked {
		b.fillChunk()
	} else {
		b.fillLine()
	}
}

// fail ends the body and, as what follows can't be told from it, the connection
// after the reply.
func (b *body) fail(err error) {
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	b.err = err
	b.c.ended = true
}

// fillLine reads a line of DATA, or a part of a long one, and takes the
// dot-stuffing off (RFC 5321 §4.5.2).
func (b *body) fillLine() {
	s, err := b.c.br.ReadSlice('\n')
	if err != nil && !errors.Is(err, bufio.ErrBufferFull) {
		b.fail(err)
		return
	}
	b.count(len(s))
	start := !b.inLine
	if start && string(s) == ".\r\n" {
		b.err = io.EOF
		return
	}
	whole := b.breaks(s)
	b.inLine = !whole
	if start && s[0] == '.' {
		s = s[1:]
	}
	if !b.bare {
		b.ready = s
	}
}

// breaks looks at the line breaks of a piece that has at most one LF, at its
// end, and tells whether it ends a line properly.
func (b *body) breaks(s []byte) (whole bool) {
	if b.cr && s[0] != '\n' {
		b.bare = true
	}
	text, lf := bytes.CutSuffix(s, []byte{'\n'})
	inner, cr := bytes.CutSuffix(text, []byte{'\r'})
	if bytes.IndexByte(inner, '\r') >= 0 {
		b.bare = true
	}
	whole = lf && (cr || b.cr && len(text) == 0)
	if lf && !whole {
		b.bare = true
	}
	b.cr = cr && !lf
	return whole
}

func (b *body) count(n int) {
	b.total += int64(n)
	b.progress += int64(n)
}

// fillChunk reads a piece of a chunk, or the command for the next one.
func (b *body) fillChunk() {
	if b.left == 0 {
		if b.last {
			b.bare = b.bare || b.cr
			b.err = io.EOF
			return
		}
		b.nextChunk()
		return
	}
	if _, err := b.c.br.Peek(1); err != nil {
		b.fail(err)
		return
	}
	s, err := b.c.br.Peek(int(min(b.left, int64(b.c.br.Buffered()))))
	if err != nil {
		b.fail(err)
		return
	}
	_, _ = b.c.br.Discard(len(s)) // they are buffered
	b.left -= int64(len(s))
	b.count(len(s))
	for line := range bytes.Lines(s) {
		b.breaks(line)
	}
	if !b.bare {
		b.ready = s
	}
}

// chunk is what a BDAT command announces.
type chunk struct {
	size int64
	last bool
}

// parseChunk reads the argument of BDAT (RFC 3030 §2).
func parseChunk(arg string) (chunk, bool) {
	number, end, more := strings.Cut(arg, " ")
	if more && !strings.EqualFold(strings.TrimSpace(end), "LAST") {
		return chunk{}, false
	}
	if number == "" || strings.Trim(number, "0123456789") != "" {
		return chunk{}, false
	}
	n, err := strconv.ParseInt(number, 10, 64)
	return chunk{size: n, last: more}, err == nil
}

// startChunks answers the first BDAT of a message. To go-smtp it is DATA.
func (c *conn) startChunks(arg string) {
	ch, ok := parseChunk(arg)
	if !ok {
		// Where its chunk ends, and so where the next command starts, can't be
		// known.
		c.hangUp("501 5.5.4 BDAT needs a size, and then nothing or LAST")
		return
	}
	c.chunk = ch
	c.pass("DATA", "")
}

// nextChunk acknowledges a chunk and waits for the next.
func (b *body) nextChunk() {
	c := b.c
	c.say("250 2.0.0 " + strconv.FormatInt(b.size, 10) + " octets received")
	for {
		line, ok := c.nextLine(maxAuthLine)
		b.timed = false
		if c.ended {
			b.err = io.ErrUnexpectedEOF
			return
		}
		if !ok {
			continue
		}
		line = bytes.Clone(line)
		verb, arg, ok := c.parse(line)
		switch {
		case c.ended:
			b.err = io.ErrUnexpectedEOF
			return
		case !ok:
		case verb == "BDAT":
			ch, ok := parseChunk(arg)
			if !ok {
				c.hangUp("501 5.5.4 BDAT needs a size, and then nothing or LAST")
				b.err = io.ErrUnexpectedEOF
				return
			}
			b.left, b.size, b.last = ch.size, ch.size, ch.last
			return
		case verb == "NOOP":
			if c.idle++; c.idle > maxIdleCommands {
				c.hangUp(tooManyErrors)
				b.err = io.ErrUnexpectedEOF
				return
			}
			c.answer("250 2.0.0 OK")
		case verb == "RSET", verb == "QUIT", verb == "EHLO", verb == "HELO":
			b.err, c.replay = errAborted, line
			return
		default:
			c.answer("503 5.5.1 In the middle of a message, continue with BDAT or RSET")
		}
	}
}
