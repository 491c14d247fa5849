package accounts

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"

	"mailstead/mail"
)

const (
	cacheFor      = time.Hour
	freeFailures  = 5 // before a throttle begins
	maxDelay      = 5 * time.Minute
	forgetAfter   = 30 * time.Minute
	maxThrottled  = 50000 // entries
	addressFactor = 4     // an address may stand for many people
)

// ThrottledError tells that a login was not tried: too many failed before.
type ThrottledError struct{ RetryAfter time.Duration }

// Error implements error.
func (e *ThrottledError) Error() string {
	return fmt.Sprintf("too many failed logins, try again in %s", e.RetryAfter.Round(time.Second))
}

// Authenticate finds who logs in. user is any own address of an account. The
// answer and its time are the same for an unknown user, a disabled account and
// a wrong password. Errors: ErrBadCredentials, *ThrottledError, and ctx's.
func (db *DB) Authenticate(ctx context.Context, user, password string, from netip.Addr) (Account, error) {
	who, r := db.lookUp(user)
	if len(password) > MaxPassword {
		password = password[:MaxPassword] + "\x00" // wrong, at the usual cost
	}
	now := db.now()
	net := netKey(from)
	mac := db.mac(who, password)
	if r != nil && !r.Disabled && db.cache.has(r.ID, mac, now) && !db.throttle.blocked(net, now, nil) {
		return r.Account, nil
	}
	var wait time.Duration
	if db.throttle.blocked(net, now, &wait) || db.throttle.blocked("user "+who, now, &wait) {
		return Account{}, &ThrottledError{wait}
	}
	ok, err := db.verify(ctx, r, password, mac)
	if err != nil {
		return Account{}, err
	}
	if !ok {
		db.throttle.failed(net, now, freeFailures*addressFactor)
		db.throttle.failed("user "+who, now, freeFailures)
		return Account{}, ErrBadCredentials
	}
	db.throttle.clear("user " + who)
	db.cache.put(r.ID, mac, now.Add(cacheFor))
	if db.current.Load().accounts[r.ID] == nil || db.current.Load().accounts[r.ID].password != r.password && !db.rehashed(r) {
		db.cache.drop(r.ID) // changed while we looked
		return Account{}, ErrBadCredentials
	}
	return r.Account, nil
}

// rehashed tells whether the record differs only by a new hash of the same
// password.
func (db *DB) rehashed(r *record) bool {
	cur := db.current.Load().accounts[r.ID]
	return cur != nil && cur.PasswordChanged.Equal(r.PasswordChanged) && !cur.Disabled
}

// verify hashes; the same attempt at the same time is hashed once.
func (db *DB) verify(ctx context.Context, r *record, password string, mac [32]byte) (bool, error) {
	res, err, _ := db.flights.Do(string(mac[:]), func() (any, error) {
		if err := db.hashing.Acquire(ctx, 1); err != nil {
			return false, err
		}
		record := db.dummy
		if r != nil {
			record = r.password
		}
		ok, stale := db.params.matches(record, prepare(password))
		db.hashing.Release(1)
		if r == nil || r.Disabled || !ok {
			return false, nil
		}
		if stale || r.lacks() {
			db.rehash(ctx, r, password, stale)
		}
		return true, nil
	})
	ok, _ := res.(bool)
	return ok, err
}

// rehash gives a record the current parameters when it is stale, and the secrets
// that it lacks. The login does not depend on it.
func (db *DB) rehash(ctx context.Context, old *record, password string, stale bool) {
	if err := db.hashing.Acquire(ctx, 1); err != nil {
		return
	}
	hash := old.password
	if stale {
		hash = db.params.hash(prepare(password))
	}
	keys, err := db.makeSecrets(password, true)
	db.hashing.Release(1)
	if err == nil {
		err = db.edit(ctx, old.Address, func(_ *change, r *record) error {
			if r.password != old.password {
				return ErrExists
			}
			r.password, r.secrets = hash, keys
			if !r.CRAMMD5 {
				r.cram = nil
			}
			return nil
		})
	}
	if err != nil && !errors.Is(err, ErrExists) {
		db.log.Warn("password not hashed anew", "account", old.Address.String(), "err", err)
	}
}

