package storage

import (
	"context"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"mailstead/mail"
)

// FuzzyMatch asks for a text that resembles Value (RFC 6203 §3): each word of it
// must be there, or another form of it, or one mistyped, with or without the
// marks on its letters, in any order.
type FuzzyMatch struct {
	Field string // of the header; empty: in the text
	Body  bool   // in the text of the body only, else in the header too
	Value string
}

// How well a word resembles another, out of 100.
const (
	sameWord    = 100
	wordForm    = 85
	wordBegins  = 80 // the word asked for begins the other
	wordWithin  = 70
	oneTypo     = 70
	twoTypos    = 50
	looseWords  = 90 // of 100, for words that do not stand together
	outsideHead = 80 // of 100, for what only the body has
)

// Lengths in characters from which words are compared with tolerance.
const (
	minBegin   = 3
	minWithin  = 4
	minOneTypo = 4
	minTwo     = 8
	maxWord    = 64 // longer words are compared as they are
)

// bare is folded text without the marks on its letters.
func bare(folded string) string {
	ascii := true
	for i := range len(folded) {
		ascii = ascii && folded[i] < utf8.RuneSelf
	}
	if ascii {
		return folded
	}
	s := strings.Map(func(r rune) rune {
		if unicode.Is(unicode.Mn, r) {
			return -1
		}
		return r
	}, norm.NFKD.String(folded))
	return norm.NFKC.String(s)
}

func wordsOf(s string) []string {
	return strings.FieldsFunc(s, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) })
}

// resemblance is how well a text has what is asked for, out of 100; 0 for not, or
// when ctx ends: many words in a long text take their time.
func resemblance(ctx context.Context, text, value string) int {
	text, value = bare(text), bare(mail.FoldCase(value))
	asked := wordsOf(value)
	if len(asked) == 0 || strings.Contains(" "+text+" ", " "+value+" ") {
		if strings.Contains(text, value) {
			return 100
		}
		return 0
	}
	words := wordsOf(text)
	slices.Sort(words)
	words = slices.Compact(words)
	sum := 0
	nearest := make(map[string]int, len(asked))
	for _, w := range asked {
		best, known := nearest[w]
		if !known {
			if ctx.Err() != nil {
				return 0
			}
			best = nearestTo(w, words)
			nearest[w] = best
		}
		if best == 0 {
			if strings.Contains(text, value) {
				return wordWithin
			}
			return 0
		}
		sum += best
	}
	sum /= len(asked)
	if len(asked) > 1 && !strings.Contains(text, value) {
		sum = sum * looseWords / 100
	}
	return sum
}

// nearestTo is how well that word of a text resembles the one asked for that does
// so best.
func nearestTo(asked string, words []string) (best int) {
	for _, t := range words {
		if best = max(best, alike(asked, t)); best == sameWord {
			break
		}
	}
	return best
}

// alike is how well a word of a text resembles the one asked for.
func alike(asked, word string) int {
	if asked == word {
		return sameWord
	}
	n, m := utf8.RuneCountInString(asked), utf8.RuneCountInString(word)
	if n > maxWord || m > maxWord {
		return 0
	}
	if r, _ := utf8.DecodeRuneInString(asked); r >= '\u2e80' && strings.Contains(word, asked) {
		return wordBegins // scripts that have no spaces between words
	}
	// Two forms of a word begin the same and differ in the last characters.
	if common := commonPrefix(asked, word); common >= 4 && common >= max(n, m)-3 {
		return wordForm
	}
	if n >= minBegin && strings.HasPrefix(word, asked) {
		return wordBegins
	}
	if n >= minWithin && strings.Contains(word, asked) {
		return wordWithin
	}
	switch {
	case n >= minOneTypo && within1(n, m, 1) && typos(asked, word) == 1:
		return oneTypo
	case n >= minTwo && within1(n, m, 2) && typos(asked, word) == 2:
		return twoTypos
	}
	return 0
}

func within1(n, m, d int) bool { return n-m <= d && m-n <= d }

// commonPrefix counts the characters in which two words begin the same.
func commonPrefix(a, b string) (n int) {
	for {
		r, k := utf8.DecodeRuneInString(a)
		q, l := utf8.DecodeRuneInString(b)
		if k == 0 || l == 0 || r != q {
			return n
		}
		a, b, n = a[k:], b[l:], n+1
	}
}

// typos counts the characters that are to be put in, taken out, exchanged or
// swapped with their neighbour to make one word of the other.
func typos(a, b string) int {
	x, y := []rune(a), []rune(b)
	var rows [3][maxWord + 1]int
	before, last, row := &rows[0], &rows[1], &rows[2]
	for j := range len(y) + 1 {
		last[j] = j
	}
	for i := range x {
		row[0] = i + 1
		for j := range y {
			d := last[j]
			if x[i] != y[j] {
				d++
			}
			d = min(d, last[j+1]+1, row[j]+1)
			if i > 0 && j > 0 && x[i] == y[j-1] && x[i-1] == y[j] {
				d = min(d, before[j-1]+1)
			}
			row[j+1] = d
		}
		before, last, row = last, row, before
	}
	return last[len(y)]
}

// resembles is resemblance for one of a query's fuzzy keys.
func (c *candidate) resembles(f FuzzyMatch) int {
	n, known := c.likeness[f]
	if !known {
		if n = c.compare(f); c.likeness == nil {
			c.likeness = map[FuzzyMatch]int{}
		}
		c.likeness[f] = n
	}
	return n
}

func (c *candidate) compare(f FuzzyMatch) (best int) {
	switch {
	case f.Field != "":
		m := c.message()
		if m == nil {
			return 0
		}
		fields := m.Fields
		if !m.FieldsComplete || !mail.CachedField(f.Field) {
			fields = c.rawHeader()
		}
		for v := range fieldTexts(fields, f.Field) {
			best = max(best, resemblance(c.ctx, v, f.Value))
		}
		return best
	case f.Body:
		return resemblance(c.ctx, c.body(), f.Value)
	}
	if best = resemblance(c.ctx, c.wholeHeader(), f.Value); best == 100 {
		return best
	}
	return max(best, resemblance(c.ctx, c.wholeHeader()+" "+c.body(), f.Value)*outsideHead/100)
}

// fuzzy tells whether the fuzzy keys of a query hold.
func (c *candidate) fuzzy(q *Query) bool {
	return !slices.ContainsFunc(q.Fuzzy, func(f FuzzyMatch) bool { return c.resembles(f) == 0 })
}

// relevancy is how well a message that matches does so, 1 to 100 (RFC 6203 §4);
// 0 when nothing fuzzy was asked. What must hold together counts on average, of
// alternatives the best.
func (c *candidate) relevancy(q *Query) uint8 {
	sum, n := 0, 0
	for _, f := range q.Fuzzy {
		sum, n = sum+c.resembles(f), n+1
	}
	for i := range q.Or {
		best := uint8(0)
		for j := range q.Or[i] {
			if c.matches(&q.Or[i][j]) {
				best = max(best, c.relevancy(&q.Or[i][j]))
			}
		}
		if best > 0 {
			sum, n = sum+int(best), n+1
		}
	}
	if n == 0 {
		return 0
	}
	return uint8(min(max(sum/n, 1), 100))
}

// hasFuzzy tells whether anything fuzzy is asked that can make a message more
// relevant.
func (q *Query) hasFuzzy() bool {
	return len(q.Fuzzy) > 0 || slices.ContainsFunc(q.Or, func(or [2]Query) bool { return or[0].hasFuzzy() || or[1].hasFuzzy() })
}
