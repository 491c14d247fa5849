package imapd

import (
	"context"
	"encoding/base64"
	"errors"
	"time"

	"mailstead/imapd/wire"
	"mailstead/internal/logkey"
	"mailstead/mail"
	"mailstead/sasl"
)

// maxSASL is the longest SASL response, in bytes of base64.
const maxSASL = 4096

// login is RFC 9051 §6.2.3.
func (s *session) login(ctx context.Context, c *wire.Command) (reply, error) {
	if !s.mayLogin() {
		return s.needsTLS(), nil
	}
	a := c.Args.(wire.LoginArgs)
	id, err := s.srv.o.Authenticator.Credentials(s.remote).Password(ctx, a.User, a.Password)
	if err != nil {
		return s.refuse(ctx, a.User, err)
	}
	return s.enter(a.User, "LOGIN command", id)
}

func (s *session) needsTLS() reply {
	return no("PRIVACYREQUIRED", "Passwords are not accepted without TLS")
}

// authenticate is RFC 9051 §6.2.2, with the initial response of RFC 4959. Any
// number of challenges may follow.
func (s *session) authenticate(ctx context.Context, c *wire.Command) (reply, error) {
	a := c.Args.(wire.AuthenticateArgs)
	if !s.mayLogin() {
		return s.needsTLS(), nil
	}
	x, err := s.sasl().Start(a.Mechanism)
	if err != nil {
		return s.replyTo("AUTHENTICATE", err), nil
	}
	var response []byte
	if a.HasInitial {
		response = append([]byte{}, a.Initial...) // RFC 4959 §3: "=" is empty, not missing
	}
	for {
		challenge, id, err := x.Next(ctx, response)
		switch {
		case errors.Is(err, sasl.ErrMalformed):
			return bad("Not a response of " + x.Mechanism()), nil
		case err != nil:
			return s.refuse(ctx, x.User(), err)
		case id != nil:
			return s.enter(x.User(), x.Mechanism(), *id)
		}
		if response, err = s.saslResponse(challenge); err != nil {
			return reply{}, err
		}
	}
}

// sasl is SASL for this connection.
func (s *session) sasl() sasl.Server {
	return sasl.Server{Credentials: s.srv.o.Authenticator.Credentials(s.remote), Channel: s.conn.channel, Hostname: s.srv.o.Hostname}
}

// saslResponse asks for the client's response to a challenge.
func (s *session) saslResponse(challenge []byte) ([]byte, error) {
	if err := s.settle(); err != nil {
		return nil, fatal{err}
	}
	s.w.Challenge(base64.StdEncoding.EncodeToString(challenge))
	if err := s.w.Flush(); err != nil {
		return nil, fatal{err}
	}
	line, err := s.r.ReadLine(maxSASL + 1) // and the CR
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

// enter lets the client in.
func (s *session) enter(user, mechanism string, who sasl.Identity) (reply, error) {
	id := mail.AccountID(who.Account)
	if ok, err := s.srv.o.Store.HasAccount(id); err != nil || !ok {
		s.log.Error("account has no mailboxes", logkey.Account, user, logkey.Err, err)
		return unavailable(), nil
	}
	s.account, s.bad = id, 0
	s.watch()
	s.conn.loggedIn()
	s.log = s.log.With(logkey.Account, user)
	s.log.Info("logged in", "tls", s.conn.secure, "mechanism", mechanism)
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
	if errors.Is(err, sasl.ErrBadCredentials) || errors.Is(err, sasl.ErrBinding) {
		delay := time.NewTimer(time.Duration(s.failures) * s.srv.o.LoginDelay)
		defer delay.Stop()
		select {
		case <-delay.C:
		case <-ctx.Done():
		}
	}
	return s.replyTo("LOGIN", err), nil
}
