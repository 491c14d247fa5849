package wire

import (
	"bytes"
	"io"
	"strconv"
	"sync"
	"time"
)

// bufferSize is how many bytes are gathered before they are written.
const bufferSize = 64 << 10

// Pool holds the buffers of writers that have nothing to write. Safe for
// concurrent use.
type Pool struct{ free sync.Pool }

// NewPool makes an empty one.
func NewPool() *Pool {
	return &Pool{free: sync.Pool{New: func() any { b := make([]byte, 0, bufferSize); return &b }}}
}

// NewWriter makes a Writer to s that takes its buffers from the pool. When s has
// a method Flush, that is called too when the Writer is flushed.
func (p *Pool) NewWriter(s io.Writer) *Writer {
	w := &Writer{pool: p}
	w.Reset(s)
	return w
}

// room makes room for n bytes, which must be fewer than bufferSize.
func (w *Writer) room(n int) {
	if w.home == nil {
		w.home = w.pool.free.Get().(*[]byte)
		w.buf = (*w.home)[:0]
	}
	if len(w.buf)+n > cap(w.buf) {
		w.spill()
	}
}

// roomy is how many bytes a piece that is appended whole mostly takes at most.
const roomy = 4 << 10

// begin gives the buffer to append a piece to, end takes it back. A piece of
// more than roomy bytes may take an array of its own.
func (w *Writer) begin() []byte {
	w.room(roomy)
	return w.buf
}

func (w *Writer) end(b []byte) {
	w.buf = b
	if cap(b) > cap(*w.home) {
		w.spill()
		w.buf = (*w.home)[:0]
	}
}

// spill writes what waits. After an error nothing more is written.
func (w *Writer) spill() {
	if len(w.buf) > 0 && w.err == nil {
		_, w.err = w.s.Write(w.buf)
	}
	w.buf = w.buf[:0]
}

// Flush sends what was written.
func (w *Writer) Flush() error {
	if w.home != nil {
		w.spill()
		w.pool.free.Put(w.home)
		w.home, w.buf = nil, nil
	}
	if w.err != nil || w.to == nil {
		return w.err
	}
	return w.to.Flush()
}

// Reset goes on with another stream (after COMPRESS).
func (w *Writer) Reset(s io.Writer) {
	w.s, w.err = s, nil
	w.to, _ = s.(flusher)
	if w.home != nil {
		w.pool.free.Put(w.home)
		w.home, w.buf = nil, nil
	}
}

// Raw writes s as it is.
func (w *Writer) Raw(s string) {
	if len(w.buf)+len(s) <= cap(w.buf) {
		w.buf = append(w.buf, s...)
		return
	}
	for len(s) > 0 {
		n := min(len(s), bufferSize/2)
		w.room(n)
		w.buf = append(w.buf, s[:n]...)
		s = s[n:]
	}
}

// Bytes writes b as it is.
func (w *Writer) Bytes(b []byte) {
	if len(b) <= bufferSize/2 {
		w.room(len(b))
		w.buf = append(w.buf, b...)
		return
	}
	w.spill()
	if w.err == nil {
		_, w.err = w.s.Write(b)
	}
}

// Num writes a number.
func (w *Writer) Num(n int64) {
	w.room(20)
	w.buf = strconv.AppendInt(w.buf, n, 10)
}

// InternalDate writes a date-time.
func (w *Writer) InternalDate(t time.Time) {
	w.room(64)
	w.buf = appendDateTime(w.buf, t)
}

const dateTime = `"_2-Jan-2006 15:04:05 -0700"`

// appendDateTime is t.AppendFormat(b, dateTime) in a third of the time.
func appendDateTime(b []byte, t time.Time) []byte {
	_, zone := t.Zone()
	local := time.Unix(t.Unix()+int64(zone), 0).UTC()
	year, month, day := local.Date()
	if year < 1000 || year > 9999 || zone%60 != 0 || zone <= -100*3600 || zone >= 100*3600 {
		return t.AppendFormat(b, dateTime)
	}
	hour, minute, second := local.Clock()
	sign := byte('+')
	if zone < 0 {
		sign, zone = '-', -zone
	}
	tens := byte(' ')
	if day >= 10 {
		tens = '0' + byte(day/10)
	}
	const months = "JanFebMarAprMayJunJulAugSepOctNovDec"
	b = append(b, '"', tens, '0'+byte(day%10), '-')
	b = append(b, months[3*month-3:3*month]...)
	b = append(b, '-')
	b = append2(append2(b, year/100), year%100)
	b = append2(append(b, ' '), hour)
	b = append2(append(b, ':'), minute)
	b = append2(append(b, ':'), second)
	b = append2(append(b, ' ', sign), zone/3600)
	return append(append2(b, zone/60%60), '"')
}

// append2 appends a number of two digits.
func append2(b []byte, n int) []byte { return append(b, '0'+byte(n/10), '0'+byte(n%10)) }

// Literal streams size bytes of r as a literal; what r is short of is filled
// with spaces, so that the client keeps in step, and the error returned.
func (w *Writer) Literal(size int64, r io.Reader) error { return w.literal("{", size, r) }

// LiteralBinary is Literal for content that may hold NUL (RFC 3516 literal8).
func (w *Writer) LiteralBinary(size int64, r io.Reader) error { return w.literal("~{", size, r) }

// LiteralBytes writes a literal. NUL, which it must not hold (RFC 9051 §4.3),
// becomes 0x80: the size must stay.
func (w *Writer) LiteralBytes(b []byte) {
	w.announce("{", int64(len(b)))
	if bytes.IndexByte(b, 0) >= 0 {
		b = bytes.ReplaceAll(b, []byte{0}, []byte{0x80})
	}
	w.Bytes(b)
}

func (w *Writer) announce(open string, size int64) {
	w.Raw(open)
	w.Num(size)
	w.Raw("}\r\n")
}

func (w *Writer) literal(open string, size int64, r io.Reader) error {
	w.announce(open, size)
	for size > 0 {
		w.room(int(min(size, bufferSize/4)))
		at := len(w.buf)
		n, err := r.Read(w.buf[at:min(int64(cap(w.buf)), int64(at)+size)])
		w.buf, size = w.buf[:at+n], size-int64(n)
		if err == nil || size == 0 && err == io.EOF {
			continue
		}
		for ; size > 0; size-- {
			w.Raw(" ")
		}
		if err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		return err
	}
	return w.err
}
