package faultfs

import (
	"errors"
	"io/fs"
	"os"
	"slices"

	"golang.org/x/sys/unix"
)

// file is an open file. ino is nil when it never had a name.
type file struct {
	fs   *FS
	real *os.File
	ino  *inode
	path string
}

// ReadFault lets reads of a file fail.
type ReadFault struct {
	// Match chooses files by their absolute path; nil is all.
	Match func(path string) bool
	// From and To are the bad bytes, To not included; To of zero is the end.
	From, To int64
	// Err is the cause of the error; nil is EIO.
	Err error
}

// FailReads lets every read that touches the bad bytes fail, until stop is
// called.
func (f *FS) FailReads(r ReadFault) (stop func()) {
	if r.Err == nil {
		r.Err = unix.EIO
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.reads = append(f.reads, &r)
	return func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.reads = slices.DeleteFunc(f.reads, func(x *ReadFault) bool { return x == &r })
	}
}

// ReadAt implements io.ReaderAt.
func (f *file) ReadAt(p []byte, off int64) (int, error) {
	f.fs.mu.Lock()
	reads := slices.Clone(f.fs.reads)
	f.fs.mu.Unlock()
	for _, r := range reads {
		if (r.Match == nil || r.Match(f.path)) && off+int64(len(p)) > r.From && (r.To == 0 || off < r.To) {
			return 0, &fs.PathError{Op: "read", Path: f.path, Err: r.Err}
		}
	}
	return f.real.ReadAt(p, off)
}

// WriteAt implements io.WriterAt.
func (f *file) WriteAt(p []byte, off int64) (int, error) {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	w := writing{f.ino, f.real.WriteAt, sectorSize}
	return f.fs.writeLocked(Op{Kind: Write, Path: f.path, Offset: off, Length: len(p)}, p, w)
}

// writing is how a file is written to.
type writing struct {
	ino  *inode // may be nil
	real func([]byte, int64) (int, error)
	unit int // that a failing write leaves whole
}

func (w writing) do(p []byte, off int64) (int, error) {
	n, err := w.real(p, off)
	if w.ino != nil {
		w.ino.write(p[:n], off)
	}
	return n, err
}

// writeLocked writes p or what a fault leaves of it.
func (f *FS) writeLocked(o Op, p []byte, w writing) (int, error) {
	err := f.beginLocked(o)
	if err == nil {
		return w.do(p, o.Offset)
	}
	fail, ok := errors.AsType[failure](err)
	if !ok {
		return 0, err
	}
	n := 0
	for _, s := range fail.by.torn(o.Offset, len(p), w.unit) {
		m, werr := w.do(p[s.from:s.to], o.Offset+int64(s.from))
		if werr != nil {
			return n, werr
		}
		if s.from == n {
			n += m
		}
	}
	return min(n, max(len(p)-1, 0)), err
}

// Truncate implements durable.File.
func (f *file) Truncate(size int64) error {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	if err := f.fs.beginLocked(Op{Kind: Truncate, Path: f.path, Offset: size}); err != nil {
		return err
	}
	if err := f.real.Truncate(size); err != nil {
		return err
	}
	if f.ino != nil {
		f.ino.truncate(size)
	}
	return nil
}

// Allocate sets disk space aside, as the real files can: the file is longer,
// and reads as zeros there.
func (f *file) Allocate(size int64) error {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	if err := f.fs.beginLocked(Op{Kind: Allocate, Path: f.path, Offset: size}); err != nil {
		return err
	}
	if err := unix.Fallocate(int(f.real.Fd()), 0, 0, size); err != nil {
		return err
	}
	if f.ino != nil && size > f.ino.size {
		f.ino.truncate(size)
	}
	return nil
}

// Datasync implements durable.File. The disk need not know.
func (f *file) Datasync() error {
	if _, err := f.real.Stat(); err != nil {
		return err
	}
	return f.fs.datasync(f.path, f.ino)
}

func (f *FS) datasync(path string, ino *inode) error {
	return f.sync(Op{Kind: Datasync, Path: path}, func(err error) {
		switch {
		case ino == nil:
		case err != nil:
			ino.lose()
		default:
			ino.sync()
		}
	})
}

// Size implements durable.File.
func (f *file) Size() (int64, error) {
	info, err := f.real.Stat()
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

// Close implements durable.File. It syncs nothing.
func (f *file) Close() error { return f.real.Close() }
