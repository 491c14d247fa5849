package storage

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"math/bits"
	"os"
	"path/filepath"
	"sync"
	"time"

	bolt "go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"
	"golang.org/x/sys/unix"

	"mailstead/internal/durable"
	"mailstead/mail"
)

const (
	formatVersion      = 1
	defaultSegmentSize = 128 << 20
	defaultMinFree     = 64 << 20
)

// ErrLocked is what Open gives when another process has the store open.
var ErrLocked = errors.New("store is in use by another process")

// Store is a mail store in one directory: index.db and the segments in mail/.
// All methods may be called by any goroutine; Close ends them.
type Store struct {
	opts  Options
	log   *slog.Logger
	lock  *os.File
	db    *bolt.DB
	seg   *segmentLog
	feeds feeds
	sound verified

	queue chan *request
	index chan []*request
	wg    sync.WaitGroup
	seq   uint64 // of the next record; stage 1 alone

	mu       sync.Mutex
	closed   bool
	senders  sync.WaitGroup // callers between the closed check and their send
	failed   error          // why nothing can be written any more
	reserved map[mail.AccountID]int64
}

// Open opens the store in dir, creating it when there is none. It brings the
// index up to the log: after a crash what was whole is applied, what was torn
// is cut; without an index it is rebuilt. One process at a time: ErrLocked.
// A store of a newer version is ErrNewerFormat.
func Open(dir string, opts Options) (_ *Store, err error) {
	if opts.Logger == nil {
		opts.Logger = slog.New(slog.DiscardHandler)
	}
	if opts.SegmentSize == 0 {
		opts.SegmentSize = defaultSegmentSize
	}
	if opts.MinFree == 0 {
		opts.MinFree = defaultMinFree
	}
	if err := os.MkdirAll(filepath.Join(dir, "mail"), 0o700); err != nil {
		return nil, fmt.Errorf("open store: %w", err)
	}
	s := &Store{opts: opts, log: opts.Logger, reserved: map[mail.AccountID]int64{}, queue: make(chan *request, 1024), index: make(chan []*request, 4),
		seg: &segmentLog{dir: filepath.Join(dir, "mail"), size: opts.SegmentSize, open: map[uint32]*os.File{}}}
	s.feeds.by, s.sound.set = map[Ref]map[*Feed]bool{}, map[BlobID]bool{}
	if s.lock, err = lockFile(filepath.Join(dir, "lock")); err != nil {
		return nil, fmt.Errorf("open store %q: %w", dir, err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(fmt.Errorf("open store %q: %w", dir, err), s.closeFiles())
		}
	}()
	if err := s.openIndex(filepath.Join(dir, "index.db")); err != nil {
		return nil, err
	}
	if err := s.replay(); err != nil {
		return nil, err
	}
	if err := durable.SyncDir(dir); err != nil {
		return nil, err
	}
	s.wg.Go(s.writeLog)
	s.wg.Go(s.writeIndex)
	return s, nil
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

func (s *Store) openIndex(path string) (err error) {
	o := *bolt.DefaultOptions
	o.Timeout = time.Second
	if bits.UintSize == 64 {
		// Growing the map stops the writer and new readers for as long as one
		// reader lasts; address space costs nothing.
		o.InitialMmapSize = 16 << 30
	}
	if s.db, err = bolt.Open(path, 0o600, &o); err != nil {
		return fmt.Errorf("open index: %w", err)
	}
	return s.db.Update(func(tx *bolt.Tx) error {
		if err := makeBuckets(tx); err != nil {
			return err
		}
		x := index{tx}
		if v := x.get(bucketMeta, []byte("format")); v != nil {
			if d := (rowReader{b: v}); d.uint() > formatVersion {
				return ErrNewerFormat
			}
			return nil
		}
		w := rowWriter{}
		w.uint(formatVersion)
		w.str(rand.Text())
		return x.put(bucketMeta, []byte("format"), w.b)
	})
}

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
	s.senders.Wait()
	close(s.queue)
	s.wg.Wait()
	return s.closeFiles()
}

func (s *Store) closeFiles() error {
	var errs []error
	errs = append(errs, s.seg.close())
	if s.db != nil {
		errs = append(errs, s.db.Close())
	}
	errs = append(errs, s.lock.Close())
	return errors.Join(errs...)
}

// view runs f on the index as it is now.
func (s *Store) view(f func(x index) error) error {
	err := s.db.View(func(tx *bolt.Tx) error { return f(index{tx}) })
	if errors.Is(err, bolterrors.ErrDatabaseNotOpen) {
		return ErrClosed
	}
	return err
}

// commit hands records to the log and waits until they are indexed. ctx ends
// the wait for a place in the queue only: what is queued will be done.
func (s *Store) commit(ctx context.Context, items ...*item) ([]outcome, error) {
	s.mu.Lock()
	err := s.failed
	if s.closed {
		err = ErrClosed
	}
	if err != nil {
		s.mu.Unlock()
		return nil, err
	}
	s.senders.Add(1)
	s.mu.Unlock()
	req := &request{items: items, done: make(chan struct{})}
	select {
	case s.queue <- req:
		s.senders.Done()
	case <-ctx.Done():
		s.senders.Done()
		return nil, ctx.Err()
	}
	<-req.done
	return req.out, req.err
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

// room tells whether bytes more may be written to the disk.
func (s *Store) room(bytes int64) error {
	if s.opts.MinFree < 0 {
		return nil
	}
	var st unix.Statfs_t
	if err := unix.Statfs(s.seg.dir, &st); err != nil {
		return fmt.Errorf("look for free space: %w", err)
	}
	if free := int64(st.Bavail) * st.Bsize; free-bytes < s.opts.MinFree {
		return ErrNoSpace
	}
	return nil
}

// reserve sets bytes of the accounts' quota aside until release is called.
func (s *Store) reserve(need map[mail.AccountID]int64) (release func(), err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	err = s.view(func(x index) error {
		for id, n := range need {
			a, err := x.account(id)
			if err != nil {
				return err
			}
			if s.opts.Quota == nil {
				continue
			}
			if limit := s.opts.Quota(id); limit > 0 && a.bytes+s.reserved[id]+n > limit {
				return ErrOverQuota
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	for id, n := range need {
		s.reserved[id] += n
	}
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		for id, n := range need {
			if s.reserved[id] -= n; s.reserved[id] == 0 {
				delete(s.reserved, id)
			}
		}
	}, nil
}
