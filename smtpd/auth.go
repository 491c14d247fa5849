package smtpd

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"

	sasl "github.com/emersion/go-sasl"

	"mailstead/internal/logkey"
)

// AuthMechanisms implements smtp.AuthSession: what EHLO offers now.
func (s *session) AuthMechanisms() []string {
	if !s.mayLogin() {
		return nil
	}
	return []string{"PLAIN", "LOGIN"}
}

// mayLogin tells whether a password may be said on this connection.
func (s *session) mayLogin() bool {
	return s.srv.o.Role == Submission &&
		(s.c.tls != nil || s.srv.o.AllowInsecureAuth && s.c.remote.IsLoopback())
}

// Auth implements smtp.AuthSession.
func (s *session) Auth(mechanism string) (sasl.Server, error) {
	switch {
	case s.tx.active:
		return nil, refusal(authInMail)
	case !s.mayLogin():
		return nil, s.refuse("login failed", refusal(tlsFirst))
	case mechanism == "PLAIN":
		return &plainExchange{s: s}, nil
	case mechanism == "LOGIN":
		return &loginExchange{s: s}, nil
	}
	return nil, refusal(unknownMechanism)
}

// login checks a password and notes who is there.
func (s *session) login(user, password string) error {
	id, err := s.srv.o.Authenticator.Authenticate(s.srv.ctx, user, password, s.c.remote)
	if err == nil {
		s.user, s.c.authed = &id, true
		s.c.log.Info("login succeeded", logkey.Account, id.Login.String())
		return nil
	}
	return s.loginFailed(user, err)
}

// loginFailed refuses a login; after a few the connection ends.
func (s *session) loginFailed(user string, err error) error {
	if s.failures++; s.failures >= maxAuthFailures {
		s.c.farewell = tooManyErrors
	}
	refused := s.refuse("login failed", err, slog.String(logkey.Account, clip(user)))
	if errors.Is(err, ErrBadCredentials) || errors.Is(err, ErrThrottled) {
		return refused
	}
	return refusal(loginUnavailable)
}

// plainExchange is PLAIN (RFC 4616).
type plainExchange struct{ s *session }

// Next implements sasl.Server.
func (x *plainExchange) Next(response []byte) (challenge []byte, done bool, err error) {
	if response == nil {
		return []byte{}, false, nil
	}
	parts := bytes.Split(response, []byte{0})
	if len(parts) != 3 || len(parts[1]) == 0 {
		return nil, false, refusal(badResponse)
	}
	identity, user, password := string(parts[0]), string(parts[1]), string(parts[2])
	if identity != "" && !strings.EqualFold(identity, user) {
		return nil, false, x.s.loginFailed(user, ErrBadCredentials) // nobody may act for another
	}
	return nil, true, x.s.login(user, password)
}

// loginExchange is LOGIN, which no RFC describes but many clients speak: two
// questions, two answers. The first may come with the command.
type loginExchange struct {
	s       *session
	user    string
	hasUser bool
}

// Next implements sasl.Server.
func (x *loginExchange) Next(response []byte) (challenge []byte, done bool, err error) {
	switch {
	case response == nil:
		return []byte("Username:"), false, nil
	case !x.hasUser:
		x.user, x.hasUser = string(response), true
		return []byte("Password:"), false, nil
	}
	return nil, true, x.s.login(x.user, string(response))
}
