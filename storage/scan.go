package storage

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
	"time"
)

// errTorn is a place of a log that holds no whole record.
var errTorn = errors.New("torn record")

// found is a record of a segment and where it lies.
type found struct {
	rec    record
	pos    position
	head   head
	sound  bool  // its body has the right CRC
	before int64 // bytes right before it that are no record
}

func (f *found) length() int64 { return f.head.length + f.head.metaLen + f.rec.inLog() }

// end is the offset behind the record.
func (f *found) end() int64 { return f.pos.offset + f.length() }

// segmentReader reads the records of one segment, whatever state it is in.
type segmentReader struct {
	f      *os.File
	number uint32
	size   int64
	salt   [8]byte
	start  int64 // of the first record
	v1     bool
	old    bool // of a format before the present one
}

// openSegment opens a segment for a scan. Close r.f. A segment without a whole
// header is errTorn, one of a newer format ErrNewerFormat.
func openSegment(dir string, n uint32) (_ *segmentReader, err error) {
	f, err := os.Open(filepath.Join(dir, segmentName(n)))
	if err != nil {
		return nil, fmt.Errorf("scan segment: %w", err)
	}
	defer func() {
		if err != nil {
			f.Close()
		}
	}()
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("scan segment: %w", err)
	}
	r := &segmentReader{f: f, number: n, size: info.Size()}
	var h [segmentHeader + 4]byte
	got, err := f.ReadAt(h[:], 0)
	if err != nil && err != io.EOF {
		return nil, fmt.Errorf("scan segment %d: %w", n, err)
	}
	switch {
	case got >= segmentHeaderV1 && string(h[:8]) == segmentMagicV1 && (got == segmentHeaderV1 || string(h[16:20]) == recordMagicV1) && binary.BigEndian.Uint64(h[8:]) == uint64(n):
		r.start, r.v1, r.old = segmentHeaderV1, true, true
	case got >= segmentHeader && (string(h[:8]) == segmentMagic || string(h[:8]) == segmentMagicV2) && crc32.Checksum(h[:24], castagnoli) == binary.BigEndian.Uint32(h[24:]):
		if have := binary.BigEndian.Uint64(h[8:]); have != uint64(n) {
			return nil, fmt.Errorf("segment %d says it is %d: %w", n, have, errTorn)
		}
		r.start, r.salt, r.old = segmentHeader, [8]byte(h[16:]), string(h[:8]) != segmentMagic
	case string(h[:7]) == segmentMagic[:7] && h[7] > segmentMagic[7] && h[7] <= '9' && string(h[segmentHeader:]) != recordMagic && string(h[segmentHeader:]) != recordMagicV2:
		return nil, fmt.Errorf("segment %d has format %c, this program knows formats up to %d: %w", n, h[7], formatVersion, ErrNewerFormat)
	default:
		return nil, errTorn
	}
	return r, nil
}

// recoverSalt takes the salt of a segment with a damaged header from its
// records: the one that most of its bytes agree on. What somebody may have sent
// to look like a record lies within one.
func recoverSalt(dir string, n uint32) (_ *segmentReader, err error) {
	f, err := os.Open(filepath.Join(dir, segmentName(n)))
	if err != nil {
		return nil, fmt.Errorf("scan segment: %w", err)
	}
	defer func() {
		if err != nil {
			f.Close()
		}
	}()
	r := &segmentReader{f: f, number: n, start: segmentHeader}
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("scan segment: %w", err)
	}
	r.size = info.Size()
	covered := map[[8]byte]int64{}
	for at := r.start; at < r.size; {
		fd, err := r.anySalt(at)
		if errors.Is(err, errTorn) {
			break
		}
		if err != nil {
			return nil, err
		}
		covered[fd.head.salt] += fd.length()
		at = fd.end()
	}
	for salt, bytes := range covered {
		if bytes > covered[r.salt] {
			r.salt = salt
		}
	}
	if len(covered) == 0 {
		return nil, fmt.Errorf("segment %d has a damaged header: %w", n, errTorn)
	}
	return r, nil
}

// anySalt finds the next whole record at or behind a place, whatever its salt.
func (r *segmentReader) anySalt(at int64) (found, error) {
	buf := make([]byte, 256<<10)
	for at < r.size {
		n, err := r.f.ReadAt(buf, at)
		if err != nil && err != io.EOF {
			return found{}, fmt.Errorf("scan segment %d at %d: %w", r.number, at, err)
		}
		i := findRecord(buf[:n], false)
		if i < 0 || n-i < recordHeader && at+int64(n) < r.size {
			at += int64(max(min(n-recordHeader, n), 1))
			continue
		}
		if n-i >= recordHeader {
			try := *r
			try.salt = [8]byte(buf[i+32:])
			if fd, err := try.read(at + int64(i)); err == nil || !errors.Is(err, errTorn) {
				return fd, err
			}
		}
		at += int64(i) + 1
	}
	return found{}, errTorn
}

