package accounts

import (
	"crypto/hmac"
	"crypto/sha256"
	"fmt"
	"net/netip"
	"time"

	"mailstead/mail"
	"mailstead/sasl"
)

// Attempt is a login by challenge: SCRAM or CRAM-MD5. Finish it once.
type Attempt struct {
	// Keys are those of SCRAM, CRAM the secret of CRAM-MD5. Of a user who has
	// none they are nobody's, the same each time.
	Keys sasl.Keys
	CRAM sasl.CRAMSecret

	db   *DB
	r    *record // nil: nothing can prove it
	who  string
	from netip.Addr
}

// Challenge begins a login by challenge. user is any own address of an account.
// What it gives does not tell whether there is such an account, nor whether it
// is disabled. *ThrottledError.
func (db *DB) Challenge(user string, kind sasl.Secrets, from netip.Addr) (*Attempt, error) {
	a := &Attempt{db: db, from: from}
	a.who, a.r = db.lookUp(user)
	if err := a.throttled(); err != nil {
		return nil, err
	}
	a.nobody(kind)
	if a.r == nil {
		return a, nil
	}
	switch kind {
	case sasl.ScramSHA256:
		a.take(a.r.scram256)
	case sasl.ScramSHA1:
		a.take(a.r.scram1)
	case sasl.CRAM:
		if secret, err := sasl.UnpackCRAMSecret(a.r.cram); err == nil && len(a.r.cram) > 0 {
			a.CRAM = secret
		} else {
			a.r = nil
		}
	}
	return a, nil
}

// take uses the account's keys, when it has any.
func (a *Attempt) take(k sasl.Keys) {
	if len(k.Salt) == 0 {
		a.r = nil
		return
	}
	a.Keys = k
}

// nobody makes secrets that nothing fits. The salt must be the same each time,
// or it would tell that there is no account (RFC 5802 §9).
func (a *Attempt) nobody(kind sasl.Secrets) {
	h := hmac.New(sha256.New, a.db.saltKey)
	fmt.Fprintf(h, "%d %s", kind, a.who)
	size := sasl.KeySize(kind)
	a.Keys = sasl.Keys{Salt: h.Sum(nil)[:saltBytes], Iterations: a.db.iterations, StoredKey: randomBytes(size), ServerKey: randomBytes(size)}
	if kind == sasl.CRAM {
		a.CRAM = sasl.MakeCRAMSecret(randomBytes(saltBytes))
	}
}

// throttled tells whether the attempt must wait. A user who has proved himself
// from the same network within the hour need not: guessing at an account does
// not lock its owner's devices out.
func (a *Attempt) throttled() error {
	var wait time.Duration
	now := a.db.now()
	if a.db.throttle.blocked(netKey(a.from), now, &wait) {
		return &ThrottledError{wait}
	}
	if a.r != nil && a.db.proved.has(a.r.ID, a.place(), now) {
		return nil
	}
	if a.db.throttle.blocked("user "+a.who, now, &wait) {
		return &ThrottledError{wait}
	}
	return nil
}

// place is the network the attempt comes from, as the cache remembers it.
func (a *Attempt) place() [32]byte { return a.db.mac(netKey(a.from), "") }

// Finish takes the outcome. Errors: ErrBadCredentials when it was not proved, or
// the account is disabled or was changed meanwhile; *ThrottledError.
func (a *Attempt) Finish(proved bool) (Account, error) {
	db := a.db
	// Many may have begun before the first of them failed.
	if err := a.throttled(); err != nil {
		return Account{}, err
	}
	now := db.now()
	if !proved || a.r == nil || a.r.Disabled {
		db.throttle.failed(netKey(a.from), now, freeFailures*addressFactor)
		db.throttle.failed("user "+a.who, now, freeFailures)
		return Account{}, ErrBadCredentials
	}
	if !db.rehashed(a.r) {
		return Account{}, ErrBadCredentials // changed while the client thought
	}
	db.throttle.clear("user " + a.who)
	db.proved.put(a.r.ID, a.place(), now.Add(cacheFor))
	return a.r.Account, nil
}

// lookUp finds who wants in, and the name the throttle knows him by.
func (db *DB) lookUp(user string) (who string, r *record) {
	addr, err := mail.ParseAddress(user)
	if err != nil {
		return "?" + user, nil
	}
	if r = db.current.Load().byAddress(addr); r != nil {
		return fmt.Sprint(r.ID), r
	}
	return addr.Key(), nil
}

func netKey(from netip.Addr) string { return "net " + network(from).String() }

// Offers tells which mechanisms by challenge make sense: SCRAM when no account
// that may log in would fail with it, CRAM-MD5 when any could use it.
func (db *DB) Offers() (scram, cramMD5 bool) {
	v := db.current.Load()
	return v.withoutScram == 0, v.withCRAM > 0
}
