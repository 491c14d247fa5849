package wire

import "strings"

// Pattern is a LIST pattern: "*" is anything, "%" anything but the delimiter
// (RFC 9051 §6.3.9). Its zero value is the empty pattern.
type Pattern struct {
	start string // before the first wildcard
	rest  string // from it on, never two wildcards in a row
	delim byte
	bytes int // that are no wildcards
}

// NewPattern reads a pattern.
func NewPattern(text string, delim byte) Pattern {
	p := Pattern{start: text, delim: delim}
	if i := strings.IndexAny(text, "*%"); i >= 0 {
		p.start, p.rest = text[:i], collapse(text[i:])
	}
	p.bytes = len(p.start) + len(p.rest) - strings.Count(p.rest, "*") - strings.Count(p.rest, "%")
	return p
}

// collapse makes one wildcard of several in a row: the widest of them.
func collapse(text string) string {
	var b strings.Builder
	for len(text) > 0 {
		i := strings.IndexFunc(text, func(c rune) bool { return c != '*' && c != '%' })
		if i < 0 {
			i = len(text)
		}
		switch wild := text[:i]; {
		case wild == "":
		case strings.Contains(wild, "*"):
			b.WriteByte('*')
		default:
			b.WriteByte('%')
		}
		text = text[i:]
		if i = strings.IndexAny(text, "*%"); i < 0 {
			i = len(text)
		}
		b.WriteString(text[:i])
		text = text[i:]
	}
	return b.String()
}

// Level tells whether the pattern asks for levels of the hierarchy too: "%" is
// its end.
func (p Pattern) Level() bool { return strings.HasSuffix(p.rest, "%") }

// Match tells whether name fits, and in how many steps that was found: at most
// twice the square of the length of name, however long the pattern is.
func (p Pattern) Match(name string) (fits bool, steps int) {
	if len(name) < p.bytes || !strings.HasPrefix(name, p.start) {
		return false, 1
	}
	name = name[len(p.start):]
	switch p.rest {
	case "":
		return name == "", 1
	case "*":
		return true, 1
	case "%":
		return strings.IndexByte(name, p.delim) < 0, 1
	}
	// state[i]: the pattern's first i bytes match what was seen of name.
	state := make([]bool, len(p.rest)+1)
	state[0] = true
	p.wild(state)
	for j := range len(name) {
		for i := len(p.rest); i > 0; i-- {
			switch c := p.rest[i-1]; c {
			case '*':
			case '%':
				state[i] = state[i] && name[j] != p.delim
			default:
				state[i] = state[i-1] && c == name[j]
			}
		}
		state[0] = false
		p.wild(state)
	}
	return state[len(p.rest)], len(state) * (len(name) + 1)
}

// wild lets wildcards match nothing.
func (p Pattern) wild(state []bool) {
	for i := range len(p.rest) {
		if state[i] && (p.rest[i] == '*' || p.rest[i] == '%') {
			state[i+1] = true
		}
	}
}
