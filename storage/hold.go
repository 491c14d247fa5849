package storage

import (
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"mailstead/mail"
)

// CheckpointFile is where Hold writes the index; it is read back later.
type CheckpointFile interface {
	io.ReaderAt
	io.WriterAt
}

// Held is the store at one moment, for a backup: a checkpoint and the files of
// the log that it needs, which stay until Release. For one goroutine.
type Held struct {
	Sequence  uint64     // of the checkpoint; its file is named by it
	Files     []HeldFile // segments first, ascending
	Accounts  []HeldAccount
	Mailboxes int64
	Messages  int64
	Bodies    int64 // copies of a message share one

	store     *Store
	file      CheckpointFile
	ctx       context.Context
	cancel    context.CancelFunc
	release   sync.Once
	watermark position
	live      map[uint32]int64 // bytes of a segment that somebody has
	bodies    map[uint32]int   // in a segment
	asides    map[string]aside
	window    map[uint32][]placed // what Prove knows at the moment
}

// HeldFile is a file of the log.
type HeldFile struct {
	Name string // like mail/000001.seg, below the store's directory
	Path string
	// Size is how much of it belongs to the held state, in bytes; -1 for a file
	// that is missing.
	Size int64
	// Identity tells it from other files of the same name, as far as that is
	// known without reading it all. Of two files with the same, one may be the
	// beginning of the other.
	Identity string
	Sealed   bool // it will never grow
}

// HeldAccount is an account in a held state.
type HeldAccount struct {
	ID       mail.AccountID
	Name     string // as given to CreateAccount
	Messages int64
	Bytes    int64
}

// placed is a body and where it lies.
type placed struct {
	id  BlobID
	loc locRow
}

// aside is a body that has a file of its own.
type aside = placed

// Hold writes the index as it is now into f and keeps every file it needs from
// being removed, until Release. It holds a transaction only while f is written.
func (s *Store) Hold(ctx context.Context, f CheckpointFile) (_ *Held, err error) {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return nil, ErrClosed
	}
	s.care.Add(1) // until Release
	s.mu.Unlock()
	s.pins.hold()
	h := &Held{store: s, file: f, live: map[uint32]int64{}, bodies: map[uint32]int{}, asides: map[string]aside{}}
	h.ctx, h.cancel = context.WithCancel(ctx)
	s.care.Go(func() {
		select {
		case <-s.stop:
			h.cancel()
		case <-h.ctx.Done():
		}
	})
	defer func() {
		if err != nil {
			h.Release()
		}
	}()
	s.whole.Lock()
	err = s.view(func(x index) (err error) {
		h.Sequence, err = writeCheckpoint(h.ctx, x, f)
		return err
	})
	s.whole.Unlock()
	if err != nil {
		return nil, noSpace(fmt.Errorf("write checkpoint: %w", err))
	}
	return h, nil
}

// Context ends when the store closes, or the context of Hold ends.
func (h *Held) Context() context.Context { return h.ctx }

// Release lets the files go. What was to be removed meanwhile is removed.
func (h *Held) Release() {
	h.release.Do(func() {
		h.cancel()
		s := h.store
		for _, name := range s.pins.release() {
			s.seg.forget(name)
			if err := s.fs.Remove(filepath.Join(s.seg.dir, name)); err != nil && !errors.Is(err, os.ErrNotExist) {
				s.log.Warn("file not removed", "name", name, "err", err)
			}
		}
		s.care.Done()
	})
}

// List reads the checkpoint back, which proves it, and fills in the fields from
// Files on. Call it once, before them or Prove.
func (h *Held) List() error {
	at, err := readCheckpointHead(h.reader(), h.Sequence)
	if err != nil {
		return err
	}
	h.watermark = at
	var bad error
	_, err = readCheckpointRows(h.reader(), h.Sequence, func(rows []checkpointRow) error {
		for _, r := range rows {
			if err := h.note(r); err != nil && bad == nil {
				bad = err
			}
		}
		return h.ctx.Err()
	})
	if err = cmp.Or(err, bad); err != nil {
		return fmt.Errorf("prove checkpoint: %w", err)
	}
	h.live[at.segment]++ // its end is where the log goes on
	for n, live := range h.live {
		if live > 0 || h.bodies[n] > 0 {
			h.Files = append(h.Files, h.segmentFile(n))
		}
	}
	for name, a := range h.asides {
		f := HeldFile{Name: "mail/" + name, Path: filepath.Join(h.store.seg.dir, name), Size: asideHead + a.loc.size, Sealed: true,
			Identity: fmt.Sprintf("body %d, crc %08x", a.id, a.loc.crc)}
		if _, err := os.Stat(f.Path); err != nil {
			f.Size = -1
		}
		h.Files = append(h.Files, f)
	}
	slices.SortFunc(h.Files, func(a, b HeldFile) int {
		return cmp.Or(cmp.Compare(len(a.Name), len(b.Name)), cmp.Compare(a.Name, b.Name)) // segments first
	})
	return nil
}

func (h *Held) reader() io.Reader { return io.NewSectionReader(h.file, 0, math.MaxInt64) }

// note adds a row of the checkpoint to what is known.
func (h *Held) note(r checkpointRow) error {
	switch r.bucket {
	case bucketSeg:
		d := rowReader{b: r.v}
		_, live := d.int(), d.int()
		h.live[be32(r.k)] += live
	case bucketMbox:
		h.Mailboxes++
	case bucketAcct:
		id := mail.AccountID(be32(r.k))
		a, err := decodeAccount(id, r.v)
		if err != nil {
			return err
		}
		h.Messages += a.count
		h.Accounts = append(h.Accounts, HeldAccount{id, a.name, a.count, a.bytes})
	case bucketLoc:
		p, err := decodePlaced(r)
		if err != nil {
			return err
		}
		h.Bodies++
		if p.loc.aside != 0 {
			h.asides[asideName(p.loc.aside)] = p
			break
		}
		h.bodies[p.loc.pos.segment]++
		h.live[p.loc.pos.segment] += 0
	}
	return nil
}

func decodePlaced(r checkpointRow) (placed, error) {
	id := BlobID(binary.BigEndian.Uint64(r.k))
	l, ok := decodeLoc(r.v)
	if !ok {
		return placed{}, fmt.Errorf("place of body %d: %w", id, errBadRow)
	}
	return placed{id, l}, nil
}

// segmentFile describes a segment. The one written to belongs to the state up
// to the watermark.
func (h *Held) segmentFile(n uint32) HeldFile {
	f := HeldFile{Name: "mail/" + segmentName(n), Path: filepath.Join(h.store.seg.dir, segmentName(n)), Size: -1, Sealed: n != h.watermark.segment}
	file, err := os.Open(f.Path)
	if err != nil {
		return f
	}
	defer file.Close()
	head := make([]byte, segmentHeader)
	got, _ := file.ReadAt(head, 0) // what can't be read shows when it is copied
	if bytes.HasPrefix(head, []byte(segmentMagicV1)) {
		got = segmentHeaderV1
	}
	f.Identity = fmt.Sprintf("segment %x", head[:got])
	if info, err := file.Stat(); err == nil {
		f.Size = info.Size()
	}
	if !f.Sealed {
		f.Size = min(f.Size, h.watermark.offset)
	}
	return f
}
