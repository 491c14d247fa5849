package storage

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"

	"mailstead/internal/durable"
)

// A segment begins with segmentMagic, its number, its salt and a CRC; records
// follow. Format 2 differs in its magic alone, format 1 had "MSTDSEG1" and the
// number only.
const (
	segmentMagic    = "MSTDSEG3"
	segmentMagicV2  = "MSTDSEG2"
	segmentHeader   = 32
	segmentMagicV1  = "MSTDSEG1"
	segmentHeaderV1 = 16
	// maxOpenSegments bounds the files kept open for reading.
	maxOpenSegments = 64
	// allocateAhead is how much disk space is set aside at once behind the end
	// of the log, where the file system can: a sync that makes the file no
	// longer takes half the time. Zeros behind the last record are nothing.
	allocateAhead = 4 << 20
	copyChunk     = 256 << 10
)

// position is a place in the log.
type position struct {
	segment uint32
	offset  int64
}

// segmentLog is the append-only log in the directory mail. begin, resume and
// write are called by one goroutine; reads by any.
type segmentLog struct {
	fs   durable.FS
	dir  string
	size int64 // where a segment is sealed

	file      durable.File // the segment written to
	salt      [8]byte
	at        position // where the next record goes
	allocated int64    // length of the file, when it is longer than the log

	mu   sync.Mutex
	open map[string]*openFile
	age  []*openFile // the longest unused first
}

func newSegmentLog(fs durable.FS, dir string, size int64) *segmentLog {
	return &segmentLog{fs: fs, dir: dir, size: size, open: map[string]*openFile{}}
}

func segmentName(n uint32) string { return fmt.Sprintf("%06d.seg", n) }

// segments lists the numbers of the segments in dir, ascending.
func segments(dir string) ([]uint32, error) {
	list, err := numbered(dir, ".seg", 32)
	out := make([]uint32, len(list))
	for i, n := range list {
		out[i] = uint32(n)
	}
	return out, err
}

// numbered lists the numbers of the files in dir that are named for one of at
// most so many bits, ascending.
func numbered(dir, suffix string, bits int) (list []uint64, err error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("list files: %w", err)
	}
	for _, e := range entries {
		num, ok := strings.CutSuffix(e.Name(), suffix)
		if n, err := strconv.ParseUint(num, 10, bits); ok && err == nil {
			list = append(list, n)
		}
	}
	slices.Sort(list)
	return list, nil
}

// begin makes a new segment the one written to.
func (l *segmentLog) begin(n uint32) (err error) {
	path := filepath.Join(l.dir, segmentName(n))
	f, err := l.fs.Open(path, os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return fmt.Errorf("begin segment: %w", err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(fmt.Errorf("begin segment %q: %w", path, err), f.Close())
			// With it there the one before would count as finished.
			if rerr := errors.Join(l.fs.Remove(path), l.fs.SyncDir(l.dir)); rerr != nil {
				err = fmt.Errorf("%w: %w: %w", errUnsynced, err, rerr)
			}
		}
	}()
	var salt [8]byte
	_, _ = rand.Read(salt[:]) // never fails
	h := binary.BigEndian.AppendUint64([]byte(segmentMagic), uint64(n))
	h = append(h, salt[:]...)
	h = binary.BigEndian.AppendUint32(h, crc32.Checksum(h, castagnoli))
	if _, err := f.WriteAt(append(h, 0, 0, 0, 0), 0); err != nil {
		return err
	}
	if err := f.Datasync(); err != nil {
		return err
	}
	if err := l.fs.SyncDir(l.dir); err != nil {
		return err
	}
	if l.file != nil {
		if err := l.seal(); err != nil {
			return fmt.Errorf("%w: seal segment: %w", errUnsynced, err)
		}
	}
	l.file, l.salt, l.at, l.allocated = f, salt, position{n, segmentHeader}, 0
	return nil
}

// seal gives back what was allocated for nothing and closes the segment.
func (l *segmentLog) seal() error {
	if l.allocated > l.at.offset {
		if err := l.file.Truncate(l.at.offset); err != nil {
			return err
		}
	}
	return l.file.Close()
}

// allocate has disk space ready for n bytes more.
func (l *segmentLog) allocate(n int64) {
	a, ok := l.file.(interface{ Allocate(size int64) error })
	if !ok || l.at.offset+n <= l.allocated {
		return
	}
	size := l.at.offset + n + allocateAhead
	if l.size < allocateAhead || a.Allocate(size) != nil {
		return // without it all works as well, more slowly
	}
	l.allocated = size
}

// resume goes on writing at the end of segment n, cutting what lies after end.
func (l *segmentLog) resume(n uint32, end int64, salt [8]byte) error {
	f, err := l.fs.Open(filepath.Join(l.dir, segmentName(n)), os.O_RDWR, 0)
	if err != nil {
		return fmt.Errorf("open segment: %w", err)
	}
	size, err := f.Size()
	if err == nil && size > end {
		if err = f.Truncate(end); err == nil {
			err = f.Datasync()
		}
	}
	if err != nil {
		return errors.Join(fmt.Errorf("cut segment %d: %w", n, err), f.Close())
	}
	l.file, l.salt, l.at, l.allocated = f, salt, position{n, end}, 0
	return nil
}

