package accounts

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	bolt "go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"
	"golang.org/x/sync/semaphore"

	"mailstead/mail"
)

// Errors that callers decide by. Every error of this package that is about what
// was asked wraps one of them; any other is a fault of the disk.
var (
	ErrExists         = errors.New("already exists")
	ErrNotFound       = errors.New("not found")
	ErrInUse          = errors.New("still in use")
	ErrInvalid        = errors.New("not valid") // a name, address or number that cannot be taken
	ErrLimit          = errors.New("limit reached")
	ErrAliasLoop      = errors.New("alias leads back to itself")
	ErrNotLocal       = errors.New("domain is not served here")
	ErrUnknownAddress = errors.New("no such address")
	ErrBadPassword    = errors.New("password not acceptable") // as a new one
	ErrBadCredentials = errors.New("wrong user name or password")
	ErrNewerFormat    = errors.New("written by a newer version")
	ErrDamaged        = errors.New("row cannot be read")
	ErrLocked         = errors.New("in use by another process")
	ErrClosed         = errors.New("accounts closed")
)

// format is the version of accounts.db as a whole: its buckets and their keys.
// Rows have a version of their own.
const format = 1

// lockWait is how long Open waits for another process to let go of the file.
const lockWait = time.Second

// Buckets and keys. Numbers in keys are big-endian.
var (
	bucketMeta    = []byte("meta")
	bucketDomain  = []byte("domain")  // name -> domain row
	bucketAccount = []byte("account") // number -> account row
	bucketAlias   = []byte("alias")   // address key -> alias row
	keyFormat     = []byte("format")  // uint32
	keyNext       = []byte("next")    // uint32, the next account's number
	keySalt       = []byte("salt")    // 32 bytes that the salts of unknown users are made with
)

// Options of Open. The zero value works.
type Options struct {
	// Logger gets what an administrator should know; nil: nothing is logged.
	Logger *slog.Logger
	// Params of new password hashes; zero means DefaultArgon2. Records with
	// others are hashed again at the next login.
	Params Argon2
	// Parallel is how many passwords are hashed at once; 0 means one per CPU.
	// Each takes Params.Memory.
	Parallel int
	// Iterations of SCRAM in new keys; 0 means DefaultIterations.
	Iterations int
	// Detail is what separates user and detail ("user+detail"); empty means
	// "+", "none" switches it off.
	Detail string
	// Now is the clock; nil means time.Now.
	Now func() time.Time
}

// DB is an open accounts.db.
type DB struct {
	bolt   *bolt.DB
	log    *slog.Logger
	params Argon2
	detail string
	now    func() time.Time
	// iterations of SCRAM
	iterations int

	hashing  *semaphore.Weighted
	dummy    string // what unknown users' passwords are compared with
	macKey   []byte // of this process, for the login cache and the throttle
	saltKey  []byte // of the file: what unknown users' salts are made with
	cache    loginCache
	proved   loginCache // where each account was last proved by challenge
	throttle throttle
	flights  flights
	watchers watchers

	current atomic.Pointer[view]

	writing sync.Mutex // held from reading the snapshot to swapping it
}

// Open opens or creates the accounts.db at path. It fails with ErrLocked when
// another process has it open, ErrNewerFormat when a newer version wrote it,
// and ErrDamaged, naming the row, when a row cannot be read: a server that
// forgot an account would bounce its mail.
func Open(path string, opts Options) (*DB, error) {
	db, err := newDB(opts)
	if err != nil {
		return nil, fmt.Errorf("open %q: %w", path, err)
	}
	db.bolt, err = bolt.Open(path, 0o600, &bolt.Options{Timeout: lockWait})
	if errors.Is(err, bolterrors.ErrTimeout) {
		err = ErrLocked
	}
	if err != nil {
		return nil, fmt.Errorf("open %q: %w", path, err)
	}
	if err := db.load(); err != nil {
		return nil, fmt.Errorf("open %q: %w", path, errors.Join(err, db.bolt.Close()))
	}
	return db, nil
}

func newDB(opts Options) (*DB, error) {
	db := &DB{log: opts.Logger, params: opts.Params, detail: opts.Detail, now: opts.Now, macKey: randomBytes(32)}
	if db.log == nil {
		db.log = slog.New(slog.DiscardHandler)
	}
	if db.params == (Argon2{}) {
		db.params = DefaultArgon2()
	}
	if err := db.params.validate(); err != nil {
		return nil, err
	}
	switch db.detail {
	case "":
		db.detail = "+"
	case "none":
		db.detail = ""
	}
	if db.now == nil {
		db.now = time.Now
	}
	if db.iterations = opts.Iterations; db.iterations == 0 {
		db.iterations = DefaultIterations
	}
	if err := checkIterations(db.iterations); err != nil {
		return nil, err
	}
	if opts.Parallel <= 0 {
		opts.Parallel = runtime.GOMAXPROCS(0)
	}
	db.hashing = semaphore.NewWeighted(int64(opts.Parallel))
	db.dummy = db.params.hash(randomBytes(16))
	return db, nil
}

