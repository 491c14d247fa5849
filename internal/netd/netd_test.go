package netd_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"testing"

	"mailstead/internal/netd"
)

func listen(t *testing.T) net.Listener {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return ln
}

func dial(t *testing.T, ln net.Listener) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func TestServerRefusesOneTooMany(t *testing.T) {
	t.Parallel()
	ln := listen(t)
	s := netd.New(netd.Options{Limits: netd.Limits{PerAddress: 2}, Refuse: []byte("full\r\n"), Handler: func(ctx context.Context, c net.Conn) {
		io.WriteString(c, "hi\r\n")
		<-ctx.Done()
		io.WriteString(c, "bye\r\n")
	}})
	served := make(chan error, 1)
	go func() { served <- s.Serve(ln) }()
	first, second := dial(t, ln), dial(t, ln)
	for _, c := range []net.Conn{first, second} {
		b := make([]byte, 4)
		if _, err := io.ReadFull(c, b); err != nil || string(b) != "hi\r\n" {
			t.Fatalf("got %q, %v", b, err)
		}
	}
	if b, _ := io.ReadAll(dial(t, ln)); string(b) != "full\r\n" {
		t.Errorf("third connection: got %q", b)
	}
	if err := s.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	if b, err := io.ReadAll(first); err != nil || string(b) != "bye\r\n" {
		t.Errorf("at shutdown: got %q, %v", b, err)
	}
	if err := <-served; !errors.Is(err, netd.ErrServerClosed) {
		t.Errorf("got %v", err)
	}
}

func TestShutdownClosesWhatDoesNotEnd(t *testing.T) {
	t.Parallel()
	ln := listen(t)
	began := make(chan bool)
	s := netd.New(netd.Options{Handler: func(_ context.Context, c net.Conn) {
		close(began)
		io.Copy(io.Discard, c)
	}})
	go s.Serve(ln)
	dial(t, ln)
	<-began
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Shutdown(ctx); err != nil {
		t.Error(err)
	}
}

func TestPanicEndsOneSession(t *testing.T) {
	t.Parallel()
	ln := listen(t)
	s := netd.New(netd.Options{Handler: func(_ context.Context, c net.Conn) {
		b := make([]byte, 1)
		c.Read(b)
		if b[0] == 'x' {
			panic("x")
		}
		c.Write(b)
	}})
	go s.Serve(ln)
	defer s.Shutdown(t.Context())
	bad, good := dial(t, ln), dial(t, ln)
	io.WriteString(bad, "x")
	if b, _ := io.ReadAll(bad); len(b) != 0 {
		t.Errorf("got %q", b)
	}
	io.WriteString(good, "y")
	if b, _ := io.ReadAll(good); string(b) != "y" {
		t.Errorf("got %q", b)
	}
}

func TestReloadKeepsOldCertificate(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	cert, key := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	if err := netd.WriteSelfSigned(cert, key, "mail.example.test", "127.0.0.1"); err != nil {
		t.Fatal(err)
	}
	store, err := netd.LoadCertificates(cert, key)
	if err != nil {
		t.Fatal(err)
	}
	pemBytes, err := os.ReadFile(cert)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(cert, []byte("garbage"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := store.Load(cert, key); err == nil {
		t.Error("garbage was loaded")
	}
	ln := listen(t)
	s := netd.New(netd.Options{TLS: store.Config(), Handler: func(_ context.Context, c net.Conn) { io.WriteString(c, "secret") }})
	go s.Serve(ln)
	defer s.Shutdown(t.Context())
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(pemBytes)
	c, err := tls.Dial("tcp", ln.Addr().String(), &tls.Config{RootCAs: pool, ServerName: "mail.example.test"})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if b, err := io.ReadAll(c); err != nil || string(b) != "secret" {
		t.Errorf("got %q, %v", b, err)
	}
}

func TestNetwork(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{"192.0.2.7": "192.0.2.7", "::ffff:192.0.2.7": "192.0.2.7", "2001:db8:1:2:3::4": "2001:db8:1:2::", "fe80::1%eth0": "fe80::"} {
		if got := netd.Network(netip.MustParseAddr(in)); got != netip.MustParseAddr(want) {
			t.Errorf("%s: got %s, want %s", in, got, want)
		}
	}
}
