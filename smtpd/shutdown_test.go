package smtpd_test

import (
	"context"
	"errors"
	"net"
	"testing"
	"time"

	"mailstead/delivery"
	"mailstead/internal/netd"
	"mailstead/smtpd"
)

// stop shuts down in the background and tells when that is done.
func (s *suite) stop(ctx context.Context) <-chan error {
	done := make(chan error, 1)
	go func() { done <- s.srv.Shutdown(ctx) }()
	return done
}

// wantStopped waits for a shutdown to be done.
func wantStopped(t *testing.T, done <-chan error) {
	t.Helper()
	select {
	case err := <-done:
		if err != nil {
			t.Errorf("shutdown: got %v", err)
		}
	case <-time.After(patience):
		t.Fatal("shutdown still not done")
	}
}

func TestShutdownSendsIdleClientsAway(t *testing.T) {
	t.Parallel()
	s := start(t, smtpd.Options{})
	idle, addressed, login := s.greeted(t), s.greeted(t), s.greeted(t)
	addressed.do("MAIL FROM:<a@b.test>", "250 *")
	secured := s.greeted(t)
	secured.do("STARTTLS", "220 *")
	secured.secure()
	secured.do("EHLO c", "250 *")
	login.raw("NOO") // half a command is nothing
	done := s.stop(t.Context())
	for _, p := range []*peer{idle, addressed, login, secured} {
		p.want("421 4.3.2 *")
		p.wantEnd()
	}
	wantStopped(t, done)
	if c, err := net.Dial("tcp", s.addr); err == nil {
		c.Close()
		t.Error("a new connection was accepted")
	}
}

func TestShutdownDoesNotWaitForHandshakes(t *testing.T) {
	t.Parallel()
	s := start(t, smtpd.Options{ImplicitTLS: true})
	silent := s.dial(t)
	// The second connection is greeted, so the first has been accepted.
	p := s.dial(t)
	p.secure()
	p.want("220 *")
	done := s.stop(t.Context())
	silent.wantEnd()
	wantStopped(t, done)
}

func TestShutdownLetsMessagesFinish(t *testing.T) {
	t.Parallel()
	s := start(t, smtpd.Options{})
	p := s.greeted(t)
	p.do("MAIL FROM:<a@b.test>", "250 *")
	p.do("RCPT TO:<alice@example.test>", "250 *")
	p.do("DATA", "354 *")
	p.send("Subject: x")
	idle := s.greeted(t)
	done := s.stop(t.Context())
	idle.want("421 4.3.2 *") // now it is shutting down
	p.send("")
	p.do(".", "250 2.0.0 *")
	p.want("421 4.3.2 *")
	p.wantEnd()
	wantStopped(t, done)
	s.delivered(t, 1)
}

func TestShutdownCutsOffAfterGrace(t *testing.T) {
	t.Parallel()
	s := start(t, smtpd.Options{})
	p := s.greeted(t)
	p.do("MAIL FROM:<a@b.test>", "250 *")
	p.do("RCPT TO:<alice@example.test>", "250 *")
	p.do("DATA", "354 *")
	ctx, cancel := context.WithCancel(t.Context())
	done := s.stop(ctx)
	idle := make(chan bool)
	go func() { // goes on once the server does not accept any more
		for {
			c, err := net.Dial("tcp", s.addr)
			if err != nil {
				close(idle)
				return
			}
			c.Close()
		}
	}()
	<-idle
	cancel()
	wantStopped(t, done)
	if _, err := p.br.ReadByte(); err == nil {
		t.Error("got an answer, want the end")
	}
	s.delivered(t, 0)
}

func TestShutdownCancelsDeliveries(t *testing.T) {
	t.Parallel()
	began := make(chan bool)
	d := &fakeDeliverer{deliver: func(ctx context.Context, _ delivery.Envelope) error {
		close(began)
		<-ctx.Done()
		return ctx.Err()
	}}
	s := start(t, smtpd.Options{Deliverer: d})
	p := s.greeted(t)
	p.do("MAIL FROM:<a@b.test>", "250 *")
	p.do("RCPT TO:<alice@example.test>", "250 *")
	p.do("DATA", "354 *")
	p.send(".")
	<-began
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	wantStopped(t, s.stop(ctx))
}

func TestServeAfterShutdown(t *testing.T) {
	t.Parallel()
	s := start(t, smtpd.Options{})
	s.greeted(t).do("QUIT", "221 *")
	wantStopped(t, s.stop(t.Context()))
	wantStopped(t, s.stop(t.Context()))
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := s.srv.Serve(ln); !errors.Is(err, netd.ErrServerClosed) {
		t.Errorf("got %v, want %v", err, netd.ErrServerClosed)
	}
	if _, err := ln.Accept(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("the listener is still open: got %v", err)
	}
}

func TestConnectionLimit(t *testing.T) {
	t.Parallel()
	s := start(t, smtpd.Options{Limits: netd.Limits{PerAddress: 2}})
	first := s.greeted(t)
	s.greeted(t)
	p := s.dial(t)
	p.want("421 4.7.0 Too many connections*")
	p.wantEnd()
	first.do("QUIT", "221 *")
	first.wantEnd()
	// The place is given back just before the end is sent.
	s.greeted(t)
}
