package interop

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"mailstead/internal/netd"
	"mailstead/mail"
	"mailstead/pop3d"
	"mailstead/sasl"
	"mailstead/sasl/sasltest"
	"mailstead/storage"
	"mailstead/storage/storagetest"
)

// clientTimeout is far more than any client here needs.
const clientTimeout = time.Minute

const (
	login    = "alice@example.test"
	password = "pass word's"
)

// program finds an installed client.
func program(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err == nil {
		return path
	}
	if os.Getenv("MAILSTEAD_INTEROP") != "" {
		t.Fatalf("%s must be installed when MAILSTEAD_INTEROP is set: %v", name, err)
	}
	t.Skipf("%s is not installed", name)
	return ""
}

// run gives what a client wrote to stdout, and its exit error.
func run(t *testing.T, c *exec.Cmd) ([]byte, error) {
	t.Helper()
	var out, talk bytes.Buffer
	c.Stdout, c.Stderr = &out, &talk
	err := c.Run()
	if err != nil {
		err = fmt.Errorf("%w\n%s\n%s", err, out.Bytes(), talk.Bytes())
	}
	return out.Bytes(), err
}

func command(t *testing.T, path string, args ...string) *exec.Cmd {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), clientTimeout)
	t.Cleanup(cancel)
	return exec.CommandContext(ctx, path, args...)
}

// alice is the only account.
type alice struct{}

func (alice) Credentials(netip.Addr) sasl.Credentials {
	return sasltest.Credentials{Users: map[string]uint32{login: 1}, Secret: password, CRAMMD5: true}
}

func (alice) Watch(mail.AccountID) (<-chan struct{}, func()) { return nil, func() {} }

// maildrop is a POP3 server with one account.
type maildrop struct {
	store              *storage.Store
	inbox              storage.Ref
	cert, plain, byTLS string // file of the certificate; addresses
}

func serveMaildrop(t *testing.T, messages ...string) *maildrop {
	t.Helper()
	m := &maildrop{store: storagetest.Open(t, storage.Options{})}
	if err := m.store.CreateAccount(t.Context(), 1, login); err != nil {
		t.Fatal(err)
	}
	box, err := m.store.Mailbox(1, "INBOX")
	if err != nil {
		t.Fatal(err)
	}
	m.inbox = storage.Ref{Account: 1, Mailbox: box.ID}
	for _, text := range messages {
		if _, err := m.store.Append(t.Context(), storagetest.Body(text), storage.Target{Ref: m.inbox}); err != nil {
			t.Fatal(err)
		}
	}
	dir := t.TempDir()
	m.cert = filepath.Join(dir, "cert.pem")
	key := filepath.Join(dir, "key.pem")
	if err := netd.WriteSelfSigned(m.cert, key, "localhost"); err != nil {
		t.Fatal(err)
	}
	certs, err := netd.LoadCertificates(m.cert, key)
	if err != nil {
		t.Fatal(err)
	}
	o := pop3d.Options{Authenticator: alice{}, Store: m.store, TLS: certs.Config(), Hostname: "localhost"}
	m.plain = serve(t, o)
	o.ImplicitTLS = true
	m.byTLS = serve(t, o)
	return m
}

func serve(t *testing.T, o pop3d.Options) (port string) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := pop3d.New(o)
	done := make(chan error, 1)
	go func() { done <- s.Serve(ln) }()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), clientTimeout) // the test's own context has ended
		defer cancel()
		if err := errors.Join(s.Shutdown(ctx), <-done); !errors.Is(err, netd.ErrServerClosed) {
			t.Error(err)
		}
	})
	_, port, err = net.SplitHostPort(ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return port
}

func (m *maildrop) count(t *testing.T) int {
	t.Helper()
	box, err := m.store.MailboxByID(m.inbox)
	if err != nil {
		t.Fatal(err)
	}
	return int(box.Messages)
}

// mails has what clients stumble over: dots, 8-bit header fields, long lines, and
// an attachment of 10 MB.
func mails() []string {
	line := strings.Repeat("QUJD", 19) + "\r\n"
	return []string{
		"From: b@example.test\r\nSubject: dots\r\n\r\n.\r\n..\r\n.x\r\n",
		"From: b@example.test\r\nSubject: Grüße an 世界\r\n\r\nÄÖÜ\r\n",
		"From: b@example.test\r\nSubject: long\r\n\r\n" + strings.Repeat("z", 998) + "\r\n",
		"From: b@example.test\r\nSubject: big\r\nContent-Type: application/octet-stream\r\nContent-Transfer-Encoding: base64\r\n\r\n" + strings.Repeat(line, 10<<20/len(line)),
	}
}

