package storage

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime/debug"
	"sync"
	"sync/atomic"

	bolt "go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"
	"golang.org/x/sys/unix"

	"mailstead/internal/durable"
	"mailstead/mail"
)

// Format is the version of what this program writes.
const Format = formatVersion

const (
	formatVersion      = 3
	defaultSegmentSize = 128 << 20
	defaultMinFree     = 64 << 20
)

// ErrLocked is what Open gives when another process has the store open.
var ErrLocked = errors.New("store is in use by another process")

// Store is a mail store in one directory: index.db, and the log in mail/. All
// methods may be called by any goroutine; Close ends them.
type Store struct {
	opts     Options
	log      *slog.Logger
	fs       durable.FS
	dir      string
	lock     *os.File
	dbMu     sync.RWMutex // held for writing while db is exchanged
	db       *bolt.DB
	packer   *packer
	seg      *segmentLog
	safe     *syncPoint
	broken   bool // a write transaction panicked: bbolt may wait for itself; stage 2, Open and Close alone
	feeds    feeds
	watches  watches
	sound    verified
	sortKeys *sortKeys
	orders   *orders
	readings *sync.Pool // of *reading
	bodies   *sync.Pool // of *[]byte, smallBody long
	damage   []string   // what Open found in the log
	text     *textIndex
	anew     bool // the index was made anew

	queue chan *request
	index chan []*request
	stop  chan struct{}  // closed when the store closes
	wg    sync.WaitGroup // the two stages
	care  sync.WaitGroup // what goes on in the background
	seq   uint64         // of the next record; stage 1 alone
	next  *request       // taken from queue already; stage 1 alone
	aside atomic.Uint64  // the last number given to a body's own file

	mu       sync.Mutex
	closed   bool
	senders  sync.WaitGroup // callers between the closed check and their send
	failed   error          // why nothing can be written any more
	stalled  error          // why nothing can be written at the moment
	reserved map[mail.AccountID]amount

	annotating   sync.Mutex // one change of annotations at a time
	sharing      sync.Mutex // one change of access control lists at a time
	housekeeping sync.Mutex // one of compaction and checkpoint at a time
	whole        sync.Mutex // held while index.db is exchanged, or read as a whole for a backup
	pins         pins
}

// Open opens the store in dir, creating it when there is none. It brings the
// index up to the log: after a crash what was whole is applied, what was torn
// is cut; an index that is missing or damaged is made again. A store of an
// older format is brought to the present one: of format 2 in place, of format 1
// with a copy of what it was in dir/before-format2. One process at a time: ErrLocked. A store of a newer
// version is ErrNewerFormat.
func Open(dir string, opts Options) (_ *Store, err error) {
	opts.defaults()
	if err := os.MkdirAll(filepath.Join(dir, "mail", asideDir), 0o700); err != nil {
		return nil, fmt.Errorf("open store: %w", err)
	}
	s := &Store{opts: opts, log: opts.Logger, fs: opts.FS, dir: dir, reserved: map[mail.AccountID]amount{},
		queue: make(chan *request, 1024), index: make(chan []*request, 8), stop: make(chan struct{}),
		seg: newSegmentLog(opts.FS, filepath.Join(dir, "mail"), opts.SegmentSize)}
	s.feeds, s.sound.set, s.sortKeys, s.orders = newFeeds(), map[BlobID]bool{}, newSortKeys(maxSortKeys), newOrders()
	s.text = newTextIndex(s)
	s.readings = newReadings()
	s.bodies = &sync.Pool{New: func() any { b := make([]byte, smallBody); return &b }}
	if s.lock, err = lockFile(filepath.Join(dir, "lock")); err != nil {
		return nil, fmt.Errorf("open store %q: %w", dir, err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(fmt.Errorf("open store %q: %w", dir, err), s.closeFiles())
		}
	}()
	if s.packer, err = newPacker(); err != nil {
		return nil, err
	}
	if err := s.migrate(); err != nil {
		return nil, err
	}
	if err := s.openIndex(); err != nil {
		return nil, err
	}
	if err := s.replay(); isDamage(err) {
		if err := s.replayAnew(err); err != nil {
			return nil, err
		}
	} else if err != nil {
		return nil, err
	}
	if err := s.tidy(); err != nil {
		return nil, err
	}
	if opts.Restored {
		if err := s.renew(); err != nil {
			return nil, err
		}
	}
	if err := s.fs.SyncDir(dir); err != nil {
		return nil, err
	}
	if err := s.text.begin(s.anew || opts.Restored || len(s.damage) > 0); err != nil {
		return nil, err
	}
	s.wg.Go(s.writeLog)
	s.wg.Go(s.writeIndex)
	s.care.Go(func() { s.whileOpen(s.keepHouse) })
	if s.opts.SearchIndex {
		s.care.Go(func() { s.whileOpen(s.text.keep) })
	}
	return s, nil
}