// mac is what the cache knows of a password: nothing that helps without the
// key of this process.
func (db *DB) mac(who, password string) (sum [32]byte) {
	h := hmac.New(sha256.New, db.macKey)
	fmt.Fprintf(h, "%d %s%s", len(who), who, prepare(password))
	return [32]byte(h.Sum(nil))
}

func network(a netip.Addr) netip.Addr {
	a = a.Unmap().WithZone("")
	if a.Is6() {
		if p, err := a.Prefix(64); err == nil {
			return p.Addr()
		}
	}
	return a
}

// flights joins equal attempts.
type flights struct{ singleflight.Group }

// loginCache remembers the last login of each account.
type loginCache struct {
	mu sync.Mutex
	by map[mail.AccountID]cachedLogin
}

type cachedLogin struct {
	mac   [32]byte
	until time.Time
}

func (c *loginCache) has(id mail.AccountID, mac [32]byte, now time.Time) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	l, ok := c.by[id]
	return ok && hmac.Equal(l.mac[:], mac[:]) && now.Before(l.until)
}

func (c *loginCache) put(id mail.AccountID, mac [32]byte, until time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.by == nil {
		c.by = map[mail.AccountID]cachedLogin{}
	}
	c.by[id] = cachedLogin{mac, until}
}

func (c *loginCache) drop(id mail.AccountID) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.by, id)
}

// throttle delays after failures, by account and by address.
type throttle struct {
	mu sync.Mutex
	by map[string]failures
}

type failures struct {
	count int
	last  time.Time
	until time.Time
}

// blocked tells whether the key must wait, and how long.
func (t *throttle) blocked(key string, now time.Time, wait *time.Duration) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	f, ok := t.by[key]
	if !ok || !now.Before(f.until) {
		return false
	}
	if wait != nil {
		*wait = f.until.Sub(now)
	}
	return true
}

// failed counts a failure; beyond free ones the delay doubles each time.
func (t *throttle) failed(key string, now time.Time, free int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.by == nil || len(t.by) >= maxThrottled {
		t.sweepLocked(now)
	}
	f := t.by[key]
	if now.Sub(f.last) > forgetAfter {
		f = failures{}
	}
	f.count++
	f.last = now
	if over := f.count - free; over >= 0 {
		f.until = now.Add(min(maxDelay, time.Second<<min(over, 20)))
	}
	t.by[key] = f
}

// sweepLocked forgets what is old, and everything when that is not enough.
func (t *throttle) sweepLocked(now time.Time) {
	if t.by == nil {
		t.by = map[string]failures{}
	}
	for k, f := range t.by {
		if now.Sub(f.last) > forgetAfter {
			delete(t.by, k)
		}
	}
	if len(t.by) >= maxThrottled {
		clear(t.by)
	}
}

func (t *throttle) clear(key string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.by, key)
}

// watchers are the sessions that want to know when they must end.
type watchers struct {
	mu sync.Mutex
	by map[mail.AccountID]map[chan struct{}]bool
}

// Watch gives a channel that is closed when the account is disabled, removed or
// gets another password, at once when it is disabled or gone already; call
// cancel when it is not needed any more.
func (db *DB) Watch(id mail.AccountID) (ended <-chan struct{}, cancel func()) {
	w := &db.watchers
	c := make(chan struct{})
	w.mu.Lock()
	defer w.mu.Unlock()
	// Looked up under the lock: end takes it after the snapshot has changed.
	if r := db.current.Load().accounts[id]; r == nil || r.Disabled {
		close(c)
		return c, func() {}
	}
	if w.by == nil {
		w.by = map[mail.AccountID]map[chan struct{}]bool{}
	}
	if w.by[id] == nil {
		w.by[id] = map[chan struct{}]bool{}
	}
	w.by[id][c] = true
	return c, func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		delete(w.by[id], c)
		if len(w.by[id]) == 0 {
			delete(w.by, id)
		}
	}
}

func (w *watchers) end(id mail.AccountID) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for c := range w.by[id] {
		close(c)
	}
	delete(w.by, id)
}
