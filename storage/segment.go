package storage

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"

	"golang.org/x/sys/unix"

	"mailstead/internal/durable"
)

// A segment begins with segmentMagic and its number; records follow.
const (
	segmentMagic  = "MSTDSEG1"
	segmentHeader = 16
	// maxOpenSegments bounds the files kept open for reading.
	maxOpenSegments = 64
	copyChunk       = 256 << 10
)

// position is a place in the log.
type position struct {
	segment uint32
	offset  int64
}

// segmentLog is the append-only log in the directory mail. write and sync are
// called by one goroutine; reads by any.
type segmentLog struct {
	dir  string
	size int64 // where a segment is sealed

	file *os.File // the segment written to
	at   position // where the next record goes

	mu   sync.Mutex
	open map[uint32]*os.File
	age  []uint32 // open segments, the longest unused first
}

func segmentName(n uint32) string { return fmt.Sprintf("%06d.seg", n) }

// segments lists the numbers of the segments in dir, ascending.
func segments(dir string) ([]uint32, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("list segments: %w", err)
	}
	var list []uint32
	for _, e := range entries {
		num, ok := strings.CutSuffix(e.Name(), ".seg")
		if n, err := strconv.ParseUint(num, 10, 32); ok && err == nil {
			list = append(list, uint32(n))
		}
	}
	slices.Sort(list)
	return list, nil
}

// begin makes a new segment the one written to.
func (l *segmentLog) begin(n uint32) error {
	path := filepath.Join(l.dir, segmentName(n))
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return fmt.Errorf("begin segment: %w", err)
	}
	h := binary.BigEndian.AppendUint64([]byte(segmentMagic), uint64(n))
	if _, err := f.Write(h); err != nil {
		f.Close()
		return fmt.Errorf("begin segment %q: %w", path, err)
	}
	if err := f.Sync(); err != nil {
		f.Close()
		return fmt.Errorf("begin segment %q: %w", path, err)
	}
	if err := durable.SyncDir(l.dir); err != nil {
		f.Close()
		return err
	}
	if l.file != nil {
		if err := l.file.Close(); err != nil {
			f.Close()
			return fmt.Errorf("seal segment: %w", err)
		}
	}
	l.file, l.at = f, position{n, segmentHeader}
	return nil
}

// resume goes on writing at the end of segment n, cutting what lies after end.
func (l *segmentLog) resume(n uint32, end int64) error {
	f, err := os.OpenFile(filepath.Join(l.dir, segmentName(n)), os.O_RDWR, 0)
	if err != nil {
		return fmt.Errorf("open segment: %w", err)
	}
	info, err := f.Stat()
	if err == nil && info.Size() > end {
		if err = f.Truncate(end); err == nil {
			err = f.Sync()
		}
	}
	if err != nil {
		f.Close()
		return fmt.Errorf("cut segment %q: %w", f.Name(), err)
	}
	l.file, l.at = f, position{n, end}
	return nil
}

// item is a record with its body on the way to the log.
type item struct {
	rec  record
	meta []byte
	body io.ReaderAt
	pos  position // where it was written
}

func (it *item) length() int64 { return recordHeader + int64(len(it.meta)) + it.rec.size }

// write appends items and syncs. Small records go out in one write, big bodies
// are streamed behind it. After an error the log must not be written again.
func (l *segmentLog) write(items []*item, buf []byte) ([]byte, error) {
	buf = buf[:0]
	off := l.at.offset
	flush := func() error {
		n, err := l.file.WriteAt(buf, off)
		off += int64(n)
		buf = buf[:0]
		return err
	}
	for _, it := range items {
		it.pos = l.at
		buf = append(buf, it.rec.header(it.meta)...)
		buf = append(buf, it.meta...)
		for done := int64(0); done < it.rec.size; {
			if len(buf) >= 4<<20 {
				if err := flush(); err != nil {
					return buf, fmt.Errorf("write segment: %w", err)
				}
			}
			n := min(it.rec.size-done, copyChunk)
			buf = slices.Grow(buf, int(n))
			got, err := it.body.ReadAt(buf[len(buf):len(buf)+int(n)], done)
			if int64(got) < n {
				return buf, fmt.Errorf("read message to store: %w", errors.Join(err, io.ErrUnexpectedEOF))
			}
			buf, done = buf[:len(buf)+got], done+n
		}
		l.at.offset += it.length()
	}
	if err := flush(); err != nil {
		return buf, fmt.Errorf("write segment: %w", err)
	}
	if err := unix.Fdatasync(int(l.file.Fd())); err != nil {
		return buf, fmt.Errorf("sync segment: %w", err)
	}
	if l.at.offset >= l.size {
		return buf, l.begin(l.at.segment + 1)
	}
	return buf, nil
}

// reader gives a file to read segment n with. The file may be closed by the
// cache later; ReadAt then fails with os.ErrClosed and the caller asks again.
func (l *segmentLog) reader(n uint32) (*os.File, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if f := l.open[n]; f != nil {
		i := slices.Index(l.age, n)
		l.age = append(slices.Delete(l.age, i, i+1), n)
		return f, nil
	}
	f, err := os.Open(filepath.Join(l.dir, segmentName(n)))
	if err != nil {
		return nil, fmt.Errorf("open segment: %w", err)
	}
	if len(l.age) >= maxOpenSegments {
		_ = l.open[l.age[0]].Close() // only read from
		delete(l.open, l.age[0])
		l.age = slices.Delete(l.age, 0, 1)
	}
	l.open[n] = f
	l.age = append(l.age, n)
	return f, nil
}

// readAt reads all of b at a place of the log.
func (l *segmentLog) readAt(b []byte, p position) error {
	for {
		f, err := l.reader(p.segment)
		if err != nil {
			return err
		}
		_, err = f.ReadAt(b, p.offset)
		if errors.Is(err, os.ErrClosed) {
			continue
		}
		if err != nil {
			return fmt.Errorf("read segment %d at %d: %w", p.segment, p.offset, err)
		}
		return nil
	}
}

func (l *segmentLog) close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, f := range l.open {
		_ = f.Close() // only read from
	}
	l.open, l.age = map[uint32]*os.File{}, nil
	if l.file == nil {
		return nil
	}
	return l.file.Close()
}
