package imapd

import (
	"context"
	"crypto/tls"
	"log/slog"
	"net"
	"net/netip"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"mailstead/imapd/wire"
	"mailstead/internal/logkey"
	"mailstead/internal/netd"
	"mailstead/internal/spool"
	"mailstead/mail"
	"mailstead/sasl"
	"mailstead/storage"
)

// Defaults of Options.
const (
	DefaultMaxMessageSize = 64 << 20
	DefaultMessageLimit   = 1_000_000
	DefaultIdleTimeout    = 30 * time.Minute // the least that RFC 9051 §5.4 allows
	DefaultLoginTimeout   = 3 * time.Minute
	DefaultCommandTimeout = 2 * time.Minute
	DefaultWriteTimeout   = 5 * time.Minute
	DefaultLoginDelay     = time.Second
	DefaultProgressEvery  = 10 * time.Second // RFC 9585 §4 has it no more often
)

// Authenticator knows who may log in.
type Authenticator interface {
	// Credentials is what a client at this address is checked against.
	Credentials(from netip.Addr) sasl.Credentials
	// AccountAt finds the account that has an address of its own, AddressOf the
	// address that an account goes by, empty when it is gone.
	AccountAt(address string) (mail.AccountID, bool)
	AddressOf(id mail.AccountID) string
	// Watch gives a channel that is closed when the account's sessions must
	// end, and a function to call when the session has ended.
	Watch(id mail.AccountID) (<-chan struct{}, func())
}

// Administration knows who is an administrator, and what administrators can
// change.
type Administration interface {
	// IsAdministrator tells whether an account may change limits and what
	// everybody sees of the server. It is asked each time.
	IsAdministrator(id mail.AccountID) bool
	// SetLimits sets what an account may hold.
	SetLimits(ctx context.Context, id mail.AccountID, l storage.Limits) error
}

// Options of New. Authenticator and Store must be set; the zero value of the rest
// works, without TLS and so without a way to log in.
type Options struct {
	// Peer is another server of the same Store, or nil. Servers that are peers
	// know of each other's sessions to which a message is \Recent.
	Peer          *Server
	Authenticator Authenticator
	// Administration may be nil: nobody is an administrator.
	Administration Administration
	Store          *storage.Store
	// Spool is where messages go that are being appended.
	Spool spool.Dir
	// TLS gives the configuration for STARTTLS, or for every connection when
	// ImplicitTLS is set; it is asked for each handshake.
	TLS         func() *tls.Config
	ImplicitTLS bool
	// AllowInsecureAuth lets clients on the same machine log in without TLS.
	AllowInsecureAuth bool
	Limits            netd.Limits
	// MaxMessageSize is what APPEND takes, in bytes.
	MaxMessageSize int64
	// MessageLimit is how many messages one command may work on (RFC 9738).
	MessageLimit int
	// RecentFile is where it is written down at Shutdown which messages clients
	// have been told of (\Recent), and read from at the next start; empty: nowhere.
	RecentFile string
	// Hostname is for the greeting.
	Hostname string
	// Version is for ID.
	Version string
	Logger  *slog.Logger

	IdleTimeout    time.Duration // between commands, after login
	LoginTimeout   time.Duration // from the connection's start to login
	CommandTimeout time.Duration // between two pieces of one command
	WriteTimeout   time.Duration // for the client to take one piece of a response
	LoginDelay     time.Duration // after a failed login, times the failures
	ProgressEvery  time.Duration // between two words that a command still runs
}

func (o Options) withDefaults() Options {
	orDefault := func(d *time.Duration, def time.Duration) {
		if *d <= 0 {
			*d = def
		}
	}
	orDefault(&o.IdleTimeout, DefaultIdleTimeout)
	orDefault(&o.LoginTimeout, DefaultLoginTimeout)
	orDefault(&o.CommandTimeout, DefaultCommandTimeout)
	orDefault(&o.WriteTimeout, DefaultWriteTimeout)
	orDefault(&o.LoginDelay, DefaultLoginDelay)
	orDefault(&o.ProgressEvery, DefaultProgressEvery)
	if o.MaxMessageSize <= 0 {
		o.MaxMessageSize = DefaultMaxMessageSize
	}
	if o.MessageLimit <= 0 {
		o.MessageLimit = DefaultMessageLimit
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return o
}

// Server serves IMAP on any number of listeners. Make it with New.
type Server struct {
	o       Options
	netd    *netd.Server
	recents *recents
	conns   atomic.Uint64
	buffers *wire.Pool // of what is written to clients
	// deflaters are compressors that no session is using.
	deflaters sync.Pool
}

// New makes a server. Serve it, and Shutdown when done.
func New(o Options) *Server {
	shared, peer := newRecents(), o.Peer
	if peer != nil {
		shared, o.Peer = peer.recents, nil
	}
	s := &Server{o: o.withDefaults(), recents: shared, buffers: wire.NewPool()}
	if peer == nil {
		s.loadRecents()
	}
	s.netd = netd.New(netd.Options{
		Proto:   "imap",
		Logger:  s.o.Logger,
		Limits:  s.o.Limits,
		Refuse:  []byte(refuseLine),
		Handler: s.handle,
	})
	return s
}

// Serve accepts clients from ln until Shutdown and gives netd.ErrServerClosed
// then. It may be called for several listeners.
func (s *Server) Serve(ln net.Listener) error { return s.netd.Serve(ln) }

// Shutdown stops accepting, says BYE to every client once its command is done,
// and closes what is left when ctx ends.
func (s *Server) Shutdown(ctx context.Context) error {
	err := s.netd.Shutdown(ctx)
	s.saveRecents()
	return err
}

// handle serves one connection. A panic ends it and no other.
func (s *Server) handle(ctx context.Context, nc net.Conn) {
	remote := netd.RemoteAddr(nc)
	log := s.o.Logger.With(logkey.Proto, "imap", logkey.Conn, s.conns.Add(1), logkey.Remote, remote.String())
	c := newConn(nc, s.o)
	if s.o.ImplicitTLS {
		if err := c.startTLS(ctx, s.o.TLS()); err != nil {
			log.Debug("tls handshake failed", logkey.Err, err)
			return
		}
	}
	sess := newSession(s, c, remote, log)
	defer sess.end()
	defer func() {
		if p := recover(); p != nil {
			log.Error("session panicked", logkey.Err, p, "stack", string(debug.Stack()))
			c.lastWords(panicLine)
		}
	}()
	sess.serve(ctx)
}
