package smtpd

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"sync"
	"sync/atomic"

	smtp "github.com/emersion/go-smtp"

	"mailstead/internal/logkey"
	"mailstead/internal/netd"
)

// Server is one SMTP front door, for any number of listeners. Safe for
// concurrent use.
type Server struct {
	o      Options
	smtp   *smtp.Server
	log    *slog.Logger
	ctx    context.Context // of all work for clients; ends when they are cut off
	cancel context.CancelFunc
	lastID atomic.Uint64

	mu        sync.Mutex
	closed    bool
	listeners map[net.Listener]bool
	conns     map[*conn]bool

	live  sync.WaitGroup // one per connection
	loops sync.WaitGroup // one per call of Serve
}

// New makes a server. Serve it, and Shutdown when done. It panics without a
// Deliverer or, for Submission, without an Authenticator.
func New(o Options) *Server {
	if o.Deliverer == nil || o.Role == Submission && o.Authenticator == nil {
		panic("smtpd: Deliverer or Authenticator is missing")
	}
	o = o.withDefaults()
	s := &Server{o: o, log: o.Logger.With(logkey.Proto, o.Role.String()), listeners: map[net.Listener]bool{}, conns: map[*conn]bool{}}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	s.smtp = smtp.NewServer(smtp.BackendFunc(func(c *smtp.Conn) (smtp.Session, error) {
		return &session{srv: s, c: c.Conn().(*conn)}, nil
	}))
	s.smtp.Domain = o.Hostname
	s.smtp.MaxMessageBytes = o.MaxMessageSize
	s.smtp.MaxRecipients = o.MaxRecipients
	s.smtp.EnableSMTPUTF8 = true
	s.smtp.ErrorLog = errorLog{s.log}
	// What follows is decided by conn and session, which know about TLS and
	// about the peer; go-smtp only sees the plain text of a connection.
	s.smtp.AllowInsecureAuth = true
	s.smtp.MaxLineLength = 0
	return s
}

// Serve accepts from ln until Shutdown and returns netd.ErrServerClosed then.
// It closes ln.
func (s *Server) Serve(ln net.Listener) error {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return errors.Join(netd.ErrServerClosed, ln.Close())
	}
	s.listeners[ln] = true
	s.loops.Add(1)
	s.mu.Unlock()
	defer s.loops.Done()
	err := s.smtp.Serve(&acceptor{netd.LimitListener(ln, s.o.Limits, []byte(tooManyConnections+"\r\n")), s})
	if s.shut() {
		return netd.ErrServerClosed
	}
	return fmt.Errorf("accept connections: %w", err)
}

func (s *Server) shut() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.closed
}

// acceptor hands go-smtp connections that are watched by us.
type acceptor struct {
	net.Listener
	srv *Server
}

// Accept implements net.Listener.
func (a *acceptor) Accept() (net.Conn, error) {
	c, err := a.Listener.Accept()
	if err != nil {
		return nil, err
	}
	if w := a.srv.enter(c); w != nil {
		return w, nil
	}
	_ = c.Close() // came too late
	return nil, net.ErrClosed
}

// enter counts a connection in; nil when the server is shut.
func (s *Server) enter(c net.Conn) *conn {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil
	}
	w := newConn(s, c)
	s.conns[w] = true
	s.live.Add(1)
	return w
}

// leave counts a connection out.
func (s *Server) leave(w *conn) {
	s.mu.Lock()
	delete(s.conns, w)
	s.mu.Unlock()
	s.live.Done()
}

// Shutdown stops accepting and tells clients to go: those that wait for nothing
// at once, those in the middle of a message after it. When ctx is done the rest
// are cut off. It returns when every connection has ended.
func (s *Server) Shutdown(ctx context.Context) error {
	s.mu.Lock()
	s.closed = true
	var errs []error
	for ln := range s.listeners {
		if err := ln.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
			errs = append(errs, err)
		}
	}
	clear(s.listeners)
	conns := s.current()
	s.mu.Unlock()
	for _, c := range conns {
		c.drain()
	}
	done := make(chan struct{})
	go func() {
		s.live.Wait()
		close(done)
	}()
	select {
	case <-done:
	case <-ctx.Done():
		s.cancel()
		s.mu.Lock()
		conns = s.current()
		s.mu.Unlock()
		for _, c := range conns {
			c.cut()
		}
		<-done
	}
	s.cancel()
	s.loops.Wait()
	// All connections have been closed; this waits for their last steps.
	if err := s.smtp.Shutdown(context.Background()); err != nil && !errors.Is(err, smtp.ErrServerClosed) && !errors.Is(err, net.ErrClosed) {
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// current lists the connections; s.mu is held.
func (s *Server) current() []*conn {
	l := make([]*conn, 0, len(s.conns))
	for c := range s.conns {
		l = append(l, c)
	}
	return l
}

// errorLog takes what go-smtp wants to tell: connections that broke, which
// happens every day, and panics, which must not.
type errorLog struct{ log *slog.Logger }

// Printf implements smtp.Logger.
func (l errorLog) Printf(format string, v ...any) {
	level := slog.LevelDebug
	switch {
	case strings.HasPrefix(format, "panic"):
		level = slog.LevelError
	case strings.HasPrefix(format, "accept"):
		level = slog.LevelWarn
	}
	l.log.Log(context.Background(), level, "session failed", logkey.Err, fmt.Sprintf(format, v...))
}

// Println implements smtp.Logger.
func (l errorLog) Println(v ...any) {
	l.log.Warn("session failed", logkey.Err, fmt.Sprint(v...))
}
