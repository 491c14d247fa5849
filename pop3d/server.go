package pop3d

import (
	"context"
	"crypto/tls"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"time"

	"mailstead/internal/netd"
	"mailstead/mail"
	"mailstead/sasl"
	"mailstead/storage"
)

// Authenticator knows who may log in.
type Authenticator interface {
	// Credentials is what a client at this address is checked against.
	Credentials(from netip.Addr) sasl.Credentials
	// Watch gives a channel that is closed when the account's sessions must
	// end, and a function to call when the session has ended.
	Watch(id mail.AccountID) (<-chan struct{}, func())
}

// Options of New. Authenticator and Store must be set.
type Options struct {
	Authenticator Authenticator
	Store         *storage.Store
	// TLS is shown by STLS, or from the first byte with ImplicitTLS. Nil: STLS
	// is not offered.
	TLS         *tls.Config
	ImplicitTLS bool
	// AllowInsecureAuth lets clients on the loopback interface log in without
	// TLS.
	AllowInsecureAuth bool
	Limits            netd.Limits
	// IdleTimeout ends a session that says nothing; 0 means 10 minutes, the
	// least RFC 1939 §3 allows.
	IdleTimeout time.Duration
	// Maildrops are shared by servers of the same store; nil: this server is the
	// only one.
	Maildrops *Maildrops
	Hostname  string
	Logger    *slog.Logger
}

// Maildrops remembers which maildrops are locked (RFC 1939 §4). It may be used
// by any goroutine.
type Maildrops struct {
	mu     sync.Mutex
	locked map[mail.AccountID]bool
}

// NewMaildrops has none locked.
func NewMaildrops() *Maildrops { return &Maildrops{locked: map[mail.AccountID]bool{}} }

// Server is a POP3 server. Its methods may be called by any goroutine.
type Server struct {
	o   Options
	net *netd.Server
}

// New makes a server; Serve it.
func New(o Options) *Server {
	if o.IdleTimeout == 0 {
		o.IdleTimeout = 10 * time.Minute
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Maildrops == nil {
		o.Maildrops = NewMaildrops()
	}
	s := &Server{o: o}
	s.net = netd.New(netd.Options{Proto: "pop3", Logger: o.Logger, Limits: o.Limits, Refuse: []byte("-ERR [SYS/TEMP] too many connections\r\n"), Handler: s.handle})
	return s
}

// Serve accepts from ln until Shutdown; then it gives netd.ErrServerClosed.
func (s *Server) Serve(ln net.Listener) error { return s.net.Serve(ln) }

// Shutdown tells the clients that the server goes, and closes what is left when
// ctx is done. Nothing marked is deleted.
func (s *Server) Shutdown(ctx context.Context) error { return s.net.Shutdown(ctx) }

// lock takes an account's maildrop.
func (m *Maildrops) lock(id mail.AccountID) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.locked[id] {
		return false
	}
	m.locked[id] = true
	return true
}

func (m *Maildrops) unlock(id mail.AccountID) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.locked, id)
}
