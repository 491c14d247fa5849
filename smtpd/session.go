package smtpd

import (
	"errors"
	"log/slog"
	"strings"

	smtp "github.com/emersion/go-smtp"

	"mailstead/internal/logkey"
	"mailstead/mail"
)

// session decides for one connection. go-smtp calls its methods one after the
// other, from the connection's goroutine; each ends in one reply.
type session struct {
	srv *Server
	c   *conn

	user     *Identity // who logged in
	failures int       // of login

	tx transaction
}

// transaction is a message being addressed (RFC 5321 §3.3).
type transaction struct {
	active bool
	from   mail.Address
	utf8   bool
	size   int64 // as announced, 0 when not
	to     []mail.Address
}

// Reset implements smtp.Session.
func (s *session) Reset() { s.tx = transaction{} }

// Logout implements smtp.Session.
func (s *session) Logout() error { return nil }

// Mail implements smtp.Session.
func (s *session) Mail(from string, opts *smtp.MailOptions) error {
	addr, err := s.mail(from, opts)
	if err != nil {
		return s.refuse("sender refused", err, slog.String(logkey.From, from))
	}
	s.tx = transaction{active: true, from: addr, utf8: opts.UTF8, size: opts.Size}
	return nil
}

func (s *session) mail(from string, opts *smtp.MailOptions) (mail.Address, error) {
	switch {
	case s.srv.o.Role == Submission && s.user == nil:
		return mail.Address{}, refusal(loginFirst)
	case s.tx.active:
		return mail.Address{}, refusal(nestedMail)
	case from == "":
		// RFC 5321 §4.5.5. Users send their read receipts so (RFC 8098 §3).
		return mail.Address{}, nil
	case !opts.UTF8 && !ascii(from):
		return mail.Address{}, refusal(needsUTF8)
	}
	addr, err := parsePath(from)
	if err != nil {
		return mail.Address{}, refusal(badSender)
	}
	if s.user != nil && !s.srv.o.Authenticator.MayUse(s.user.Account, addr) {
		return mail.Address{}, refusal(notYourSender)
	}
	return addr, nil
}

// Rcpt implements smtp.Session.
func (s *session) Rcpt(to string, _ *smtp.RcptOptions) error {
	addr, err := s.rcpt(to)
	if err != nil {
		return s.refuse("recipient refused", err, slog.String(logkey.From, s.tx.from.String()), slog.String(logkey.Rcpt, to))
	}
	for _, known := range s.tx.to {
		if known.Key() == addr.Key() {
			return nil
		}
	}
	s.tx.to = append(s.tx.to, addr)
	return nil
}

func (s *session) rcpt(to string) (mail.Address, error) {
	if !s.tx.utf8 && !ascii(to) {
		return mail.Address{}, refusal(needsUTF8)
	}
	addr, err := parsePath(to)
	if err != nil {
		return mail.Address{}, refusal(badRecipient)
	}
	if addr.Domain == postmasterDomain && strings.EqualFold(addr.Local, "postmaster") {
		addr.Domain = "" // RFC 5321 §4.5.1: "<postmaster>" is the server's own
	}
	return addr, s.srv.o.Deliverer.Verify(s.srv.ctx, addr, s.tx.size, s.account())
}

// account is who logged in, zero for nobody.
func (s *session) account() mail.AccountID {
	if s.user == nil {
		return 0
	}
	return s.user.Account
}

// refuse makes the reply to an error, and the line about it in the log.
func (s *session) refuse(event string, err error, attrs ...slog.Attr) error {
	e, known := reply(err)
	level := slog.LevelInfo
	if !known && !errors.Is(err, s.srv.ctx.Err()) {
		level = slog.LevelError
	}
	if s.user != nil {
		attrs = append(attrs, slog.String(logkey.Account, s.user.Login.String()))
	}
	attrs = append(attrs, slog.Int(logkey.Code, e.Code), slog.Any(logkey.Err, err))
	s.c.log.LogAttrs(s.srv.ctx, level, event, attrs...)
	return e
}
