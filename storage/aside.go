package storage

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
	"sync"
	"time"

	"mailstead/internal/durable"
)

// A big body does not go into a segment but into a file of its own: writing it
// holds nobody else back, and its space is free as soon as it is expunged. The
// sender writes and syncs it before the record that names it is queued.
const (
	asideDir = "big"
	// asideMin is the size in bytes from which on a body is big.
	asideMin = 1 << 20
	// asideHead is the header of such a file: magic, number and size (8 bytes
	// each), CRC32C of the body and of the header so far (4 each).
	asideMagic = "MSTDBIG1"
	asideHead  = 32
	// asideFlush is how much is handed to the disk at a time: a sync of the log
	// must not have to wait for 50 MB of somebody else's.
	asideFlush = 2 << 20
)

// asideName is the file of a body below the log's directory.
func asideName(n uint64) string { return filepath.Join(asideDir, fmt.Sprintf("%010d.msg", n)) }

// asideFiles lists the numbers of the files of big bodies.
func asideFiles(dir string) ([]uint64, error) {
	list, err := numbered(filepath.Join(dir, asideDir), ".msg", 64)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	return list, err
}

// writeAside stores a body in a file of its own, durably, and gives the file's
// number.
func (s *Store) writeAside(body io.ReaderAt, size int64, crc uint32) (n uint64, err error) {
	n = s.aside.Add(1)
	path := filepath.Join(s.seg.dir, asideName(n))
	f, err := s.fs.Open(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return 0, noSpace(fmt.Errorf("store big message: %w", err))
	}
	defer func() {
		if cerr := f.Close(); err == nil {
			err = cerr
		}
		if err != nil {
			_ = s.fs.Remove(path) // nothing refers to it; the next start tries again
			err = noSpace(fmt.Errorf("store big message: %w", err))
		}
	}()
	h := binary.BigEndian.AppendUint64([]byte(asideMagic), n)
	h = binary.BigEndian.AppendUint64(h, uint64(size))
	h = binary.BigEndian.AppendUint32(h, crc)
	h = binary.BigEndian.AppendUint32(h, crc32.Checksum(h, castagnoli))
	if _, err := f.WriteAt(h, 0); err != nil {
		return 0, err
	}
	if err := copyAside(f, body, size); err != nil {
		return 0, err
	}
	if err := f.Datasync(); err != nil {
		return 0, err
	}
	return n, s.fs.SyncDir(filepath.Dir(path))
}

// copyAside writes a body behind the header.
func copyAside(f durable.File, body io.ReaderAt, size int64) error {
	flusher, _ := f.(interface{ Flush(off, n int64) error })
	buf := make([]byte, copyChunk)
	flushed := int64(0)
	for done := int64(0); done < size; {
		b := buf[:min(size-done, copyChunk)]
		if got, err := body.ReadAt(b, done); got < len(b) {
			return errors.Join(err, io.ErrUnexpectedEOF)
		}
		if _, err := f.WriteAt(b, asideHead+done); err != nil {
			return err
		}
		done += int64(len(b))
		if flusher != nil && done-flushed >= asideFlush {
			if err := flusher.Flush(asideHead+flushed, done-flushed); err != nil {
				return err
			}
			flushed = done
		}
		time.Sleep(rest)
	}
	return nil
}

// removeAside removes the files of bodies that nothing needs any more; what a
// backup is copying goes later.
func (s *Store) removeAside(list []uint64) {
	for _, n := range list {
		name := asideName(n)
		if s.pins.defers(name) {
			continue
		}
		s.seg.forget(name)
		if err := s.fs.Remove(filepath.Join(s.seg.dir, name)); err != nil && !errors.Is(err, os.ErrNotExist) {
			s.log.Warn("file not removed", "name", name, "err", err)
		}
	}
}

// pins keep files of the log from being removed while they are copied.
type pins struct {
	mu    sync.Mutex
	held  int
	later []string
}

func (p *pins) hold() {
	p.mu.Lock()
	p.held++
	p.mu.Unlock()
}

// defers tells that the file must stay for now.
func (p *pins) defers(name string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.held > 0 {
		p.later = append(p.later, name)
	}
	return p.held > 0
}

// release ends a hold and gives the files to remove now.
func (p *pins) release() (names []string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.held--; p.held == 0 {
		names, p.later = p.later, nil
	}
	return names
}