// Close closes the database. Look-ups go on answering from memory; changes fail
// with ErrClosed.
func (db *DB) Close() error {
	db.writing.Lock()
	defer db.writing.Unlock()
	return db.bolt.Close()
}

// load makes what a new file needs, and the first snapshot.
func (db *DB) load() error {
	err := db.bolt.View(func(tx *bolt.Tx) error { return checkFormat(tx) })
	if err != nil {
		return err
	}
	if err := db.bolt.Update(initialize); err != nil {
		return err
	}
	return db.bolt.View(func(tx *bolt.Tx) error {
		v, err := readView(tx)
		if err != nil {
			return err
		}
		v.tally()
		db.current.Store(v)
		db.saltKey = bytes.Clone(tx.Bucket(bucketMeta).Get(keySalt))
		return nil
	})
}

// checkFormat refuses a file that another version's buckets are in.
func checkFormat(tx *bolt.Tx) error {
	meta := tx.Bucket(bucketMeta)
	if meta == nil {
		return nil
	}
	b := meta.Get(keyFormat)
	if len(b) != 4 {
		return fmt.Errorf("format number: %w", ErrDamaged)
	}
	if got := binary.BigEndian.Uint32(b); got > format {
		return fmt.Errorf("accounts.db has format %d, this program knows formats up to %d: %w", got, format, ErrNewerFormat)
	}
	return nil
}

// initialize writes nothing when all is there, so that opening does not cost a
// sync.
func initialize(tx *bolt.Tx) error {
	if meta := tx.Bucket(bucketMeta); meta != nil {
		if meta.Get(keySalt) != nil {
			return nil
		}
		return meta.Put(keySalt, randomBytes(32)) // a file of before there was SCRAM
	}
	for _, name := range [][]byte{bucketMeta, bucketDomain, bucketAccount, bucketAlias} {
		if _, err := tx.CreateBucketIfNotExists(name); err != nil {
			return err
		}
	}
	meta := tx.Bucket(bucketMeta)
	if err := meta.Put(keyFormat, binary.BigEndian.AppendUint32(nil, format)); err != nil {
		return err
	}
	if err := meta.Put(keySalt, randomBytes(32)); err != nil {
		return err
	}
	return meta.Put(keyNext, binary.BigEndian.AppendUint32(nil, 1))
}

// change is one transaction in progress: what is put goes to the database and to
// the snapshot that will be swapped in when the transaction is on disk.
type change struct {
	tx    *bolt.Tx
	view  *view
	ended []mail.AccountID // whose sessions must end
	// forget are those whose remembered logins no longer count.
	forget []mail.AccountID
}

// update runs one change. fn's error undoes all of it.
func (db *DB) update(ctx context.Context, fn func(*change) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	db.writing.Lock()
	defer db.writing.Unlock()
	c := &change{view: db.current.Load().clone()}
	err := db.bolt.Update(func(tx *bolt.Tx) error {
		c.tx = tx
		return fn(c)
	})
	if errors.Is(err, bolterrors.ErrDatabaseNotOpen) {
		return ErrClosed
	}
	if err != nil {
		return err
	}
	c.view.tally()
	db.current.Store(c.view)
	for _, id := range slices.Concat(c.ended, c.forget) {
		db.cache.drop(id)
		db.proved.drop(id)
	}
	for _, id := range c.ended {
		db.watchers.end(id)
	}
	return nil
}

func (c *change) putDomain(d Domain) error {
	c.view.domains[d.Name] = d
	return c.tx.Bucket(bucketDomain).Put([]byte(d.Name), appendDomain(nil, d))
}

func (c *change) deleteDomain(name string) error {
	delete(c.view.domains, name)
	return c.tx.Bucket(bucketDomain).Delete([]byte(name))
}

func (c *change) putAccount(r *record) error {
	if old := c.view.accounts[r.ID]; old != nil {
		c.view.unlink(old)
	}
	c.view.link(r)
	return c.tx.Bucket(bucketAccount).Put(accountKey(r.ID), appendRecord(nil, r))
}

func (c *change) deleteAccount(r *record) error {
	c.view.unlink(r)
	return c.tx.Bucket(bucketAccount).Delete(accountKey(r.ID))
}

func (c *change) putAlias(a Alias) error {
	key := a.Address.Key()
	c.view.aliases[key] = a
	return c.tx.Bucket(bucketAlias).Put([]byte(key), appendAlias(nil, a))
}

func (c *change) deleteAlias(key string) error {
	delete(c.view.aliases, key)
	return c.tx.Bucket(bucketAlias).Delete([]byte(key))
}

// setNext raises the number the next account gets.
func (c *change) setNext(id mail.AccountID) error {
	c.view.next = id
	return c.tx.Bucket(bucketMeta).Put(keyNext, binary.BigEndian.AppendUint32(nil, uint32(id)))
}

func accountKey(id mail.AccountID) []byte {
	return binary.BigEndian.AppendUint32(nil, uint32(id))
}
