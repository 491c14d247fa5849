package mail

import (
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"
)

// foldGap is how much ASCII ends a stretch that is folded by the tables of
// Unicode: a call of those costs as much as some bytes of ASCII with them.
const foldGap = 16

// FoldCase gives s in the form that searches compare: without case (RFC 5051),
// compatible characters made one, white space runs made one space, none at the
// ends.
func FoldCase(s string) string {
	b := make([]byte, 0, len(s))
	due := false // a space, before what comes next
	for i := 0; i < len(s); {
		c := s[i]
		// An ASCII character begins anew for normalization, but takes marks that follow.
		if c >= utf8.RuneSelf || i+1 < len(s) && s[i+1] >= utf8.RuneSelf {
			n := foldStretch(s[i:])
			b, due = appendFolded(b, due, s[i:i+n])
			i += n
			continue
		}
		i++
		if c == ' ' || c >= '\t' && c <= '\r' {
			due = len(b) > 0
			continue
		}
		if due {
			b, due = append(b, ' '), false
		}
		if c >= 'A' && c <= 'Z' {
			c += 'a' - 'A'
		}
		b = append(b, c)
	}
	return string(b)
}

// foldStretch is how much at the beginning of s is no plain ASCII. What follows
// begins with an ASCII character that no mark follows.
func foldStretch(s string) int {
	end := 1
	for i := 1; i < len(s) && i < end+foldGap; i++ {
		if s[i] >= utf8.RuneSelf {
			end = i + 1
		}
	}
	return end
}

// appendFolded is FoldCase by the tables of Unicode.
func appendFolded(b []byte, due bool, s string) ([]byte, bool) {
	s = cases.Fold().String(norm.NFKC.String(s))
	for len(s) > 0 {
		r, n := utf8.DecodeRuneInString(s)
		if unicode.IsSpace(r) {
			due = len(b) > 0
		} else {
			if due {
				b, due = append(b, ' '), false
			}
			b = append(b, s[:n]...)
		}
		s = s[n:]
	}
	return b, due
}
