package backup

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"mailstead/internal/durable"
	"mailstead/storage"
)

const (
	copyChunk = 1 << 20
	// syncEvery is how much is written between two syncs: a sync of the store
	// must not have to wait for much of the backup's.
	syncEvery = 32 << 20
	// readBlock is the unit in which a file that cannot be read is given up.
	readBlock = 4096
	// spare is how much disk space a backup leaves.
	spare = 16 << 20
)

// task is a file of the store that the generation needs.
type task struct {
	held storage.HeldFile
	have *File // what the backup has of it
	todo int64 // bytes to copy
}

// copyAll brings the backup up to the held state.
func (r *run) copyAll(ctx context.Context, held *storage.Held) error {
	tasks := make([]task, 0, len(held.Files))
	for _, f := range held.Files {
		t := task{held: f, have: r.stock.find(&f)}
		if t.todo = max(f.Size, 0); t.have != nil {
			t.todo = max(f.Size-t.have.Size, 0)
		}
		if r.o.Recheck && t.have != nil {
			if err := r.recheck(ctx, &t); err != nil {
				return err
			}
		}
		r.pace.total += t.todo
		tasks = append(tasks, t)
	}
	r.pace.limit, r.pace.start, r.pace.tell = r.o.Rate, time.Now(), r.o.Progress
	if free, err := r.o.FS.Free(r.dir); err != nil {
		return err
	} else if !r.o.Link && free < r.pace.total+spare {
		return fmt.Errorf("%d bytes are free, %d are to be copied: %w", free, r.pace.total, storage.ErrNoSpace)
	}
	for i := range tasks {
		f, err := r.file(ctx, held, &tasks[i])
		if err != nil {
			return fmt.Errorf("%s: %w", tasks[i].held.Name, err)
		}
		if f != nil {
			r.m.Files = append(r.m.Files, *f)
		}
	}
	return nil
}

// recheck forgets what the backup has of a file when it is not what it was.
func (r *run) recheck(ctx context.Context, t *task) error {
	sum, err := sumFile(ctx, filepath.Join(r.dir, t.have.Path), t.have.Size)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err == nil && sum == t.have.SHA256 {
		return nil
	}
	if t.held.Size < 0 {
		return nil
	}
	r.stock.paths[t.have.Path] = false // it is written anew, which mends earlier generations too
	t.have, t.todo = nil, t.held.Size
	return nil
}

