package delivery

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"mailstead/accounts"
	"mailstead/internal/logkey"
	"mailstead/mail"
	"mailstead/storage"
)

// Deps are what a Service works with; Accounts and Store must be set.
type Deps struct {
	Accounts *accounts.DB
	Store    *storage.Store
	Logger   *slog.Logger // nil: nothing is logged
}

// Service delivers. It may be used by any goroutine.
type Service struct{ d Deps }

// New makes a Service.
func New(d Deps) *Service {
	if d.Logger == nil {
		d.Logger = slog.New(slog.DiscardHandler)
	}
	return &Service{d}
}

// Verify tells whether a message of size bytes (0: not known) may be addressed
// to a recipient, so that it can be refused before it is sent. submitter is
// zero for mail from elsewhere. Errors: those of this package.
func (s *Service) Verify(ctx context.Context, to mail.Address, size int64, submitter mail.AccountID) error {
	list, err := s.resolve(ctx, to, submitter)
	if err != nil {
		return err
	}
	for _, r := range list {
		u, err := s.d.Store.Usage(r.Account)
		if err != nil {
			return fmt.Errorf("%w: usage of account %d: %w", ErrUnavailable, r.Account, err)
		}
		if u.Limit > 0 && u.Bytes+max(size, 1) > u.Limit {
			return ErrOverQuota
		}
	}
	return nil
}

// resolve finds a recipient's accounts.
func (s *Service) resolve(ctx context.Context, to mail.Address, submitter mail.AccountID) ([]accounts.Recipient, error) {
	list, err := s.d.Accounts.Resolve(ctx, to)
	switch {
	case err == nil:
		return list, nil
	case errors.Is(err, accounts.ErrUnknownAddress):
		return nil, ErrUnknownRecipient
	case errors.Is(err, accounts.ErrNotLocal) && submitter != 0:
		return nil, ErrRemoteUnsupported
	case errors.Is(err, accounts.ErrNotLocal):
		return nil, ErrRelayDenied
	}
	return nil, fmt.Errorf("%w: resolve %q: %w", ErrUnavailable, to, err)
}

// Deliver puts a message into the INBOX of every account that its recipients
// lead to, once each, all or none. It returns without error only when the
// message is durable in all of them.
func (s *Service) Deliver(ctx context.Context, env Envelope, body Body) (Receipt, error) {
	have := map[mail.AccountID]bool{}
	var targets []storage.Target
	for _, to := range env.To {
		list, err := s.resolve(ctx, to, env.Account)
		if err != nil {
			return Receipt{}, err
		}
		for _, r := range list {
			if !have[r.Account] {
				have[r.Account] = true
				targets = append(targets, storage.Target{Ref: storage.Ref{Account: r.Account}, OrInbox: true})
			}
		}
	}
	if len(targets) == 0 {
		return Receipt{}, ErrUnknownRecipient
	}
	_, err := s.d.Store.Append(ctx, body, targets...)
	switch {
	case err == nil:
	case errors.Is(err, storage.ErrOverQuota):
		return Receipt{}, ErrOverQuota
	case errors.Is(err, storage.ErrNoSpace):
		return Receipt{}, ErrNoSpace
	case errors.Is(err, storage.ErrTooBig):
		return Receipt{}, ErrTooBig
	default:
		return Receipt{}, fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	s.d.Logger.Debug("message stored", logkey.Size, body.Size(), logkey.Count, len(targets))
	return Receipt{Mailboxes: len(targets)}, nil
}
