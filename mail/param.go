package mail

import (
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// maxParams bounds the parameters of one field.
const maxParams = 64

// scanner walks the tokens of a structured field (RFC 5322 §3.2, RFC 2045
// §5.1), forgiving what is not quite right.
type scanner struct{ s string }

// skip passes white space and comments.
func (sc *scanner) skip() {
	for sc.s != "" {
		switch c := sc.s[0]; c {
		case ' ', '\t', '\r', '\n':
			sc.s = sc.s[1:]
		case '(':
			sc.comment()
		default:
			return
		}
	}
}

// comment takes a comment, nested ones too, and gives what stands in it.
func (sc *scanner) comment() string {
	depth := 0
	var b strings.Builder
	for i := 0; i < len(sc.s); i++ {
		switch c := sc.s[i]; c {
		case '(':
			if depth++; depth > 1 {
				b.WriteByte(c)
			}
		case ')':
			if depth--; depth == 0 {
				sc.s = sc.s[i+1:]
				return b.String()
			}
			b.WriteByte(c)
		case '\\':
			if i+1 < len(sc.s) {
				i++
				b.WriteByte(sc.s[i])
			}
		default:
			b.WriteByte(c)
		}
	}
	sc.s = ""
	return b.String()
}

// take removes c when it is next.
func (sc *scanner) take(c byte) bool {
	if sc.s != "" && sc.s[0] == c {
		sc.s = sc.s[1:]
		return true
	}
	return false
}

// until takes what stands before any of the stop bytes.
func (sc *scanner) until(stops string) string {
	i := strings.IndexAny(sc.s, stops)
	if i < 0 {
		i = len(sc.s)
	}
	t := sc.s[:i]
	sc.s = sc.s[i:]
	return t
}

// quoted takes a quoted string whose opening quote is next; a missing end is
// the end of the field.
func (sc *scanner) quoted() string {
	var b strings.Builder
	for i := 1; i < len(sc.s); i++ {
		switch c := sc.s[i]; c {
		case '"':
			sc.s = sc.s[i+1:]
			return b.String()
		case '\\':
			if i+1 < len(sc.s) {
				i++
				b.WriteByte(sc.s[i])
			}
		default:
			b.WriteByte(c)
		}
	}
	sc.s = ""
	return b.String()
}

// parseParams reads a value with parameters as Content-Type and
// Content-Disposition have it. Names come in lower case, RFC 2231's
// continuations joined and decoded.
func parseParams(v string) (value string, params []Param) {
	sc := scanner{v}
	sc.skip()
	value = strings.TrimSpace(sc.until(";("))
	for len(params) < maxParams {
		sc.skip()
		for sc.take(';') {
			sc.skip()
		}
		if sc.s == "" {
			break
		}
		name := strings.ToLower(strings.TrimSpace(sc.until("=;(")))
		sc.skip()
		if !sc.take('=') {
			sc.until(";")
			continue
		}
		sc.skip()
		var val string
		if strings.HasPrefix(sc.s, `"`) {
			val = sc.quoted()
			sc.until(";")
		} else {
			val = strings.TrimSpace(sc.until(";("))
		}
		if name != "" {
			params = append(params, Param{name, val})
		}
	}
	return value, joinParams(params)
}

// joinParams undoes RFC 2231: "title*0*", "title*1" and "title*" become "title".
// Where a plain and an extended form stand side by side the extended one wins
// (RFC 6266 §4.3); of plain doubles the first.
func joinParams(in []Param) []Param {
	type piece struct {
		n   int
		ext bool
		val string
	}
	pieces := map[string][]piece{}
	var out []Param
	for _, p := range in {
		name, n, ext, ok := splitParamName(p.Name)
		if !ok {
			if !slices.ContainsFunc(out, func(o Param) bool { return o.Name == p.Name }) {
				out = append(out, p)
			}
			continue
		}
		pieces[name] = append(pieces[name], piece{n, ext, p.Value})
	}
	for _, p := range in {
		name, _, _, ok := splitParamName(p.Name)
		list := pieces[name]
		if !ok || list == nil {
			continue
		}
		delete(pieces, name)
		slices.SortStableFunc(list, func(a, b piece) int { return a.n - b.n })
		charset := ""
		var raw strings.Builder
		for i, pc := range list {
			v := pc.val
			if i == 0 && pc.ext {
				if cs, rest, ok := strings.Cut(v, "'"); ok {
					if _, text, ok := strings.Cut(rest, "'"); ok {
						charset, v = cs, text
					}
				}
			}
			if pc.ext {
				if u, err := url.PathUnescape(v); err == nil {
					v = u
				}
			}
			raw.WriteString(v)
		}
		val := raw.String()
		if charset != "" {
			val = decodeCharset(charset, val)
		}
		if i := slices.IndexFunc(out, func(o Param) bool { return o.Name == name }); i >= 0 {
			out[i].Value = val
		} else {
			out = append(out, Param{name, val})
		}
	}
	return out
}

// splitParamName reads RFC 2231's "name*", "name*1" and "name*1*".
func splitParamName(s string) (name string, n int, ext, ok bool) {
	name, rest, ok := strings.Cut(s, "*")
	if !ok || name == "" {
		return "", 0, false, false
	}
	if rest == "" {
		return name, 0, true, true
	}
	rest, ext = strings.CutSuffix(rest, "*")
	n, err := strconv.Atoi(rest)
	if err != nil || n < 0 || n > maxParams {
		return "", 0, false, false
	}
	return name, n, ext, true
}

// param finds a parameter by its lower-case name.
func param(ps []Param, name string) string {
	for _, p := range ps {
		if p.Name == name {
			return p.Value
		}
	}
	return ""
}
