package spool

import (
	"fmt"
	"io"
)

// Joined reads a prefix in memory and a window of something else as one: a
// message with header fields put before it. Safe for concurrent use when the
// rest is.
type Joined struct {
	prefix    []byte
	rest      io.ReaderAt
	off, size int64 // the window
}

// Join puts prefix before rest[off:off+size]. The caller keeps both unchanged
// while the result is used, and closes rest after it.
func Join(prefix []byte, rest io.ReaderAt, off, size int64) *Joined {
	return &Joined{prefix: prefix, rest: rest, off: off, size: max(size, 0)}
}

// Size is the length of both together, in bytes.
func (j *Joined) Size() int64 { return int64(len(j.prefix)) + j.size }

// ReadAt reads from the prefix, the rest or both, as io.ReaderAt says.
func (j *Joined) ReadAt(p []byte, off int64) (int, error) {
	if off < 0 {
		return 0, fmt.Errorf("read joined message: offset %d is negative", off)
	}
	if off >= j.Size() {
		return 0, io.EOF
	}
	short := false
	if left := j.Size() - off; int64(len(p)) > left {
		p, short = p[:left], true
	}
	n := 0
	if off < int64(len(j.prefix)) {
		n = copy(p, j.prefix[off:])
	}
	for n < len(p) {
		m, err := j.rest.ReadAt(p[n:], j.off+off+int64(n)-int64(len(j.prefix)))
		n += m
		if n == len(p) {
			break
		}
		if err == io.EOF {
			// The window promised more than there is.
			return n, io.ErrUnexpectedEOF
		}
		if err != nil {
			return n, err
		}
	}
	if short {
		return n, io.EOF
	}
	return n, nil
}
