package storage

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// content is a body as it is stored: a place in a file of the log. Close gives
// the file back.
type content struct {
	log  *segmentLog
	file *openFile
	off  int64
	size int64
	shut atomic.Bool

	blob  BlobID
	sound *verified // forgets a body that can't be read any more; may be nil
}

func (c *content) Size() int64 { return c.size }

// Close implements io.Closer; closing again does nothing.
func (c *content) Close() error {
	if !c.shut.Swap(true) {
		c.log.release(c.file)
	}
	return nil
}

// ReadAt implements io.ReaderAt.
func (c *content) ReadAt(b []byte, off int64) (int, error) {
	if off < 0 || off >= c.size {
		return 0, io.EOF
	}
	n := min(int64(len(b)), c.size-off)
	if got, err := c.file.ReadAt(b[:n], c.off+off); int64(got) < n {
		if c.sound != nil {
			c.sound.forget(c.blob)
		}
		return got, fmt.Errorf("read %q at %d: %w: %w", c.file.path, c.off+off+int64(got), ErrDamaged, errOr(err, io.ErrUnexpectedEOF))
	}
	if n < int64(len(b)) {
		return int(n), io.EOF
	}
	return int(n), nil
}

// OpenBody opens the message's body. Errors: ErrNoMessage, ErrDamaged.
func (s *Store) OpenBody(ctx context.Context, ref Ref, uid UID) (Content, error) {
	var blob BlobID
	err := s.view(func(x index) error {
		k := hotKey(ref, uid)
		v := x.tx.Bucket([]byte(bucketHot)).Get(k)
		if v == nil {
			return ErrNoMessage
		}
		h, err := x.hot(k, v)
		blob = h.blob
		return err
	})
	if err != nil {
		return nil, err
	}
	return s.OpenBlob(ctx, blob)
}

// OpenBlob opens a body by its id. Errors: ErrNoMessage, ErrDamaged.
func (s *Store) OpenBlob(ctx context.Context, id BlobID) (Content, error) {
	l, stored, err := s.openStored(id)
	if err != nil {
		return nil, err
	}
	if !s.sound.has(id) {
		err := ctx.Err()
		if err == nil {
			err = s.proveBody(id, l, stored)
		}
		if err != nil {
			return nil, errors.Join(err, stored.Close())
		}
		s.sound.add(id)
	}
	if !l.packed {
		return stored, nil
	}
	c, err := openPacked(s.packer, stored, l.rawSize)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("body %d: %w", id, err), stored.Close())
	}
	return c, nil
}

// openStored opens a body where it lies. Compaction may move it between the
// look into the index and the opening of the file, so it looks again.
func (s *Store) openStored(id BlobID) (l locRow, c *content, err error) {
	for last := (position{}); ; last = l.pos {
		err := s.view(func(x index) error {
			k := blobKey(id)
			if !x.has(bucketLoc, k) {
				return ErrNoMessage
			}
			var ok bool
			if l, ok = x.loc(id); !ok {
				return fmt.Errorf("place of body %d: %w: %w", id, ErrDamaged, errBadRow)
			}
			return nil
		})
		if err != nil {
			return l, nil, err
		}
		c, err := s.openAt(l)
		if err == nil {
			c.blob, c.sound = id, &s.sound
			return l, c, nil
		}
		if errors.Is(err, unix.EMFILE) || errors.Is(err, unix.ENFILE) {
			return l, nil, fmt.Errorf("body %d: %w", id, err) // it is not the body's fault
		}
		if l.pos == last {
			return l, nil, fmt.Errorf("body %d: %w: %w", id, ErrDamaged, err)
		}
	}
}

// openAt opens a body at a place.
func (s *Store) openAt(l locRow) (*content, error) {
	name, off := segmentName(l.pos.segment), l.pos.offset+l.bodyAt
	if l.aside != 0 {
		name, off = asideName(l.aside), asideHead
	}
	f, err := s.seg.acquire(name)
	if err != nil {
		return nil, err
	}
	return &content{log: s.seg, file: f, off: off, size: l.size}, nil
}

// proveBody reads the whole body and the header before it: it must be the one
// asked for, unchanged.
func (s *Store) proveBody(id BlobID, l locRow, c *content) error {
	if err := s.proveOwner(id, l, c); err != nil {
		return err
	}
	crc, err := bodyCRC(c, l.size)
	if err != nil {
		return fmt.Errorf("body %d: %w: %w", id, ErrDamaged, err)
	}
	if crc != l.crc {
		return fmt.Errorf("body %d in %s at %d: wrong CRC: %w", id, c.file.path, c.off, ErrDamaged)
	}
	return nil
}

// proveOwner tells whether what lies before a body belongs to it.
func (s *Store) proveOwner(id BlobID, l locRow, c *content) error {
	bad := func(err error) error {
		return fmt.Errorf("body %d: %s at %d holds something else: %w", id, c.file.path, c.off, errors.Join(ErrDamaged, err))
	}
	if l.aside != 0 {
		h := make([]byte, asideHead)
		if n, err := c.file.ReadAt(h, 0); n < len(h) {
			return bad(err)
		}
		if string(h[:8]) != asideMagic || binary.BigEndian.Uint64(h[8:]) != l.aside || binary.BigEndian.Uint64(h[16:]) != uint64(l.size) ||
			binary.BigEndian.Uint32(h[24:]) != l.crc || crc32.Checksum(h[:28], castagnoli) != binary.BigEndian.Uint32(h[28:]) {
			return bad(nil)
		}
		return nil
	}
	h := make([]byte, recordHeader)
	if n, err := c.file.ReadAt(h, l.pos.offset); n < len(h) {
		return bad(err)
	}
	if !l.headedBy(id, h) {
		return bad(nil)
	}
	return nil
}
