package smtpd

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"time"

	smtp "github.com/emersion/go-smtp"

	"mailstead/delivery"
	"mailstead/internal/logkey"
	"mailstead/internal/spool"
)

// incoming is a message while it is being taken.
type incoming struct {
	id    string // in Received, the reply and the log
	msgID string
	file  *spool.File
	began time.Time
}

// Data implements smtp.Session. It reads the message from the connection, not
// from go-smtp's reader, which is too tolerant about line breaks.
func (s *session) Data(io.Reader) error {
	in := &incoming{id: rand.Text()[:16], file: s.srv.o.Spool.New(), began: time.Now()}
	defer func() {
		if err := in.file.Close(); err != nil {
			s.c.log.Warn("spool file not closed", logkey.Err, err)
		}
	}()
	err := s.take(in)
	attrs := []slog.Attr{slog.String(logkey.QID, in.id), slog.String(logkey.MsgID, in.msgID), slog.String(logkey.From, s.tx.from.String()),
		slog.Any(logkey.Rcpt, s.recipients()), slog.Int64(logkey.Size, in.file.Size()), slog.Duration(logkey.Dur, time.Since(in.began))}
	if err != nil {
		return s.refuse("message refused", err, attrs...)
	}
	s.c.idle = 0
	if s.user != nil {
		attrs = append(attrs, slog.String(logkey.Account, s.user.Login.String()))
	}
	s.c.log.LogAttrs(s.srv.ctx, slog.LevelInfo, "message accepted", attrs...)
	return &smtp.SMTPError{Code: 250, EnhancedCode: smtp.EnhancedCode{2, 0, 0}, Message: "Message accepted, id " + in.id}
}

// recipients lists the forward-paths for the log.
func (s *session) recipients() []string {
	const most = 20
	l := make([]string, 0, min(len(s.tx.to), most+1))
	for i, a := range s.tx.to {
		if i == most {
			return append(l, fmt.Sprintf("and %d more", len(s.tx.to)-most))
		}
		l = append(l, a.String())
	}
	return l
}

// take receives a message and hands it to the Deliverer.
func (s *session) take(in *incoming) error {
	if err := s.receive(in.file); err != nil {
		return err
	}
	msg, err := s.rewrite(in)
	if err != nil {
		return err
	}
	env := delivery.Envelope{From: s.tx.from, To: s.tx.to, Remote: s.c.remote, Account: s.account()}
	_, err = s.srv.o.Deliverer.Deliver(s.srv.ctx, env, msg)
	return err
}

// receive reads the message into the spool. Whatever goes wrong, the message is
// read to its end, so that the reply is understood as the answer to it.
func (s *session) receive(file *spool.File) error {
	b := s.c.body
	if b == nil {
		return errors.New("no message on this connection")
	}
	limit := s.srv.o.MaxMessageSize
	n, err := io.Copy(file, io.LimitReader(b, limit+1))
	switch {
	case n > limit:
		err = refusal(tooBig)
	case err == nil && b.err != io.EOF:
		err = b.err
	}
	b.discard()
	switch {
	case b.err != nil && b.err != io.EOF:
		return fmt.Errorf("%w: %w", errAborted, b.err)
	case err != nil:
		return err
	case b.bare:
		return refusal(bareBreak)
	}
	return nil
}

// rewrite checks the header and puts before it what belongs there.
func (s *session) rewrite(in *incoming) (delivery.Body, error) {
	h, err := readHeader(in.file, in.file.Size(), s.srv.o.MaxHeaderSize)
	if errors.Is(err, errHeaderTooBig) {
		return nil, refusal(headerTooBig)
	}
	if err != nil {
		return nil, err
	}
	in.msgID = clip(h.value("Message-ID"))
	if h.count("Received") > maxReceived {
		return nil, refusal(looping)
	}
	prefix := s.received(in.id, in.began)
	remove := []string{"Return-Path"} // RFC 5321 §4.4: delivery sets its own
	if s.srv.o.Role == Submission {
		if err := s.checkAuthors(h); err != nil {
			return nil, err
		}
		prefix = append(prefix, h.missing(s.user.Login.Domain, in.began)...)
		remove = append(remove, "Bcc", "Resent-Bcc")
	}
	prefix = append(prefix, h.without(remove...)...)
	if h.bare {
		prefix = append(prefix, "\r\n"...)
	}
	at := int64(len(h.raw))
	return spool.Join(prefix, in.file, at, in.file.Size()-at), nil
}

// checkAuthors refuses a message that says to be from someone else (RFC 6409
// §6.1).
func (s *session) checkAuthors(h header) error {
	from, ok := h.addresses("From")
	if !ok || h.count("From") != 1 {
		return refusal(oneFrom)
	}
	for _, a := range from {
		if !s.srv.o.Authenticator.MayUse(s.user.Account, a) {
			return refusal(notYourFrom)
		}
	}
	switch h.count("Sender") {
	case 0:
		return nil
	case 1:
	default:
		return refusal(oneSender)
	}
	sender, ok := h.addresses("Sender")
	for _, a := range sender {
		ok = ok && s.srv.o.Authenticator.MayUse(s.user.Account, a)
	}
	if !ok {
		return refusal(notYourSenderLine)
	}
	return nil
}

// clip shortens a peer's text for the log.
func clip(s string) string {
	const most = 250
	if len(s) > most {
		s = s[:most] + "…"
	}
	return strings.ToValidUTF8(s, "?")
}
