package transfer

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"

	"mailstead/internal/spool"
)

// mboxBuffer is the longest line that is looked at as a whole, in bytes; what
// is longer is passed on in pieces.
const mboxBuffer = 64 << 10

var errNoMbox = errors.New(`is no mbox: it does not begin with "From "`)

// mboxReader reads the messages of an mbox one after the other.
type mboxReader struct {
	src     io.ReaderAt
	size    int64
	lengths bool // mboxcl2: believe Content-Length where it fits
	r       *bufio.Reader
	off     int64 // of the next line
	from    string
	started bool
}

// mboxMessage is one message of an mbox.
type mboxMessage struct {
	state
	at   int64 // of its From_ line
	from string
	own  *own
	body *spool.File
}

func newMboxReader(src io.ReaderAt, size int64, lengths bool) *mboxReader {
	m := &mboxReader{src: src, size: size, lengths: lengths, r: bufio.NewReaderSize(nil, mboxBuffer)}
	m.seek(0)
	return m
}

func (m *mboxReader) seek(off int64) {
	m.off = off
	m.r.Reset(io.NewSectionReader(m.src, off, m.size-off))
}

// line reads a line or a piece of one; whole tells that it begins a line. The
// bytes are good until the next call.
func (m *mboxReader) line() (b []byte, err error) {
	b, err = m.r.ReadSlice('\n')
	m.off += int64(len(b))
	if errors.Is(err, bufio.ErrBufferFull) || err == io.EOF && len(b) > 0 {
		err = nil
	}
	return b, err
}

// begin finds the first From_ line.
func (m *mboxReader) begin() error {
	m.started = true
	for {
		b, err := m.line()
		if err != nil {
			return err // io.EOF: nothing but empty lines
		}
		text, _ := cutEnd(b)
		if len(text) == 0 {
			continue
		}
		if !bytes.HasPrefix(text, []byte(fromPrefix)) {
			return errNoMbox
		}
		m.from = string(text)
		return nil
	}
}

// cutEnd divides a line from its end.
func cutEnd(b []byte) (text []byte, end string) {
	switch {
	case bytes.HasSuffix(b, []byte("\r\n")):
		return b[:len(b)-2], "\r\n"
	case bytes.HasSuffix(b, []byte("\n")):
		return b[:len(b)-1], "\n"
	}
	return b, ""
}

// next gives the next message; the caller closes its body. io.EOF: there is no
// more.
func (m *mboxReader) next() (_ *mboxMessage, err error) {
	if !m.started {
		if err := m.begin(); err != nil {
			return nil, err
		}
	}
	if m.from == "" {
		return nil, io.EOF
	}
	msg := &mboxMessage{at: m.off, from: m.from, body: spool.Dir{}.New()}
	msg.length, m.from = -1, ""
	defer func() {
		if err != nil {
			err = errors.Join(err, msg.body.Close())
		}
	}()
	w := &mboxWriter{w: bufio.NewWriterSize(msg.body, 4096)}
	if err := m.message(msg, w); err != nil {
		return nil, fmt.Errorf("message at byte %d: %w", msg.at, err)
	}
	return msg, w.finish(msg.own != nil && msg.own.open)
}

// message reads to the next From_ line or the end of the file.
func (m *mboxReader) message(msg *mboxMessage, w *mboxWriter) error {
	h := mboxHeader{msg: msg, w: w}
	blank, inside, piece := false, true, false // the line before was empty; in the header; within a long line
	for {
		b, err := m.line()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		text, end := cutEnd(b)
		if piece {
			if !inside || !h.drop {
				w.put(text, end, true)
			}
			piece = end == ""
			continue
		}
		if blank && isFromLine(text) {
			m.from = string(text)
			return nil
		}
		if w.lines == "" && end != "" {
			w.lines = end
		}
		if blank, piece = len(text) == 0, end == ""; inside {
			if inside = h.line(text, end); !inside && m.byLength(msg) {
				return m.fixed(msg, w)
			}
			continue
		}
		if quoted(text) {
			text = text[1:]
		}
		w.put(text, end, false)
	}
}