// renew makes what another process has left in segment n, from a place on, as
// durable as what this one writes. It is written again: where a sync of that
// process failed, one of ours would succeed and prove nothing.
func (l *segmentLog) renew(n uint32, from int64) (err error) {
	f, err := l.fs.Open(filepath.Join(l.dir, segmentName(n)), os.O_RDWR, 0)
	if err != nil {
		return fmt.Errorf("open segment: %w", err)
	}
	defer func() {
		if cerr := f.Close(); err == nil {
			err = cerr
		}
		if err != nil {
			err = fmt.Errorf("renew segment %d: %w", n, err)
		}
	}()
	size, err := f.Size()
	if err != nil {
		return err
	}
	if err := copyOnto(f, 0, min(size, segmentHeader)); err != nil {
		return err
	}
	if err := copyOnto(f, from, size); err != nil {
		return err
	}
	if err := f.Datasync(); err != nil {
		return err
	}
	return l.fs.SyncDir(l.dir)
}

// copyOnto writes bytes of a file again.
func copyOnto(f durable.File, from, to int64) error {
	buf := make([]byte, max(min(to-from, copyChunk), 0))
	for at := from; at < to; at += int64(len(buf)) {
		buf = buf[:min(to-at, int64(len(buf)))]
		if n, err := f.ReadAt(buf, at); n < len(buf) {
			return err
		}
		if _, err := f.WriteAt(buf, at); err != nil {
			return err
		}
	}
	return nil
}

// item is a record with its body on the way to the log.
type item struct {
	rec  record
	meta []byte
	body io.ReaderAt
	pos  position // where it was written
	head int64    // length of its header there
}

func (it *item) length() int64 { return it.head + int64(len(it.meta)) + it.rec.inLog() }

// write appends items; they are durable after sync. Small records go out in one
// write, bodies are streamed behind it. After errUnsynced the log must not be
// written again; after any other error the log is as it was before.
func (l *segmentLog) write(items []*item, buf []byte) ([]byte, error) {
	start := l.at
	total := int64(0)
	for _, it := range items {
		total += recordHeader + int64(len(it.meta)) + it.rec.inLog()
	}
	l.allocate(total)
	buf, err := l.put(items, buf[:0])
	if err != nil {
		l.at, l.allocated = start, 0
		terr := l.file.Truncate(start.offset)
		if terr == nil {
			terr = l.file.Datasync() // what was refused must not be there after a power loss
		}
		if terr != nil {
			return buf, fmt.Errorf("%w: %w: cut the log back: %w", errUnsynced, err, terr)
		}
		return buf, err
	}
	return buf, nil
}

// sync makes what was written durable. Its only error is errUnsynced.
func (l *segmentLog) sync() error {
	if err := l.file.Datasync(); err != nil {
		// By its text only: a full disk here is not one that room makes good.
		return fmt.Errorf("%w: sync segment: %s", errUnsynced, err)
	}
	return nil
}

// errUnreadable is a message whose sender's copy of it can't be read.
var errUnreadable = errors.New("message to store not readable")

// errUnsynced is a failure after which nobody knows what the disk holds.
var errUnsynced = errors.New("log not written")

// put writes items behind the log's end.
func (l *segmentLog) put(items []*item, buf []byte) ([]byte, error) {
	off := l.at.offset
	flush := func() error {
		n, err := l.file.WriteAt(buf, off)
		off += int64(n)
		buf = buf[:0]
		if err != nil {
			return fmt.Errorf("write segment: %w", err)
		}
		return nil
	}
	for _, it := range items {
		it.pos, it.head = l.at, recordHeader
		buf = append(buf, it.rec.header(it.meta, l.salt)...)
		buf = append(buf, it.meta...)
		for done := int64(0); done < it.rec.inLog(); {
			if len(buf) >= 4<<20 {
				if err := flush(); err != nil {
					return buf, err
				}
			}
			n := min(it.rec.size-done, copyChunk)
			buf = slices.Grow(buf, int(n))
			got, err := it.body.ReadAt(buf[len(buf):len(buf)+int(n)], done)
			if int64(got) < n {
				return buf, fmt.Errorf("%w: %w", errUnreadable, errors.Join(err, io.ErrUnexpectedEOF))
			}
			buf, done = buf[:len(buf)+got], done+n
		}
		l.at.offset += it.length()
	}
	return buf, flush()
}

// full tells that the segment is to be sealed and the next one begun.
func (l *segmentLog) full() bool { return l.at.offset >= l.size }

// openFile is a file open for reading, shared by its readers.
type openFile struct {
	durable.File
	path  string
	users int
	gone  bool // out of the cache: the last user closes it
}

// acquire gives a file of the directory to read from; hand it to release.
func (l *segmentLog) acquire(name string) (*openFile, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	f := l.open[name]
	if f == nil {
		file, err := l.fs.Open(filepath.Join(l.dir, name), os.O_RDONLY, 0)
		if err != nil {
			return nil, fmt.Errorf("open %q: %w", name, err)
		}
		if len(l.age) >= maxOpenSegments {
			l.dropLocked(l.age[0])
		}
		f = &openFile{File: file, path: name}
		l.open[name] = f
	} else if i := slices.Index(l.age, f); i >= 0 {
		l.age = slices.Delete(l.age, i, i+1)
	}
	l.age = append(l.age, f)
	f.users++
	return f, nil
}

func (l *segmentLog) release(f *openFile) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if f.users--; f.users == 0 && f.gone {
		_ = f.Close() // only read from
	}
}

// dropLocked takes a file out of the cache.
func (l *segmentLog) dropLocked(f *openFile) {
	delete(l.open, f.path)
	l.age = slices.DeleteFunc(l.age, func(o *openFile) bool { return o == f })
	if f.gone = true; f.users == 0 {
		_ = f.Close() // only read from
	}
}

// forget closes a file that will be removed.
func (l *segmentLog) forget(name string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if f := l.open[name]; f != nil {
		l.dropLocked(f)
	}
}

func (l *segmentLog) close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, f := range slices.Clone(l.age) {
		l.dropLocked(f)
	}
	if l.file == nil {
		return nil
	}
	return l.seal()
}
