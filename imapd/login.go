package imapd

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"strings"
	"time"

	"mailstead/imapd/wire"
	"mailstead/internal/logkey"
)

// maxSASL is the longest SASL response, in bytes of base64.
const maxSASL = 4096

// login is RFC 9051 §6.2.3.
func (s *session) login(ctx context.Context, c *wire.Command) (reply, error) {
	if !s.mayLogin() {
		return s.needsTLS(), nil
	}
	a := c.Args.(wire.LoginArgs)
	return s.enter(ctx, a.User, a.Password)
}

func (s *session) needsTLS() reply {
	return no("PRIVACYREQUIRED", "Passwords are not accepted without TLS")
}

// authenticate is RFC 9051 §6.2.2 with SASL PLAIN (RFC 4616).
func (s *session) authenticate(ctx context.Context, c *wire.Command) (reply, error) {
	a := c.Args.(wire.AuthenticateArgs)
	if !strings.EqualFold(a.Mechanism, "PLAIN") {
		return no("CANNOT", "That mechanism is not offered"), nil
	}
	if !s.mayLogin() {
		return s.needsTLS(), nil
	}
	response := a.Initial
	if !a.HasInitial {
		var err error
		if response, err = s.saslResponse(); err != nil {
			return reply{}, err
		}
	}
	fields := bytes.Split(response, []byte{0})
	if len(fields) != 3 {
		return bad("Not a PLAIN response"), nil
	}
	authz, user, password := string(fields[0]), string(fields[1]), string(fields[2])
	if authz != "" && !strings.EqualFold(authz, user) {
		return no("AUTHORIZATIONFAILED", "Acting for another user is not possible"), nil
	}
	return s.enter(ctx, user, password)
}

// saslResponse asks for the client's response.
func (s *session) saslResponse() ([]byte, error) {
	if err := s.continuation(""); err != nil {
		return nil, fatal{err}
	}
	line, err := s.r.ReadLine(maxSASL)
	if err != nil {
		return nil, fatal{err}
	}
	if string(line) == "*" {
		return nil, protocolError{bad("Cancelled")}
	}
	response, err := base64.StdEncoding.DecodeString(string(line))
	if err != nil {
		return nil, protocolError{bad("Not base64")}
	}
	return response, nil
}

// enter checks a password and lets the client in.
func (s *session) enter(ctx context.Context, user, password string) (reply, error) {
	id, err := s.srv.o.Authenticator.Login(ctx, user, password, s.remote)
	if err != nil {
		return s.refuse(ctx, user, err)
	}
	if ok, err := s.srv.o.Store.HasAccount(id); err != nil || !ok {
		s.log.Error("account has no mailboxes", logkey.Account, user, logkey.Err, err)
		return unavailable(), nil
	}
	s.account, s.bad = id, 0
	s.watch()
	s.conn.loggedIn()
	s.log = s.log.With(logkey.Account, user)
	s.log.Info("logged in", "tls", s.conn.secure)
	return okCode("CAPABILITY "+s.capabilities(), "Logged in"), nil
}

// watch ends the session when the account is disabled, removed or gets another
// password.
func (s *session) watch() {
	ended, stop := s.srv.o.Authenticator.Watch(s.account)
	gone := make(chan struct{})
	s.watching.Go(func() {
		select {
		case <-ended:
			s.cancel(errAccountEnded)
		case <-gone:
		}
	})
	s.unwatch = func() {
		stop()
		close(gone)
		s.watching.Wait()
	}
}

// refuse answers a failed login: late, and the third time with BYE.
func (s *session) refuse(ctx context.Context, user string, err error) (reply, error) {
	s.failures++
	s.log.Info("login failed", logkey.Account, user, logkey.Err, err)
	if errors.Is(err, ErrBadCredentials) {
		delay := time.NewTimer(time.Duration(s.failures) * s.srv.o.LoginDelay)
		defer delay.Stop()
		select {
		case <-delay.C:
		case <-ctx.Done():
		}
	}
	return s.replyTo("LOGIN", err), nil
}
