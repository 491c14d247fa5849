package storage

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"hash/fnv"
	"os"
	"path/filepath"
	"sync"
	"time"

	bolt "go.etcd.io/bbolt"

	"mailstead/internal/durable"
)

// How often the index is synced: what came after the last time is in the log
// and is replayed.
const (
	syncEvery = time.Second
	syncBytes = 16 << 20 // of pages written
)

// A slot of index.meta: magic, generation (8 bytes), length of the page
// (4 bytes), the page, CRC32C of all before.
const (
	slotMagic = "MSTDMET1"
	slotHead  = 20
	slotSize  = 128 << 10 // bbolt's pages are at most 64 KiB
)

// syncPoint is a state of the index that survives a power loss. bbolt writes
// without syncing. Every second or so the file is synced, and the meta page of
// that state is written to index.meta; a read transaction keeps bbolt from
// using that state's pages again until the next one is safe. Open goes back to
// it and replays the log from there.
type syncPoint struct {
	meta durable.File
	file *os.File // index.db
	page int

	mu         sync.Mutex
	pin        *bolt.Tx
	older      []*bolt.Tx // of states before that may still be gone back to
	generation uint64
	running    sync.WaitGroup
	busy       bool

	last    time.Time // stage 2 alone
	written int64     // the same
}

// openPoint opens index.meta and gives the meta page it holds, nil for none.
func openPoint(fs durable.FS, dir string) (p *syncPoint, saved []byte, err error) {
	p = &syncPoint{page: os.Getpagesize(), last: time.Now()}
	if p.meta, err = fs.Open(filepath.Join(dir, "index.meta"), os.O_RDWR|os.O_CREATE, 0o600); err != nil {
		return nil, nil, fmt.Errorf("open index.meta: %w", err)
	}
	for i := range int64(2) {
		b := make([]byte, slotSize)
		n, _ := p.meta.ReadAt(b, i*slotSize) // what can't be read is no slot
		if g, page, ok := parseSlot(b[:n]); ok && g > p.generation {
			p.generation, saved = g, page
		}
	}
	return p, saved, nil
}

func parseSlot(b []byte) (generation uint64, page []byte, ok bool) {
	if len(b) < slotHead || string(b[:8]) != slotMagic {
		return 0, nil, false
	}
	end := slotHead + int(binary.BigEndian.Uint32(b[16:]))
	if end+4 > len(b) || crc32.Checksum(b[:end], castagnoli) != binary.BigEndian.Uint32(b[end:]) {
		return 0, nil, false
	}
	return binary.BigEndian.Uint64(b[8:]), b[slotHead:end], true
}

// boltMeta reads the transaction of a meta page of bbolt; it has the layout of
// bbolt's file format 2: a page header of 16 bytes, then magic, version, page
// size, flags (4 bytes each), root, its sequence, freelist, high water mark,
// transaction (8 each) and an FNV-1a of these.
func boltMeta(page []byte) (txid uint64, ok bool) {
	if len(page) < 80 || binary.NativeEndian.Uint32(page[16:]) != 0xED0CDAED {
		return 0, false
	}
	h := fnv.New64a()
	h.Write(page[16:72])
	return binary.NativeEndian.Uint64(page[64:]), h.Sum64() == binary.NativeEndian.Uint64(page[72:])
}

// rollBack makes index.db what it was at the sync point.
func rollBack(fs durable.FS, path string, saved []byte) error {
	f, err := fs.Open(path, os.O_RDWR, 0)
	if err != nil {
		return fmt.Errorf("open index: %w", err)
	}
	size := int64(len(saved))
	want, ok := boltMeta(saved)
	if !ok {
		return errors.Join(fmt.Errorf("index.meta: %w", errBadIndex), f.Close())
	}
	for slot := range int64(2) {
		page := make([]byte, size)
		_, _ = f.ReadAt(page, slot*size) // what can't be read is overwritten
		have, ok := boltMeta(page)
		if slot == int64(want%2) {
			page = saved
		} else if page = nil; ok && have > want {
			page = make([]byte, size)
		}
		if page == nil || ok && have == want && slot == int64(want%2) {
			continue
		}
		if _, err := f.WriteAt(page, slot*size); err != nil {
			return errors.Join(fmt.Errorf("roll index back: %w", err), f.Close())
		}
	}
	if err := f.Datasync(); err != nil {
		return errors.Join(fmt.Errorf("roll index back: %w", err), f.Close())
	}
	return f.Close()
}

// hold begins to protect the state that the index has now.
func (p *syncPoint) hold(db *bolt.DB) (err error) {
	p.page = db.Info().PageSize
	if p.pin, err = db.Begin(false); err != nil {
		return fmt.Errorf("hold index: %w", err)
	}
	return nil
}

