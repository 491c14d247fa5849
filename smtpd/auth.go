package smtpd

import (
	"errors"
	"log/slog"

	gosasl "github.com/emersion/go-sasl"

	"mailstead/internal/logkey"
	"mailstead/mail"
	"mailstead/sasl"
)

// AuthMechanisms implements smtp.AuthSession: what EHLO offers now.
func (s *session) AuthMechanisms() []string {
	if !s.mayLogin() {
		return nil
	}
	return s.sasl().Mechanisms()
}

// mayLogin tells whether a password may be said on this connection.
func (s *session) mayLogin() bool {
	return s.srv.o.Role == Submission &&
		(s.c.tls != nil || s.srv.o.AllowInsecureAuth && s.c.remote.IsLoopback())
}

// Auth implements smtp.AuthSession.
func (s *session) Auth(mechanism string) (gosasl.Server, error) {
	switch {
	case s.tx.active:
		return nil, refusal(authInMail)
	case !s.mayLogin():
		return nil, s.refuse("login failed", refusal(tlsFirst))
	}
	x, err := s.sasl().Start(mechanism)
	if err != nil {
		return nil, refusal(unknownMechanism)
	}
	return exchange{s, x}, nil
}

// sasl is SASL for this connection.
func (s *session) sasl() sasl.Server {
	return sasl.Server{Credentials: s.srv.o.Authenticator.Credentials(s.c.remote), Channel: s.c.channel, Hostname: s.srv.o.Hostname}
}

// loginFailed refuses a login; after a few the connection ends.
func (s *session) loginFailed(user string, err error) error {
	if s.failures++; s.failures >= maxAuthFailures {
		s.c.farewell = tooManyErrors
	}
	refused := s.refuse("login failed", err, slog.String(logkey.Account, clip(user)))
	for _, known := range []error{sasl.ErrBadCredentials, sasl.ErrThrottled, sasl.ErrBinding, sasl.ErrActsForAnother} {
		if errors.Is(err, known) {
			return refused
		}
	}
	return refusal(loginUnavailable)
}

// exchange is one SASL exchange in go-smtp's terms (RFC 4954 §4).
type exchange struct {
	s *session
	x *sasl.Exchange
}

// Next implements gosasl.Server. It gives an error of go-smtp's.
func (e exchange) Next(response []byte) (challenge []byte, done bool, err error) {
	challenge, id, err := e.x.Next(e.s.srv.ctx, response)
	switch {
	case errors.Is(err, sasl.ErrMalformed):
		return nil, false, refusal(badResponse)
	case err != nil:
		return nil, false, e.s.loginFailed(e.x.User(), err)
	case id == nil:
		return challenge, false, nil
	}
	addr, err := mail.ParseAddress(id.Name)
	if err != nil {
		return nil, false, e.s.loginFailed(e.x.User(), err)
	}
	e.s.user, e.s.c.authed = &Identity{Account: mail.AccountID(id.Account), Login: addr}, true
	e.s.c.log.Info("login succeeded", logkey.Account, addr.String(), "mechanism", e.x.Mechanism())
	return nil, true, nil
}
