package storage

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
	"sync"

	"github.com/klauspost/compress/zstd"
)

// A compressed body is blocks of packedBlock bytes of the message, each a zstd
// frame with its checksum, then a table: the compressed length of each block
// (4 bytes) and the number of blocks (4 bytes). Any part of the message is
// read without the rest.
const packedBlock = 128 << 10

// packer compresses and reads back bodies. Safe for concurrent use.
type packer struct {
	enc *zstd.Encoder
	dec *zstd.Decoder
}

func newPacker() (*packer, error) {
	enc, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(packedBlock), zstd.WithLowerEncoderMem(true))
	if err != nil {
		return nil, fmt.Errorf("make compressor: %w", err)
	}
	dec, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(0), zstd.WithDecoderMaxMemory(4*packedBlock), zstd.WithDecoderLowmem(true))
	if err != nil {
		return nil, fmt.Errorf("make decompressor: %w", err)
	}
	return &packer{enc, dec}, nil
}

// pack compresses size bytes of body to w.
func (p *packer) pack(w io.Writer, body io.ReaderAt, size int64) error {
	raw := make([]byte, min(packedBlock, size))
	var table, out []byte
	for done := int64(0); done < size; {
		b := raw[:min(packedBlock, size-done)]
		if n, err := body.ReadAt(b, done); n < len(b) {
			return fmt.Errorf("read message to store: %w", err)
		}
		out = p.enc.EncodeAll(b, out[:0])
		table = binary.BigEndian.AppendUint32(table, uint32(len(out)))
		if _, err := w.Write(out); err != nil {
			return err
		}
		done += int64(len(b))
	}
	table = binary.BigEndian.AppendUint32(table, uint32(len(table)/4))
	_, err := w.Write(table)
	return err
}

// compress replaces an item's body by the compressed one, where that saves a
// tenth at least.
func (s *Store) compress(it *item) error {
	var w bytes.Buffer
	if err := s.packer.pack(&w, it.body, it.rec.size); err != nil {
		return err
	}
	if int64(w.Len()) > it.rec.size-it.rec.size/10 {
		return nil
	}
	r := &it.rec
	r.packed, r.rawSize, r.rawCRC = true, r.size, r.crc
	r.size, r.crc = int64(w.Len()), crc32.Checksum(w.Bytes(), castagnoli)
	it.body = bytes.NewReader(w.Bytes())
	return nil
}

// packedContent reads a compressed body. It remembers the block read last.
type packedContent struct {
	stored  Content
	p       *packer
	size    int64
	offsets []int64 // of the blocks, and the end of the last

	mu    sync.Mutex
	block int // in raw, -1 for none
	raw   []byte
}

func openPacked(p *packer, stored Content, size int64) (*packedContent, error) {
	bad := func() (*packedContent, error) { return nil, fmt.Errorf("table of blocks: %w", ErrDamaged) }
	blocks := (size + packedBlock - 1) / packedBlock
	tail := 4 * (blocks + 1)
	if stored.Size() < tail {
		return bad()
	}
	t := make([]byte, tail)
	if _, err := stored.ReadAt(t, stored.Size()-tail); err != nil {
		return nil, err
	}
	if int64(binary.BigEndian.Uint32(t[tail-4:])) != blocks {
		return bad()
	}
	c := &packedContent{stored: stored, p: p, size: size, offsets: make([]int64, 1, blocks+1), block: -1}
	at := int64(0)
	for i := range blocks {
		at += int64(binary.BigEndian.Uint32(t[4*i:]))
		c.offsets = append(c.offsets, at)
	}
	if at != stored.Size()-tail {
		return bad()
	}
	return c, nil
}

func (c *packedContent) Size() int64  { return c.size }
func (c *packedContent) Close() error { return c.stored.Close() }

// ReadAt implements io.ReaderAt.
func (c *packedContent) ReadAt(b []byte, off int64) (n int, err error) {
	if off < 0 {
		return 0, fmt.Errorf("read message at %d: %w", off, io.ErrUnexpectedEOF)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for n < len(b) && off < c.size {
		if err := c.loadLocked(int(off / packedBlock)); err != nil {
			return n, err
		}
		got := copy(b[n:], c.raw[off%packedBlock:])
		n, off = n+got, off+int64(got)
	}
	if n < len(b) {
		return n, io.EOF
	}
	return n, nil
}

func (c *packedContent) loadLocked(block int) error {
	if c.block == block {
		return nil
	}
	c.block = -1
	b := make([]byte, c.offsets[block+1]-c.offsets[block])
	if _, err := c.stored.ReadAt(b, c.offsets[block]); err != nil {
		return err
	}
	raw, err := c.p.dec.DecodeAll(b, c.raw[:0])
	want := min(packedBlock, c.size-int64(block)*packedBlock)
	if err != nil || int64(len(raw)) != want {
		return fmt.Errorf("block %d of message: %w: %w", block, ErrDamaged, errOr(err, io.ErrUnexpectedEOF))
	}
	c.raw, c.block = raw, block
	return nil
}

func errOr(err, other error) error {
	if err != nil {
		return err
	}
	return other
}
