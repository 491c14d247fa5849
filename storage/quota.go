package storage

import (
	"context"

	"mailstead/mail"
)

// Limits of what an account may hold; 0 is none.
type Limits struct {
	Bytes    int64
	Messages int64
}

// Fits tells whether so much more may come into an account.
func (u Usage) Fits(bytes, messages int64) bool {
	return (u.Limit <= 0 || u.Bytes+bytes <= u.Limit) && (u.MessageLimit <= 0 || u.Messages+messages <= u.MessageLimit)
}

// amount is a part of an account's quota.
type amount struct{ bytes, messages int64 }

func (a amount) plus(b amount) amount {
	return amount{a.bytes + b.bytes, a.messages + b.messages}
}

// limits are those of an account at this moment.
func (s *Store) limits(id mail.AccountID) Limits {
	if s.opts.Limits != nil {
		return s.opts.Limits(id)
	}
	if s.opts.Quota != nil {
		return Limits{Bytes: s.opts.Quota(id)}
	}
	return Limits{}
}

// Usage is what the account holds and may hold. ErrNoAccount.
func (s *Store) Usage(id mail.AccountID) (u Usage, err error) {
	err = s.view(func(x index) error {
		a, err := x.account(id)
		u.Bytes, u.Messages = a.bytes, a.count
		return err
	})
	if err == nil {
		l := s.limits(id)
		u.Limit, u.MessageLimit = l.Bytes, l.Messages
	}
	return u, err
}

// AccountName is the name that an account was created with. ErrNoAccount.
func (s *Store) AccountName(id mail.AccountID) (name string, err error) {
	err = s.view(func(x index) error {
		a, err := x.account(id)
		name = a.name
		return err
	})
	return name, err
}

// reserve sets a part of the accounts' quota aside until release is called.
// What the index has taken in already counts twice until that is known, so
// before a message is refused for what is set aside for others, those on their
// way are waited for.
func (s *Store) reserve(need map[mail.AccountID]amount) (release func(), err error) {
	release, waits, err := s.tryReserve(need)
	if !waits {
		return release, err
	}
	if err := s.Settle(context.Background()); err != nil {
		return nil, err
	}
	release, _, err = s.tryReserve(need)
	return release, err
}

// tryReserve is reserve; waits tells that all would fit, were nothing set aside
// for others.
func (s *Store) tryReserve(need map[mail.AccountID]amount) (release func(), waits bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	err = s.view(func(x index) error {
		for id, n := range need {
			a, err := x.account(id)
			if err != nil {
				return err
			}
			l := s.limits(id)
			u := Usage{Bytes: a.bytes, Messages: a.count, Limit: l.Bytes, MessageLimit: l.Messages}
			if !u.Fits(n.bytes, n.messages) {
				waits = false
				return ErrOverQuota
			}
			all := n.plus(s.reserved[id])
			waits = waits || !u.Fits(all.bytes, all.messages)
		}
		if waits {
			return ErrOverQuota
		}
		return nil
	})
	if err != nil {
		return nil, waits, err
	}
	for id, n := range need {
		s.reserved[id] = s.reserved[id].plus(n)
	}
	return func() { s.unreserve(need) }, false, nil
}

func (s *Store) unreserve(need map[mail.AccountID]amount) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for id, n := range need {
		if s.reserved[id] = s.reserved[id].plus(amount{-n.bytes, -n.messages}); s.reserved[id] == (amount{}) {
			delete(s.reserved, id)
		}
	}
}
