package mail

import "strings"

// maxAddresses bounds the addresses kept of one header field.
const maxAddresses = 2000

// parseAddressList reads an address list (RFC 5322 §3.4 with the obsolete
// syntax of §4.4) as ENVELOPE wants it (RFC 9051 §7.5.2). It never fails: what
// can't be read as an address becomes a name without a host's part.
func parseAddressList(v string) []Mailbox {
	sc := scanner{v}
	var out []Mailbox
	group := false
	for len(out) < maxAddresses {
		sc.skip()
		if sc.take(',') {
			continue
		}
		if sc.take(';') {
			if group {
				out = append(out, Mailbox{})
				group = false
			}
			continue
		}
		if sc.s == "" {
			break
		}
		before := len(sc.s)
		m, kind := parseOne(&sc)
		switch kind {
		case isGroup:
			if group {
				out = append(out, Mailbox{})
			}
			out = append(out, m)
			group = true
		case isMailbox:
			out = append(out, m)
		}
		if len(sc.s) == before {
			sc.s = sc.s[1:] // whatever it is, it must not hold us up
		}
	}
	if group {
		out = append(out, Mailbox{})
	}
	return out
}

type addressKind int

const (
	isNothing addressKind = iota
	isMailbox
	isGroup
)

// parseOne takes one mailbox or the start of a group.
func parseOne(sc *scanner) (Mailbox, addressKind) {
	words, remark := phrase(sc, ",;:<@")
	switch {
	case sc.take(':'):
		return Mailbox{Local: words}, isGroup
	case sc.take('<'):
		m := angle(sc)
		m.Name = words
		if m.Name == "" {
			m.Name = remark
		}
		return m, isMailbox
	case sc.take('@'):
		host, after := phrase(sc, ",;<")
		if after != "" {
			remark = after
		}
		// "a@b <c@d>": the first is the name, as people see it.
		if sc.take('<') {
			m := angle(sc)
			m.Name = words + "@" + host
			return m, isMailbox
		}
		return Mailbox{Name: remark, Local: words, Host: strings.ReplaceAll(host, " ", "")}, isMailbox
	case words == "":
		return Mailbox{}, isNothing
	}
	return Mailbox{Name: remark, Local: words}, isMailbox
}

// angle takes what stands in "<>", a source route included (RFC 5322 §4.4).
func angle(sc *scanner) Mailbox {
	var m Mailbox
	sc.skip()
	if strings.HasPrefix(sc.s, "@") {
		m.Route = strings.TrimSpace(sc.until(":>"))
		sc.take(':')
	}
	m.Local, _ = phrase(sc, "@>,;")
	if sc.take('@') {
		host, _ := phrase(sc, ">,;")
		m.Host = strings.ReplaceAll(host, " ", "")
	}
	sc.until(">,")
	sc.take('>')
	return m
}

// phrase takes words up to one of the stop bytes, quotes undone, single spaces
// between words; remark is the last comment met.
func phrase(sc *scanner, stops string) (words, remark string) {
	var b strings.Builder
	gap := false
	put := func(s string) {
		if gap && b.Len() > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(s)
		gap = false
	}
	for sc.s != "" {
		c := sc.s[0]
		switch {
		case c == ' ' || c == '\t' || c == '\r' || c == '\n':
			sc.s = sc.s[1:]
			gap = true
		case c == '(':
			remark = strings.TrimSpace(sc.comment())
			gap = true
		case c == '"':
			put(sc.quoted())
		case c == '[':
			lit := sc.until("]")
			if sc.take(']') {
				lit += "]"
			}
			put(lit)
		case strings.IndexByte(stops, c) >= 0:
			return b.String(), remark
		default:
			// A stop byte of other places is a plain character here.
			rest := sc.s[1:]
			i := strings.IndexAny(rest, stops+" \t\r\n(\"[")
			if i < 0 {
				i = len(rest)
			}
			put(sc.s[:i+1])
			sc.s = rest[i:]
		}
	}
	return b.String(), remark
}
