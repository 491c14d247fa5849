package accounts

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	bolt "go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"

	"mailstead/mail"
)

// WriteTo writes the database as it is at this moment: a file that Open takes.
func (db *DB) WriteTo(w io.Writer) (n int64, err error) {
	err = db.bolt.View(func(tx *bolt.Tx) error {
		n, err = tx.WriteTo(w)
		return err
	})
	if errors.Is(err, bolterrors.ErrDatabaseNotOpen) {
		err = ErrClosed
	}
	if err != nil {
		return n, fmt.Errorf("copy accounts: %w", err)
	}
	return n, nil
}

// Saved is an account with its password, packed for AdoptAccount of another
// database. Keep it as secret as the database.
type Saved []byte

// Save packs an account. ErrNotFound.
func (db *DB) Save(addr mail.Address) (Saved, error) {
	r := db.current.Load().byAddress(addr)
	if r == nil {
		return nil, fmt.Errorf("account %q: %w", addr, ErrNotFound)
	}
	return appendRecord(nil, r), nil
}

// AdoptAccount makes an account as it was saved, with its password, under a
// number of its own. Further addresses that cannot be had any more are left
// out. skipIDs is as in AddOptions. Errors: ErrNotLocal and ErrExists for its
// own address, ErrDamaged.
func (db *DB) AdoptAccount(ctx context.Context, saved Saved, skipIDs func(mail.AccountID) (bool, error)) (Account, error) {
	r, err := decodeRecord(saved)
	if err != nil {
		return Account{}, fmt.Errorf("saved account: %w", err)
	}
	err = db.update(ctx, func(c *change) error {
		for _, err := range []error{c.view.local(r.Address), c.view.taken(r.Address)} {
			if err != nil {
				return err
			}
		}
		r.Senders = nil // their numbers may be others' here
		r.Certificates = slices.DeleteFunc(r.Certificates, func(cert Certificate) bool {
			_, ok := c.view.certificates[cert.Fingerprint]
			return ok
		})
		all := r.Addresses
		r.Addresses = []mail.Address{r.Address}
		for _, a := range all {
			if a.Key() != r.Address.Key() && c.view.local(a) == nil && c.view.taken(a) == nil {
				r.Addresses = append(r.Addresses, a)
			}
		}
		return c.addAccount(r, skipIDs)
	})
	return r.Account, err
}
