package smtpd

import (
	"crypto/tls"
	"net/netip"
	"strings"
	"time"
)

// received makes the trace field of a message (RFC 5321 §4.4).
func (s *session) received(id string, now time.Time) []byte {
	var b strings.Builder
	b.WriteString("Received: from " + heloName(s.c.helo) + " (" + literal(s.c.remote) + ")\r\n")
	b.WriteString("\tby " + s.srv.o.Hostname + " (Mailstead) with " + s.protocol() + " id " + id)
	if len(s.tx.to) == 1 && s.tx.to[0].Domain != "" && (s.tx.utf8 || s.tx.to[0].ASCII()) {
		// With several recipients it would tell each about the others
		// (RFC 5321 §7.2).
		b.WriteString("\r\n\tfor <" + s.tx.to[0].String() + ">")
	}
	if s.c.tls != nil {
		b.WriteString("\r\n\ttls " + tls.CipherSuiteName(s.c.tls.CipherSuite)) // RFC 8314 §4.3
	}
	b.WriteString(";\r\n\t" + now.Format(dateFormat) + "\r\n")
	return []byte(b.String())
}

// protocol is how the message came (RFC 3848; RFC 6531 §4.3).
func (s *session) protocol() string {
	if !s.c.esmtp {
		return "SMTP"
	}
	p := "ESMTP"
	if s.tx.utf8 {
		p = "UTF8SMTP"
	}
	if s.c.tls != nil {
		p += "S"
	}
	if s.user != nil {
		p += "A"
	}
	return p
}

// heloName is what the peer called itself, if that can stand in a Received
// field as a domain or an address literal.
func heloName(s string) string {
	inner := strings.Trim(s, "[]")
	for i := range len(inner) {
		c := inner[i]
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && !strings.ContainsRune(".-_:", rune(c)) {
			return "unknown"
		}
	}
	if inner == "" || len(s) > 255 {
		return "unknown"
	}
	return s
}

// literal writes an address as RFC 5321 §4.1.3 does.
func literal(a netip.Addr) string {
	switch {
	case !a.IsValid():
		return "[unknown]"
	case a.Is6():
		return "[IPv6:" + a.WithZone("").String() + "]"
	}
	return "[" + a.String() + "]"
}
