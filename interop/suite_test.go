package interop

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/textproto"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"
	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"
)

// mailstead is the program under test, built once.
var mailstead string

func TestMain(m *testing.M) {
	code, err := buildAndRun(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

func buildAndRun(m *testing.M) (code int, err error) {
	dir, err := os.MkdirTemp("", "mailstead-interop-*")
	if err != nil {
		return 1, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	mailstead = filepath.Join(dir, "mailstead")
	args := []string{"build", "-o", mailstead}
	if raceEnabled {
		args = append(args, "-race")
	}
	build := exec.Command("go", append(args, "mailstead/cmd/mailstead")...)
	if out, err := build.CombinedOutput(); err != nil {
		return 1, fmt.Errorf("build mailstead: %w\n%s", err, out)
	}
	return m.Run(), nil
}

// account is one of the demo's users.
type account struct{ Address, Password string }

// suite is a running demo: every door, with real TLS, on random ports.
type suite struct {
	cmd        *exec.Cmd
	dir        string
	stderr     bytes.Buffer // read after the end only
	Accounts   []account
	Ports      map[string]int
	cert       string
	roots      *x509.CertPool
	alice, bob account
}

// serveSuite starts the demo on a new directory. At the end of the test it must
// stop cleanly and leave a store that passes check.
func serveSuite(t *testing.T) *suite {
	t.Helper()
	s := startSuite(t, t.TempDir())
	t.Cleanup(func() {
		if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
			t.Error(err)
		}
		if err := s.cmd.Wait(); err != nil {
			t.Errorf("stop: %v", err)
		}
		if s.stderr.Len() > 0 {
			t.Logf("log:\n%s", s.stderr.Bytes())
		}
		checkStore(t, s.dir)
	})
	return s
}

// startSuite starts the demo; the caller ends it.
func startSuite(t *testing.T, dir string) *suite {
	t.Helper()
	s := &suite{dir: dir, cert: filepath.Join(dir, "tls", "cert.pem")}
	s.cmd = exec.Command(mailstead, "demo", "--json", "--port-base", "0", "--dir", dir)
	s.cmd.Stderr = &s.stderr
	out, err := s.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if err := json.NewDecoder(out).Decode(s); err != nil || len(s.Accounts) < 2 {
		err = errors.Join(err, s.cmd.Process.Kill(), s.cmd.Wait())
		t.Fatalf("start demo: %v\n%s", err, s.stderr.Bytes())
	}
	s.alice, s.bob = s.Accounts[0], s.Accounts[1]
	pem, err := os.ReadFile(s.cert)
	if err != nil {
		t.Fatal(err)
	}
	s.roots = x509.NewCertPool()
	if !s.roots.AppendCertsFromPEM(pem) {
		t.Fatal("no certificate in cert.pem")
	}
	return s
}

// checkStore verifies every invariant of a store that nobody has open.
func checkStore(t *testing.T, dir string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), clientTimeout) // the test's own context has ended
	defer cancel()
	if out, err := exec.CommandContext(ctx, mailstead, "check", "--dir", dir).CombinedOutput(); err != nil {
		t.Errorf("check: %v\n%s", err, out)
	}
}

func (s *suite) port(door string) string { return strconv.Itoa(s.Ports[door]) }

func (s *suite) addr(door string) string { return net.JoinHostPort("127.0.0.1", s.port(door)) }

func (s *suite) tls() *tls.Config { return &tls.Config{RootCAs: s.roots, ServerName: "localhost"} }

// submit sends a message as a user, by submission with implicit TLS.
func (s *suite) submit(t *testing.T, from account, to, text string, o *smtp.MailOptions) {
	t.Helper()
	c, err := smtp.DialTLS(s.addr("submissions"), s.tls())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.Auth(sasl.NewPlainClient("", from.Address, from.Password)); err != nil {
		t.Fatal(err)
	}
	if err := send(c, from.Address, to, text, o); err != nil {
		t.Fatal(err)
	}
}

// receive sends a message as another server does, to port 25 with STARTTLS.
func (s *suite) receive(t *testing.T, to, text string, o *smtp.MailOptions) {
	t.Helper()
	c, err := smtp.DialStartTLS(s.addr("smtp"), s.tls())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := send(c, "stranger@example.org", to, text, o); err != nil {
		t.Fatal(err)
	}
}

// send returns nil once the server has answered 250.
func send(c *smtp.Client, from, to, text string, o *smtp.MailOptions) error {
	if err := c.Mail(from, o); err != nil {
		return err
	}
	if err := c.Rcpt(to, nil); err != nil {
		return err
	}
	w, err := c.Data()
	if err != nil {
		return err
	}
	if _, err := w.Write([]byte(text)); err != nil {
		return err
	}
	return w.Close()
}

// imap logs in over TLS and selects a mailbox.
func (s *suite) imap(t *testing.T, who account, mailbox string, h *imapclient.UnilateralDataHandler) *imapclient.Client {
	t.Helper()
	c, err := imapclient.DialTLS(s.addr("imaps"), &imapclient.Options{TLSConfig: s.tls(), UnilateralDataHandler: h})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() }) // may have ended by LOGOUT
	if err := c.Login(who.Address, who.Password).Wait(); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Select(mailbox, nil).Wait(); err != nil {
		t.Fatal(err)
	}
	return c
}

// fetchAll gives each message of the selected mailbox, whole.
func fetchAll(t *testing.T, c *imapclient.Client) []string {
	t.Helper()
	whole := &imap.FetchItemBodySection{Peek: true}
	list, err := c.Fetch(imap.SeqSet{{Start: 1, Stop: 0}}, &imap.FetchOptions{BodySection: []*imap.FetchItemBodySection{whole}}).Collect()
	if err != nil {
		t.Fatal(err)
	}
	var texts []string
	for _, m := range list {
		texts = append(texts, string(m.FindBodySection(whole)))
	}
	return texts
}

// pop3 is a small client.
type pop3 struct {
	t *testing.T
	c *textproto.Conn
}

// pop3 logs in over TLS.
func (s *suite) pop3(t *testing.T, who account) pop3 {
	t.Helper()
	conn, err := tls.Dial("tcp", s.addr("pop3s"), s.tls())
	if err != nil {
		t.Fatal(err)
	}
	c := pop3{t, textproto.NewConn(conn)}
	t.Cleanup(func() { _ = c.c.Close() }) // may be closed already
	c.line()
	c.do("USER %s", who.Address)
	c.do("PASS %s", who.Password)
	return c
}

func (c pop3) line() string {
	c.t.Helper()
	line, err := c.c.ReadLine()
	if err != nil || !strings.HasPrefix(line, "+OK") {
		c.t.Fatalf("got %q, %v, want +OK", line, err)
	}
	return line
}

func (c pop3) do(format string, args ...any) string {
	c.t.Helper()
	if err := c.c.PrintfLine(format, args...); err != nil {
		c.t.Fatal(err)
	}
	return c.line()
}

// text gives a multi-line answer byte for byte, without dot-stuffing.
func (c pop3) text(format string, args ...any) string {
	c.t.Helper()
	c.do(format, args...)
	var b strings.Builder
	for {
		line, err := c.c.R.ReadString('\n')
		if err != nil {
			c.t.Fatal(err)
		}
		if line == ".\r\n" {
			return b.String()
		}
		b.WriteString(strings.TrimPrefix(line, "."))
	}
}
