package mail

import (
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"golang.org/x/text/encoding"
	"golang.org/x/text/transform"
)

// utf7 is the charset UTF-7 (RFC 2152), which old mail has. It is only read.
type utf7 struct{}

// NewDecoder implements encoding.Encoding.
func (utf7) NewDecoder() *encoding.Decoder {
	return &encoding.Decoder{Transformer: &utf7Decoder{}}
}

// NewEncoder implements encoding.Encoding: everything becomes a replacement.
func (utf7) NewEncoder() *encoding.Encoder { return encoding.Replacement.NewEncoder() }

// utf7Decoder is within a shift or not; what it can't read becomes U+FFFD.
type utf7Decoder struct {
	shifted, first bool // first: nothing was read since the "+"
	acc            uint32
	bits           int  // of acc that are left
	high           rune // a surrogate that waits for its other half
}

// Reset implements transform.Transformer.
func (d *utf7Decoder) Reset() { *d = utf7Decoder{} }

const (
	utf7Digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
	utf7Most   = 3 * utf8.UTFMax // bytes that one byte may become
)

// Transform implements transform.Transformer.
func (d *utf7Decoder) Transform(dst, src []byte, atEOF bool) (nDst, nSrc int, err error) {
	put := func(r rune) { nDst += utf8.EncodeRune(dst[nDst:], r) }
	for ; nSrc < len(src); nSrc++ {
		if len(dst)-nDst < utf7Most {
			return nDst, nSrc, transform.ErrShortDst
		}
		c := src[nSrc]
		if d.shifted {
			if v := strings.IndexByte(utf7Digits, c); v >= 0 {
				d.digit(uint32(v), put)
				continue
			}
			plus := d.first && c == '-'
			d.end(put)
			if plus {
				put('+')
			}
			if c == '-' {
				continue
			}
		}
		switch {
		case c == '+':
			d.shifted, d.first, d.acc, d.bits = true, true, 0, 0
		case c >= utf8.RuneSelf:
			put(utf8.RuneError)
		default:
			put(rune(c))
		}
	}
	if atEOF {
		if len(dst)-nDst < utf7Most {
			return nDst, nSrc, transform.ErrShortDst
		}
		d.end(put)
	}
	return nDst, nSrc, nil
}

// digit takes six bits of UTF-16.
func (d *utf7Decoder) digit(v uint32, put func(rune)) {
	d.first = false
	d.acc, d.bits = d.acc<<6|v, d.bits+6
	if d.bits < 16 {
		return
	}
	d.bits -= 16
	unit := rune(d.acc >> d.bits & 0xffff)
	was := d.high
	d.high = 0
	if was != 0 {
		if r := utf16.DecodeRune(was, unit); r != utf8.RuneError {
			put(r)
			return
		}
		put(utf8.RuneError)
	}
	switch {
	case unit >= 0xd800 && unit < 0xdc00:
		d.high = unit
	case utf16.IsSurrogate(unit):
		put(utf8.RuneError)
	default:
		put(unit)
	}
}

// end ends a shift.
func (d *utf7Decoder) end(put func(rune)) {
	if d.high != 0 {
		put(utf8.RuneError)
	}
	d.shifted, d.high = false, 0
}
