package storage

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// Limits of mailbox names.
const (
	MaxNameBytes = 1000 // UTF-8
	MaxNameDepth = 32   // levels
)

// CleanName gives a mailbox name as the store keeps it: NFC, INBOX in capitals
// (RFC 9051 §5.1). Errors wrap ErrBadName.
func CleanName(name string) (string, error) {
	bad := func(why string) (string, error) { return "", fmt.Errorf("%w: %s", ErrBadName, why) }
	if !utf8.ValidString(name) {
		return bad("not UTF-8")
	}
	name = norm.NFC.String(name)
	if len(name) > MaxNameBytes {
		return bad("too long")
	}
	levels := strings.Split(name, "/")
	if len(levels) > MaxNameDepth {
		return bad("too many levels")
	}
	for _, l := range levels {
		if l == "" {
			return bad("empty level")
		}
	}
	for _, r := range name {
		// U+2028 and U+2029 are line breaks (RFC 5198 §2 forbids both).
		if unicode.IsControl(r) || r == '\u2028' || r == '\u2029' || r == utf8.RuneError {
			return bad("control character")
		}
	}
	if strings.EqualFold(levels[0], "INBOX") {
		levels[0] = "INBOX"
	}
	return strings.Join(levels, "/"), nil
}
