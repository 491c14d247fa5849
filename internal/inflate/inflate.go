// Package inflate reads raw DEFLATE (RFC 1951) from a peer that talks: every
// byte that can be decoded from what has arrived is handed out before more is
// waited for, whichever flush the peer uses, and a Reader takes little memory as
// long as the peer says little. For files and the like compress/flate is
// faster.
package inflate

import (
	"errors"
	"io"
)

const (
	windowSize = 32 << 10
	bufferSize = 2 << 10
	flushBytes = 5 // of an empty stored block
)

// ErrCorrupt is a stream that is no DEFLATE.
var ErrCorrupt = errors.New("deflate stream is corrupt")

// errMore is that the bits received do not suffice for the next step.
var errMore = errors.New("more input needed")

// state is what comes next in the stream.
type state uint8

const (
	atHeader  state = iota // of a block
	atStored               // its length
	inStored               // its bytes
	atCounts               // of a dynamic block's codes
	atLengths              // the lengths of the code for lengths
	atCodes                // the lengths of the two codes
	inBlock                // symbols
	atEnd                  // of the last block
)

// Reader decodes a stream. It is for one goroutine.
type Reader struct {
	r        io.Reader
	buf      []byte
	pos, end int // what of buf is not in bits yet

	bits uint64
	n    uint // number of bits

	state  state
	final  bool
	stored int // bytes left of a stored block
	copies int // bytes left of a match
	dist   int // of the match
	output int // bytes that the current block gave
	blocks int
	err    error

	ending bool // End was called
	ended  bool // and the end found
	late   int  // bytes of a flush that may come behind it
	plain  []byte

	window []byte // grows to windowSize, then is a ring
	next   int    // where the ring is written next

	nlit, ndist, nlen, have int
	lengths                 [320]uint8
	lit, distances          code
}

// NewReader decodes what r gives.
func NewReader(r io.Reader) *Reader { return &Reader{r: r, buf: make([]byte, bufferSize)} }

// Read implements io.Reader. It waits for r only when nothing more can be
// decoded, and gives nothing behind a flush together with what is before it.
func (z *Reader) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	if z.ending {
		return z.readPlain(p)
	}
	for {
		if z.err != nil {
			return 0, z.err
		}
		n := 0
		for n < len(p) {
			k, err := z.step(p[n:])
			n += k
			if err == errMore {
				break
			}
			if err != nil {
				z.err = err
				break
			}
			if n > 0 && z.flushed() {
				break
			}
		}
		if n > 0 {
			return n, nil
		}
		if z.err == nil {
			z.fill()
		}
	}
}

// fill waits for input.
func (z *Reader) fill() {
	n, err := z.r.Read(z.buf)
	z.pos, z.end = 0, n
	if n > 0 || err == nil {
		return
	}
	if err == io.EOF && (z.state != atHeader || z.n > 7) {
		err = io.ErrUnexpectedEOF
	}
	z.err = err
}

// End ends the decoding where the peer has ended its stream: behind the last
// block, or behind the flush of what was read. What follows is given by Read as
// it is. ErrCorrupt comes when the stream goes on instead.
func (z *Reader) End() { z.ending = true }

// Plain is the number of bytes behind the stream that were received already; it
// is known after the first Read that gave some of them.
func (z *Reader) Plain() int { return len(z.plain) }

// readPlain is Read after End.
func (z *Reader) readPlain(p []byte) (int, error) {
	for !z.ended {
		if err := z.seekEnd(); err != nil {
			return 0, err
		}
	}
	for {
		for z.late > 0 && len(z.plain) > 0 {
			if c := z.plain[0]; c != 0 && c != 0xff {
				z.late = 0
				break
			}
			z.plain = z.plain[1:]
			z.late--
		}
		if len(z.plain) > 0 {
			n := copy(p, z.plain)
			z.plain = z.plain[n:]
			return n, nil
		}
		if z.late == 0 {
			return z.r.Read(p)
		}
		z.fill()
		if z.err != nil {
			return 0, z.err
		}
		z.plain = append(z.plain, z.buf[:z.end]...)
	}
}

