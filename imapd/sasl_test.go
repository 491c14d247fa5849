package imapd

import (
	"bufio"
	"crypto/tls"
	"encoding/base64"
	"strings"
	"testing"

	"mailstead/sasl"
	"mailstead/sasl/sasltest"
)

// dialTLS connects a script over TLS, with these certificates of the client.
func (s *suite) dialTLS(t *testing.T, certs ...tls.Certificate) (*script, tls.ConnectionState) {
	t.Helper()
	sc := s.with(t).open()
	c := tls.Client(sc.c, &tls.Config{RootCAs: s.roots, ServerName: "127.0.0.1", Certificates: certs})
	if err := c.Handshake(); err != nil {
		t.Fatal(err)
	}
	sc.c, sc.r = c, bufio.NewReader(c)
	sc.expect("* OK [CAPABILITY ")
	return sc, c.ConnectionState()
}

// saslStep reads what the server says to a step.
func (sc *script) saslStep() (challenge, how string) {
	sc.t.Helper()
	l := sc.line()
	if rest, ok := strings.CutPrefix(l, "+ "); ok {
		b, err := base64.StdEncoding.DecodeString(rest)
		if err != nil {
			sc.t.Fatalf("challenge %q: %v", rest, err)
		}
		return string(b), sasltest.Goes
	}
	for prefix, how := range map[string]string{
		"a OK [CAPABILITY ": sasltest.In, "a NO [AUTHENTICATIONFAILED] ": sasltest.Refused, "a NO [AUTHORIZATIONFAILED] ": sasltest.Refused,
		"a BAD ": sasltest.Malformed, "a NO [UNAVAILABLE] ": sasltest.Throttled, "a NO [CANNOT] ": sasltest.NotKnown,
	} {
		if strings.HasPrefix(l, prefix) {
			return "", how
		}
	}
	return "", l
}

func saslSuite(t *testing.T) *suite {
	t.Helper()
	return newSuite(t, func(o *Options) {
		o.ImplicitTLS, o.AllowInsecureAuth = true, false
		config := o.TLS().Clone()
		config.ClientAuth = tls.RequestClientCert
		o.TLS = func() *tls.Config { return config }
		o.Authenticator.(*logins).sasl.CRAMMD5 = true
	})
}

func TestSASL(t *testing.T) {
	t.Parallel()
	s := saslSuite(t)
	sasltest.TestDoor(t, func(t *testing.T) sasltest.Door {
		sc, state := s.dialTLS(t)
		return sasltest.Door{
			TLS: state,
			Begin: func(mechanism, initial string) (string, string) {
				sc.send(strings.TrimRight("a AUTHENTICATE "+mechanism+" "+initial, " ") + "\r\n")
				return sc.saslStep()
			},
			Answer: func(line string) (string, string) {
				sc.send(line + "\r\n")
				return sc.saslStep()
			},
		}
	}, "alice@example.test", password, "throttled@example.test")
}

func TestExternal(t *testing.T) {
	t.Parallel()
	s := saslSuite(t)
	config, _ := certificate(t)
	cert := config.Certificates[0]
	s.logins.sasl.Bound, s.logins.sasl.BoundTo = cert.Certificate[0], "bob@example.test"
	sc, _ := s.dialTLS(t, cert)
	if caps := strings.Join(sc.ok("CAPABILITY"), ""); !strings.Contains(caps, " AUTH=EXTERNAL ") {
		t.Errorf("got %q, want EXTERNAL in it", caps)
	}
	sc.answers("AUTHENTICATE EXTERNAL "+base64.StdEncoding.EncodeToString([]byte("alice@example.test")), "NO [AUTHENTICATIONFAILED] ")
	sc.answers("AUTHENTICATE EXTERNAL =", "OK [CAPABILITY ")
}

// TestSASLResponseHasALimit sends responses of the longest line, and one more.
func TestSASLResponseHasALimit(t *testing.T) {
	t.Parallel()
	s := newSuite(t)
	for n, want := range map[int]string{maxSASL: "a NO [AUTH", maxSASL + 1: "* BYE "} {
		sc := s.dial()
		sc.send("a AUTHENTICATE PLAIN\r\n")
		sc.expect("+ ")
		line := base64.StdEncoding.EncodeToString([]byte("\x00a\x00" + strings.Repeat("x", sasl.MaxResponse-3)))
		sc.send(line + strings.Repeat("A", n-len(line)) + "\r\n")
		sc.expect(want)
	}
}