func (o *Options) defaults() {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.FS == nil {
		o.FS = durable.OS{}
	}
	if o.SegmentSize == 0 {
		o.SegmentSize = defaultSegmentSize
	}
	if o.MinFree == 0 {
		o.MinFree = defaultMinFree
	}
}

func lockFile(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		f.Close()
		if errors.Is(err, unix.EWOULDBLOCK) {
			return nil, ErrLocked
		}
		return nil, err
	}
	return f, nil
}

// Dir is the store's directory.
func (s *Store) Dir() string { return s.dir }

// Damage tells what Open found broken in the log and had to leave out.
func (s *Store) Damage() []string { return s.damage }

// Close ends the store: what was handed in is finished, feeds end, files are
// closed.
func (s *Store) Close() error {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return nil
	}
	s.closed = true
	s.mu.Unlock()
	close(s.stop)
	s.care.Wait()
	s.senders.Wait()
	close(s.queue)
	s.wg.Wait()
	return s.closeFiles()
}

func (s *Store) closeFiles() error {
	var errs []error
	s.text.close()
	errs = append(errs, s.seg.close())
	if s.safe != nil {
		errs = append(errs, s.safe.close(s))
	}
	if s.db != nil && !s.broken {
		errs = append(errs, s.db.Close())
	}
	errs = append(errs, s.lock.Close())
	return errors.Join(errs...)
}

// view runs f on the index as it is now. A damaged page makes it fail, never
// the program.
func (s *Store) view(f func(x index) error) (err error) {
	s.dbMu.RLock()
	defer s.dbMu.RUnlock()
	if s.db == nil {
		return ErrClosed
	}
	defer s.guard(&err)()
	err = s.db.View(func(tx *bolt.Tx) error {
		x := index{tx, &txState{remembered: s.remembered()}}
		err := f(x)
		if x.state.fault == nil {
			return err
		}
		s.noteDamage(x.state.fault)
		if err != nil {
			// What looked absent may only be unreadable.
			err = fmt.Errorf("%w: %w", ErrDamaged, x.state.fault)
		}
		return err
	})
	if errors.Is(err, bolterrors.ErrDatabaseNotOpen) {
		return ErrClosed
	}
	return err
}

// guard turns a panic over a damaged page, and a fault of the memory map, into
// an error. Call what it returns when leaving.
func (s *Store) guard(err *error) func() {
	was := debug.SetPanicOnFault(true)
	return func() {
		debug.SetPanicOnFault(was)
		if p := recover(); p != nil {
			*err = fmt.Errorf("%w: %w: %v", ErrDamaged, errBadIndex, p)
			s.noteDamage(*err)
		}
	}
}

// commit hands records to the log and waits until they are indexed. ctx ends
// the wait for a place in the queue only: what is queued will be done.
func (s *Store) commit(ctx context.Context, req *request) ([]outcome, error) {
	if err := s.send(ctx, req); err != nil {
		req.giveBack()
		return nil, err
	}
	<-req.done
	return req.out, req.err
}

// send puts a request into the queue.
func (s *Store) send(ctx context.Context, req *request) error {
	for _, it := range req.items {
		if len(it.meta) > maxMeta {
			return fmt.Errorf("a change of %d bytes: %w", len(it.meta), ErrLimit)
		}
	}
	s.mu.Lock()
	err := s.failed
	if err == nil {
		err = s.stalled
	}
	if s.closed {
		err = ErrClosed
	}
	if err != nil {
		s.mu.Unlock()
		return err
	}
	s.senders.Add(1)
	s.mu.Unlock()
	defer s.senders.Done()
	req.origin = originOf(ctx)
	req.logged, req.done = make(chan struct{}), make(chan struct{})
	select {
	case s.queue <- req:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// fail stops the store for writes.
func (s *Store) fail(err error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.failed == nil {
		s.failed = fmt.Errorf("store stopped after a failed write: %w", err)
		s.log.Error("store stopped", "err", err)
	}
	return s.failed
}

func (s *Store) failure() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.failed
}

// stall refuses writes for as long as err is not nil.
func (s *Store) stall(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if (s.stalled == nil) != (err == nil) {
		s.log.Warn("store stalled", "err", err)
	}
	s.stalled = err
}

// room tells whether bytes more may be written to the disk.
func (s *Store) room(bytes int64) error {
	if s.opts.MinFree < 0 {
		return nil
	}
	free, err := s.fs.Free(s.seg.dir)
	if err != nil {
		return fmt.Errorf("look for free space: %w", err)
	}
	if free-bytes < s.opts.MinFree {
		return ErrNoSpace
	}
	return nil
}
