package storage

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// migrate brings a store of format 1 to the present one. Its log is read as it
// is, and the index is made anew from it; segments begun from now on have the
// new format. What the store was is in before-format2. A store of format 2 needs
// none of it: its index gets the buckets it lacks (presentFormat), and the next
// segment has the present format (resumeAt).
func (s *Store) migrate() error {
	list, err := segments(s.seg.dir)
	if err != nil || len(list) == 0 {
		return err
	}
	r, err := openSegment(s.seg.dir, list[len(list)-1])
	if errors.Is(err, errTorn) {
		return nil // replay knows what to do
	}
	if err != nil {
		return err
	}
	if err := r.f.Close(); err != nil || !r.v1 {
		return err
	}
	s.log.Info("store is brought to the present format", "from", 1, "to", formatVersion)
	if err := s.snapshot(filepath.Join(s.dir, "before-format2"), list); err != nil {
		return fmt.Errorf("copy store before its migration: %w", err)
	}
	// Without index.db it is made anew.
	if err := s.fs.Remove(filepath.Join(s.dir, "index.db")); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("migrate index: %w", err)
	}
	return s.fs.SyncDir(s.dir)
}

// snapshot keeps a store as it is: sealed segments are linked, what may still
// change is copied. One that was made before stays.
func (s *Store) snapshot(dir string, list []uint32) error {
	if _, err := os.Stat(dir); err == nil {
		return nil
	}
	temp := dir + ".tmp"
	if err := os.RemoveAll(temp); err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Join(temp, "mail"), 0o700); err != nil {
		return err
	}
	for i, n := range list {
		from, to := filepath.Join(s.seg.dir, segmentName(n)), filepath.Join(temp, "mail", segmentName(n))
		err := os.Link(from, to)
		if err != nil || i == len(list)-1 {
			_ = os.Remove(to) // copied instead
			err = copyFile(from, to)
		}
		if err != nil {
			return err
		}
	}
	if err := copyFile(filepath.Join(s.dir, "index.db"), filepath.Join(temp, "index.db")); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	for _, d := range []string{filepath.Join(temp, "mail"), temp} {
		if err := s.fs.SyncDir(d); err != nil {
			return err
		}
	}
	if err := s.fs.Rename(temp, dir); err != nil {
		return err
	}
	return s.fs.SyncDir(s.dir)
}

// copyFile copies a file durably; the new one must not exist.
func copyFile(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	if _, err := io.Copy(out, in); err != nil {
		return errors.Join(err, out.Close())
	}
	return errors.Join(out.Sync(), out.Close())
}
