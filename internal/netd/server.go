package netd

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"runtime/debug"
	"sync"
	"time"

	"crypto/tls"

	"mailstead/internal/logkey"
)

// ErrServerClosed is what Serve gives after Shutdown.
var ErrServerClosed = errors.New("server closed")

// Options of New.
type Options struct {
	Proto  string // for the log
	Logger *slog.Logger
	Limits Limits
	Refuse []byte // sent to a connection beyond the limits
	// TLS, when set, begins every connection with a handshake.
	TLS *tls.Config
	// Handler talks to one client and returns when it is done; the connection
	// is closed then. ctx ends when the server shuts down: say goodbye.
	Handler func(ctx context.Context, c net.Conn)
}

// Server runs a handler for each connection of its listeners.
type Server struct {
	o   Options
	lim *limiter
	ctx context.Context
	end context.CancelFunc
	wg  sync.WaitGroup

	mu        sync.Mutex
	closed    bool
	listeners map[net.Listener]bool
	conns     map[net.Conn]bool
}

// New makes a server. Serve it, and Shutdown when done.
func New(o Options) *Server {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	s := &Server{o: o, lim: newLimiter(o.Limits), listeners: map[net.Listener]bool{}, conns: map[net.Conn]bool{}}
	s.ctx, s.end = context.WithCancel(context.Background())
	return s
}

// Serve accepts from ln until Shutdown and returns ErrServerClosed then. It may
// be called for several listeners.
func (s *Server) Serve(ln net.Listener) error {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return errors.Join(ErrServerClosed, ln.Close())
	}
	s.listeners[ln] = true
	s.mu.Unlock()
	pause := 5 * time.Millisecond
	for {
		c, err := ln.Accept()
		if s.shut() {
			if err == nil {
				_ = c.Close() // came too late
			}
			return ErrServerClosed
		}
		if errors.Is(err, net.ErrClosed) {
			return err
		}
		if err != nil { // out of files, most likely: that passes
			s.o.Logger.Warn("accept failed", logkey.Proto, s.o.Proto, logkey.Err, err)
			select {
			case <-time.After(pause):
			case <-s.ctx.Done():
			}
			pause = min(2*pause, time.Second)
			continue
		}
		pause = 5 * time.Millisecond
		if !s.start(c) {
			turnAway(c, s.o.Refuse)
		}
	}
}

func (s *Server) shut() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.closed
}

func (s *Server) start(c net.Conn) bool {
	a := RemoteAddr(c)
	if !s.lim.enter(a) {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		s.lim.leave(a)
		return false
	}
	s.conns[c] = true
	s.wg.Go(func() {
		defer func() {
			s.mu.Lock()
			delete(s.conns, c)
			s.mu.Unlock()
			_ = c.Close() // the handler has said all it had to
			s.lim.leave(a)
		}()
		defer func() {
			if p := recover(); p != nil {
				s.o.Logger.Error("session panicked", logkey.Proto, s.o.Proto, logkey.Remote, a.String(), logkey.Err, p, "stack", string(debug.Stack()))
			}
		}()
		s.handle(c)
	})
	return true
}

// handshakeTimeout bounds a TLS handshake.
const handshakeTimeout = 30 * time.Second

func (s *Server) handle(c net.Conn) {
	if s.o.TLS == nil {
		s.o.Handler(s.ctx, c)
		return
	}
	t := tls.Server(c, s.o.TLS)
	ctx, cancel := context.WithTimeout(s.ctx, handshakeTimeout)
	err := t.HandshakeContext(ctx)
	cancel()
	if err != nil {
		s.o.Logger.Debug("tls handshake failed", logkey.Proto, s.o.Proto, logkey.Remote, RemoteAddr(c).String(), logkey.Err, err)
		return
	}
	s.o.Handler(s.ctx, t)
	_ = t.Close() // sends the alert; the peer may be gone
}

// Shutdown stops accepting, ends the handlers' context, and waits for them
// until ctx is done; then it closes their connections and waits on.
func (s *Server) Shutdown(ctx context.Context) error {
	s.mu.Lock()
	s.closed = true
	var errs []error
	for ln := range s.listeners {
		if err := ln.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
			errs = append(errs, err)
		}
	}
	s.listeners = map[net.Listener]bool{}
	s.mu.Unlock()
	s.end()
	done := make(chan struct{})
	go func() {
		s.wg.Wait()
		close(done)
	}()
	select {
	case <-done:
	case <-ctx.Done():
		s.mu.Lock()
		for c := range s.conns {
			_ = c.Close() // their time is over
		}
		s.mu.Unlock()
		<-done
	}
	return errors.Join(errs...)
}
