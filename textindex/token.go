package textindex

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// class is what a character is to the index. It depends on nothing but the
// character, so a token of a string is cut from it as from any text around it,
// but for its ends.
type class uint8

const (
	separator class = iota
	word            // letters, digits and marks
	dense           // letters of scripts without spaces
)

func classOf(r rune) class {
	switch {
	case r < utf8.RuneSelf:
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r >= 'A' && r <= 'Z' {
			return word
		}
		return separator
	case r == utf8.RuneError:
		return separator
	case r >= 0x3040 && r <= 0x30ff || r >= 0x4e00 && r <= 0x9fff:
		return dense
	case unicode.In(r, unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Bopomofo, unicode.Yi, unicode.Thai, unicode.Lao, unicode.Khmer, unicode.Myanmar, unicode.Tibetan):
		return dense
	case unicode.In(r, unicode.L, unicode.N, unicode.M):
		return word
	}
	return separator
}

// nextRun finds the next run of characters of one class that is no separator,
// from at on; its class is separator at the end.
func nextRun(s string, at int) (start, end int, c class) {
	for at < len(s) {
		r, n := rune(s[at]), 1
		if r >= utf8.RuneSelf {
			r, n = utf8.DecodeRuneInString(s[at:])
		}
		k := classOf(r)
		if c != separator && k != c {
			return start, at, c
		}
		if c == separator && k != separator {
			start, c = at, k
		}
		at += n
	}
	return start, at, c
}

// Limits, in bytes, of a token that has an entry of its own; a longer one is no
// word anybody would write.
const (
	shortToken   = 6  // of anything
	digitsToken  = 8  // of digits alone
	asciiToken   = 20 // of letters a to z
	lettersToken = 60 // of other letters
	namedDigits  = 4  // behind letters: windows11
)

// wordLike tells whether a token of class word has an entry in the dictionary,
// and not its trigrams.
func wordLike(tok string) bool {
	if len(tok) <= shortToken {
		return true
	}
	if len(tok) > lettersToken {
		return false
	}
	digits, ascii := 0, 0
	for i := range len(tok) {
		if c := tok[i]; c >= '0' && c <= '9' {
			digits++
		} else if c < utf8.RuneSelf {
			ascii++
		}
	}
	switch {
	case digits == 0:
		return len(tok) <= asciiToken || ascii < len(tok)
	case digits == len(tok):
		return len(tok) <= digitsToken
	}
	letters := strings.TrimRight(tok, "0123456789")
	return digits <= namedDigits && len(letters)+digits == len(tok) && len(letters) <= asciiToken
}

// pairs walks what a run of class dense is cut into: every two characters that
// follow each other, or the only one.
func pairs(run string, f func(string)) {
	_, n := utf8.DecodeRuneInString(run)
	if n == len(run) {
		f(run)
		return
	}
	for n < len(run) {
		_, m := utf8.DecodeRuneInString(run[n:])
		f(run[:n+m])
		run, n = run[n:], m
	}
}

// gramLen is the length of a trigram, in bytes.
const gramLen = 3

func grams(tok string, f func(string)) {
	for i := 0; i+gramLen <= len(tok); i++ {
		f(tok[i : i+gramLen])
	}
}