// read reads the record at offset; errTorn when there is no whole one. A body
// with a wrong CRC is not an error.
func (r *segmentReader) read(offset int64) (fd found, err error) {
	h := make([]byte, recordHeader)
	n, err := r.f.ReadAt(h, offset)
	if err != nil && err != io.EOF {
		return fd, fmt.Errorf("scan segment %d at %d: %w", r.number, offset, err)
	}
	rec, hd, err := parseHeader(h[:n])
	if err != nil || hd.salt != r.salt || hd.metaLen > r.size {
		return fd, errTorn
	}
	meta := make([]byte, min(hd.metaLen, r.size-offset))
	if int64(len(meta)) < hd.metaLen {
		return fd, errTorn
	}
	if n, err := r.f.ReadAt(meta, offset+hd.length); n < len(meta) {
		if err == io.EOF {
			return fd, errTorn
		}
		return fd, fmt.Errorf("scan segment %d at %d: %w", r.number, offset, err)
	}
	if crc32.Update(hd.sum, castagnoli, meta) != hd.crc || rec.unpack(meta) != nil || (rec.aside != 0) != (h[5]&flagAside != 0) {
		return fd, errTorn
	}
	rec.first = rec.first || r.v1
	fd = found{rec: rec, pos: position{r.number, offset}, head: hd, sound: true}
	if rec.size > r.size && rec.aside == 0 || fd.end() > r.size {
		return fd, errTorn
	}
	return fd, nil
}

// verify reads the record's body and compares its CRC.
func (r *segmentReader) verify(fd *found) error {
	if fd.rec.inLog() == 0 {
		return nil
	}
	crc, err := bodyCRC(io.NewSectionReader(r.f, fd.pos.offset+fd.head.length+fd.head.metaLen, fd.rec.size), fd.rec.size)
	if err != nil {
		return fmt.Errorf("scan segment %d at %d: %w", r.number, fd.pos.offset, err)
	}
	fd.sound = crc == fd.rec.crc
	return nil
}

// blank tells whether only zeros follow: space that was set aside.
func (r *segmentReader) blank(at int64) (bool, error) {
	buf := make([]byte, 64<<10)
	for at < r.size {
		n, err := r.f.ReadAt(buf, at)
		if err != nil && err != io.EOF {
			return false, fmt.Errorf("scan segment %d at %d: %w", r.number, at, err)
		}
		if bytes.Count(buf[:n], []byte{0}) < n {
			return false, nil
		}
		at += int64(n)
	}
	return true, nil
}

// findRecord finds where a record may begin, -1 for nowhere.
func findRecord(b []byte, v1 bool) int {
	for at := 0; ; at++ {
		i := bytes.Index(b[at:], []byte(recordMagic[:3]))
		if at += i; i < 0 || at+len(recordMagic) > len(b) {
			return -1
		}
		switch string(b[at:][:len(recordMagic)]) {
		case recordMagic, recordMagicV2:
			if !v1 {
				return at
			}
		case recordMagicV1:
			if v1 {
				return at
			}
		}
	}
}

// resync finds the next whole record behind offset with a sequence above seq;
// errTorn when there is none.
func (r *segmentReader) resync(offset int64, seq uint64) (fd found, err error) {
	buf := make([]byte, 1<<20)
	for at := offset + 1; at < r.size; {
		n, err := r.f.ReadAt(buf, at)
		if err != nil && err != io.EOF {
			return fd, fmt.Errorf("scan segment %d at %d: %w", r.number, at, err)
		}
		i := findRecord(buf[:n], r.v1)
		if i < 0 {
			at += int64(max(n-len(recordMagic)+1, 1))
			continue
		}
		fd, err := r.read(at + int64(i))
		if err == nil && fd.rec.seq > seq {
			fd.before = fd.pos.offset - offset
			return fd, nil
		}
		if err != nil && !errors.Is(err, errTorn) {
			return fd, err
		}
		at += int64(i) + 1
	}
	return fd, errTorn
}

// yieldAfter is after how many bytes of a big message its goroutine rests:
// small messages must not wait for the ten milliseconds that it may keep the
// processor, nor for those until Go looks at the network. So many bytes take
// less than a millisecond, and a rest takes at least one where nothing else is
// to do: that is as fine as Go waits for the network.
const (
	yieldAfter = 2 << 20
	rest       = 50 * time.Microsecond
)

// bodyCRC is the CRC32C of size bytes of r.
func bodyCRC(r io.ReaderAt, size int64) (uint32, error) {
	buf := make([]byte, min(size, 16<<10))
	sum := uint32(0)
	for done := int64(0); done < size; {
		b := buf[:min(int64(len(buf)), size-done)]
		n, err := r.ReadAt(b, done)
		if n < len(b) {
			return 0, errOr(err, io.ErrUnexpectedEOF)
		}
		sum = crc32.Update(sum, castagnoli, b)
		if done += int64(n); done%yieldAfter == 0 {
			time.Sleep(rest)
		}
	}
	return sum, nil
}
