package accounts

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"mailstead/mail"
)

// Limits of one account and of the server.
const (
	maxAccountID = 1<<32 - 2
	maxAddresses = 1000 // of one account
)

// Account is someone who has mail here.
type Account struct {
	ID              mail.AccountID
	Address         mail.Address     // the one it was made with; logs in
	Addresses       []mail.Address   // all of its own, Address among them
	Senders         []mail.AccountID // others that may send with its addresses, ascending
	Quota           int64            // bytes, 0 for no limit
	MaxMessages     int64            // 0 for no limit
	Admin           bool             // may change limits of accounts over IMAP
	Disabled        bool             // may not log in; still receives
	CRAMMD5         bool             // may log in with CRAM-MD5
	Certificates    []Certificate    // that log in with EXTERNAL
	Created         time.Time
	PasswordChanged time.Time
}

// AddOptions of AddAccount.
type AddOptions struct {
	Quota int64
	// SkipIDs tells numbers that are taken elsewhere; may be nil.
	SkipIDs func(mail.AccountID) (bool, error)
}

// AddAccount makes an account in a domain of ours. Errors: ErrNotLocal,
// ErrExists, ErrBadPassword, ErrInvalid.
func (db *DB) AddAccount(ctx context.Context, addr mail.Address, password string, o AddOptions) (Account, error) {
	if o.Quota < 0 {
		return Account{}, fmt.Errorf("quota %d: %w", o.Quota, ErrInvalid)
	}
	hash, keys, err := db.newHash(ctx, password, false)
	if err != nil {
		return Account{}, err
	}
	r := &record{Account: Account{Address: addr, Addresses: []mail.Address{addr}, Quota: o.Quota, Created: db.stamp(), PasswordChanged: db.stamp()}, password: hash, secrets: keys}
	err = db.update(ctx, func(c *change) error {
		if err := c.view.local(addr); err != nil {
			return err
		}
		if err := c.view.taken(addr); err != nil {
			return err
		}
		return c.addAccount(r, o.SkipIDs)
	})
	return r.Account, err
}

// addAccount gives a record the next free number and puts it.
func (c *change) addAccount(r *record, skipIDs func(mail.AccountID) (bool, error)) error {
	for r.ID = c.view.next; skipIDs != nil; r.ID++ {
		skip, err := skipIDs(r.ID)
		if err != nil {
			return err
		}
		if !skip {
			break
		}
	}
	if r.ID > maxAccountID {
		return fmt.Errorf("account numbers: %w", ErrLimit)
	}
	if err := c.setNext(r.ID + 1); err != nil {
		return err
	}
	return c.putAccount(r)
}

// edit changes a copy of an account's record.
func (db *DB) edit(ctx context.Context, addr mail.Address, fn func(*change, *record) error) error {
	return db.update(ctx, func(c *change) error {
		old := c.view.byAddress(addr)
		if old == nil {
			return fmt.Errorf("account %q: %w", addr, ErrNotFound)
		}
		r := *old
		r.Addresses = slices.Clone(old.Addresses)
		if err := fn(c, &r); err != nil {
			return err
		}
		if err := c.putAccount(&r); err != nil {
			return err
		}
		return c.view.stillLeads(db.detail)
	})
}

// RemoveAccount removes an account; its number is never used again. Errors:
// ErrNotFound, ErrInUse when aliases or catch-alls lead to it alone.
func (db *DB) RemoveAccount(ctx context.Context, addr mail.Address) error {
	return db.update(ctx, func(c *change) error {
		r := c.view.byAddress(addr)
		if r == nil {
			return fmt.Errorf("account %q: %w", addr, ErrNotFound)
		}
		c.ended = append(c.ended, r.ID)
		if err := c.deleteAccount(r); err != nil {
			return err
		}
		if err := c.dropSender(r.ID); err != nil {
			return err
		}
		return c.view.stillLeads(db.detail)
	})
}

// SetPassword changes an account's password; its sessions end. Errors:
// ErrNotFound, ErrBadPassword.
func (db *DB) SetPassword(ctx context.Context, addr mail.Address, password string) error {
	hash, keys, err := db.newHash(ctx, password, true)
	if err != nil {
		return err
	}
	return db.edit(ctx, addr, func(c *change, r *record) error {
		r.password, r.secrets, r.PasswordChanged = hash, keys, db.stamp()
		if !r.CRAMMD5 {
			r.cram = nil
		}
		c.ended = append(c.ended, r.ID)
		return nil
	})
}

