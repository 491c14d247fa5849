package pop3d_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
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

// users is an Authenticator with one account.
type users struct {
	ended chan struct{}
	sasl  sasltest.Credentials
}

func (u users) Credentials(netip.Addr) sasl.Credentials {
	c := u.sasl
	c.Users, c.Secret = map[string]uint32{"alice": 1}, "pass word"
	c.Refuse = func(user string) error {
		if user == "slow" {
			return sasl.ErrThrottled
		}
		return nil
	}
	return c
}

func (u users) Watch(mail.AccountID) (<-chan struct{}, func()) { return u.ended, func() {} }

type suite struct {
	dir   string // of the store
	store *storage.Store
	inbox storage.Ref
	addr  string
	roots *x509.CertPool
	users users
}

func start(t testing.TB, o pop3d.Options, c ...sasltest.Credentials) *suite {
	t.Helper()
	return startOn(t, t.TempDir(), storage.Options{}, o, c...)
}

// startOn is start with a store in dir.
func startOn(t testing.TB, dir string, opts storage.Options, o pop3d.Options, c ...sasltest.Credentials) *suite {
	t.Helper()
	s := &suite{dir: dir, store: storagetest.OpenDir(t, dir, opts), users: users{ended: make(chan struct{})}}
	for _, c := range c {
		s.users.sasl = c
	}
	if err := s.store.CreateAccount(t.Context(), 1, "alice"); err != nil {
		t.Fatal(err)
	}
	m, err := s.store.Mailbox(1, "INBOX")
	if err != nil {
		t.Fatal(err)
	}
	s.inbox = storage.Ref{Account: 1, Mailbox: m.ID}
	for i := range 3 {
		s.put(t, fmt.Sprintf("Subject: %d\r\n\r\n.dot\r\nline %d\r\n..\r\nlast without end", i+1, i+1))
	}
	dir = t.TempDir()
	cert := filepath.Join(dir, "c")
	if err := netd.WriteSelfSigned(cert, filepath.Join(dir, "k"), "localhost"); err != nil {
		t.Fatal(err)
	}
	certs, err := netd.LoadCertificates(cert, filepath.Join(dir, "k"))
	if err != nil {
		t.Fatal(err)
	}
	pem, err := os.ReadFile(cert)
	if err != nil {
		t.Fatal(err)
	}
	s.roots = x509.NewCertPool()
	s.roots.AppendCertsFromPEM(pem)
	o.Authenticator, o.Store, o.TLS, o.Hostname = s.users, s.store, certs.Config(), "mail.example.test"
	srv := pop3d.New(o)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.addr = ln.Addr().String()
	done := make(chan error, 1)
	go func() { done <- srv.Serve(ln) }()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		if err := srv.Shutdown(ctx); err != nil {
			t.Error(err)
		}
		<-done
	})
	return s
}

func (s *suite) put(t testing.TB, text string) {
	t.Helper()
	if _, err := s.store.Append(t.Context(), strings.NewReader(text), storage.Target{Ref: s.inbox}); err != nil {
		t.Fatal(err)
	}
}

// client speaks the lines of a dialogue.
type client struct {
	t    testing.TB
	conn net.Conn
	r    *bufio.Reader
}

func (s *suite) dial(t testing.TB) *client {
	t.Helper()
	c, err := net.Dial("tcp", s.addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	if err := c.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	return &client{t, c, bufio.NewReader(c)}
}

// talk runs a dialogue: "C: " is sent, "S: " must come; between slashes it is a
// regular expression. "TLS" begins TLS, "EOF" is the server hanging up.
func (c *client) talk(s *suite, script string) {
	c.t.Helper()
	for n, line := range strings.Split(strings.TrimSpace(script), "\n") {
		line = strings.TrimSpace(line)
		kind, text, _ := strings.Cut(line, ":")
		text = strings.TrimPrefix(text, " ")
		switch kind {
		case "C":
			if _, err := io.WriteString(c.conn, strings.ReplaceAll(text, `\n`, "\r\n")+"\r\n"); err != nil {
				c.t.Fatalf("line %d: %v", n+1, err)
			}
		case "S":
			got, err := c.r.ReadString('\n')
			got = strings.TrimSuffix(got, "\r\n")
			if re, ok := strings.CutPrefix(text, "/"); ok && regexp.MustCompile("^(?:"+strings.TrimSuffix(re, "/")+")$").MatchString(got) {
				continue
			}
			if err != nil || got != text {
				c.t.Fatalf("line %d: got %q, %v, want %q", n+1, got, err, text)
			}
		case "TLS":
			x := tls.Client(c.conn, &tls.Config{RootCAs: s.roots, ServerName: "localhost"})
			c.conn, c.r = x, bufio.NewReader(x)
		case "EOF":
			if b, err := io.ReadAll(c.r); err != nil || len(b) > 0 {
				c.t.Fatalf("line %d: got %q, %v, want the end", n+1, b, err)
			}
		default:
			c.t.Fatalf("line %d: %q is no line of a dialogue", n+1, line)
		}
	}
}

func TestDialogues(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatal("no dialogues", err)
	}
	for _, f := range files {
		t.Run(strings.TrimSuffix(filepath.Base(f), ".txt"), func(t *testing.T) {
			t.Parallel()
			b, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			s := start(t, pop3d.Options{AllowInsecureAuth: !strings.Contains(f, "tls")})
			s.dial(t).talk(s, string(b))
		})
	}
}

