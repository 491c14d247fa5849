package imapd

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"math/big"
	"net"
	"net/netip"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2/imapclient"

	"mailstead/internal/netd"
	"mailstead/mail"
	"mailstead/sasl"
	"mailstead/sasl/sasltest"
	"mailstead/storage"
	"mailstead/storage/storagetest"
)

// alice, bob and postmaster are the accounts of every suite, with password as password.
const (
	alice = mail.AccountID(1)
	bob   = mail.AccountID(2)
	// postmaster is an administrator.
	postmaster = mail.AccountID(3)
	password   = "correct horse"
)

// logins is an Authenticator for tests.
type logins struct {
	mu      sync.Mutex
	watched map[mail.AccountID][]chan struct{}
	sasl    sasltest.Credentials // set before the server is used
}

func (l *logins) Credentials(netip.Addr) sasl.Credentials {
	c := l.sasl
	c.Users = map[string]uint32{"alice@example.test": uint32(alice), "bob@example.test": uint32(bob), "postmaster@example.test": uint32(postmaster)}
	c.Secret = password
	c.Refuse = func(user string) error {
		switch user {
		case "throttled@example.test":
			return sasl.ErrThrottled
		case "broken@example.test":
			return errors.New("disk on fire")
		}
		return nil
	}
	return c
}

func (l *logins) AccountAt(address string) (mail.AccountID, bool) {
	switch strings.ToLower(address) {
	case "alice@example.test":
		return alice, true
	case "bob@example.test":
		return bob, true
	}
	return 0, false
}

func (l *logins) AddressOf(id mail.AccountID) string {
	return map[mail.AccountID]string{alice: "alice@example.test", bob: "bob@example.test"}[id]
}

func (l *logins) Watch(id mail.AccountID) (<-chan struct{}, func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	c := make(chan struct{})
	l.watched[id] = append(l.watched[id], c)
	return c, func() {}
}

// disable ends the sessions of an account.
func (l *logins) disable(id mail.AccountID) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, c := range l.watched[id] {
		close(c)
	}
	l.watched[id] = nil
}

// office is an Administration for tests.
type office struct {
	mu     sync.Mutex
	limits map[mail.AccountID]storage.Limits
}

func (o *office) IsAdministrator(id mail.AccountID) bool { return id == postmaster }

func (o *office) SetLimits(_ context.Context, id mail.AccountID, l storage.Limits) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.limits[id] = l
	return nil
}

func (o *office) of(id mail.AccountID) storage.Limits {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.limits[id]
}

// suite is a server with its store.
type suite struct {
	t      testing.TB
	dir    string // of the store
	store  *storage.Store
	logins *logins
	server *Server
	addr   string
	roots  *x509.CertPool
}

// newSuite starts a server; clients log in without TLS unless change says
// otherwise.
func newSuite(t testing.TB, change ...func(*Options)) *suite {
	t.Helper()
	return newSuiteOn(t, t.TempDir(), storage.Options{}, change...)
}

// newSuiteOn is newSuite with a store in dir.
func newSuiteOn(t testing.TB, dir string, opts storage.Options, change ...func(*Options)) *suite {
	t.Helper()
	office := &office{limits: map[mail.AccountID]storage.Limits{}}
	if opts.Quota == nil && opts.Limits == nil {
		opts.Limits = office.of
	}
	s := &suite{t: t, dir: dir, store: storagetest.OpenDir(t, dir, opts), logins: &logins{watched: map[mail.AccountID][]chan struct{}{}}}
	for id, name := range map[mail.AccountID]string{alice: "alice@example.test", bob: "bob@example.test", postmaster: "postmaster@example.test"} {
		if err := s.store.CreateAccount(t.Context(), id, name); err != nil {
			t.Fatal(err)
		}
	}
	config, roots := certificate(t)
	s.roots = roots
	o := Options{
		Authenticator: s.logins, Administration: office, Store: s.store, TLS: func() *tls.Config { return config },
		AllowInsecureAuth: true, LoginDelay: time.Millisecond, Version: "test",
	}
	for _, c := range change {
		c(&o)
	}
	s.server = New(o)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.addr = ln.Addr().String()
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := s.server.Serve(ln); !errors.Is(err, netd.ErrServerClosed) {
			t.Errorf("serve: got %v, want %v", err, netd.ErrServerClosed)
		}
	})
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		if err := s.server.Shutdown(ctx); err != nil {
			t.Errorf("shutdown: %v", err)
		}
		wg.Wait()
	})
	return s
}

// certificate makes a self-signed certificate for 127.0.0.1.
func certificate(t testing.TB) (*tls.Config, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(cert)
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}, roots
}

// client connects go-imap's client and logs alice in.
func (s *suite) client(o *imapclient.Options) *imapclient.Client {
	s.t.Helper()
	c, err := imapclient.DialInsecure(s.addr, o)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { _ = c.Close() })
	if err := c.Login("alice@example.test", password).Wait(); err != nil {
		s.t.Fatal(err)
	}
	return c
}

