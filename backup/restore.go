package backup

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"mailstead/internal/durable"
	"mailstead/storage"
)

// workDir is where Restore builds what it then moves into place.
const workDir = ".restore"

// RestoreOptions of Restore. The zero value works.
type RestoreOptions struct {
	// Progress is called often. Nil: not.
	Progress func(Progress)
}

// Restore puts a generation into a data directory that is new or empty, and
// makes it a store to serve (storage.Options.Restored). Files of the
// configuration go to its subdirectory config. What is damaged in the backup is
// restored as it is, and told. An earlier Restore that was interrupted is begun
// again. Errors: ErrNotEmpty.
func Restore(ctx context.Context, dir string, m *Manifest, target string, o RestoreOptions) (*Report, error) {
	rep := &Report{Generation: m.Generation, Problems: append([]string{}, m.Problems...)}
	work := filepath.Join(target, workDir)
	if err := prepareTarget(target, work); err != nil {
		return rep, err
	}
	defer reading(dir)()
	p := pace{total: m.Bytes, tell: o.Progress, start: time.Now()}
	for _, f := range m.Files {
		to := filepath.Join(work, filepath.FromSlash(f.Name))
		if err := os.MkdirAll(filepath.Dir(to), 0o700); err != nil {
			return rep, fmt.Errorf("restore: %w", err)
		}
		same, err := copyOut(ctx, filepath.Join(dir, f.Path), to, f, &p)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return rep, noSpace(fmt.Errorf("restore %q: %w", f.Path, err))
		}
		if !same {
			rep.problem("%s: its bytes are not those that were copied", f.Path)
		}
		rep.Files++
		rep.Bytes += f.Size
	}
	if err := rep.revive(ctx, work, m); err != nil {
		return rep, fmt.Errorf("open what was restored: %w", err)
	}
	return rep, install(work, target)
}

// prepareTarget sees that target is empty and makes the working directory.
func prepareTarget(target, work string) error {
	entries, err := os.ReadDir(target)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("restore: %w", err)
	}
	for _, e := range entries {
		if e.Name() != workDir {
			return fmt.Errorf("%q %w, it holds %q", target, ErrNotEmpty, e.Name())
		}
	}
	if err := os.RemoveAll(work); err != nil {
		return fmt.Errorf("restore: %w", err)
	}
	if err := os.MkdirAll(filepath.Join(work, "mail", "big"), 0o700); err != nil {
		return fmt.Errorf("restore: %w", err)
	}
	return nil
}

// revive opens the restored store once, for its index, and checks it.
func (rep *Report) revive(ctx context.Context, work string, m *Manifest) error {
	s, err := storage.Open(work, storage.Options{Housekeeping: -1, MinFree: -1, Restored: true})
	if err != nil {
		return err
	}
	rep.Opened = true
	found, err := s.Check(ctx, storage.CheckOptions{})
	rep.Accounts, rep.Mailboxes, rep.Messages, rep.Bodies = found.Accounts, found.Mailboxes, found.Messages, found.Bodies
	rep.Problems = append(rep.Problems, found.Problems...)
	if err == nil {
		rep.compare(m)
	}
	return errors.Join(err, s.Close())
}

// install moves what is whole and durable into place; accounts.db comes last,
// without which nothing is taken for a data directory.
func install(work, target string) error {
	err := filepath.WalkDir(work, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() {
			err = durable.SyncDir(path)
		}
		return err
	})
	if err != nil {
		return err
	}
	for _, name := range []string{"config", "mail", "index.meta", "index.db", AccountsName} {
		err := os.Rename(filepath.Join(work, name), filepath.Join(target, name))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("put restored files in place: %w", err)
		}
	}
	if err := os.RemoveAll(work); err != nil {
		return fmt.Errorf("put restored files in place: %w", err)
	}
	return durable.SyncDir(target)
}

// copyOut copies what a generation has of a file, durably, and tells whether it
// is what it was. What cannot be read becomes zeros.
func copyOut(ctx context.Context, from, to string, f File, p *pace) (same bool, err error) {
	src, err := os.Open(from)
	if err != nil {
		return false, err
	}
	defer src.Close()
	dst, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return false, err
	}
	h, lost := sha256.New(), int64(0)
	buf := make([]byte, min(copyChunk, max(f.Size, 1)))
	for at := int64(0); at < f.Size && err == nil; {
		b := buf[:min(copyChunk, f.Size-at)]
		lost += readPatiently(src, b, at)
		h.Write(b)
		at += int64(len(b))
		if _, err = dst.Write(b); err == nil && p != nil {
			err = p.step(ctx, int64(len(b)))
		}
	}
	if err == nil {
		err = unix.Fdatasync(int(dst.Fd()))
	}
	if err = errors.Join(err, dst.Close()); err != nil {
		return false, err
	}
	return lost == 0 && hex.EncodeToString(h.Sum(nil)) == f.SHA256, nil
}
