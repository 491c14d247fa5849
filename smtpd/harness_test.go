package smtpd_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"mailstead/delivery"
	"mailstead/internal/netd"
	"mailstead/mail"
	"mailstead/sasl"
	"mailstead/sasl/sasltest"
	"mailstead/smtpd"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience is how long a test waits for what must happen.
const patience = 20 * time.Second

// taken is a message a fake Deliverer was given.
type taken struct {
	env  delivery.Envelope
	text string
}

// fakeDeliverer knows the recipients alice, bob and postmaster of example.test;
// other local parts choose an error.
type fakeDeliverer struct {
	mu       sync.Mutex
	messages []taken
	verify   func(to mail.Address, size int64) error
	deliver  func(ctx context.Context, env delivery.Envelope) error
}

func (d *fakeDeliverer) Verify(_ context.Context, to mail.Address, size int64, submitter mail.AccountID) error {
	if d.verify != nil {
		return d.verify(to, size)
	}
	if to.Domain == "" {
		return nil
	}
	if to.Domain != "example.test" {
		if submitter != 0 {
			return delivery.ErrRemoteUnsupported
		}
		return delivery.ErrRelayDenied
	}
	switch strings.ToLower(to.Local) {
	case "full":
		return delivery.ErrOverQuota
	case "broken":
		return errors.New("a detail of the disk")
	case "unknown":
		return delivery.ErrUnknownRecipient
	}
	return nil
}

func (d *fakeDeliverer) Deliver(ctx context.Context, env delivery.Envelope, body delivery.Body) (delivery.Receipt, error) {
	if d.deliver != nil {
		if err := d.deliver(ctx, env); err != nil {
			return delivery.Receipt{}, err
		}
	}
	for _, to := range env.To {
		switch strings.ToLower(to.Local) {
		case "fills":
			return delivery.Receipt{}, delivery.ErrOverQuota
		case "breaks":
			return delivery.Receipt{}, errors.New("a detail of the disk")
		case "panics":
			panic("deliverer panicked")
		}
	}
	b, err := io.ReadAll(io.NewSectionReader(body, 0, body.Size()))
	if err != nil {
		return delivery.Receipt{}, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.messages = append(d.messages, taken{env, string(b)})
	return delivery.Receipt{Mailboxes: len(env.To)}, nil
}

func (d *fakeDeliverer) all() []taken {
	d.mu.Lock()
	defer d.mu.Unlock()
	return append([]taken(nil), d.messages...)
}

// fakeUsers knows alice, account 1, with the password secret.
type fakeUsers struct{ sasl sasltest.Credentials }

func (u fakeUsers) Credentials(from netip.Addr) sasl.Credentials {
	c := u.sasl
	c.Users, c.Secret = map[string]uint32{"alice@example.test": 1}, "secret"
	c.Refuse = func(user string) error {
		switch {
		case !from.IsLoopback():
			return errors.New("not the address of the client")
		case user == "throttled@example.test":
			return sasl.ErrThrottled
		case user == "broken@example.test":
			return errors.New("a detail of the disk")
		}
		return nil
	}
	return c
}

func (fakeUsers) MayUse(id mail.AccountID, addr mail.Address) bool {
	return id == 1 && (addr.Key() == "alice@example.test" || addr.Key() == "sales@example.test" || addr.Key() == "älice@example.test")
}

// lockedWriter collects a log.
type lockedWriter struct {
	mu sync.Mutex
	b  strings.Builder
}

func (w *lockedWriter) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.b.Write(p)
}

func (w *lockedWriter) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.b.String()
}

// suite is a server under test.
type suite struct {
	srv     *smtpd.Server
	addr    string
	deliver *fakeDeliverer
	roots   *x509.CertPool
	log     *lockedWriter
	served  chan error
}

// certificates makes a key pair for localhost.
func certificates(t testing.TB) (*netd.CertStore, *x509.CertPool) {
	t.Helper()
	dir := t.TempDir()
	cert, key := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	if err := netd.WriteSelfSigned(cert, key, "localhost", "127.0.0.1"); err != nil {
		t.Fatal(err)
	}
	store, err := netd.LoadCertificates(cert, key)
	if err != nil {
		t.Fatal(err)
	}
	pem, err := os.ReadFile(cert)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(pem)
	return store, pool
}

// start serves on a free port until the test ends.
func start(t testing.TB, o smtpd.Options) *suite {
	t.Helper()
	s := &suite{deliver: &fakeDeliverer{}, log: &lockedWriter{}, served: make(chan error, 1)}
	if o.Hostname == "" {
		o.Hostname = "mx.example.test"
	}
	if o.Deliverer == nil {
		o.Deliverer = s.deliver
	}
	if o.Authenticator == nil {
		o.Authenticator = fakeUsers{}
	}
	if o.Spool.Path == "" {
		o.Spool.Path = t.TempDir()
	}
	o.Logger = slog.New(slog.NewTextHandler(s.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	store, pool := certificates(t)
	s.roots = pool
	if o.TLS == nil {
		o.TLS = func() *tls.Config { return store.Config() }
	}
	s.srv = smtpd.New(o)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.addr = ln.Addr().String()
	go func() { s.served <- s.srv.Serve(ln) }()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Millisecond) // the test is over, and so are its clients
		defer cancel()
		if err := s.srv.Shutdown(ctx); err != nil {
			t.Errorf("shutdown: %v", err)
		}
		if err := <-s.served; !errors.Is(err, netd.ErrServerClosed) {
			t.Errorf("serve: got %v, want %v", err, netd.ErrServerClosed)
		}
		if strings.Contains(s.log.String(), "secret") {
			t.Errorf("a password in the log:\n%s", s.log)
		}
	})
	return s
}

func (s *suite) tlsConfig() *tls.Config {
	return &tls.Config{RootCAs: s.roots, ServerName: "localhost"}
}

// delivered waits for nothing: a reply has been read, so the message is there.
func (s *suite) delivered(t testing.TB, want int) []taken {
	t.Helper()
	got := s.deliver.all()
	if len(got) != want {
		t.Fatalf("got %d messages delivered, want %d", len(got), want)
	}
	return got
}

func noTLS() *tls.Config { return nil }