// byLength tells whether the message's Content-Length leads to its end.
func (m *mboxReader) byLength(msg *mboxMessage) bool {
	if !m.lengths || msg.length < 0 || msg.own != nil || m.off+msg.length > m.size {
		return false
	}
	after := make([]byte, len("\r\n")+len(fromPrefix))
	n, _ := m.src.ReadAt(after, m.off+msg.length) // a bad read shows again when the message is read
	rest := bytes.TrimLeft(after[:n], "\r\n")
	return len(rest) == 0 || bytes.HasPrefix(rest, []byte(fromPrefix)[:min(len(rest), len(fromPrefix))])
}

// fixed copies a body of known length and goes to the From_ line after it.
func (m *mboxReader) fixed(msg *mboxMessage, w *mboxWriter) error {
	end := m.off + msg.length
	for m.off < end {
		b, err := m.line()
		if err != nil {
			return err
		}
		if over := m.off - end; over > 0 {
			b = b[:len(b)-int(over)]
		}
		text, eol := cutEnd(b)
		w.put(text, eol, false)
	}
	w.exact = true
	m.seek(end)
	for {
		b, err := m.line()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		if text, _ := cutEnd(b); len(text) > 0 {
			m.from = string(text)
			return nil
		}
	}
}

// mboxHeader reads the header of a message.
type mboxHeader struct {
	msg   *mboxMessage
	w     *mboxWriter
	begun bool
	left  int  // fields of our own to come
	drop  bool // continuation lines belong to a field that was taken out
}

// line takes a line of the header and tells whether there is more of it.
func (h *mboxHeader) line(text []byte, end string) bool {
	name, value, isField := strings.Cut(string(text), ":")
	if !h.begun {
		h.begun = true
		if o, ok := readOwn(value); ok && name == ownField {
			h.msg.own, h.left, h.w.kept = &o, o.fields, o.kept
			return o.fields > 0
		}
	}
	if h.msg.own != nil {
		h.msg.read(name, value)
		h.left--
		return h.left > 0
	}
	if folded := len(text) > 0 && (text[0] == ' ' || text[0] == '\t'); folded {
		if !h.drop {
			h.w.put(text, end, false)
		}
		return true
	}
	if h.drop = isField && h.msg.read(name, value); !h.drop {
		h.w.put(text, end, false)
	}
	return len(text) > 0
}

// mboxWriter writes the lines of a message with the ends they are to have, and
// without the empty line before the next From_ line.
type mboxWriter struct {
	w     *bufio.Writer
	lines string // how the first line ends; "\n": all get CRLF
	kept  bool   // whatever the first line is
	exact bool   // the empty line before From_ has not been put

	end   string // of the line before, not written yet
	blank string // of an empty line after that
	err   error
}

// put takes a line, or with more what goes on with it.
func (w *mboxWriter) put(text []byte, end string, more bool) {
	if w.lines == "\n" && !w.kept && end == "\n" {
		end = "\r\n"
	}
	if len(text) == 0 && !more {
		if w.blank != "" {
			w.write(w.end)
			w.end = w.blank
		}
		w.blank = end
		return
	}
	w.flush()
	if w.err == nil {
		_, w.err = w.w.Write(text)
	}
	w.end = end
}

func (w *mboxWriter) write(s string) {
	if w.err == nil {
		_, w.err = w.w.WriteString(s)
	}
}

// flush writes what was held back.
func (w *mboxWriter) flush() {
	w.write(w.end + w.blank)
	w.end, w.blank = "", ""
}

// finish writes the end of the message; open leaves out its last line end.
func (w *mboxWriter) finish(open bool) error {
	if !w.exact {
		w.blank = ""
	}
	switch {
	case open && w.kept:
		w.end = strings.TrimSuffix(w.end, "\n")
	case open:
		w.end = ""
	}
	w.flush()
	if w.err != nil {
		return w.err
	}
	return w.w.Flush()
}
