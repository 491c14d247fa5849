package storage

import (
	"errors"
	"fmt"
	"io/fs"
	"math/bits"
	"os"
	"path/filepath"
	"time"

	bolt "go.etcd.io/bbolt"
)

// damagedMark is the file that tells the next Open to make the index anew.
const damagedMark = "index.damaged"

// errBadIndex is damage to index.db as a whole.
var errBadIndex = errors.New("index.db is damaged")

// noteDamage has the index made anew by the next Open.
func (s *Store) noteDamage(err error) {
	s.feeds.forgetAll()
	path := filepath.Join(s.dir, damagedMark)
	if _, serr := os.Stat(path); serr == nil {
		return
	}
	s.log.Error("index damaged", "err", err, "hint", "it is made again from the log at the next start")
	if werr := os.WriteFile(path, []byte(err.Error()+"\n"), 0o600); werr != nil {
		s.log.Error("index damage not noted", "err", werr)
	}
}

// Reindex makes Open of the store in dir build its index anew from the last
// checkpoint and the log. Nobody may have the store open: ErrLocked.
func Reindex(dir string) error {
	lock, err := lockFile(filepath.Join(dir, "lock"))
	if err != nil {
		return fmt.Errorf("reindex %q: %w", dir, err)
	}
	if err := os.WriteFile(filepath.Join(dir, damagedMark), []byte("asked for\n"), 0o600); err != nil {
		return errors.Join(fmt.Errorf("reindex: %w", err), lock.Close())
	}
	return lock.Close()
}

// openIndex opens index.db at its last sync point, or makes it anew when it is
// missing, damaged, or was never synced.
func (s *Store) openIndex() error {
	path, mark := filepath.Join(s.dir, "index.db"), filepath.Join(s.dir, damagedMark)
	// index.meta speaks of the file that has the name now; a power cut must not
	// put another one in its place.
	if err := s.fs.SyncDir(s.dir); err != nil {
		return err
	}
	point, saved, err := openPoint(s.fs, s.dir)
	if err != nil {
		return err
	}
	s.safe = point
	_, err = os.Stat(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("open index: %w", err)
	}
	exists := err == nil
	_, merr := os.Stat(mark)
	if exists && saved != nil && merr != nil {
		// The slot is written again: it may be one whose sync failed.
		err := s.safe.put(s.safe.generation, saved)
		if err != nil {
			return err
		}
		if err = rollBack(s.fs, path, saved); err == nil {
			err = s.openBolt(path, true)
		}
		if err == nil {
			return nil
		}
		if errors.Is(err, ErrNewerFormat) || errors.Is(err, fs.ErrPermission) {
			return err
		}
		s.log.Error("index damaged", "err", err)
		s.dropIndex()
	}
	return s.makeIndex(path, exists)
}

// makeIndex makes a new index; the log, or a checkpoint of it, fills it.
func (s *Store) makeIndex(path string, exists bool) error {
	s.anew = true
	if err := s.safe.meta.Truncate(0); err != nil {
		return fmt.Errorf("make index: %w", err)
	}
	if err := s.safe.meta.Datasync(); err != nil {
		return fmt.Errorf("make index: %w", err)
	}
	if exists {
		s.log.Warn("index made anew", "old", path+".old")
		if err := s.fs.Rename(path, path+".old"); err != nil {
			return fmt.Errorf("put the old index aside: %w", err)
		}
	}
	if err := os.Remove(filepath.Join(s.dir, damagedMark)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("make index: %w", err)
	}
	if err := s.openBolt(path, false); err != nil {
		return err
	}
	if err := s.fs.SyncDir(s.dir); err != nil { // before index.meta speaks of it
		return err
	}
	return s.loadCheckpoint()
}

// dropIndex closes an index that is of no use.
func (s *Store) dropIndex() {
	_ = s.safe.release() // only read from
	if s.safe.file != nil {
		_ = s.safe.file.Close() // the same
		s.safe.file = nil
	}
	if s.db != nil && !s.broken {
		_ = s.db.Close() // what it says is not believed
	}
	s.db, s.broken = nil, false
}

// openBolt opens index.db and looks at its format. With hold it is at a sync
// point, which is protected before anything is written.
func (s *Store) openBolt(path string, hold bool) (err error) {
	defer s.guard(&err)()
	o := *bolt.DefaultOptions
	o.Timeout = time.Second
	o.NoSync = true // see syncPoint
	o.OpenFile = s.fs.OpenBolt
	if bits.UintSize == 64 {
		// Growing the map stops the writer and new readers for as long as one
		// reader lasts; address space costs nothing.
		o.InitialMmapSize = 16 << 30
	}
	if s.db, err = bolt.Open(path, 0o600, &o); err != nil {
		return fmt.Errorf("open index: %w", err)
	}
	s.hook(s.db)
	if s.safe.file, err = os.Open(path); err != nil {
		return fmt.Errorf("open index: %w", err)
	}
	if hold {
		if err := s.safe.hold(s.db); err != nil {
			return err
		}
		old := false
		err := s.db.View(func(tx *bolt.Tx) error {
			if tx.Bucket([]byte(bucketMeta)) == nil {
				return fmt.Errorf("no buckets: %w", errBadIndex)
			}
			x := index{tx, &txState{}}
			d := rowReader{b: x.get(bucketMeta, []byte("format"))}
			v := d.uint()
			if v > formatVersion {
				return fmt.Errorf("index.db has format %d, this program knows formats up to %d: %w", v, formatVersion, ErrNewerFormat)
			}
			old = v < formatVersion
			return x.state.fault
		})
		if err == nil && old {
			err = s.presentFormat()
		}
		return err
	}
	s.safe.page = s.db.Info().PageSize
	return s.presentFormat()
}

// presentFormat gives an index that is new, or of an older format, the buckets
// it lacks, and says that it has the present one.
func (s *Store) presentFormat() error {
	return s.db.Update(func(tx *bolt.Tx) error {
		if err := makeBuckets(tx); err != nil {
			return err
		}
		w := rowWriter{}
		w.uint(formatVersion)
		return index{tx, &txState{}}.put(bucketMeta, []byte("format"), w.b)
	})
}

// hook lets a file system that wants to see what bbolt writes have the
// database.
func (s *Store) hook(db *bolt.DB) {
	if h, ok := s.fs.(interface{ HookBolt(*bolt.DB) }); ok {
		h.HookBolt(db)
	}
}

// syncFile syncs a file that another process may have written.
func (s *Store) syncFile(path string) error {
	f, err := s.fs.Open(path, os.O_RDWR, 0)
	if err != nil {
		return fmt.Errorf("sync %q: %w", path, err)
	}
	if err := f.Datasync(); err != nil {
		return errors.Join(fmt.Errorf("sync %q: %w", path, err), f.Close())
	}
	return f.Close()
}
