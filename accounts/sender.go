package accounts

import (
	"context"
	"fmt"
	"slices"

	"mailstead/mail"
)

// maxSenders is how many others may send with the addresses of one account.
const maxSenders = 100

// SetSender lets another account send with every address that an account may
// send with, or no longer. Errors: ErrNotFound for either, ErrInvalid for the
// account itself, ErrLimit.
func (db *DB) SetSender(ctx context.Context, owner, who mail.Address, on bool) error {
	return db.edit(ctx, owner, func(c *change, r *record) error {
		other := c.view.byAddress(who)
		if other == nil {
			return fmt.Errorf("account %q: %w", who, ErrNotFound)
		}
		if other.ID == r.ID {
			return fmt.Errorf("%q sends with its own addresses anyway: %w", who, ErrInvalid)
		}
		i, has := slices.BinarySearch(r.Senders, other.ID)
		switch {
		case on && !has && len(r.Senders) >= maxSenders:
			return fmt.Errorf("senders for %q: %w", r.Address, ErrLimit)
		case on && !has:
			r.Senders = slices.Insert(slices.Clone(r.Senders), i, other.ID)
		case !on && !has:
			return fmt.Errorf("%q may not send for %q: %w", who, r.Address, ErrNotFound)
		case !on:
			r.Senders = slices.Delete(slices.Clone(r.Senders), i, i+1)
		}
		return nil
	})
}

// dropSender takes an account that goes from all it may send for.
func (c *change) dropSender(id mail.AccountID) error {
	for _, old := range c.view.accounts {
		i, has := slices.BinarySearch(old.Senders, id)
		if !has {
			continue
		}
		r := *old
		r.Senders = slices.Delete(slices.Clone(old.Senders), i, i+1)
		if err := c.putAccount(&r); err != nil {
			return err
		}
	}
	return nil
}

// MaySend tells whether an account may send as an address: its own, with any
// detail, what reaches it by an alias or catch-all, and all that is so for
// another that lets it.
func (db *DB) MaySend(id mail.AccountID, addr mail.Address) bool {
	v := db.current.Load()
	list, err := v.resolve(addr, db.detail)
	return err == nil && slices.ContainsFunc(list, func(r Recipient) bool {
		if r.Account == id {
			return true
		}
		owner := v.accounts[r.Account]
		if owner == nil {
			return false
		}
		_, may := slices.BinarySearch(owner.Senders, id)
		return may
	})
}