// seekEnd goes on to the end of the stream.
func (z *Reader) seekEnd() error {
	var one [1]byte
	for z.state != atEnd && !z.flushed() {
		n, err := z.step(one[:])
		switch {
		case err == errMore && (z.state == atHeader || z.state == atStored || z.state == inBlock && z.output == 0):
			// Part of a flush may be on its way: zeros and ones, with which no
			// plain text begins.
			z.late, z.n = flushBytes, 0
			z.ended = true
			return nil
		case err == errMore:
			z.fill()
			return z.err
		case err != nil:
			return err
		case n > 0:
			return ErrCorrupt
		}
	}
	z.bits >>= z.n % 8
	z.n -= z.n % 8
	for ; z.n > 0; z.n -= 8 {
		z.plain = append(z.plain, byte(z.bits))
		z.bits >>= 8
	}
	z.plain = append(z.plain, z.buf[z.pos:z.end]...)
	z.ended = true
	return nil
}

// flushed tells that the last block was empty: zlib's way to end what has to be
// understood now.
func (z *Reader) flushed() bool { return z.state == atHeader && z.blocks > 0 && z.output == 0 }

// step decodes a little. It takes all the bits it needs, or none and gives
// errMore.
func (z *Reader) step(p []byte) (int, error) {
	z.refill()
	switch z.state {
	case atHeader:
		return 0, z.header()
	case atStored:
		return 0, z.storedLength()
	case inStored:
		return z.storedBytes(p)
	case atCounts:
		return 0, z.counts()
	case atLengths:
		return 0, z.lengthLengths()
	case atCodes:
		return 0, z.codeLengths()
	case inBlock:
		return z.symbols(p)
	}
	return 0, io.EOF
}

func (z *Reader) refill() {
	for z.n <= 56 && z.pos < z.end {
		z.bits |= uint64(z.buf[z.pos]) << z.n
		z.n += 8
		z.pos++
	}
}

// take takes n bits, which are there.
func (z *Reader) take(n uint) int {
	v := int(z.bits & (1<<n - 1))
	z.bits >>= n
	z.n -= n
	return v
}

// header is RFC 1951 §3.2.3.
func (z *Reader) header() error {
	if z.n < 3 {
		return errMore
	}
	z.final = z.take(1) == 1
	z.output = 0
	z.blocks++
	switch z.take(2) {
	case 0:
		z.take(z.n % 8)
		z.state = atStored
	case 1:
		z.fixedCodes()
		z.state = inBlock
	case 2:
		z.state = atCounts
	default:
		return ErrCorrupt
	}
	return nil
}

func (z *Reader) endBlock() {
	z.state = atHeader
	if z.final {
		z.state = atEnd
	}
}

// storedLength is RFC 1951 §3.2.4.
func (z *Reader) storedLength() error {
	if z.n < 32 {
		return errMore
	}
	n, complement := z.take(16), z.take(16)
	if n != ^complement&0xffff {
		return ErrCorrupt
	}
	z.stored, z.state = n, inStored
	if n == 0 {
		z.endBlock()
	}
	return nil
}

func (z *Reader) storedBytes(p []byte) (int, error) {
	n := 0
	for n < len(p) && z.stored > 0 {
		z.refill()
		if z.n < 8 {
			return n, errMore
		}
		p[n] = z.put(byte(z.take(8)))
		n++
		z.stored--
	}
	if z.stored == 0 {
		z.endBlock()
	}
	return n, nil
}

// put appends to the window.
func (z *Reader) put(c byte) byte {
	z.output++
	if len(z.window) < windowSize {
		z.window = append(z.window, c)
		return c
	}
	z.window[z.next] = c
	z.next = (z.next + 1) % windowSize
	return c
}

// back gives the byte that was put dist bytes ago.
func (z *Reader) back(dist int) byte {
	if len(z.window) < windowSize {
		return z.window[len(z.window)-dist]
	}
	return z.window[(z.next-dist+windowSize)%windowSize]
}
