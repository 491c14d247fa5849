package smtpd_test

import (
	"bufio"
	"crypto/tls"
	"encoding/base64"
	"strings"
	"testing"

	"mailstead/sasl/sasltest"
	"mailstead/smtpd"
)

// saslStep reads what the server says to a step of RFC 4954 §4.
func (p *peer) saslStep() (challenge, how string) {
	p.t.Helper()
	l, err := p.br.ReadString('\n')
	if err != nil {
		p.t.Fatal(err)
	}
	code, rest, _ := strings.Cut(strings.TrimSuffix(l, "\r\n"), " ")
	switch code {
	case "334":
		b, err := base64.StdEncoding.DecodeString(rest)
		if err != nil {
			p.t.Fatalf("challenge %q: %v", rest, err)
		}
		return string(b), sasltest.Goes
	case "235":
		return "", sasltest.In
	case "535":
		return "", sasltest.Refused
	case "501":
		return "", sasltest.Malformed
	case "454":
		return "", sasltest.Throttled
	case "504":
		return "", sasltest.NotKnown
	}
	return "", l
}

func TestSASL(t *testing.T) {
	t.Parallel()
	store, _ := certificates(t)
	config := store.Config()
	config.ClientAuth = tls.RequestClientCert
	s := start(t, smtpd.Options{Role: smtpd.Submission, Authenticator: fakeUsers{sasltest.Credentials{CRAMMD5: true}}, TLS: func() *tls.Config { return config }, ImplicitTLS: true})
	sasltest.TestDoor(t, func(t *testing.T) sasltest.Door {
		p := s.dial(t)
		c := tls.Client(p.c, &tls.Config{InsecureSkipVerify: true})
		if err := c.Handshake(); err != nil {
			t.Fatal(err)
		}
		p.c, p.br = c, bufio.NewReader(c)
		p.want("220 *")
		p.raw("EHLO client.test\r\n")
		for {
			l, err := p.br.ReadString('\n')
			if err != nil {
				t.Fatal(err)
			}
			if strings.HasPrefix(l, "250 ") {
				break
			}
		}
		return sasltest.Door{
			TLS: c.ConnectionState(),
			Begin: func(mechanism, initial string) (string, string) {
				p.raw(strings.TrimRight("AUTH "+mechanism+" "+initial, " ") + "\r\n")
				return p.saslStep()
			},
			Answer: func(line string) (string, string) {
				p.raw(line + "\r\n")
				return p.saslStep()
			},
		}
	}, "alice@example.test", "secret", "throttled@example.test")
}
