package mail

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"golang.org/x/net/idna"
	"golang.org/x/text/unicode/norm"
)

// AccountID names an account in every database of the server. It is given out
// once by accounts and never again. Zero is no account.
type AccountID uint32

// Address is one mail address (RFC 5321 §4.1.2), normalised: the domain is in
// lower-case A-labels (RFC 5891), the local part in Unicode NFC as written,
// without the quotes of a quoted local part. The zero value is the null
// reverse-path "<>".
type Address struct {
	Local  string
	Domain string
}

// Limits of RFC 5321 §4.5.3.1, in octets.
const (
	MaxLocalPart = 64
	MaxDomain    = 255
)

// ErrBadAddress is what every error of ParseAddress wraps.
var ErrBadAddress = errors.New("not a mail address")

// ParseAddress reads "local@domain" as it stands in SMTP, without "<>" and
// without comments or display names. Quoted local parts are accepted
// (RFC 5321 §4.1.2), address literals are not: this server has no mailboxes at
// an IP address. Errors wrap ErrBadAddress and say what is wrong.
func ParseAddress(s string) (Address, error) {
	at := strings.LastIndexByte(s, '@')
	if at < 0 {
		return Address{}, fmt.Errorf("%w: %q has no @", ErrBadAddress, clip(s))
	}
	local, err := parseLocal(s[:at])
	if err != nil {
		return Address{}, fmt.Errorf("%w: %q: %s", ErrBadAddress, clip(s), err.Error())
	}
	domain, err := ParseDomain(s[at+1:])
	if err != nil {
		return Address{}, err
	}
	return Address{Local: local, Domain: domain}, nil
}

// ParseDomain normalises a domain name to lower-case A-labels (RFC 5890
// §2.3.2.1). Errors wrap ErrBadAddress.
func ParseDomain(s string) (string, error) {
	bad := func(why string) error { return fmt.Errorf("%w: domain %q %s", ErrBadAddress, clip(s), why) }
	switch {
	case s == "":
		return "", bad("is empty")
	case s[0] == '[':
		return "", bad("is an address literal, which this server does not use")
	case len(s) > MaxDomain:
		return "", bad("is longer than 255 octets")
	case !utf8.ValidString(s):
		return "", bad("is not UTF-8")
	}
	d := s
	if strings.HasSuffix(d, ".") {
		return "", bad("ends in a dot")
	}
	// Lookup is too strict for names with underscores that real hosts have;
	// what it maps is what we want, so only its mapping is used.
	d, err := idna.New(idna.MapForLookup(), idna.Transitional(false), idna.StrictDomainName(false), idna.BidiRule()).ToASCII(d)
	if err != nil {
		return "", bad("is not a valid name")
	}
	if len(d) > MaxDomain {
		return "", bad("is longer than 255 octets")
	}
	for label := range strings.SplitSeq(d, ".") {
		if !validLabel(label) {
			return "", bad("is not a valid name")
		}
	}
	return d, nil
}

func validLabel(l string) bool {
	if l == "" || len(l) > 63 || l[0] == '-' || l[len(l)-1] == '-' {
		return false
	}
	for i := range len(l) {
		c := l[i]
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' && c != '_' {
			return false
		}
	}
	return true
}

func parseLocal(s string) (string, error) {
	if s == "" {
		return "", errors.New("nothing before the @")
	}
	if len(s) > MaxLocalPart {
		return "", errors.New("more than 64 octets before the @")
	}
	if !utf8.ValidString(s) {
		return "", errors.New("not UTF-8")
	}
	if s[0] == '"' {
		return parseQuotedLocal(s)
	}
	if s[0] == '.' || s[len(s)-1] == '.' || strings.Contains(s, "..") {
		return "", errors.New("a dot at the edge or two in a row")
	}
	for _, r := range s {
		if !isAtext(r) && r != '.' {
			return "", fmt.Errorf("character %q needs quotes", r)
		}
	}
	return norm.NFC.String(s), nil
}

func parseQuotedLocal(s string) (string, error) {
	if len(s) < 2 || s[len(s)-1] != '"' {
		return "", errors.New("quote not closed")
	}
	var b strings.Builder
	esc := false
	for _, r := range s[1 : len(s)-1] {
		switch {
		case r < ' ' || r == 0x7f:
			return "", errors.New("control character")
		case esc:
			b.WriteRune(r)
			esc = false
		case r == '\\':
			esc = true
		case r == '"':
			return "", errors.New("quote inside of quotes")
		default:
			b.WriteRune(r)
		}
	}
	if esc {
		return "", errors.New("quote not closed")
	}
	if b.Len() == 0 {
		return "", errors.New("nothing before the @")
	}
	return norm.NFC.String(b.String()), nil
}

// isAtext is RFC 5322 §3.2.3 atext with RFC 6531 §3.3's UTF-8.
func isAtext(r rune) bool {
	if r >= 0x80 {
		return r != utf8.RuneError && r >= 0xa0
	}
	return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' ||
		strings.ContainsRune("!#$%&'*+-/=?^_`{|}~", r)
}

// String gives the address as SMTP writes it, quoting the local part when it
// must be; the null reverse-path is "".
func (a Address) String() string {
	if a.IsNull() {
		return ""
	}
	return quoteLocal(a.Local) + "@" + a.Domain
}

// IsNull tells whether a is the null reverse-path.
func (a Address) IsNull() bool { return a.Local == "" && a.Domain == "" }

// ASCII tells whether the address can be used without SMTPUTF8 (RFC 6531).
func (a Address) ASCII() bool {
	for i := range len(a.Local) {
		if a.Local[i] >= 0x80 {
			return false
		}
	}
	return true
}

// Key is what look-ups compare: addresses that reach the same mailbox of this
// server have the same key. RFC 5321 §2.4 leaves the case of the local part to
// the receiving host, and this one does not distinguish it.
func (a Address) Key() string {
	return norm.NFC.String(strings.ToLower(norm.NFC.String(a.Local))) + "@" + a.Domain
}

// Detail splits plus-addressing: with sep "+", "user+x" gives "user" and "x". A
// separator at the first place is part of the name. Without sep, or when there
// is none in the address, the base is a itself.
func (a Address) Detail(sep string) (base Address, detail string) {
	if sep == "" {
		return a, ""
	}
	i := strings.Index(a.Local, sep)
	if i <= 0 {
		return a, ""
	}
	return Address{Local: a.Local[:i], Domain: a.Domain}, a.Local[i+len(sep):]
}

func quoteLocal(s string) string {
	plain := s != "" && s[0] != '.' && s[len(s)-1] != '.' && !strings.Contains(s, "..")
	if plain {
		for _, r := range s {
			if !isAtext(r) && r != '.' {
				plain = false
				break
			}
		}
	}
	if plain {
		return s
	}
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"`
}

// clip shortens a peer's text for an error message.
func clip(s string) string {
	const most = 80
	if len(s) > most {
		return s[:most] + "…"
	}
	return s
}