// deliver puts a message into a mailbox of alice's.
func (s *suite) deliver(mailbox, text string, flags storage.Flags, keywords ...string) storage.UID {
	s.t.Helper()
	box, err := s.store.Mailbox(alice, mailbox)
	if err != nil {
		s.t.Fatal(err)
	}
	out, err := s.store.Append(context.Background(), storagetest.Body(crlf(text)), storage.Target{
		Ref: storage.Ref{Account: alice, Mailbox: box.ID}, Flags: flags, Keywords: keywords,
	})
	if err != nil {
		s.t.Fatal(err)
	}
	return out[0].UID
}

// fill delivers n small messages.
func (s *suite) fill(mailbox string, n int) {
	s.t.Helper()
	box, err := s.store.Mailbox(alice, mailbox)
	if err != nil {
		s.t.Fatal(err)
	}
	for from := 0; from < n; from += 200 {
		var batch []storage.Incoming
		for i := from; i < min(from+200, n); i++ {
			batch = append(batch, storage.Incoming{
				Body:    storagetest.Body(crlf(fmt.Sprintf("From: Carol <carol@example.test>\nTo: alice@example.test\nSubject: message %d\nMessage-ID: <%d@example.test>\nDate: Mon, 7 Feb 2022 21:52:25 +0100\n\nText of message %d.\n", i+1, i+1, i+1))),
				Targets: []storage.Target{{Ref: storage.Ref{Account: alice, Mailbox: box.ID}}},
			})
		}
		if _, err := s.store.AppendAll(context.Background(), batch); err != nil {
			s.t.Fatal(err)
		}
	}
}

func crlf(text string) string { return strings.ReplaceAll(text, "\n", "\r\n") }

// script is a client that speaks line by line.
type script struct {
	t testing.TB
	c net.Conn
	r *bufio.Reader
	n int
}

// open connects a script.
func (s *suite) open() *script {
	s.t.Helper()
	c, err := net.Dial("tcp", s.addr)
	if err != nil {
		s.t.Fatal(err)
	}
	if err := c.SetDeadline(time.Now().Add(30 * time.Second)); err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { _ = c.Close() })
	return &script{t: s.t, c: c, r: bufio.NewReader(c)}
}

// dial connects a script and reads the greeting.
func (s *suite) dial() *script {
	s.t.Helper()
	sc := s.open()
	sc.expect("* OK [CAPABILITY ")
	return sc
}

// login connects a script and logs alice in.
func (s *suite) login() *script {
	s.t.Helper()
	sc := s.dial()
	sc.ok(`LOGIN alice@example.test "` + password + `"`)
	return sc
}

func (sc *script) send(text string) {
	sc.t.Helper()
	if _, err := sc.c.Write([]byte(text)); err != nil {
		sc.t.Fatal(err)
	}
}

// validity matches UIDVALIDITY, which is not the same in each run.
var validity = regexp.MustCompile(`(UIDVALIDITY|COPYUID|APPENDUID) [0-9]+`)

func (sc *script) line() string {
	sc.t.Helper()
	l, err := sc.r.ReadString('\n')
	if err != nil {
		sc.t.Fatalf("read: %v after %q", err, l)
	}
	return validity.ReplaceAllString(strings.TrimSuffix(l, "\r\n"), "$1 N")
}

// expect reads one line that begins with prefix.
func (sc *script) expect(prefix string) string {
	sc.t.Helper()
	l := sc.line()
	if !strings.HasPrefix(l, prefix) {
		sc.t.Fatalf("got %q, want %q...", l, prefix)
	}
	return l
}

// do runs a command and gives its untagged lines and the tagged one without the
// tag.
func (sc *script) do(command string) (untagged []string, tagged string) {
	sc.t.Helper()
	sc.n++
	tag := fmt.Sprintf("t%d", sc.n)
	sc.send(tag + " " + command + "\r\n")
	return sc.until(tag)
}

func (sc *script) until(tag string) (untagged []string, tagged string) {
	sc.t.Helper()
	for {
		l := sc.line()
		if rest, ok := strings.CutPrefix(l, tag+" "); ok {
			return untagged, rest
		}
		untagged = append(untagged, l)
	}
}

// ok runs a command that must succeed.
func (sc *script) ok(command string) []string {
	sc.t.Helper()
	untagged, tagged := sc.do(command)
	if !strings.HasPrefix(tagged, "OK") {
		sc.t.Fatalf("%s: got %q, want OK", command, tagged)
	}
	return untagged
}

// answers runs a command whose tagged answer must begin with want.
func (sc *script) answers(command, want string) []string {
	sc.t.Helper()
	untagged, tagged := sc.do(command)
	if !strings.HasPrefix(tagged, want) {
		sc.t.Fatalf("%s: got %q, want %q...", command, tagged, want)
	}
	return untagged
}

// says checks the untagged answers of a command.
func (sc *script) says(command string, want ...string) {
	sc.t.Helper()
	got := sc.ok(command)
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		sc.t.Fatalf("%s:\ngot  %q\nwant %q", command, got, want)
	}
}

// with gives the suite for a subtest.
func (s *suite) with(t testing.TB) *suite {
	c := *s
	c.t = t
	return &c
}