// SetDisabled lets an account log in or not; its sessions end. ErrNotFound.
func (db *DB) SetDisabled(ctx context.Context, addr mail.Address, on bool) error {
	return db.edit(ctx, addr, func(c *change, r *record) error {
		r.Disabled = on
		c.ended = append(c.ended, r.ID)
		return nil
	})
}

// SetQuota sets an account's limit in bytes, 0 for none. Errors: ErrNotFound,
// ErrInvalid.
func (db *DB) SetQuota(ctx context.Context, addr mail.Address, bytes int64) error {
	if bytes < 0 {
		return fmt.Errorf("quota %d: %w", bytes, ErrInvalid)
	}
	return db.edit(ctx, addr, func(_ *change, r *record) error {
		r.Quota = bytes
		return nil
	})
}

// SetLimits sets both limits of an account: bytes and messages, 0 for none.
// Errors: ErrNotFound, ErrInvalid.
func (db *DB) SetLimits(ctx context.Context, addr mail.Address, bytes, messages int64) error {
	if bytes < 0 || messages < 0 {
		return fmt.Errorf("quota of %d bytes, %d messages: %w", bytes, messages, ErrInvalid)
	}
	return db.edit(ctx, addr, func(_ *change, r *record) error {
		r.Quota, r.MaxMessages = bytes, messages
		return nil
	})
}

// SetAdmin makes an account an administrator, or no longer. ErrNotFound.
func (db *DB) SetAdmin(ctx context.Context, addr mail.Address, on bool) error {
	return db.edit(ctx, addr, func(_ *change, r *record) error {
		r.Admin = on
		return nil
	})
}

// AddAddress gives an account one more address. Errors: ErrNotFound,
// ErrNotLocal, ErrExists, ErrLimit.
func (db *DB) AddAddress(ctx context.Context, account, addr mail.Address) error {
	return db.edit(ctx, account, func(c *change, r *record) error {
		if err := c.view.local(addr); err != nil {
			return err
		}
		if err := c.view.taken(addr); err != nil {
			return err
		}
		if len(r.Addresses) >= maxAddresses {
			return fmt.Errorf("addresses of %q: %w", r.Address, ErrLimit)
		}
		r.Addresses = append(r.Addresses, addr)
		return nil
	})
}

// RemoveAddress takes an address from its account, but not the one it was made
// with. Errors: ErrNotFound, ErrInUse.
func (db *DB) RemoveAddress(ctx context.Context, addr mail.Address) error {
	return db.edit(ctx, addr, func(_ *change, r *record) error {
		if r.Address.Key() == addr.Key() {
			return fmt.Errorf("%q is the account's own name: %w", addr, ErrInUse)
		}
		r.Addresses = slices.DeleteFunc(r.Addresses, func(a mail.Address) bool { return a.Key() == addr.Key() })
		return nil
	})
}

// Accounts lists the accounts by number.
func (db *DB) Accounts() []Account {
	var list []Account
	v := db.current.Load()
	for _, id := range slices.Sorted(maps.Keys(v.accounts)) {
		list = append(list, v.accounts[id].Account)
	}
	return list
}

// Account finds an account by any of its own addresses. ErrNotFound.
func (db *DB) Account(addr mail.Address) (Account, error) {
	if r := db.current.Load().byAddress(addr); r != nil {
		return r.Account, nil
	}
	return Account{}, fmt.Errorf("account %q: %w", addr, ErrNotFound)
}

// AccountByID finds an account by its number. ErrNotFound.
func (db *DB) AccountByID(id mail.AccountID) (Account, error) {
	if r := db.current.Load().accounts[id]; r != nil {
		return r.Account, nil
	}
	return Account{}, fmt.Errorf("account %d: %w", id, ErrNotFound)
}

// Quota is an account's limit in bytes, 0 for none. From memory.
func (db *DB) Quota(id mail.AccountID) int64 {
	if r := db.current.Load().accounts[id]; r != nil {
		return r.Quota
	}
	return 0
}

// Limits are an account's limits in bytes and messages, 0 for none. From memory.
func (db *DB) Limits(id mail.AccountID) (bytes, messages int64) {
	if r := db.current.Load().accounts[id]; r != nil {
		return r.Quota, r.MaxMessages
	}
	return 0, 0
}

// IsAdmin tells whether an account is an administrator. From memory.
func (db *DB) IsAdmin(id mail.AccountID) bool {
	r := db.current.Load().accounts[id]
	return r != nil && r.Admin && !r.Disabled
}
