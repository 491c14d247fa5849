package imapd

import (
	"context"
	"crypto/tls"
	"encoding/base64"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2/imapclient"
	"github.com/emersion/go-sasl"

	"mailstead/internal/netd"
)

func TestLogin(t *testing.T) {
	t.Parallel()
	s := newSuite(t)
	plain := func(authz, user, pass string) string {
		return base64.StdEncoding.EncodeToString([]byte(authz + "\x00" + user + "\x00" + pass))
	}
	tests := []struct{ name, command, want string }{
		{"right", `LOGIN alice@example.test "correct horse"`, "OK [CAPABILITY "},
		{"wrong password", `LOGIN alice@example.test wrong`, "NO [AUTHENTICATIONFAILED] "},
		{"unknown user", `LOGIN nobody@example.test wrong`, "NO [AUTHENTICATIONFAILED] "},
		{"throttled", `LOGIN throttled@example.test x`, "NO [UNAVAILABLE] Too many"},
		{"fault of the server", `LOGIN broken@example.test x`, "NO [UNAVAILABLE] "},
		{"no password", `LOGIN alice@example.test`, "BAD "},
		{"plain with initial response", "AUTHENTICATE PLAIN " + plain("", "alice@example.test", password), "OK [CAPABILITY "},
		{"plain for oneself", "AUTHENTICATE PLAIN " + plain("alice@example.test", "alice@example.test", password), "OK [CAPABILITY "},
		{"plain for another", "AUTHENTICATE PLAIN " + plain("bob@example.test", "alice@example.test", password), "NO [AUTHORIZATIONFAILED] "},
		{"plain wrong", "AUTHENTICATE PLAIN " + plain("", "alice@example.test", "x"), "NO [AUTHENTICATIONFAILED] "},
		{"plain garbage", "AUTHENTICATE PLAIN eHl6", "BAD "},
		{"unknown mechanism", "AUTHENTICATE GSSAPI", "NO [CANNOT] "},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s.with(t).dial().answers(tt.command, tt.want)
		})
	}
}

func TestAuthenticateWithContinuation(t *testing.T) {
	t.Parallel()
	s := newSuite(t)
	sc := s.dial()
	sc.send("a AUTHENTICATE PLAIN\r\n")
	sc.expect("+ ")
	sc.send("*\r\n")
	sc.expect("a BAD ")
	sc.send("b AUTHENTICATE PLAIN\r\n")
	sc.expect("+ ")
	sc.send(base64.StdEncoding.EncodeToString([]byte("\x00alice@example.test\x00"+password)) + "\r\n")
	sc.expect("b OK [CAPABILITY ")
	sc.ok("NOOP")
}

func TestThirdFailedLoginEndsTheSession(t *testing.T) {
	t.Parallel()
	sc := newSuite(t).dial()
	for range maxLoginFailures {
		sc.answers("LOGIN alice@example.test wrong", "NO [AUTHENTICATIONFAILED] ")
	}
	sc.expect("* BYE ")
}

func TestNoLoginWithoutTLS(t *testing.T) {
	t.Parallel()
	s := newSuite(t, func(o *Options) { o.AllowInsecureAuth = false })
	sc := s.dial()
	caps := strings.Join(sc.ok("CAPABILITY"), "")
	if !strings.Contains(caps, "LOGINDISABLED") || !strings.Contains(caps, "STARTTLS") || strings.Contains(caps, "AUTH=PLAIN") {
		t.Errorf("capabilities without TLS: got %q", caps)
	}
	sc.answers(`LOGIN alice@example.test "correct horse"`, "NO [PRIVACYREQUIRED] ")
	sc.answers("AUTHENTICATE PLAIN", "NO [PRIVACYREQUIRED] ")
}

func TestStartTLS(t *testing.T) {
	t.Parallel()
	s := newSuite(t, func(o *Options) { o.AllowInsecureAuth = false })
	c, err := imapclient.DialStartTLS(s.addr, &imapclient.Options{TLSConfig: &tls.Config{RootCAs: s.roots, ServerName: "127.0.0.1"}})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	caps, err := c.Capability().Wait()
	if err != nil {
		t.Fatal(err)
	}
	if !caps.Has("AUTH=PLAIN") || caps.Has("STARTTLS") || caps.Has("LOGINDISABLED") {
		t.Errorf("capabilities with TLS: got %v", caps)
	}
	if err := c.Authenticate(sasl.NewPlainClient("", "alice@example.test", password)); err != nil {
		t.Fatal(err)
	}
	if err := c.Logout().Wait(); err != nil {
		t.Fatal(err)
	}
}

func TestStartTLSRefusesWhatFollowsInClear(t *testing.T) {
	t.Parallel()
	sc := newSuite(t).dial()
	sc.send("a STARTTLS\r\nb LOGIN alice@example.test \"correct horse\"\r\n")
	sc.expect("* BYE ")
	sc.expect("a BAD ")
	if l, err := sc.r.ReadString('\n'); err == nil {
		t.Errorf("after the refusal: got %q, want the end", l)
	}
}

