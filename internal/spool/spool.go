// Package spool holds a message while it is being received: in memory while it
// is small, in a temporary file beyond that. It gives no durability; a message
// is safe only after the store or the queue has taken it.
//
// A temporary file loses its name as soon as it is created, so that nothing is
// left behind by a crash. A File is written by one goroutine and may then be
// read by many. The front doors and delivery import it; it imports none of
// ours.
package spool

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"time"

	"mailstead/internal/durable"
)

// DefaultMemoryLimit is how much of a message is held in memory, in bytes,
// when Dir.MemoryLimit is zero.
const DefaultMemoryLimit = 256 << 10

// ErrClosed is the error of reading or writing a closed File.
var ErrClosed = errors.New("spool file closed")

// Dir is where messages that do not fit into memory go. The zero value works:
// the system's directory for temporary files, and DefaultMemoryLimit.
type Dir struct {
	// Path must exist; empty means os.TempDir.
	Path string
	// MemoryLimit is the size in bytes up to which a message stays in memory;
	// 0 means DefaultMemoryLimit, negative nothing.
	MemoryLimit int64
	// FS makes the files; nil means durable.OS.
	FS durable.FS
}

// New begins a message. Close it. Nothing is allocated or created before the
// first Write.
func (d Dir) New() *File {
	limit := d.MemoryLimit
	if limit == 0 {
		limit = DefaultMemoryLimit
	}
	f := &File{path: d.Path, limit: max(limit, 0), fs: d.FS}
	if f.fs == nil {
		f.fs = durable.OS{}
	}
	return f
}

// File is one message being received. Write and then read; Write is not safe
// for concurrent use, ReadAt and Size are once writing has ended.
type File struct {
	fs    durable.FS
	path  string
	limit int64

	mu     sync.RWMutex // guards all below against Close
	mem    []byte       // the message while file is nil
	file   durable.File
	size   int64
	closed bool
	err    error // a failed write stays failed
	breath int   // bytes written since the last rest
}

// Write appends to the message. After an error the message is incomplete and
// every further Write gives that error.
func (f *File) Write(p []byte) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return 0, ErrClosed
	}
	if f.err != nil {
		return 0, f.err
	}
	if f.file == nil && f.size+int64(len(p)) <= f.limit {
		f.mem = append(f.mem, p...)
		f.size += int64(len(p))
		return len(p), nil
	}
	if f.err = f.moveToDiskLocked(); f.err != nil {
		return 0, f.err
	}
	n, err := f.file.WriteAt(p, f.size)
	f.size += int64(n)
	if f.breath += n; f.breath >= breathAfter {
		f.breath = 0
		time.Sleep(breath)
	}
	if err != nil {
		f.err = fmt.Errorf("write spool file: %w", err)
	}
	return n, f.err
}

// A message that comes in as fast as it is read keeps a processor busy, and
// where all are, Go looks every ten milliseconds only whether another connection
// has something to read. So after breathAfter bytes it rests for a moment.
const (
	breathAfter = 128 << 10
	breath      = 50 * time.Microsecond
)

// firstBuffer is how much memory a message gets to begin with, in bytes.
const firstBuffer = 32 << 10

// ReadFrom appends all of r, without another buffer between while the message
// is in memory. It is what io.Copy uses.
func (f *File) ReadFrom(r io.Reader) (n int64, err error) {
	for {
		got, err := f.readSome(r)
		n += int64(got)
		if err == io.EOF {
			return n, nil
		}
		if err == errFull {
			m, err := io.Copy(struct{ io.Writer }{f}, r)
			return n + m, err
		}
		if err != nil {
			return n, err
		}
	}
}

// errFull tells that a message has outgrown its memory.
var errFull = errors.New("no more in memory")

// readSome reads once into memory.
func (f *File) readSome(r io.Reader) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case f.closed:
		return 0, ErrClosed
	case f.err != nil:
		return 0, f.err
	case f.file != nil || f.size >= f.limit:
		return 0, errFull
	}
	if len(f.mem) == cap(f.mem) {
		f.mem = slices.Grow(f.mem, int(min(max(firstBuffer, f.size), f.limit-f.size)))
	}
	room := min(int64(cap(f.mem)), f.limit)
	n, err := r.Read(f.mem[f.size:room])
	f.mem, f.size = f.mem[:f.size+int64(n)], f.size+int64(n)
	return n, err
}

// moveToDiskLocked puts what is in memory into a file without a name.
func (f *File) moveToDiskLocked() error {
	if f.file != nil {
		return nil
	}
	file, err := f.fs.Temp(f.path)
	if err != nil {
		return fmt.Errorf("create spool file: %w", err)
	}
	if _, err := file.WriteAt(f.mem, 0); err != nil {
		return errors.Join(fmt.Errorf("write spool file: %w", err), file.Close())
	}
	f.file, f.mem = file, nil
	return nil
}

// Size is the number of bytes written.
func (f *File) Size() int64 {
	f.mu.RLock()
	defer f.mu.RUnlock()
	return f.size
}

// ReadAt reads what was written, as io.ReaderAt says.
func (f *File) ReadAt(p []byte, off int64) (int, error) {
	f.mu.RLock()
	defer f.mu.RUnlock()
	switch {
	case f.closed:
		return 0, ErrClosed
	case off < 0:
		return 0, fmt.Errorf("read spool file: offset %d is negative", off)
	case off >= f.size:
		return 0, io.EOF
	case f.file != nil:
		return f.file.ReadAt(p, off)
	}
	n := copy(p, f.mem[off:])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// Close frees the message. Closing again does nothing.
func (f *File) Close() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return nil
	}
	f.closed, f.mem = true, nil
	if f.file == nil {
		return nil
	}
	file := f.file
	f.file = nil
	if err := file.Close(); err != nil {
		return fmt.Errorf("close spool file: %w", err)
	}
	return nil
}
