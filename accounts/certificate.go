package accounts

import (
	"context"
	"crypto/sha256"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"mailstead/mail"
)

const (
	maxCertificates = 16 // of one account
	maxCertName     = 200
)

// Fingerprint is the SHA-256 of a certificate, DER.
type Fingerprint [sha256.Size]byte

// String is hexadecimal with colons, as openssl writes it.
func (f Fingerprint) String() string {
	return strings.ReplaceAll(fmt.Sprintf("% X", f[:]), " ", ":")
}

// Certificate is a client's certificate that stands for an account. It is known
// by its fingerprint alone: who signed it, for whom and until when is of no
// account.
type Certificate struct {
	Fingerprint Fingerprint
	Name        string // for people
	Added       time.Time
}

// AddCertificate binds a certificate to an account. Errors: ErrNotFound,
// ErrExists when it is bound already, also to another, ErrLimit.
func (db *DB) AddCertificate(ctx context.Context, addr mail.Address, c Certificate) error {
	if len(c.Name) > maxCertName {
		c.Name = strings.ToValidUTF8(c.Name[:maxCertName], "")
	}
	c.Added = db.stamp()
	return db.edit(ctx, addr, func(ch *change, r *record) error {
		if id, ok := ch.view.certificates[c.Fingerprint]; ok {
			return fmt.Errorf("certificate of account %q: %w", ch.view.accounts[id].Address, ErrExists)
		}
		if len(r.Certificates) >= maxCertificates {
			return fmt.Errorf("certificates of %q: %w", r.Address, ErrLimit)
		}
		r.Certificates = append(slices.Clone(r.Certificates), c)
		return nil
	})
}

// RemoveCertificate takes a certificate from its account, whose sessions end.
// ErrNotFound.
func (db *DB) RemoveCertificate(ctx context.Context, addr mail.Address, f Fingerprint) error {
	return db.edit(ctx, addr, func(c *change, r *record) error {
		rest := slices.DeleteFunc(slices.Clone(r.Certificates), func(c Certificate) bool { return c.Fingerprint == f })
		if len(rest) == len(r.Certificates) {
			return fmt.Errorf("certificate %s: %w", f, ErrNotFound)
		}
		r.Certificates = rest
		c.ended = append(c.ended, r.ID)
		return nil
	})
}

// KnowsCertificate tells whether a certificate is bound to any account.
func (db *DB) KnowsCertificate(f Fingerprint) bool {
	_, ok := db.current.Load().certificates[f]
	return ok
}

// AuthenticateCertificate finds whom a certificate is bound to; user, unless
// empty, must be one of the account's own addresses. Errors: ErrBadCredentials,
// *ThrottledError.
func (db *DB) AuthenticateCertificate(f Fingerprint, user string, from netip.Addr) (Account, error) {
	v, now := db.current.Load(), db.now()
	net := netKey(from)
	var wait time.Duration
	if db.throttle.blocked(net, now, &wait) {
		return Account{}, &ThrottledError{wait}
	}
	r := v.accounts[v.certificates[f]]
	ok := r != nil && !r.Disabled
	if ok && user != "" {
		addr, err := mail.ParseAddress(user)
		ok = err == nil && v.byAddress(addr) == r
	}
	if !ok {
		db.throttle.failed(net, now, freeFailures*addressFactor)
		return Account{}, ErrBadCredentials
	}
	return r.Account, nil
}
