package smtpd

import (
	"context"
	"crypto/tls"
	"log/slog"
	"net/netip"
	"time"

	"mailstead/delivery"
	"mailstead/internal/netd"
	"mailstead/internal/spool"
	"mailstead/mail"
	"mailstead/sasl"
)

// Role is whom a server talks to.
type Role uint8

// The roles.
const (
	Inbound    Role = iota // other mail servers, port 25: local recipients only
	Submission             // our own users, ports 587 and 465: after login only
)

// String is the role's name in the log.
func (r Role) String() string {
	if r == Submission {
		return "submission"
	}
	return "smtp"
}

// Deliverer takes messages. Its errors are those of package delivery; any other
// is answered as temporary. *delivery.Service is one.
type Deliverer interface {
	// Verify tells whether a message of that size (0: not known) may be
	// addressed to a recipient.
	Verify(ctx context.Context, to mail.Address, size int64, submitter mail.AccountID) error
	// Deliver returns without error only when the message is durable for every
	// recipient. The body is not used after it returns.
	Deliver(ctx context.Context, env delivery.Envelope, body delivery.Body) (delivery.Receipt, error)
}

// Identity is who has logged in.
type Identity struct {
	Account mail.AccountID
	Login   mail.Address
}

// Authenticator knows users.
type Authenticator interface {
	// Credentials is what a client at this address is checked against; names are
	// addresses.
	Credentials(from netip.Addr) sasl.Credentials
	// MayUse tells whether an account may send as an address.
	MayUse(id mail.AccountID, addr mail.Address) bool
}

// Defaults of Options, and limits that are not options.
const (
	DefaultMaxMessageSize = 50 << 20
	DefaultMaxHeaderSize  = 256 << 10
	DefaultMaxRecipients  = 100             // RFC 5321 §4.5.3.1.8: at least 100
	DefaultCommandTimeout = 5 * time.Minute // RFC 5321 §4.5.3.2.7
	DefaultDataTimeout    = 3 * time.Minute // RFC 5321 §4.5.3.2.5
	DefaultWriteTimeout   = time.Minute

	handshakeTimeout = 30 * time.Second
	maxCommand       = 2048      // bytes; RFC 5321 §4.5.3.1.4 asks for 512 and room for extensions
	maxAuthLine      = 12288     // RFC 4954 §4
	maxSkippedLine   = 64 << 10  // of a command too long, before the connection ends
	dataProgress     = 16 << 10  // bytes of a message that must come in within DataTimeout
	maxReceived      = 100       // RFC 5321 §6.3
	maxBadCommands   = 10        // per connection
	maxRefusals      = 50        // recipients and senders refused per connection
	maxIdleCommands  = 100       // NOOP, RSET, EHLO, VRFY between two messages
	maxAuthFailures  = 3         // per connection
	maxSkippedChunk  = 256 << 20 // of a BDAT that was refused, before the connection ends
)

// Options of New. Deliverer and Hostname are needed, and Authenticator for
// Submission; for all others the zero value works.
type Options struct {
	Role     Role
	Hostname string // shown in the greeting and in Received
	// TLS gives the configuration for one more connection; nil, or a nil
	// result, means no TLS.
	TLS         func() *tls.Config
	ImplicitTLS bool // a TLS handshake comes first (RFC 8314 §3.3)
	// AllowInsecureAuth allows login without TLS to peers on loopback.
	AllowInsecureAuth bool

	MaxMessageSize int64 // bytes; 0: DefaultMaxMessageSize
	MaxHeaderSize  int   // bytes; 0: DefaultMaxHeaderSize
	MaxRecipients  int   // 0: DefaultMaxRecipients

	CommandTimeout time.Duration // for a whole command to come in; 0: DefaultCommandTimeout
	DataTimeout    time.Duration // for some progress of a message; 0: DefaultDataTimeout
	WriteTimeout   time.Duration // 0: DefaultWriteTimeout
	// GreetDelay is how long a client without implicit TLS is waited for before
	// the greeting; one that talks in this time is turned away (RFC 5321
	// §4.3.1). 0: not at all.
	GreetDelay time.Duration

	Limits        netd.Limits // of connections, per listener
	Spool         spool.Dir
	Deliverer     Deliverer
	Authenticator Authenticator
	Logger        *slog.Logger // nil: discarded
}

// withDefaults fills what was left zero.
func (o Options) withDefaults() Options {
	setDefault(&o.MaxMessageSize, DefaultMaxMessageSize)
	setDefault(&o.MaxHeaderSize, DefaultMaxHeaderSize)
	setDefault(&o.MaxRecipients, DefaultMaxRecipients)
	setDefault(&o.CommandTimeout, DefaultCommandTimeout)
	setDefault(&o.DataTimeout, DefaultDataTimeout)
	setDefault(&o.WriteTimeout, DefaultWriteTimeout)
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.TLS == nil {
		o.TLS = func() *tls.Config { return nil }
	}
	return o
}

func setDefault[T comparable](v *T, d T) {
	var zero T
	if *v == zero {
		*v = d
	}
}
