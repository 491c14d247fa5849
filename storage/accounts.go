package storage

import (
	"encoding/binary"

	"mailstead/mail"
)

// StoredAccount is an account as the store knows it.
type StoredAccount struct {
	ID   mail.AccountID
	Name string // as given to CreateAccount
}

// Accounts lists the accounts that have mailboxes, by number.
func (s *Store) Accounts() (list []StoredAccount, err error) {
	err = s.view(func(x index) error {
		for _, k := range x.under(bucketAcct, nil) {
			id := mail.AccountID(binary.BigEndian.Uint32(k))
			a, err := x.account(id)
			if err != nil {
				return err
			}
			list = append(list, StoredAccount{id, a.name})
		}
		return nil
	})
	return list, err
}
