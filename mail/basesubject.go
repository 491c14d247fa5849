package mail

import "strings"

// BaseSubject is the base subject of a Subject field (RFC 5256 §2.1), and
// whether what was taken off it says that the message is a reply or was
// forwarded.
func BaseSubject(field string) (base string, reply bool) {
	// (1) Decoded, every run of white space is one space.
	s := strings.Join(strings.FieldsFunc(DecodeHeader(field), func(r rune) bool { return r == ' ' || r == '\t' || r == '\r' || r == '\n' }), " ")
	// A subject of nothing but marks can't cost more than its length.
	for {
		s = cutTrailers(s, &reply)
		s = cutLeaders(s, &reply)
		// (6)
		const fwd = "[fwd:"
		if len(s) <= len(fwd) || !strings.EqualFold(s[:len(fwd)], fwd) || s[len(s)-1] != ']' {
			return s, reply
		}
		s, reply = strings.Trim(s[len(fwd):len(s)-1], " "), true
	}
}

// cutTrailers is step 2: "(fwd)" and white space at the end.
func cutTrailers(s string, reply *bool) string {
	const fwd = "(fwd)"
	for {
		s = strings.TrimRight(s, " ")
		if len(s) < len(fwd) || !strings.EqualFold(s[len(s)-len(fwd):], fwd) {
			return s
		}
		s, *reply = s[:len(s)-len(fwd)], true
	}
}

// cutLeaders is steps 3 to 5.
func cutLeaders(s string, reply *bool) string {
	for {
		// (3) subj-leader = (*subj-blob subj-refwd) / WSP
		s = strings.TrimLeft(s, " ")
		rest, last := s, s // last: behind all blobs but one that would leave nothing
		for n := blob(rest); n > 0; n = blob(rest) {
			if rest = rest[n:]; rest != "" {
				last = rest
			}
		}
		n := refwd(rest)
		if n == 0 {
			// (4) A blob goes when something is left. What follows the blobs stays the
			// same meanwhile, so that (3) need not be tried again.
			return last
		}
		s, *reply = rest[n:], true
	}
}

// blob is the length of a subj-blob at the beginning of s, with the white space
// behind it.
func blob(s string) int {
	if s == "" || s[0] != '[' {
		return 0
	}
	n := strings.IndexAny(s[1:], "[]\x00") + 1
	if n == 0 || s[n] != ']' {
		return 0
	}
	return n + 1 + spaces(s[n+1:])
}

// refwd is the length of a subj-refwd: "re", "fw" or "fwd", a blob perhaps, and
// a colon.
func refwd(s string) int {
	n := 0
	for _, w := range []string{"fwd", "re", "fw"} {
		if len(s) > len(w) && strings.EqualFold(s[:len(w)], w) {
			n = len(w)
			break
		}
	}
	if n == 0 {
		return 0
	}
	n += spaces(s[n:])
	n += blob(s[n:])
	if n >= len(s) || s[n] != ':' {
		return 0
	}
	return n + 1
}

func spaces(s string) int { return len(s) - len(strings.TrimLeft(s, " ")) }