// file sees to one file and gives its entry in the manifest, nil when it cannot
// be had.
func (r *run) file(ctx context.Context, held *storage.Held, t *task) (*File, error) {
	if t.held.Size < 0 {
		return r.missing(t), nil
	}
	if t.have != nil && t.have.Size >= t.held.Size {
		return r.reuse(ctx, t)
	}
	out := &File{Name: t.held.Name, Size: t.held.Size, Identity: t.held.Identity}
	dst, err := r.bring(ctx, t, out)
	if lost, ok := errors.AsType[*sourceError](err); ok {
		r.m.problem("%s: %v", t.held.Name, lost)
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	problems, err := held.Prove(t.held, dst)
	if err = errors.Join(err, dst.Close()); err != nil {
		return nil, err
	}
	out.Damaged = append(out.Damaged, problems...)
	r.res.CopiedFiles++
	return out, r.journal.note(*out)
}

// missing is for a file that the store has lost.
func (r *run) missing(t *task) *File {
	for _, o := range r.stock.byName[t.held.Name] {
		if t.held.Identity != "" && o.Identity != t.held.Identity {
			continue
		}
		if info, err := os.Stat(filepath.Join(r.dir, o.Path)); err == nil && info.Size() >= o.Size {
			r.m.problem("%s: missing in the store; this backup has it from before", t.held.Name)
			return &o
		}
	}
	r.m.problem("%s: missing in the store, and so in this backup", t.held.Name)
	return nil
}

// reuse is for what the backup has already.
func (r *run) reuse(ctx context.Context, t *task) (*File, error) {
	f := *t.have
	if f.Size == t.held.Size {
		return &f, nil
	}
	sum, err := sumFile(ctx, filepath.Join(r.dir, f.Path), t.held.Size)
	if err != nil {
		return nil, err
	}
	f.Size, f.SHA256 = t.held.Size, sum
	return &f, nil
}

// bring links, extends or copies a file and gives it open, durable and under
// its name.
func (r *run) bring(ctx context.Context, t *task, out *File) (durable.File, error) {
	if t.have != nil {
		out.Path = t.have.Path
		if dst, err := r.extend(ctx, t, out); dst != nil || err != nil {
			return dst, err
		}
		r.pace.total += t.have.Size // all of it again
	} else {
		out.Path = r.stock.place(t.held.Name)
	}
	path := filepath.Join(r.dir, out.Path)
	temp := path + partialSuffix
	if r.o.Link && t.held.Sealed {
		return r.link(ctx, t, out, temp)
	}
	dst, err := r.o.FS.Open(temp, os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return nil, err
	}
	if err := r.copy(ctx, t, out, dst, 0, sha256.New()); err != nil {
		return nil, errors.Join(err, dst.Close())
	}
	if err := r.o.FS.Rename(temp, path); err != nil {
		return nil, errors.Join(err, dst.Close())
	}
	return dst, nil
}

// extend copies what a file has grown by. nil: what the backup has is not what
// it was, or is a link.
func (r *run) extend(ctx context.Context, t *task, out *File) (durable.File, error) {
	path := filepath.Join(r.dir, out.Path)
	var st unix.Stat_t
	if err := unix.Stat(path, &st); err != nil || st.Nlink > 1 {
		return nil, nil
	}
	dst, err := r.o.FS.Open(path, os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	h, err := hashOf(ctx, dst, t.have.Size, nil)
	if err == nil && hex.EncodeToString(h.Sum(nil)) != t.have.SHA256 {
		return nil, dst.Close()
	}
	if err == nil {
		err = r.copy(ctx, t, out, dst, t.have.Size, h)
	}
	if err != nil {
		return nil, errors.Join(err, dst.Close())
	}
	return dst, nil
}

// link gives a sealed file a second name.
func (r *run) link(ctx context.Context, t *task, out *File, temp string) (durable.File, error) {
	if err := os.Remove(temp); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	if err := r.o.FS.Link(t.held.Path, temp); err != nil {
		return nil, err
	}
	if err := r.o.FS.Rename(temp, filepath.Join(r.dir, out.Path)); err != nil {
		return nil, err
	}
	f, err := r.o.FS.Open(filepath.Join(r.dir, out.Path), os.O_RDONLY, 0)
	if err != nil {
		return nil, err
	}
	if out.SHA256, err = sumOf(ctx, f, out.Size, nil); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	r.res.Linked += out.Size
	return f, r.pace.step(ctx, out.Size)
}

// copy copies a file from an offset on; h has seen what is before. What cannot
// be read becomes zeros, and is told.
func (r *run) copy(ctx context.Context, t *task, out *File, dst durable.File, from int64, h hash.Hash) error {
	src, err := os.Open(t.held.Path)
	if err != nil {
		return &sourceError{err}
	}
	defer src.Close()
	buf := make([]byte, min(copyChunk, max(out.Size-from, 1)))
	unsynced, lost := int64(0), int64(0)
	for at := from; at < out.Size; {
		b := buf[:min(copyChunk, out.Size-at)]
		lost += readPatiently(src, b, at)
		if _, err := dst.WriteAt(b, at); err != nil {
			return err
		}
		h.Write(b)
		at += int64(len(b))
		if unsynced += int64(len(b)); unsynced >= syncEvery {
			if err := dst.Datasync(); err != nil {
				return err
			}
			unsynced = 0
		}
		r.res.Copied += int64(len(b))
		if err := r.pace.step(ctx, int64(len(b))); err != nil {
			return err
		}
	}
	if lost > 0 {
		out.Damaged = append(out.Damaged, fmt.Sprintf("%d bytes could not be read", lost))
	}
	out.SHA256 = hex.EncodeToString(h.Sum(nil))
	return dst.Datasync()
}

// sourceError is a file of the store that cannot be read at all.
type sourceError struct{ error }

// readPatiently fills b and gives the number of bytes that could not be read.
func readPatiently(src io.ReaderAt, b []byte, at int64) (lost int64) {
	if n, _ := src.ReadAt(b, at); n == len(b) {
		return 0
	}
	for i := 0; i < len(b); i += readBlock {
		part := b[i:min(i+readBlock, len(b))]
		n, _ := src.ReadAt(part, at+int64(i))
		clear(part[n:])
		lost += int64(len(part) - n)
	}
	return lost
}