func TestCurlFetchesByteForByte(t *testing.T) {
	t.Parallel()
	curl := program(t, "curl")
	sent := mails()
	m := serveMaildrop(t, sent...)
	ways := []struct {
		name, base string
		args       []string
	}{
		{"STLS", "pop3://localhost:" + m.plain, []string{"--ssl-reqd"}},
		{"implicit TLS", "pop3s://localhost:" + m.byTLS, nil},
		{"AUTH PLAIN", "pop3s://localhost:" + m.byTLS, []string{"--login-options", "AUTH=PLAIN"}},
	}
	for _, w := range ways {
		args := append([]string{"-sS", "--cacert", m.cert, "-u", login + ":" + password}, w.args...)
		for i, want := range sent {
			got, err := run(t, command(t, curl, append(args, fmt.Sprintf("%s/%d", w.base, i+1))...))
			if err != nil {
				t.Fatalf("%s: %v", w.name, err)
			}
			if string(got) != want {
				t.Errorf("%s: message %d: got %d bytes, want %d", w.name, i+1, len(got), len(want))
			}
		}
	}
	if n := m.count(t); n != len(sent) {
		t.Errorf("got %d messages, want %d", n, len(sent))
	}
}

func TestCurlIsRefusedWithoutTLS(t *testing.T) {
	t.Parallel()
	curl := program(t, "curl")
	m := serveMaildrop(t)
	_, err := run(t, command(t, curl, "-sS", "-u", login+":"+password, "pop3://localhost:"+m.plain+"/"))
	if err == nil {
		t.Error("login in clear was accepted")
	}
	_, err = run(t, command(t, curl, "-sS", "--cacert", m.cert, "-u", login+":wrong", "pop3s://localhost:"+m.byTLS+"/"))
	if exit, ok := errors.AsType[*exec.ExitError](err); !ok || exit.ExitCode() != 67 { // CURLE_LOGIN_DENIED
		t.Errorf("wrong password: got %v, want exit code 67", err)
	}
}

func TestFetchmailTakesAllAndDeletes(t *testing.T) {
	t.Parallel()
	fetchmail := program(t, "fetchmail")
	for _, way := range []struct {
		name string
		ssl  string
		port func(*maildrop) string
	}{
		{"STLS", "sslproto 'auto'", func(m *maildrop) string { return m.plain }},
		{"implicit TLS", "ssl", func(m *maildrop) string { return m.byTLS }},
	} {
		t.Run(way.name, func(t *testing.T) {
			t.Parallel()
			sent := mails()
			m := serveMaildrop(t, sent...)
			home := t.TempDir()
			box := filepath.Join(home, "box")
			rc := filepath.Join(home, "rc")
			text := fmt.Sprintf("set no bouncemail\nset invisible\npoll localhost service %s protocol pop3\n  user %q password %q\n  %s sslcertfile %q sslcertck\n  fetchall nokeep no rewrite mda \"cat >> %s\"\n",
				way.port(m), login, password, way.ssl, m.cert, box)
			if err := os.WriteFile(rc, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			fetch := func() error {
				c := command(t, fetchmail, "-f", rc, "--nodetach", "--nosyslog", "--pidfile", filepath.Join(home, "pid"), "-v")
				c.Env = append(os.Environ(), "HOME="+home, "FETCHMAILHOME="+home, "LC_ALL=C")
				_, err := run(t, c)
				return err
			}
			if err := fetch(); err != nil {
				t.Fatal(err)
			}
			got, err := os.ReadFile(box)
			if err != nil {
				t.Fatal(err)
			}
			for i, s := range sent {
				if want := strings.ReplaceAll(s, "\r\n", "\n"); !bytes.Contains(bytes.ReplaceAll(got, []byte("\r\n"), []byte("\n")), []byte(want)) {
					t.Errorf("message %d did not arrive as it was", i+1)
				}
			}
			if n := m.count(t); n != 0 {
				t.Errorf("got %d messages left, want none", n)
			}
			err = fetch()
			if exit, ok := errors.AsType[*exec.ExitError](err); !ok || exit.ExitCode() != 1 { // PS_NOMAIL
				t.Errorf("second run: got %v, want exit code 1", err)
			}
		})
	}
}
