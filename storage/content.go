package storage

import (
	"context"
	"fmt"
	"io"
)

// content is an open body: a place in the log. It holds nothing open.
type content struct {
	log  *segmentLog
	at   position
	size int64
}

func (c *content) Size() int64  { return c.size }
func (c *content) Close() error { return nil }

// ReadAt implements io.ReaderAt.
func (c *content) ReadAt(b []byte, off int64) (int, error) {
	if off < 0 || off >= c.size {
		return 0, io.EOF
	}
	n := min(int64(len(b)), c.size-off)
	if err := c.log.readAt(b[:n], position{c.at.segment, c.at.offset + off}); err != nil {
		return 0, fmt.Errorf("%w: %w", ErrDamaged, err)
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
		v := x.get(bucketHot, hotKey(ref, uid))
		if v == nil {
			return ErrNoMessage
		}
		h, err := decodeHot(v)
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
	var l locRow
	err := s.view(func(x index) error {
		var ok bool
		if l, ok = x.loc(id); !ok {
			return ErrNoMessage
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	c := &content{log: s.seg, at: l.body(), size: l.size}
	if s.sound.has(id) {
		return c, nil
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	crc, err := bodyCRC(c, l.size)
	if err != nil {
		return nil, fmt.Errorf("body %d: %w: %w", id, ErrDamaged, err)
	}
	if crc != l.crc {
		return nil, fmt.Errorf("body %d in segment %d at %d: wrong CRC: %w", id, l.pos.segment, l.pos.offset, ErrDamaged)
	}
	s.sound.add(id)
	return c, nil
}
