package wire

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

// maxQuoted is the longest string that is written quoted.
const maxQuoted = 4096

// appendString is what Writer.String writes; utf8 tells that the client takes
// UTF-8 in quoted strings.
func appendString(b []byte, s string, utf8 bool) []byte {
	if isPlain(s) && len(s) <= maxQuoted {
		b = append(b, '"')
		b = append(b, s...)
		return append(b, '"')
	}
	return appendOdd(b, s, utf8)
}

// appendOdd is appendString for any string.
func appendOdd(b []byte, s string, utf8s bool) []byte {
	var found kindOfByte
	for i := range len(s) {
		found |= kindsOfBytes[s[i]]
	}
	if found&isNUL != 0 {
		s = withoutNUL(s)
	}
	if len(s) > maxQuoted || found&isLine != 0 || found&is8bit != 0 && !(utf8s && utf8.ValidString(s)) {
		b = append(b, '{')
		b = strconv.AppendInt(b, int64(len(s)), 10)
		b = append(b, "}\r\n"...)
		return append(b, s...)
	}
	b = append(b, '"')
	for {
		i := strings.IndexAny(s, `"\`)
		if i < 0 {
			break
		}
		b = append(b, s[:i]...)
		b = append(b, '\\', s[i])
		s = s[i+1:]
	}
	b = append(b, s...)
	return append(b, '"')
}

// appendNString is what Writer.NString writes.
func appendNString(b []byte, s string, utf8 bool) []byte {
	if s == "" {
		return append(b, "NIL"...)
	}
	return appendString(b, s, utf8)
}

func withoutNUL(s string) string { return strings.ReplaceAll(s, "\x00", " ") }

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

// The same byte eight times, to look at eight bytes of a text at once.
const (
	eachOne    = 0x0101010101010101
	eachHigh   = 0x80 * eachOne
	eachSpace  = ' ' * eachOne
	eachQuote  = '"' * eachOne
	eachEscape = '\\' * eachOne
)

// isPlain tells that a string is printable ASCII without what must be escaped.
// It says no for tabs and other controls too, which can be quoted all the same.
func isPlain(s string) bool {
	for ; len(s) >= 8; s = s[8:] {
		x := uint64(s[0]) | uint64(s[1])<<8 | uint64(s[2])<<16 | uint64(s[3])<<24 |
			uint64(s[4])<<32 | uint64(s[5])<<40 | uint64(s[6])<<48 | uint64(s[7])<<56
		// A byte below n borrows from its high bit when n is taken away; what
		// a borrow does to the bytes above can only say no where yes was right.
		quote, escape := x^eachQuote, x^eachEscape
		if (x|(x-eachSpace)|(quote-eachOne)|(escape-eachOne))&eachHigh != 0 {
			return false
		}
	}
	for i := range len(s) {
		if s[i] < ' ' || kindsOfBytes[s[i]] != 0 {
			return false
		}
	}
	return true
}
