package accounts

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"maps"

	bolt "go.etcd.io/bbolt"

	"mailstead/mail"
)

// view is all of the database in memory. One that is in DB.current is never
// changed again.
type view struct {
	domains   map[string]Domain
	accounts  map[mail.AccountID]*record
	addresses map[string]mail.AccountID // address key -> whose it is
	aliases   map[string]Alias          // address key -> alias
	next      mail.AccountID
	// certificates has whose each is.
	certificates map[Fingerprint]mail.AccountID

	// What tally has counted, of accounts that may log in.
	withoutScram, withCRAM int
}

// clone copies the maps; what is in them is shared and replaced as a whole.
func (v *view) clone() *view {
	return &view{
		domains:   maps.Clone(v.domains),
		accounts:  maps.Clone(v.accounts),
		addresses: maps.Clone(v.addresses),
		aliases:   maps.Clone(v.aliases),
		next:      v.next,

		certificates: maps.Clone(v.certificates),
	}
}

func (v *view) link(r *record) {
	v.accounts[r.ID] = r
	for _, a := range r.Addresses {
		v.addresses[a.Key()] = r.ID
	}
	for _, c := range r.Certificates {
		v.certificates[c.Fingerprint] = r.ID
	}
}

func (v *view) unlink(r *record) {
	delete(v.accounts, r.ID)
	for _, a := range r.Addresses {
		delete(v.addresses, a.Key())
	}
	for _, c := range r.Certificates {
		delete(v.certificates, c.Fingerprint)
	}
}

// tally counts what Offers wants to know.
func (v *view) tally() {
	v.withoutScram, v.withCRAM = 0, 0
	for _, r := range v.accounts {
		if r.Disabled {
			continue
		}
		if len(r.scram256.Salt) == 0 {
			v.withoutScram++
		}
		if len(r.cram) > 0 {
			v.withCRAM++
		}
	}
}

// byAddress finds the account that has addr as one of its own; nil when none
// has.
func (v *view) byAddress(addr mail.Address) *record {
	return v.accounts[v.addresses[addr.Key()]]
}

// taken tells what already uses an address, as ErrExists.
func (v *view) taken(addr mail.Address) error {
	if r := v.byAddress(addr); r != nil {
		return fmt.Errorf("address %q of account %q: %w", addr, r.Address, ErrExists)
	}
	if _, ok := v.aliases[addr.Key()]; ok {
		return fmt.Errorf("alias %q: %w", addr, ErrExists)
	}
	return nil
}

// local tells whether addr could be an address of this server: ErrInvalid when
// it is none at all, ErrNotLocal when its domain is not ours.
func (v *view) local(addr mail.Address) error {
	if addr.Local == "" || addr.Domain == "" {
		return fmt.Errorf("empty address: %w", ErrInvalid)
	}
	if _, ok := v.domains[addr.Domain]; !ok {
		return fmt.Errorf("%q: domain %q: %w", addr, addr.Domain, ErrNotLocal)
	}
	return nil
}

// readView reads the whole database.
func readView(tx *bolt.Tx) (*view, error) {
	v := &view{
		domains:   map[string]Domain{},
		accounts:  map[mail.AccountID]*record{},
		addresses: map[string]mail.AccountID{},
		aliases:   map[string]Alias{},

		certificates: map[Fingerprint]mail.AccountID{},
	}
	for _, name := range [][]byte{bucketMeta, bucketDomain, bucketAccount, bucketAlias} {
		if tx.Bucket(name) == nil {
			return nil, fmt.Errorf("bucket %q is missing: %w", name, ErrDamaged)
		}
	}
	next := tx.Bucket(bucketMeta).Get(keyNext)
	if len(next) != 4 {
		return nil, fmt.Errorf("next account number: %w", ErrDamaged)
	}
	v.next = mail.AccountID(binary.BigEndian.Uint32(next))
	if err := readRows(tx, bucketDomain, v.readDomain); err != nil {
		return nil, err
	}
	if err := readRows(tx, bucketAccount, v.readAccount); err != nil {
		return nil, err
	}
	return v, readRows(tx, bucketAlias, v.readAlias)
}

func readRows(tx *bolt.Tx, bucket []byte, read func(k, row []byte) error) error {
	return tx.Bucket(bucket).ForEach(func(k, row []byte) error {
		if err := read(k, row); err != nil {
			return fmt.Errorf("%s %q: %w", bucket, k, err)
		}
		return nil
	})
}

func (v *view) readDomain(k, row []byte) error {
	d, err := decodeDomain(row)
	if err != nil {
		return err
	}
	if d.Name != string(k) {
		return ErrDamaged
	}
	v.domains[d.Name] = d
	return nil
}

func (v *view) readAccount(k, row []byte) error {
	r, err := decodeRecord(row)
	if err != nil {
		return err
	}
	if !bytes.Equal(k, accountKey(r.ID)) {
		return ErrDamaged
	}
	v.link(r)
	return nil
}

func (v *view) readAlias(k, row []byte) error {
	a, err := decodeAlias(row)
	if err != nil {
		return err
	}
	if a.Address.Key() != string(k) {
		return ErrDamaged
	}
	v.aliases[string(k)] = a
	return nil
}
