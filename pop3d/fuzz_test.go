package pop3d_test

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"mailstead/mail"
	"mailstead/pop3d"
	"mailstead/sasl"
	"mailstead/sasl/sasltest"
	"mailstead/storage"
	"mailstead/storage/storagetest"
)

// anyone may log in.
type anyone struct{}

func (anyone) Credentials(netip.Addr) sasl.Credentials {
	return sasltest.Credentials{Anyone: sasl.Identity{Account: 1, Name: "a"}, CRAMMD5: true}
}

func (anyone) Watch(mail.AccountID) (<-chan struct{}, func()) { return nil, func() {} }

// logText collects the log.
type logText struct {
	mu   sync.Mutex
	text bytes.Buffer
}

// Write is called by slog.
func (l *logText) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

func (l *logText) take() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	defer l.text.Reset()
	return l.text.String()
}

// FuzzCommands sends any bytes: the server answers in lines, never fails inside,
// and ends when the client does.
func FuzzCommands(f *testing.F) {
	for _, seed := range []string{
		"", "\r\n", "QUIT", "CAPA\r\nUSER a\r\nPASS b\r\nSTAT\r\nLIST\r\nUIDL\r\nRETR 1\r\nDELE 1\r\nRSET\r\nTOP 2 1\r\nNOOP",
		"USER a\r\nPASS b c  d\r\nLIST 1\r\nLIST 99999999999999999999\r\nUIDL 0\r\nTOP 1\r\nTOP 1 -1\r\nTOP 1 99999999999999999999\r\nDELE 1\r\nRETR 1\r\nDELE 1\r\nLIST",
		"AUTH\r\nAUTH PLAIN\r\nAGEAYg==\r\nSTAT", "AUTH PLAIN AGEAYg==\r\nDELE 2", "AUTH PLAIN =\r\nAUTH NONE\r\nAUTH PLAIN\r\n*", "AUTH PLAIN\r\n****",
		"AUTH SCRAM-SHA-256 biwsbj1hLHI9Yg==\r\nYz1iaXdzLHI9YixwPQ==\r\nAUTH CRAM-MD5\r\nYSAw\r\n",
		"STLS\r\n\x16\x03\x01", "user a\npass b\nstat\n", "USER\r\nPASS\r\nPASS x\r\nAPOP a b\r\nXYZ", strings.Repeat("x", 600) + "\r\nUSER a", "USER a\r\nUSER b\r\nPASS c\r\n\x00\xff\r\nRETR\r\nRETR 1 2\r\nRETR \xff",
		strings.Repeat("NO\r\n", 50), "LAST\r\nUTF8\r\nLANG *\r\nSTAT 1",
	} {
		f.Add([]byte(seed))
	}
	store := storagetest.Open(f, storage.Options{})
	if err := store.CreateAccount(f.Context(), 1, "a"); err != nil {
		f.Fatal(err)
	}
	box, err := store.Mailbox(1, "INBOX")
	if err != nil {
		f.Fatal(err)
	}
	inbox := storage.Ref{Account: 1, Mailbox: box.ID}
	log := &logText{}
	s := pop3d.New(pop3d.Options{Authenticator: anyone{}, Store: store, AllowInsecureAuth: true, Hostname: "localhost", Logger: slog.New(slog.NewTextHandler(log, nil))})
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		f.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- s.Serve(ln) }()
	f.Cleanup(func() {
		_ = s.Shutdown(context.Background()) // every client has gone
		<-done
	})
	f.Fuzz(func(t *testing.T, input []byte) {
		if _, err := store.Append(t.Context(), storagetest.Body("Subject: x\r\n\r\n.\r\nbody\r\n"), storage.Target{Ref: inbox}); err != nil {
			t.Fatal(err)
		}
		conn, err := net.Dial("tcp", ln.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if err := conn.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
			t.Fatal(err)
		}
		go func() {
			_, _ = conn.Write(append(input, "\r\nQUIT\r\n"...)) // the server may have closed
			_ = conn.(*net.TCPConn).CloseWrite()
		}()
		got, err := io.ReadAll(conn)
		if e, ok := err.(net.Error); ok && e.Timeout() {
			t.Fatalf("no end after %q; got %q", input, got)
		}
		if err == nil && (!bytes.HasPrefix(got, []byte("+OK ")) || !bytes.HasSuffix(got, []byte("\r\n"))) {
			t.Errorf("%q was answered by %q", input, got)
		}
		if text := log.take(); strings.Contains(text, "panic") {
			t.Errorf("%q: %s", input, text)
		}
	})
}
