package transfer

import (
	"bufio"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"mailstead/mail"
	"mailstead/storage"
)

// keywordsName is the file in which Dovecot names the keywords a to z.
const keywordsName = "dovecot-keywords"

// forwarded is the keyword of the Maildir flag P.
const forwarded = "$Forwarded"

// keywordLetters are the flags a to z that stand for keywords.
const keywordLetters = 26

// splitFlags takes a file name of a Maildir apart. Some systems that cannot
// have ":" in names put ";" for it.
func splitFlags(name string) (base, flags string) {
	for _, sep := range []string{":2,", ";2,"} {
		if i := strings.LastIndex(name, sep); i >= 0 {
			return name[:i], name[i+len(sep):]
		}
	}
	base, _, _ = strings.Cut(name, ":") // flags of another kind
	return base, ""
}

// flagLetters are the flags of a Maildir in the order they must have.
func flagLetters() []struct {
	letter byte
	flag   storage.Flags
} {
	return []struct {
		letter byte
		flag   storage.Flags
	}{{'D', storage.Draft}, {'F', storage.Flagged}, {'R', storage.Answered}, {'S', storage.Seen}, {'T', storage.Deleted}}
}

// readFlags gives the flags and keywords of a file; words names the letters.
func readFlags(letters string, words []string) (flags storage.Flags, keywords []string) {
	letters, _, _ = strings.Cut(letters, ",")
	for i := range len(letters) {
		c := letters[i]
		for _, f := range flagLetters() {
			if f.letter == c {
				flags |= f.flag
			}
		}
		n := int(c) - 'a'
		switch {
		case c == 'P':
			keywords = append(keywords, forwarded)
		case n >= 0 && n < len(words) && words[n] != "":
			keywords = append(keywords, words[n])
		}
	}
	return flags, keywords
}

// writeFlags gives the letters of flags and keywords, and the keywords that
// have none.
func writeFlags(flags storage.Flags, keywords []string, words []string) (letters string, left []string) {
	var b []byte
	for _, f := range flagLetters() {
		if flags&f.flag != 0 {
			b = append(b, f.letter)
		}
	}
	for _, k := range keywords {
		switch n := slices.Index(words, k); {
		case k == forwarded:
			b = append(b, 'P')
		case n >= 0 && n < keywordLetters:
			b = append(b, byte('a'+n))
		default:
			left = append(left, k)
		}
	}
	slices.Sort(b)
	return string(b), left
}

// readKeywords reads a dovecot-keywords file: a number, a space and a keyword
// on each line.
func readKeywords(r io.Reader) []string {
	var words []string
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, maxListLine)
	for lines.Scan() {
		n, word, ok := strings.Cut(strings.TrimSpace(lines.Text()), " ")
		i, err := strconv.Atoi(n)
		if !ok || err != nil || i < 0 || i >= keywordLetters {
			continue
		}
		for len(words) <= i {
			words = append(words, "")
		}
		words[i] = word
	}
	return words
}

// writeKeywords writes what readKeywords reads.
func writeKeywords(words []string) string {
	var b strings.Builder
	for i, w := range words {
		fmt.Fprintf(&b, "%d %s\n", i, w)
	}
	return b.String()
}

// decodeFolder gives the mailbox of a Maildir++ directory ".A.B". ok is false
// when it is none.
func decodeFolder(dir string) (name string, ok bool) {
	rest, ok := strings.CutPrefix(dir, ".")
	if !ok || rest == "" || rest[0] == '.' {
		return "", false
	}
	return decodeLevels(rest, "."), true
}

// decodeLevels reads a name in modified UTF-7 or UTF-8.
func decodeLevels(name, sep string) string {
	levels := strings.Split(name, sep)
	for i, l := range levels {
		levels[i] = decodeLevel(l)
	}
	return strings.Join(levels, "/")
}

func decodeLevel(l string) string {
	if d, ok := mail.DecodeMUTF7(l); ok {
		l = d
	}
	if !utf8.ValidString(l) {
		l = strings.ToValidUTF8(l, "_")
	}
	return strings.ReplaceAll(l, "/", "_")
}

// encodeFolder gives the Maildir++ directory of a mailbox other than INBOX. A
// "." within a level is written so that it divides none.
func encodeFolder(name string) string {
	levels := strings.Split(name, "/")
	for i, l := range levels {
		levels[i] = strings.ReplaceAll(mail.EncodeMUTF7(l), ".", "&AC4-")
	}
	return "." + strings.Join(levels, ".")
}