// advance begins a new sync point when it is time; stage 2 calls it between
// transactions. The syncing itself goes on beside.
func (p *syncPoint) advance(s *Store) {
	st := s.db.Stats()
	written := st.TxStats.GetPageAlloc()
	if time.Since(p.last) < syncEvery && written-p.written < syncBytes {
		return
	}
	p.mu.Lock()
	busy := p.busy
	p.busy = true
	p.mu.Unlock()
	if busy {
		return
	}
	p.last, p.written = time.Now(), written
	pin, page, err := p.state(s.db)
	if err != nil {
		s.log.Warn("index not synced", "err", err)
		p.mu.Lock()
		p.busy = false
		p.mu.Unlock()
		return
	}
	p.running.Go(func() {
		if err := p.save(s, pin, page); errors.Is(err, ErrNoSpace) {
			s.log.Warn("index not synced", "err", err) // the last sync point holds
		} else if err != nil {
			_ = s.fail(err) // logged there
		}
		p.mu.Lock()
		p.busy = false
		p.mu.Unlock()
	})
}

// state gives the index as it is, and its meta page. No write transaction may
// run meanwhile.
func (p *syncPoint) state(db *bolt.DB) (*bolt.Tx, []byte, error) {
	pin, err := db.Begin(false)
	if err != nil {
		return nil, nil, fmt.Errorf("read index: %w", err)
	}
	page := make([]byte, p.page)
	if _, err := p.file.ReadAt(page, int64(uint64(pin.ID())%2)*int64(p.page)); err != nil {
		return nil, nil, errors.Join(fmt.Errorf("read index: %w", err), pin.Rollback())
	}
	if id, ok := boltMeta(page); !ok || id != uint64(pin.ID()) {
		return nil, nil, errors.Join(fmt.Errorf("meta page of transaction %d: %w", pin.ID(), errBadIndex), pin.Rollback())
	}
	return pin, page, nil
}

// save makes a state durable and lets the one before go.
func (p *syncPoint) save(s *Store, pin *bolt.Tx, page []byte) error {
	if err := s.fs.SyncBolt(p.file); err != nil {
		// By its text only: a full disk here is not one that room makes good.
		return errors.Join(fmt.Errorf("%w: sync index: %s", errUnsynced, err), pin.Rollback())
	}
	p.mu.Lock()
	g := p.generation + 1
	p.mu.Unlock()
	// Until it is written whole, the next try takes the same slot: the other one
	// is the last that holds.
	if err := p.put(g, page); err != nil {
		return errors.Join(noSpace(err), pin.Rollback())
	}
	// The state before may be overwritten as soon as its pin is gone: nobody
	// may go back to it.
	err := p.forget(g + 1)
	p.mu.Lock()
	old := append(p.older, p.pin)
	p.pin, p.older, p.generation = pin, nil, g
	if err != nil {
		// Either state may be gone back to, so both stay.
		p.older, old = old, nil
	}
	p.mu.Unlock()
	for _, tx := range old {
		if tx != nil {
			err = errors.Join(err, tx.Rollback())
		}
	}
	return noSpace(err)
}

// release ends the protection of all states.
func (p *syncPoint) release() (err error) {
	for _, tx := range append(p.older, p.pin) {
		if tx != nil {
			err = errors.Join(err, tx.Rollback())
		}
	}
	p.older, p.pin = nil, nil
	return err
}

// put writes the slot of a generation.
func (p *syncPoint) put(g uint64, page []byte) error {
	b := binary.BigEndian.AppendUint64([]byte(slotMagic), g)
	b = append(binary.BigEndian.AppendUint32(b, uint32(len(page))), page...)
	b = binary.BigEndian.AppendUint32(b, crc32.Checksum(b, castagnoli))
	_, err := p.meta.WriteAt(b, int64(g%2)*slotSize)
	if err == nil {
		err = p.meta.Datasync()
	}
	if err != nil {
		return fmt.Errorf("write index.meta: %w", err)
	}
	return nil
}

// forget makes the slot of a generation hold none.
func (p *syncPoint) forget(g uint64) error {
	_, err := p.meta.WriteAt(make([]byte, slotHead), int64(g%2)*slotSize)
	if err == nil {
		err = p.meta.Datasync()
	}
	if err != nil {
		return fmt.Errorf("write index.meta: %w", err)
	}
	return nil
}

// settle makes the present state the sync point and waits until it is. No
// write transaction may run meanwhile.
func (p *syncPoint) settle(s *Store) error {
	p.running.Wait()
	pin, page, err := p.state(s.db)
	if err != nil {
		return err
	}
	return p.save(s, pin, page)
}

// close settles, unless the store has failed, and lets go of everything.
func (p *syncPoint) close(s *Store) (err error) {
	p.running.Wait()
	if s.db != nil && p.pin != nil && s.failure() == nil {
		err = p.settle(s)
	}
	err = errors.Join(err, p.release())
	if p.file != nil {
		err = errors.Join(err, p.file.Close())
	}
	return errors.Join(err, p.meta.Close())
}