func TestImplicitTLS(t *testing.T) {
	t.Parallel()
	s := newSuite(t, func(o *Options) { o.ImplicitTLS, o.AllowInsecureAuth = true, false })
	c, err := imapclient.DialTLS(s.addr, &imapclient.Options{TLSConfig: &tls.Config{RootCAs: s.roots, ServerName: "127.0.0.1"}})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.Login("alice@example.test", password).Wait(); err != nil {
		t.Fatal(err)
	}
}

func TestCommandsNeedTheirState(t *testing.T) {
	t.Parallel()
	s := newSuite(t)
	sc := s.dial()
	for _, c := range []string{"SELECT INBOX", "LIST \"\" *", "FETCH 1 FLAGS", "ENABLE IMAP4rev2", "IDLE"} {
		sc.answers(c, "BAD ")
	}
	sc = s.login()
	for _, c := range []string{"FETCH 1 FLAGS", "CLOSE", "EXPUNGE", "LOGIN a b", "STARTTLS", "FROBNICATE"} {
		sc.answers(c, "BAD ")
	}
	sc.ok("SELECT INBOX")
	sc.answers("ENABLE IMAP4rev2", "BAD ")
}

func TestTooManyBadCommandsBeforeLogin(t *testing.T) {
	t.Parallel()
	sc := newSuite(t).dial()
	for range maxBadBeforeLogin - 1 {
		sc.answers("FROBNICATE", "BAD ")
	}
	sc.answers("FROBNICATE", "BAD ")
	sc.expect("* BYE ")
}

func TestAutologout(t *testing.T) {
	t.Parallel()
	t.Run("before login", func(t *testing.T) {
		t.Parallel()
		sc := newSuite(t, func(o *Options) { o.LoginTimeout = 50 * time.Millisecond }).dial()
		sc.expect("* BYE Autologout")
	})
	t.Run("after login", func(t *testing.T) {
		t.Parallel()
		sc := newSuite(t, func(o *Options) { o.IdleTimeout = 50 * time.Millisecond }).login()
		sc.expect("* BYE Autologout")
	})
	t.Run("in IDLE", func(t *testing.T) {
		t.Parallel()
		sc := newSuite(t, func(o *Options) { o.IdleTimeout = 50 * time.Millisecond }).login()
		sc.send("a IDLE\r\n")
		sc.expect("+ ")
		sc.expect("* BYE Autologout")
	})
	t.Run("in the middle of a message", func(t *testing.T) {
		t.Parallel()
		sc := newSuite(t, func(o *Options) { o.CommandTimeout = 50 * time.Millisecond }).login()
		sc.send("a APPEND INBOX {100}\r\n")
		sc.expect("+ ")
		sc.send("Subject: half")
		sc.expect("* BYE Autologout")
	})
}

func TestDisabledAccountIsSentAway(t *testing.T) {
	t.Parallel()
	for _, command := range []string{"", "a IDLE\r\n"} {
		t.Run(fmt.Sprintf("after %q", command), func(t *testing.T) {
			t.Parallel()
			s := newSuite(t)
			sc := s.login()
			sc.send(command)
			if command != "" {
				sc.expect("+ ")
			}
			s.logins.disable(alice)
			sc.expect("* BYE Account was changed")
		})
	}
}

func TestShutdownSaysGoodbye(t *testing.T) {
	t.Parallel()
	for _, command := range []string{"", "a IDLE\r\n"} {
		t.Run(fmt.Sprintf("after %q", command), func(t *testing.T) {
			t.Parallel()
			s := newSuite(t)
			sc := s.login()
			sc.ok("SELECT INBOX")
			sc.send(command)
			if command != "" {
				sc.expect("+ ")
			}
			ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
			defer cancel()
			if err := s.server.Shutdown(ctx); err != nil {
				t.Fatal(err)
			}
			sc.expect("* BYE [UNAVAILABLE] ")
		})
	}
}

func TestConnectionLimit(t *testing.T) {
	t.Parallel()
	s := newSuite(t, func(o *Options) { o.Limits = netd.Limits{PerAddress: 1} })
	s.login()
	c, err := net.Dial("tcp", s.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	buf := make([]byte, 512)
	n, _ := c.Read(buf)
	if got := string(buf[:n]); !strings.HasPrefix(got, "* BYE [UNAVAILABLE] ") || !strings.HasSuffix(got, "\r\n") {
		t.Errorf("second connection: got %q", got)
	}
}

func TestPipelinedCommandsAreAnsweredInOrder(t *testing.T) {
	t.Parallel()
	s := newSuite(t)
	s.fill("INBOX", 3)
	sc := s.dial()
	sc.send("a LOGIN alice@example.test \"correct horse\"\r\nb SELECT INBOX\r\nc FETCH 1:3 UID\r\nd NOOP\r\ne LOGOUT\r\n")
	for _, tag := range []string{"a", "b", "c", "d", "e"} {
		if _, got := sc.until(tag); !strings.HasPrefix(got, "OK") {
			t.Errorf("%s: got %q, want OK", tag, got)
		}
	}
}
