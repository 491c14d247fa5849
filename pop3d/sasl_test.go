package pop3d_test

import (
	"bufio"
	"crypto/tls"
	"encoding/base64"
	"io"
	"strings"
	"testing"

	"mailstead/pop3d"
	"mailstead/sasl/sasltest"
)

// saslStep reads what the server says to a step of RFC 5034 §4.
func (c *client) saslStep() (challenge, how string) {
	c.t.Helper()
	l, err := c.r.ReadString('\n')
	if err != nil {
		c.t.Fatal(err)
	}
	l = strings.TrimSuffix(l, "\r\n")
	switch {
	case strings.HasPrefix(l, "+ "):
		b, err := base64.StdEncoding.DecodeString(l[2:])
		if err != nil {
			c.t.Fatalf("challenge %q: %v", l, err)
		}
		return string(b), sasltest.Goes
	case strings.HasPrefix(l, "+OK "), strings.HasPrefix(l, "-ERR [IN-USE] "):
		return "", sasltest.In // the maildrop is one session's at a time
	case strings.HasPrefix(l, "-ERR [AUTH] "):
		return "", sasltest.Refused
	case strings.HasPrefix(l, "-ERR [SYS/TEMP] too many"):
		return "", sasltest.Throttled
	case strings.HasPrefix(l, "-ERR mechanism not offered"):
		return "", sasltest.NotKnown
	case l == "-ERR cancelled", l == "-ERR not base64", strings.HasPrefix(l, "-ERR not the data of "):
		return "", sasltest.Malformed
	}
	return "", l
}

func TestSASL(t *testing.T) {
	t.Parallel()
	s := start(t, pop3d.Options{ImplicitTLS: true}, sasltest.Credentials{CRAMMD5: true})
	sasltest.TestDoor(t, func(t *testing.T) sasltest.Door {
		c := s.dial(t)
		x := tls.Client(c.conn, &tls.Config{RootCAs: s.roots, ServerName: "localhost"})
		if err := x.Handshake(); err != nil {
			t.Fatal(err)
		}
		c.conn, c.r = x, bufio.NewReader(x)
		if _, err := c.r.ReadString('\n'); err != nil {
			t.Fatal(err)
		}
		say := func(line string) (string, string) {
			if _, err := io.WriteString(c.conn, line+"\r\n"); err != nil {
				t.Fatal(err)
			}
			return c.saslStep()
		}
		return sasltest.Door{
			TLS: x.ConnectionState(),
			Begin: func(mechanism, initial string) (string, string) {
				return say(strings.TrimRight("AUTH "+mechanism+" "+initial, " "))
			},
			Answer: say,
		}
	}, "alice", "pass word", "slow")
}
