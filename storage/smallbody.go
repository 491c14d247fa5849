package storage

import (
	"context"
	"fmt"
	"hash/crc32"
	"io"
	"sync/atomic"
)

// smallBody is up to what size, in bytes as they lie in the log, a body is read
// at once, with the record before it, and proved in memory.
const smallBody = 256 << 10

// OpenRow opens the body of a message that Rows has read; with
// ReadOptions.Place it need not be looked for. Errors: ErrNoMessage, ErrDamaged.
func (s *Store) OpenRow(ctx context.Context, row *Row) (Content, error) {
	if l := row.place; l != nil && l.aside == 0 && l.size > 0 && l.length() <= smallBody {
		// Whatever is wrong with it, OpenBlob finds out: it may only have moved.
		if c, err := s.openSmall(row.Blob, l); err == nil {
			return c, nil
		}
		s.sound.forget(row.Blob)
	}
	return s.OpenBlob(ctx, row.Blob)
}

// openSmall reads a body and what proves it in one go.
func (s *Store) openSmall(id BlobID, l *locRow) (Content, error) {
	f, err := s.seg.acquire(segmentName(l.pos.segment))
	if err != nil {
		return nil, err
	}
	defer s.seg.release(f)
	c := &memoryContent{s: s, buf: s.bodies.Get().(*[]byte)}
	b := (*c.buf)[:l.length()]
	n, err := f.ReadAt(b, l.pos.offset)
	if n < len(b) {
		return nil, fmt.Errorf("read body %d: %w", id, errOr(err, io.ErrUnexpectedEOF))
	}
	c.b = b[l.bodyAt:]
	if !l.headedBy(id, b) || crc32.Checksum(c.b, castagnoli) != l.crc {
		return nil, fmt.Errorf("body %d: %w", id, ErrDamaged)
	}
	if !l.packed {
		return c, nil
	}
	return openPacked(s.packer, c, l.rawSize)
}

// headedBy tells whether a record that begins with h is the one a body lies in.
func (l *locRow) headedBy(id BlobID, h []byte) bool {
	r, hd, err := parseHeader(h)
	return err == nil && hd.length+hd.metaLen == l.bodyAt && r.size == l.size && r.crc == l.crc && (r.kind != kindMessage || r.seq == uint64(id))
}

// memoryContent is a body in memory, which Close gives back.
type memoryContent struct {
	s    *Store
	buf  *[]byte
	b    []byte
	shut atomic.Bool
}

func (c *memoryContent) Size() int64 { return int64(len(c.b)) }

// Close implements io.Closer; closing again does nothing.
func (c *memoryContent) Close() error {
	if !c.shut.Swap(true) {
		c.s.bodies.Put(c.buf)
	}
	return nil
}

// ReadAt implements io.ReaderAt.
func (c *memoryContent) ReadAt(b []byte, off int64) (int, error) {
	if off < 0 || off >= int64(len(c.b)) {
		return 0, io.EOF
	}
	n := copy(b, c.b[off:])
	if n < len(b) {
		return n, io.EOF
	}
	return n, nil
}

// Slice gives bytes of the body without copying them, fewer when it ends before
// that; they are good until Close.
func (c *memoryContent) Slice(from, to int64) []byte {
	to = min(to, c.Size())
	return c.b[min(from, to):to:to]
}