const login = "S: /\\+OK .*/\nC: USER alice\nS: +OK password?\nC: PASS pass word\nS: /\\+OK 3 messages .*/\n"

func (s *suite) uids(t testing.TB) int {
	t.Helper()
	m, err := s.store.MailboxByID(s.inbox)
	if err != nil {
		t.Fatal(err)
	}
	return int(m.Messages)
}

func TestLostConnectionDeletesNothing(t *testing.T) {
	t.Parallel()
	s := start(t, pop3d.Options{AllowInsecureAuth: true})
	c := s.dial(t)
	c.talk(s, login+"C: DELE 1\nS: +OK marked")
	c.conn.Close()
	again := s.dial(t)
	again.talk(s, "S: /\\+OK .*/")
	// The old session ends when its server notices; until then the maildrop is in use.
	for {
		io.WriteString(again.conn, "USER alice\r\nPASS pass word\r\n")
		again.talk(s, "S: +OK password?")
		got, err := again.r.ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasPrefix(got, "+OK 3 ") {
			break
		}
		if !strings.HasPrefix(got, "-ERR [IN-USE]") {
			t.Fatalf("got %q", got)
		}
	}
	if n := s.uids(t); n != 3 {
		t.Errorf("got %d messages, want 3", n)
	}
}

func TestQuitRemovesAndOthersSee(t *testing.T) {
	t.Parallel()
	s := start(t, pop3d.Options{AllowInsecureAuth: true})
	snap, err := s.store.Snapshot(s.inbox)
	if err != nil {
		t.Fatal(err)
	}
	defer snap.Feed.Close()
	c := s.dial(t)
	c.talk(s, login+"C: DELE 1\nS: +OK marked\nC: DELE 3\nS: +OK marked\nC: QUIT\nS: +OK bye, 2 removed\nEOF")
	<-snap.Feed.Wake()
	events, _ := snap.Feed.Take()
	if len(events) != 1 || events[0].Kind != storage.EventExpunged || !events[0].UIDs.Contains(1) || !events[0].UIDs.Contains(3) || events[0].UIDs.Contains(2) {
		t.Errorf("got %+v", events)
	}
}

func TestSecondSessionIsToldInUse(t *testing.T) {
	t.Parallel()
	s := start(t, pop3d.Options{AllowInsecureAuth: true})
	s.dial(t).talk(s, login)
	s.dial(t).talk(s, "S: /\\+OK .*/\nC: USER alice\nS: +OK password?\nC: PASS pass word\nS: /-ERR \\[IN-USE\\] .*/")
}

func TestDisabledAccountEndsSession(t *testing.T) {
	t.Parallel()
	s := start(t, pop3d.Options{AllowInsecureAuth: true})
	c := s.dial(t)
	c.talk(s, login)
	close(s.users.ended)
	if b, _ := io.ReadAll(c.r); len(b) != 0 {
		t.Errorf("got %q", b)
	}
}

func TestBigMessageByteForByte(t *testing.T) {
	t.Parallel()
	s := start(t, pop3d.Options{AllowInsecureAuth: true})
	long := "Subject: ü\r\n\r\n" + strings.Repeat(".x"+strings.Repeat("y", 40000)+"\r\n", 250)
	s.put(t, long)
	c := s.dial(t)
	c.talk(s, strings.Replace(login, "3 messages", "4 messages", 1)+"C: RETR 4\nS: /\\+OK .*/")
	var got strings.Builder
	for {
		line, err := c.r.ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		if line == ".\r\n" {
			break
		}
		got.WriteString(strings.TrimPrefix(line, "."))
	}
	if got.String() != long {
		t.Errorf("got %d bytes, want %d", got.Len(), len(long))
	}
}
