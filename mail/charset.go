package mail

import (
	"io"
	"mime"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/htmlindex"
	"golang.org/x/text/encoding/ianaindex"
)

// Charset finds the decoder of a MIME charset; nil for what already is UTF-8.
// ok is false when the name is not known.
func Charset(name string) (enc encoding.Encoding, ok bool) {
	name = strings.ToLower(strings.Trim(name, " \t\"'"))
	switch name {
	case "", "utf-8", "utf8", "us-ascii", "ascii", "ansi_x3.4-1968", "unknown-8bit", "x-unknown":
		return nil, true
	case "utf-7", "unicode-1-1-utf-7":
		return utf7{}, true
	}
	if e, err := htmlindex.Get(name); err == nil {
		return e, true
	}
	if e, err := ianaindex.MIME.Encoding(name); err == nil && e != nil {
		return e, true
	}
	return nil, false
}

// decodeCharset gives s as UTF-8; an unknown charset is guessed at.
func decodeCharset(name, s string) string {
	if enc, ok := Charset(name); ok && enc != nil {
		if out, err := enc.NewDecoder().String(s); err == nil {
			return out
		}
	}
	return guess(s)
}

// guess reads bytes of no known charset: as UTF-8 when they are, else as
// windows-1252, which never fails.
func guess(s string) string {
	if utf8.ValidString(s) {
		return s
	}
	out, err := charmap.Windows1252.NewDecoder().String(s)
	if err != nil {
		return strings.ToValidUTF8(s, "\ufffd")
	}
	return out
}

// DecodeHeader gives a header value as UTF-8: encoded words (RFC 2047) in any
// known charset decoded, raw 8-bit bytes read as UTF-8 or else windows-1252.
func DecodeHeader(s string) string {
	if !strings.Contains(s, "=?") {
		return guess(s)
	}
	dec := mime.WordDecoder{CharsetReader: func(charset string, in io.Reader) (io.Reader, error) {
		b, err := io.ReadAll(in)
		return strings.NewReader(decodeCharset(charset, string(b))), err
	}}
	out, err := dec.DecodeHeader(guess(s))
	if err != nil {
		return guess(s)
	}
	return strings.ToValidUTF8(out, "\ufffd")
}
