package accounts

import (
	"errors"
	"fmt"

	bolt "go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"

	"mailstead/mail"
)

// Check gives what is wrong with the database; nothing when all invariants of
// the package comment hold.
func (db *DB) Check() (problems []string) {
	v := db.current.Load()
	for _, r := range v.accounts {
		if r.ID >= v.next {
			problems = append(problems, fmt.Sprintf("account %q: number %d is to be given out again", r.Address, r.ID))
		}
		if !knownHash(r.password) {
			problems = append(problems, fmt.Sprintf("account %q: password record cannot be read", r.Address))
		}
		for _, id := range r.Senders {
			if v.accounts[id] == nil || id == r.ID {
				problems = append(problems, fmt.Sprintf("account %q: account %d may send for it, which does not exist or is the same", r.Address, id))
			}
		}
		for _, c := range r.Certificates {
			if v.certificates[c.Fingerprint] != r.ID {
				problems = append(problems, fmt.Sprintf("certificate %s is bound to two accounts", c.Fingerprint))
			}
		}
		for _, a := range r.Addresses {
			if err := v.local(a); err != nil {
				problems = append(problems, fmt.Sprintf("account %q: %v", r.Address, err))
			}
			if v.addresses[a.Key()] != r.ID {
				problems = append(problems, fmt.Sprintf("address %q belongs to two accounts", a))
			}
			if _, ok := v.aliases[a.Key()]; ok {
				problems = append(problems, fmt.Sprintf("address %q is an alias too", a))
			}
		}
	}
	if err := v.stillLeads(db.detail); err != nil {
		problems = append(problems, err.Error())
	}
	return append(problems, db.checkFile()...)
}

// maxFileProblems bounds what is told of a damaged file.
const maxFileProblems = 100

// checkFile verifies the pages of the file, and that every row in it can be
// read.
func (db *DB) checkFile() (problems []string) {
	db.writing.Lock() // bbolt's check must not run beside a change
	defer db.writing.Unlock()
	err := db.bolt.View(func(tx *bolt.Tx) error {
		for err := range tx.Check() { // to the end: it stops when nobody listens
			if len(problems) < maxFileProblems {
				problems = append(problems, fmt.Sprintf("accounts.db: %v", err))
			}
		}
		if len(problems) > 0 {
			return nil // the rows of such a file are not safe to read
		}
		problems = checkRows(tx)
		return nil
	})
	if err != nil && !errors.Is(err, bolterrors.ErrDatabaseNotOpen) { // closed: only memory is left
		problems = append(problems, fmt.Sprintf("accounts.db cannot be read: %v", err))
	}
	return problems
}

// checkRows reads every row of the file.
func checkRows(tx *bolt.Tx) (problems []string) {
	problem := func(format string, args ...any) {
		if len(problems) < maxFileProblems {
			problems = append(problems, "accounts.db: "+fmt.Sprintf(format, args...))
		}
	}
	fresh := &view{domains: map[string]Domain{}, accounts: map[mail.AccountID]*record{}, addresses: map[string]mail.AccountID{}, aliases: map[string]Alias{}, certificates: map[Fingerprint]mail.AccountID{}}
	for _, b := range []struct {
		name []byte
		read func(k, row []byte) error
	}{{bucketDomain, fresh.readDomain}, {bucketAccount, fresh.readAccount}, {bucketAlias, fresh.readAlias}} {
		bucket := tx.Bucket(b.name)
		if bucket == nil {
			problem("bucket %q is missing", b.name)
			continue
		}
		c := bucket.Cursor()
		for k, row := c.First(); k != nil; k, row = c.Next() {
			if err := b.read(k, row); err != nil {
				problem("%s %q: %v", b.name, k, err)
			}
		}
	}
	return problems
}
