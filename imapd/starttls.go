package imapd

import (
	"context"

	"mailstead/imapd/wire"
	"mailstead/internal/logkey"
)

// startTLS is RFC 9051 §6.2.1. What a client sends after it without waiting
// was perhaps put there by somebody on the way, and ends the session.
func (s *session) startTLS(_ context.Context, _ *wire.Command) (reply, error) {
	if !s.canStartTLS() {
		return bad("TLS is not possible here"), nil
	}
	if s.r.Buffered() > 0 {
		s.bye("", "Nothing may be sent between STARTTLS and the handshake")
		return bad("Nothing may be sent between STARTTLS and the handshake"), nil
	}
	return reply{kind: kindOK, text: "Begin the handshake"}, nil
}

// afterwards does what a command has to do after its answer.
func (s *session) afterwards(ctx context.Context, name string, answer reply) error {
	if answer.kind == kindOK {
		switch name {
		case "STARTTLS":
			return s.beginTLS(ctx)
		case "COMPRESS":
			return s.beginCompress()
		case "UNAUTHENTICATE":
			return s.endCompress()
		}
	}
	if s.failures >= maxLoginFailures {
		s.bye("", "Too many failed logins")
	}
	return nil
}

// beginTLS makes all further bytes TLS, once the answer has gone.
func (s *session) beginTLS(ctx context.Context) error {
	if err := s.w.Flush(); err != nil {
		return fatal{err}
	}
	if err := s.conn.startTLS(ctx, s.srv.o.TLS()); err != nil {
		s.leaving = true // a BYE in clear would not be understood
		s.log.Debug("tls handshake failed", logkey.Err, err)
		return fatal{err}
	}
	s.r.Reset(input{s})
	return nil
}
