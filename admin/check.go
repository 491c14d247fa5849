package admin

import (
	"context"
	"errors"
	"fmt"

	"mailstead/mail"
	"mailstead/storage"
)

// Check verifies the accounts, the store and that they belong together.
// progress is called now and then.
func (s *Service) Check(ctx context.Context, q CheckQuery, progress func(CheckProgress)) (CheckReport, error) {
	rep, err := s.o.Store.Check(ctx, storage.CheckOptions{Bodies: q.Bodies, Progress: func(done, total int64) { progress(CheckProgress{done, total}) }})
	out := CheckReport{Accounts: rep.Accounts, Mailboxes: rep.Mailboxes, Messages: rep.Messages, Bodies: rep.Bodies, Problems: []string{}}
	if err != nil {
		return out, err
	}
	out.Problems = append(out.Problems, rep.Problems...)
	for _, d := range rep.Damaged {
		out.Damaged = append(out.Damaged, DamagedMessage{d.Name, d.Mailbox, uint32(d.UID), d.Expunged, d.Reason})
	}
	out.Problems = append(out.Problems, s.o.Accounts.Check()...)
	s.mu.Lock()
	defer s.mu.Unlock()
	known := map[mail.AccountID]bool{}
	for _, a := range s.o.Accounts.Accounts() {
		known[a.ID] = true
		has, err := s.o.Store.HasAccount(a.ID)
		if err != nil {
			return out.unread(err)
		}
		if !has {
			out.Problems = append(out.Problems, fmt.Sprintf("account %q has no mailboxes; they are made when the server starts", a.Address))
		}
	}
	stored, err := s.o.Store.Accounts()
	for _, a := range stored {
		if !known[a.ID] {
			out.Problems = append(out.Problems, fmt.Sprintf("the store has mail of account %d (%s), which does not exist", a.ID, a.Name))
		}
	}
	if err != nil {
		return out.unread(err)
	}
	return out, nil
}

// unread makes rows that can't be read one more problem of a check.
func (r CheckReport) unread(err error) (CheckReport, error) {
	if !errors.Is(err, storage.ErrDamaged) {
		return r, err
	}
	r.Problems = append(r.Problems, err.Error())
	return r, nil
}
