package sasl

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"
)

// MaxResponse is the longest response, in bytes after base64.
const MaxResponse = 3072

// Errors of an exchange. Credentials gives ErrBadCredentials and ErrThrottled;
// any other error is a fault of the server.
var (
	ErrBadCredentials = errors.New("wrong user name or password")
	ErrThrottled      = errors.New("too many failed logins")
	// ErrMechanism is a mechanism that is not offered.
	ErrMechanism = errors.New("mechanism is not offered")
	// ErrMalformed is a response that is not what the mechanism wants.
	ErrMalformed = errors.New("not a response of the mechanism")
	// ErrActsForAnother is an authorization identity that is not the user's own
	// (RFC 4422 §3.4.1): nobody may act for another.
	ErrActsForAnother = errors.New("acting for another user is not possible")
	// ErrBinding is a channel binding that does not fit: somebody stands between
	// the client and us, or has hidden a mechanism (RFC 5802 §6). It counts as a
	// failed login.
	ErrBinding = errors.New("channel binding does not fit")
)

// Identity is who has logged in.
type Identity struct {
	Account uint32
	Name    string // the account's address
}

// Secrets are what Challenge asks for.
type Secrets int

// The kinds of Secrets.
const (
	ScramSHA256 Secrets = iota
	ScramSHA1
	CRAM
)

// Challenge is an exchange that has begun: what the answer is checked with, and
// whom to tell of it.
type Challenge struct {
	Keys Keys       // of SCRAM
	CRAM CRAMSecret // of CRAM-MD5
	// Finish takes the outcome: that the client has proved to know the secret,
	// or not. It is called once, and gives ErrBadCredentials when not; even a
	// proof may be refused.
	Finish func(proved bool) (Identity, error)
}

// Offers are the mechanisms that depend on the accounts.
type Offers struct {
	Scram    bool
	CRAMMD5  bool
	External bool
}

// Credentials is what mechanisms check against, for a client at one address.
// Its answers do not tell whether an account exists.
type Credentials interface {
	// Offers tells what may be offered to a client with this certificate, DER,
	// nil for none.
	Offers(certificate []byte) Offers
	// Password checks a password. Errors: ErrBadCredentials, ErrThrottled.
	Password(ctx context.Context, user, password string) (Identity, error)
	// Challenge gives the secrets of a user, and for one who has none those of
	// nobody. Errors: ErrThrottled.
	Challenge(user string, kind Secrets) (Challenge, error)
	// Certificate finds whom a certificate is bound to, who must have the
	// address user unless that is empty. Errors: ErrBadCredentials, ErrThrottled.
	Certificate(certificate []byte, user string) (Identity, error)
}

// Server is SASL for one connection in its present state.
type Server struct {
	Credentials Credentials
	Channel     Channel
	Hostname    string // in CRAM-MD5's challenges
}

// machine is a mechanism. A nil response is none at all, an empty one is one. An
// identity ends the exchange.
type machine interface {
	next(ctx context.Context, response []byte) (challenge []byte, id *Identity, err error)
	// user is who wants in, as far as it is known.
	user() string
}

// Mechanisms lists what to announce, the best first.
func (s Server) Mechanisms() (names []string) {
	o := s.Credentials.Offers(s.Channel.certificate())
	if o.External {
		names = append(names, "EXTERNAL")
	}
	if o.Scram && s.Channel.canBind() {
		names = append(names, "SCRAM-SHA-256-PLUS", "SCRAM-SHA-1-PLUS")
	}
	if o.Scram {
		names = append(names, "SCRAM-SHA-256", "SCRAM-SHA-1")
	}
	if o.CRAMMD5 {
		names = append(names, "CRAM-MD5")
	}
	return append(names, "PLAIN", "LOGIN")
}

// Start begins an exchange. ErrMechanism.
func (s Server) Start(name string) (*Exchange, error) {
	name = strings.ToUpper(name)
	offered := s.Mechanisms()
	for _, o := range offered {
		if o == name {
			return &Exchange{name: name, m: s.machine(name, offered)}, nil
		}
	}
	return nil, ErrMechanism
}

func (s Server) machine(name string, offered []string) machine {
	switch name {
	case "PLAIN":
		return &plain{c: s.Credentials}
	case "LOGIN":
		return &login{c: s.Credentials}
	case "CRAM-MD5":
		return &cramMD5{c: s.Credentials, hostname: s.Hostname}
	case "EXTERNAL":
		return &external{c: s.Credentials, certificate: s.Channel.certificate()}
	}
	m := &scramServer{c: s.Credentials, channel: s.Channel, kind: ScramSHA256}
	base, plus := strings.CutSuffix(name, "-PLUS")
	if base == "SCRAM-SHA-1" {
		m.kind = ScramSHA1
	}
	m.plus = plus
	for _, o := range offered {
		m.offersPlus = m.offersPlus || o == base+"-PLUS"
	}
	return m
}

// Exchange is one try to log in. Not safe for concurrent use.
type Exchange struct {
	name string
	m    machine
	over bool
}

// Mechanism is the name of what is spoken.
func (x *Exchange) Mechanism() string { return x.name }

// User is who wants in, as far as it is known; for the log.
func (x *Exchange) User() string { return x.m.user() }

// Next takes a response: nil at the start when the client has sent none along,
// empty for an empty one. It gives the next challenge, or who is in. After an
// error the exchange is over.
func (x *Exchange) Next(ctx context.Context, response []byte) (challenge []byte, id *Identity, err error) {
	if x.over {
		return nil, nil, fmt.Errorf("exchange is over: %w", ErrMalformed)
	}
	if len(response) > MaxResponse {
		err = fmt.Errorf("response of %d bytes: %w", len(response), ErrMalformed)
	} else {
		challenge, id, err = x.m.next(ctx, response)
	}
	x.over = id != nil || err != nil
	return challenge, id, err
}

// ownName tells whether an authorization identity names the user.
func ownName(authz, user string) bool { return authz == "" || strings.EqualFold(authz, user) }

// text tells whether a response is the UTF-8 that every mechanism here speaks.
func text(b []byte) bool { return utf8.Valid(b) }
