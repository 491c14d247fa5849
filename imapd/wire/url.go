package wire

import (
	"errors"
	"net/url"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/emersion/go-imap/v2"
)

// errNoLiteral keeps a literal out of a URL.
var errNoLiteral = errors.New("a literal in a URL")

// MessageURL is an IMAP URL of a message or a part of one (RFC 5092 §5 and §7.2)
// without scheme and server.
type MessageURL struct {
	// Mailbox is in UTF-8. Unless Absolute, it is relative to the mailbox that is
	// selected: that one itself when it is empty, else one beside it.
	Mailbox     string
	Absolute    bool
	UIDValidity uint32 // zero when not given
	UID         uint32
	// Section has the PARTIAL of RFC 5092 §5.1 too.
	Section FetchItem
}

// ParseMessageURL reads a URL; ok is false when it is none, or one of something
// else.
func ParseMessageURL(s string) (u MessageURL, ok bool) {
	if strings.ContainsFunc(s, func(c rune) bool { return !isURLChar(c) }) || strings.HasPrefix(s, "//") {
		return u, false
	}
	if s, u.Absolute = strings.CutPrefix(s, "/"); !u.Absolute && strings.Contains(strings.SplitN(s, "/", 2)[0], ":") {
		return u, false // a scheme
	}
	path, rest, found := cutFold(s, ";UID=")
	if !found || path != "" && !strings.HasSuffix(path, "/") || path == "" && u.Absolute {
		return u, false
	}
	if ok = u.mailbox(strings.TrimSuffix(path, "/")); !ok {
		return u, false
	}
	rest, partial, hasPartial := cutFold(rest, "/;PARTIAL=")
	rest, section, hasSection := cutFold(rest, "/;SECTION=")
	if u.UID, ok = number32(strings.TrimSuffix(rest, "/")); !ok {
		return u, false
	}
	u.Section = FetchItem{Kind: FetchSection, Peek: true}
	if hasSection {
		text, err := url.PathUnescape(section)
		if err != nil || text == "" {
			return u, false
		}
		if u.Section, ok = ParseSection(text); !ok || u.Section.Partial != nil {
			return u, false
		}
	}
	if hasPartial {
		u.Section.Partial, ok = urlPartial(partial)
	}
	return u, ok
}

// mailbox reads "enc-mailbox [;UIDVALIDITY=n]".
func (u *MessageURL) mailbox(s string) bool {
	s, validity, given := cutFold(s, ";UIDVALIDITY=")
	if given {
		var ok bool
		if u.UIDValidity, ok = number32(validity); !ok || s == "" {
			return false
		}
	}
	name, err := url.PathUnescape(s)
	if err != nil || !utf8.ValidString(name) || strings.Contains(s, ";") {
		return false
	}
	u.Mailbox = name
	return name != "" || !u.Absolute
}

// urlPartial reads "offset[.length]"; without a length it goes to the end.
func urlPartial(s string) (*imap.SectionPartial, bool) {
	offset, length, given := strings.Cut(s, ".")
	p := &imap.SectionPartial{Size: 1<<63 - 1}
	var err error
	if p.Offset, err = number63(offset); err != nil {
		return nil, false
	}
	if given {
		if p.Size, err = number63(length); err != nil || p.Size == 0 {
			return nil, false
		}
	}
	return p, true
}

// number63 reads a number without a sign.
func number63(s string) (int64, error) {
	n, err := strconv.ParseUint(s, 10, 63)
	return int64(n), err
}

func number32(s string) (uint32, bool) {
	n, err := strconv.ParseUint(s, 10, 32)
	return uint32(n), err == nil && n > 0
}

// cutFold cuts s at sep, whatever the case of its letters.
func cutFold(s, sep string) (before, after string, found bool) {
	for i := 0; i+len(sep) <= len(s); i++ {
		if strings.EqualFold(s[i:i+len(sep)], sep) {
			return s[:i], s[i+len(sep):], true
		}
	}
	return s, "", false
}

// isURLChar tells whether a character may stand in a URL (RFC 3986 §2).
func isURLChar(c rune) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.ContainsRune("-._~%!$'()*+,;&=:@/", c)
}
