package delivery

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"

	"mailstead/accounts"
	"mailstead/internal/logkey"
	"mailstead/internal/spool"
	"mailstead/mail"
	"mailstead/storage"
)

// Directory knows who receives mail; *accounts.DB is one.
type Directory interface {
	Resolve(ctx context.Context, addr mail.Address) ([]accounts.Recipient, error)
	Domains() []accounts.Domain
}

// Store keeps mail; *storage.Store is one.
type Store interface {
	Deliver(ctx context.Context, body storage.Body, to ...mail.AccountID) error
	Usage(id mail.AccountID) (storage.Usage, error)
}

// Deps are what a Service works with. Logger may be nil.
type Deps struct {
	Accounts Directory
	Store    Store
	Logger   *slog.Logger
}

// Service delivers messages. Safe for concurrent use.
type Service struct {
	d   Deps
	log *slog.Logger
}

// New makes a service. It panics without accounts or store.
func New(d Deps) *Service {
	if d.Accounts == nil || d.Store == nil {
		panic("delivery: Accounts or Store is missing")
	}
	s := &Service{d: d, log: d.Logger}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	return s
}

// Verify tells whether a message of size bytes (0: not known) may be addressed
// to a recipient by submitter (0: someone elsewhere). Errors:
// ErrUnknownRecipient, ErrRelayDenied, ErrRemoteUnsupported, ErrOverQuota; any
// other is temporary.
func (s *Service) Verify(ctx context.Context, to mail.Address, size int64, submitter mail.AccountID) error {
	recipients, err := s.resolve(ctx, to, submitter)
	if err != nil {
		return err
	}
	for _, r := range recipients {
		u, err := s.d.Store.Usage(r.Account)
		if err != nil {
			return fmt.Errorf("look up quota of account %d: %w", r.Account, err)
		}
		if !u.Fits(max(size, 1), 1) {
			return ErrOverQuota
		}
	}
	return nil
}

// Deliver puts a message into the INBOX of every recipient, of each account
// once, and returns when it is durable in all of them; after an error it is in
// none. Errors: those of Verify, ErrNoSpace, ErrTooBig; any other is temporary.
func (s *Service) Deliver(ctx context.Context, env Envelope, body Body) (Receipt, error) {
	to, err := s.accounts(ctx, env)
	if err != nil {
		return Receipt{}, err
	}
	// RFC 5321 §4.4: final delivery puts the reverse-path into the message.
	text := spool.Join([]byte("Return-Path: <"+env.From.String()+">\r\n"), body, 0, body.Size())
	err = s.d.Store.Deliver(ctx, text, to...)
	switch {
	case errors.Is(err, storage.ErrOverQuota):
		return Receipt{}, fmt.Errorf("%w: %w", ErrOverQuota, err)
	case errors.Is(err, storage.ErrNoSpace):
		return Receipt{}, fmt.Errorf("%w: %w", ErrNoSpace, err)
	case errors.Is(err, storage.ErrTooBig):
		return Receipt{}, fmt.Errorf("%w: %w", ErrTooBig, err)
	case err != nil:
		return Receipt{}, fmt.Errorf("store message: %w", err)
	}
	for _, id := range to {
		s.log.DebugContext(ctx, "message stored", logkey.Account, id)
	}
	return Receipt{Mailboxes: len(to)}, nil
}

// accounts finds whom a message goes to, each account once.
func (s *Service) accounts(ctx context.Context, env Envelope) ([]mail.AccountID, error) {
	if len(env.To) == 0 {
		return nil, ErrUnknownRecipient
	}
	var list []mail.AccountID
	seen := map[mail.AccountID]bool{}
	for _, to := range env.To {
		recipients, err := s.resolve(ctx, to, env.Account)
		if err != nil && len(env.To) > 1 {
			// All were known when they were named. One that is gone by now must
			// not make the message bounce for the others: at the next attempt
			// it is refused when it is named.
			return nil, fmt.Errorf("%w: recipient %q: %s", ErrUnavailable, to.String(), err.Error())
		}
		if err != nil {
			return nil, err
		}
		for _, r := range recipients {
			if !seen[r.Account] {
				seen[r.Account] = true
				list = append(list, r.Account)
			}
		}
	}
	return list, nil
}

// resolve finds the accounts behind a forward-path.
func (s *Service) resolve(ctx context.Context, to mail.Address, submitter mail.AccountID) ([]accounts.Recipient, error) {
	if to.Domain == "" && strings.EqualFold(to.Local, "postmaster") {
		return s.postmaster(ctx)
	}
	recipients, err := s.d.Accounts.Resolve(ctx, to)
	switch {
	case errors.Is(err, accounts.ErrUnknownAddress), err == nil && len(recipients) == 0:
		return nil, ErrUnknownRecipient
	case errors.Is(err, accounts.ErrNotLocal) && submitter != 0:
		return nil, ErrRemoteUnsupported
	case errors.Is(err, accounts.ErrNotLocal):
		return nil, ErrRelayDenied
	case err != nil:
		return nil, fmt.Errorf("resolve %q: %w", to.String(), err)
	}
	return recipients, nil
}

// postmaster finds who reads "<postmaster>" without a domain (RFC 5321 §4.5.1):
// the postmaster of the first domain that has one.
func (s *Service) postmaster(ctx context.Context) ([]accounts.Recipient, error) {
	for _, d := range s.d.Accounts.Domains() {
		r, err := s.d.Accounts.Resolve(ctx, mail.Address{Local: "postmaster", Domain: d.Name})
		if err == nil && len(r) > 0 {
			return r, nil
		}
		if err != nil && !errors.Is(err, accounts.ErrUnknownAddress) {
			return nil, fmt.Errorf("resolve postmaster: %w", err)
		}
	}
	return nil, ErrUnknownRecipient
}
