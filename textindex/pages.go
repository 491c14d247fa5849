package textindex

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
)

// A file is data, the CRC32C of each page of it, and a trailer:
//
//	0 magic "MStext01"  8 length of the data  16 where the directory begins in it
//	24 CRC of the pages' CRCs  28 CRC of the trailer before
//
// The directory is the end of the data. Every page is proved when it is read.
const (
	pageSize   = 16 << 10
	trailerLen = 32
	magic      = "MStext01"
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// pageWriter writes data to a file, page by page.
type pageWriter struct {
	w    io.WriterAt
	page []byte // not full yet
	at   int64  // where it goes
	sums []byte
	err  error
}

func (p *pageWriter) offset() int64 { return p.at + int64(len(p.page)) }

func (p *pageWriter) write(b []byte) {
	for len(b) > 0 {
		n := min(len(b), pageSize-len(p.page))
		p.page, b = append(p.page, b[:n]...), b[n:]
		if len(p.page) == pageSize {
			p.flush()
		}
	}
}

func (p *pageWriter) flush() {
	if len(p.page) == 0 {
		return
	}
	p.sums = binary.BigEndian.AppendUint32(p.sums, crc32.Checksum(p.page, castagnoli))
	if p.err == nil {
		_, p.err = p.w.WriteAt(p.page, p.at)
	}
	p.at += int64(len(p.page))
	p.page = p.page[:0]
}

// finish writes the directory and what ends the file.
func (p *pageWriter) finish(dir []byte) error {
	from := p.offset()
	p.write(dir)
	p.flush()
	t := append([]byte(nil), p.sums...)
	t = append(t, magic...)
	t = binary.BigEndian.AppendUint64(t, uint64(p.at))
	t = binary.BigEndian.AppendUint64(t, uint64(from))
	t = binary.BigEndian.AppendUint32(t, crc32.Checksum(p.sums, castagnoli))
	t = binary.BigEndian.AppendUint32(t, crc32.Checksum(t[len(p.sums):], castagnoli))
	if p.err == nil {
		_, p.err = p.w.WriteAt(t, p.at)
	}
	if p.err != nil {
		return fmt.Errorf("write text index: %w", p.err)
	}
	return nil
}

// pageReader reads the data of a file. Safe for concurrent use.
type pageReader struct {
	f    io.ReaderAt
	size int64 // of the data
	sums []byte
}

// openPages reads the trailer, and the directory.
func openPages(f io.ReaderAt, size int64) (*pageReader, []byte, error) {
	if size < trailerLen {
		return nil, nil, ErrDamaged
	}
	t := make([]byte, trailerLen)
	if n, err := f.ReadAt(t, size-trailerLen); n < len(t) {
		return nil, nil, fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	r := &pageReader{f: f, size: int64(binary.BigEndian.Uint64(t[8:]))}
	dir := int64(binary.BigEndian.Uint64(t[16:]))
	if string(t[:8]) != magic || crc32.Checksum(t[:28], castagnoli) != binary.BigEndian.Uint32(t[28:]) ||
		r.size < 0 || r.size > size || dir < 0 || dir > r.size || size-trailerLen-r.size != (r.size+pageSize-1)/pageSize*4 {
		return nil, nil, ErrDamaged
	}
	r.sums = make([]byte, size-trailerLen-r.size)
	if n, err := f.ReadAt(r.sums, r.size); n < len(r.sums) {
		return nil, nil, fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	if crc32.Checksum(r.sums, castagnoli) != binary.BigEndian.Uint32(t[24:]) {
		return nil, nil, ErrDamaged
	}
	b, err := r.read(dir, r.size-dir)
	return r, b, err
}

// read gives n bytes of the data, proved.
func (r *pageReader) read(off, n int64) ([]byte, error) {
	b, from, err := r.pages(nil, off, n)
	if err != nil {
		return nil, err
	}
	return b[off-from:][:n], nil
}

// pages gives the whole pages that n bytes lie in, in buf if they fit, and where
// they begin.
func (r *pageReader) pages(buf []byte, off, n int64) (b []byte, from int64, err error) {
	if off < 0 || n < 0 || off > r.size || n > r.size-off {
		return nil, 0, ErrDamaged
	}
	from = off / pageSize * pageSize
	end := min(r.size, (off+n+pageSize-1)/pageSize*pageSize)
	if end < from {
		end = from
	}
	if b = buf; int64(cap(b)) < end-from {
		b = make([]byte, end-from)
	}
	b = b[:end-from]
	if k, err := r.f.ReadAt(b, from); k < len(b) {
		return nil, 0, fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	for i := 0; i < len(b); i += pageSize {
		want := binary.BigEndian.Uint32(r.sums[(from+int64(i))/pageSize*4:])
		if crc32.Checksum(b[i:min(len(b), i+pageSize)], castagnoli) != want {
			return nil, 0, fmt.Errorf("page at %d: %w", from+int64(i), ErrDamaged)
		}
	}
	return b, from, nil
}

// cursor reads places that mostly lie near each other. What it gives is valid
// until it is asked again.
type cursor struct {
	r    *pageReader
	b    []byte
	from int64
}

func (c *cursor) read(off, n int64) ([]byte, error) {
	if off < c.from || off+n > c.from+int64(len(c.b)) || n < 0 {
		b, from, err := c.r.pages(c.b, off, n)
		if err != nil {
			c.b = nil
			return nil, err
		}
		c.b, c.from = b, from
	}
	return c.b[off-c.from:][:n], nil
}
