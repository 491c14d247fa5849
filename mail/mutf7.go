package mail

import (
	"encoding/base64"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

var mutf7 = base64.NewEncoding("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+,").WithPadding(base64.NoPadding).Strict()

// EncodeMUTF7 gives a mailbox name in modified UTF-7 (RFC 3501 §5.1.3).
func EncodeMUTF7(s string) string {
	var b strings.Builder
	var wide []rune
	flush := func() {
		if len(wide) == 0 {
			return
		}
		var raw []byte
		for _, u := range utf16.Encode(wide) {
			raw = append(raw, byte(u>>8), byte(u))
		}
		b.WriteString("&" + mutf7.EncodeToString(raw) + "-")
		wide = wide[:0]
	}
	for _, c := range s {
		switch {
		case c == '&':
			flush()
			b.WriteString("&-")
		case c >= ' ' && c < 0x7f:
			flush()
			b.WriteRune(c)
		default:
			wide = append(wide, c)
		}
	}
	flush()
	return b.String()
}

// DecodeMUTF7 reads modified UTF-7. ok is false when s is not that; raw UTF-8
// outside of shifts is left as it is.
func DecodeMUTF7(s string) (out string, ok bool) {
	var b strings.Builder
	for {
		plain, rest, found := strings.Cut(s, "&")
		b.WriteString(plain)
		if !found {
			return b.String(), utf8.ValidString(b.String())
		}
		code, after, closed := strings.Cut(rest, "-")
		if !closed {
			return "", false
		}
		s = after
		if code == "" {
			b.WriteByte('&')
			continue
		}
		raw, err := mutf7.DecodeString(code)
		if err != nil || len(raw)%2 != 0 {
			return "", false
		}
		units := make([]uint16, len(raw)/2)
		for i := range units {
			units[i] = uint16(raw[2*i])<<8 | uint16(raw[2*i+1])
		}
		for _, c := range utf16.Decode(units) {
			if c == utf8.RuneError {
				return "", false
			}
			b.WriteRune(c)
		}
	}
}
