package netd_test

import (
	"errors"
	"io"
	"net"
	"testing"

	"mailstead/internal/netd"
)

// greet accepts until the listener ends, and says who it is.
func greet(ln net.Listener, name string, ended chan<- error) {
	for {
		c, err := ln.Accept()
		if err != nil {
			ended <- err
			return
		}
		_, _ = io.WriteString(c, name)
		_ = c.Close()
	}
}

func TestPortChangesHandsWithoutRefusingAnyone(t *testing.T) {
	t.Parallel()
	p, err := netd.Listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ask := func() string {
		c, err := net.Dial("tcp", p.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		b, err := io.ReadAll(c)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	ended := make(chan error, 2)
	first := p.Listener()
	go greet(first, "first", ended)
	if got := ask(); got != "first" {
		t.Errorf("got %q, want first", got)
	}
	if err := first.Close(); err != nil {
		t.Error(err)
	}
	if err := <-ended; !errors.Is(err, net.ErrClosed) {
		t.Errorf("closed listener: got %v", err)
	}
	answer := make(chan string)
	go func() { answer <- ask() }() // comes while nobody listens
	go greet(p.Listener(), "second", ended)
	if got := <-answer; got != "second" {
		t.Errorf("got %q, want second", got)
	}
	if err := p.Close(); err != nil {
		t.Error(err)
	}
	if err := <-ended; !errors.Is(err, net.ErrClosed) {
		t.Errorf("closed port: got %v", err)
	}
	if c, err := net.Dial("tcp", p.Addr().String()); err == nil {
		c.Close()
		t.Error("the port is still open")
	}
}

func TestListenSaysWhichPortIsTaken(t *testing.T) {
	t.Parallel()
	p, err := netd.Listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	if _, err := netd.Listen(p.Addr().String()); err == nil || !errors.As(err, new(*net.OpError)) {
		t.Errorf("got %v", err)
	}
}
