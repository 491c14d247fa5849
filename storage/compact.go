package storage

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	bolt "go.etcd.io/bbolt"
)

// CompactOptions of Compact. The zero value gives back what is worth it, at
// full speed.
type CompactOptions struct {
	// All gives back every dead byte, not only those of segments that are half
	// dead: what was purged is then nowhere on the disk but in checkpoints and
	// backups made before.
	All bool
	// Rate bounds what is copied, in bytes a second; 0 is no bound.
	Rate int64
	// Progress is called now and then with bytes looked through; may be nil.
	Progress func(done, total int64)
}

// CompactResult is what a compaction came to.
type CompactResult struct {
	Segments int   // removed
	Moved    int64 // bytes copied
	Freed    int64 // bytes of files removed, less those copied
	Index    int64 // bytes that index.db became smaller
	Kept     int   // segments that are left although dead: a message in them is damaged
}

// Free pages of index.db are given back when they are half of it, and this
// many bytes at least.
const indexSlack = 64 << 20

// Compact gives dead space back to the disk: of segments whose messages are
// gone the rest is copied to the end of the log, and they are removed. It goes
// on beside all else; ctx ends it at any point. A crash meanwhile loses nothing
// but the work.
func (s *Store) Compact(ctx context.Context, o CompactOptions) (res CompactResult, err error) {
	s.housekeeping.Lock()
	defer s.housekeeping.Unlock()
	if o.All {
		if err := s.control(ctx, &request{seal: true}); err != nil {
			return res, err
		}
	}
	list, total, err := s.deadSegments(o.All)
	if err != nil {
		return res, err
	}
	c := compaction{s: s, o: o, res: &res, started: time.Now()}
	var dead []uint32
	done := int64(0)
	for _, seg := range list {
		if o.Progress != nil {
			o.Progress(done, total)
		}
		whole, err := c.move(ctx, seg.number)
		if err != nil {
			return res, fmt.Errorf("compact segment %d: %w", seg.number, err)
		}
		if done += seg.bytes; whole {
			dead = append(dead, seg.number)
		} else {
			res.Kept++
		}
	}
	if len(dead) > 0 {
		if err := s.removeSegments(ctx, dead, &res); err != nil {
			return res, err
		}
	}
	return res, s.compactIndex(ctx, o.All, &res)
}

// segmentUse is a row of bucket seg.
type segmentUse struct {
	number      uint32
	bytes, live int64
}

func decodeUse(k, v []byte) segmentUse {
	d := rowReader{b: v}
	return segmentUse{number: be32(k), bytes: d.int(), live: d.int()}
}

// worth tells whether a segment is sealed and half dead at least.
func (u segmentUse) worth(at position) bool { return u.number < at.segment && u.live <= u.bytes/2 }

// deadSegments lists the sealed segments that are worth compacting.
func (s *Store) deadSegments(all bool) (list []segmentUse, total int64, err error) {
	err = s.view(func(x index) error {
		at, _, _ := x.watermark()
		for k, v := range x.scan(bucketSeg, nil) {
			u := decodeUse(k, v)
			if u.worth(at) || all && u.number < at.segment && u.live < u.bytes {
				list = append(list, u)
				total += u.bytes
			}
		}
		return nil
	})
	return list, total, err
}

// compaction is one run of Compact.
type compaction struct {
	s       *Store
	o       CompactOptions
	res     *CompactResult
	started time.Time
}

// Limits of what is moved with one sync.
const (
	moveRecords = 64
	moveBytes   = 4 << 20
)

// move copies the live messages of a segment to the end of the log. whole
// tells that none is left behind.
func (c *compaction) move(ctx context.Context, n uint32) (whole bool, err error) {
	r, err := openSegment(c.s.seg.dir, n)
	if errors.Is(err, errTorn) {
		r, err = recoverSalt(c.s.seg.dir, n)
	}
	if errors.Is(err, os.ErrNotExist) {
		return true, nil
	}
	if errors.Is(err, errTorn) {
		return false, nil // it stays as it is
	}
	if err != nil {
		return false, err
	}
	defer r.f.Close()
	req, bytes, whole := &request{}, int64(0), true
	for at := r.start; at < r.size; {
		fd, err := r.read(at)
		if errors.Is(err, errTorn) {
			// What is damaged is passed over; what is live of it keeps the segment.
			fd, err = r.resync(at, 0)
		}
		if errors.Is(err, errTorn) {
			break
		}
		if err != nil {
			return false, err
		}
		at = fd.end()
		it, err := c.relocate(r, &fd)
		if err != nil {
			return false, err
		}
		if it == nil {
			whole = whole && fd.sound
			continue
		}
		req.items = append(req.items, it)
		if bytes += fd.length(); len(req.items) >= moveRecords || bytes >= moveBytes {
			if err := c.flush(ctx, req, bytes); err != nil {
				return false, err
			}
			req, bytes = &request{}, 0
		}
	}
	if err := c.flush(ctx, req, bytes); err != nil {
		return false, err
	}
	live := int64(0)
	err = c.s.view(func(x index) error {
		d := rowReader{b: x.get(bucketSeg, segmentKey(n))}
		_, live = d.int(), d.int()
		return nil
	})
	return whole && live == 0, err
}

// relocate makes the record that moves a message, nil for one that is dead or
// damaged; fd.sound tells the latter.
func (c *compaction) relocate(r *segmentReader, fd *found) (*item, error) {
	if fd.rec.kind != kindMessage && fd.rec.kind != kindRelocate {
		return nil, nil
	}
	rec := fd.rec
	if rec.kind == kindMessage {
		rec.blob = BlobID(rec.seq)
	}
	live := false
	err := c.s.view(func(x index) error {
		if x.has(bucketLoc, blobKey(rec.blob)) {
			l, ok := x.loc(rec.blob)
			if live = ok && l.pos == fd.pos; !ok {
				return fmt.Errorf("place of body %d: %w", rec.blob, errBadRow)
			}
		}
		return nil
	})
	if err != nil || !live {
		return nil, err
	}
	if err := r.verify(fd); err != nil || !fd.sound {
		return nil, err
	}
	rec.kind, rec.from = kindRelocate, fd.pos
	rec.continued = false
	at := fd.pos.offset + fd.head.length + fd.head.metaLen
	return &item{rec: rec, meta: rec.pack(), body: io.NewSectionReader(r.f, at, rec.inLog())}, nil
}

// flush commits what is gathered and keeps to the rate.
func (c *compaction) flush(ctx context.Context, req *request, bytes int64) error {
	if len(req.items) == 0 {
		return ctx.Err()
	}
	if err := c.s.room(bytes); err != nil {
		return err
	}
	if _, err := c.s.commit(ctx, req); err != nil {
		return err
	}
	c.res.Moved += bytes
	if c.o.Rate <= 0 {
		return ctx.Err()
	}
	due := time.Duration(float64(c.res.Moved) / float64(c.o.Rate) * float64(time.Second))
	select {
	case <-time.After(due - time.Since(c.started)):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-c.s.stop:
		return ErrClosed
	}
}

// applyRelocate notes a message's new place, if it still lies at the old one.
func (x index) applyRelocate(it *item) (outcome, error) {
	r := &it.rec
	now := r.loc(it.pos, it.head+int64(len(it.meta)))
	if !x.has(bucketLoc, blobKey(r.blob)) {
		if !r.revive {
			return outcome{}, nil
		}
		again := *it
		again.rec.kind, again.rec.seq = kindMessage, uint64(r.blob)
		return x.applyMessage(&again)
	}
	l, ok := x.loc(r.blob)
	if !ok || l.pos != r.from {
		return outcome{}, nil
	}
	if err := x.grow(l.pos.segment, 0, -l.length()); err != nil {
		return outcome{}, err
	}
	now.holders = l.holders
	if err := x.putLoc(r.blob, now); err != nil {
		return outcome{}, err
	}
	return outcome{}, x.grow(now.pos.segment, 0, now.length())
}

// removeSegments removes segments that hold nothing live. A checkpoint is
// written first and read back: from now on a lost index begins with it.
func (s *Store) removeSegments(ctx context.Context, dead []uint32, res *CompactResult) error {
	if err := s.checkpoint(ctx); err != nil {
		return err
	}
	list, err := checkpoints(s.seg.dir)
	if err != nil {
		return err
	}
	if _, err := s.readCheckpoint(list[0], func([]checkpointRow) error { return ctx.Err() }); err != nil {
		return fmt.Errorf("prove checkpoint: %w", err)
	}
	at, err := checkpointPlace(s.seg.dir, list[0])
	if err != nil {
		return err
	}
	for _, old := range list[1:] {
		// An older one would need the segments that go.
		if err := s.fs.Remove(filepath.Join(s.seg.dir, checkpointName(old))); err != nil {
			return fmt.Errorf("remove old checkpoint: %w", err)
		}
	}
	if err := s.fs.SyncDir(s.seg.dir); err != nil {
		return err
	}
	// A start after a crash goes back to the last sync point and reads the log
	// from there: it must lie behind what goes.
	if err := s.control(ctx, &request{settle: true}); err != nil {
		return err
	}
	for _, n := range dead {
		if n >= at.segment {
			continue
		}
		if _, err := s.change(ctx, record{kind: kindForget, segment: n}); err != nil {
			return err
		}
		res.Segments++
		res.Freed += s.removeSegment(n)
	}
	res.Freed -= res.Moved
	return s.fs.SyncDir(s.seg.dir)
}

// removeSegment removes a segment's file, now or when no backup needs it, and
// gives its size.
func (s *Store) removeSegment(n uint32) int64 {
	name := segmentName(n)
	path := filepath.Join(s.seg.dir, name)
	info, err := os.Stat(path)
	if err != nil {
		return 0
	}
	if s.pins.defers(name) {
		return info.Size()
	}
	s.seg.forget(name)
	if err := s.fs.Remove(path); err != nil {
		s.log.Warn("segment not removed", "name", name, "err", err)
		return 0
	}
	return info.Size()
}

// control has a stage do something between two batches.
func (s *Store) control(ctx context.Context, req *request) error {
	_, err := s.commit(ctx, req)
	return err
}

// compactIndex copies index.db when much of it is free.
func (s *Store) compactIndex(ctx context.Context, all bool, res *CompactResult) error {
	before, free := s.indexSize()
	if !all && (free < before/2 || free < indexSlack) {
		return nil
	}
	s.whole.Lock()
	defer s.whole.Unlock()
	if err := s.control(ctx, &request{exchange: true}); err != nil {
		return fmt.Errorf("compact index: %w", err)
	}
	after, _ := s.indexSize()
	res.Index = before - after
	return nil
}

// indexSize is the size of index.db and how much of it is free, in bytes.
func (s *Store) indexSize() (size, free int64) {
	s.dbMu.RLock()
	defer s.dbMu.RUnlock()
	if s.db == nil {
		return 0, 0
	}
	page := int64(s.db.Info().PageSize)
	if info, err := s.safe.file.Stat(); err == nil {
		size = info.Size()
	}
	return size, int64(s.db.Stats().FreePageN+s.db.Stats().PendingPageN) * page
}

// exchangeIndex copies index.db without its free pages and puts the copy in
// its place. No write transaction may run meanwhile.
func (s *Store) exchangeIndex() error {
	path := filepath.Join(s.dir, "index.db")
	temp := path + ".tmp"
	if err := os.Remove(temp); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("compact index: %w", err)
	}
	o := *bolt.DefaultOptions
	o.NoSync, o.OpenFile = true, s.fs.OpenBolt
	dst, err := bolt.Open(temp, 0o600, &o)
	if err != nil {
		return fmt.Errorf("compact index: %w", err)
	}
	s.hook(dst)
	err = bolt.Compact(dst, s.db, 4<<20)
	if err = errors.Join(err, dst.Close()); err == nil {
		err = s.syncFile(temp)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("compact index: %w", err), os.Remove(temp))
	}
	s.safe.running.Wait() // before the lock: when it fails it wants others that wait for this one
	s.dbMu.Lock()
	defer s.dbMu.Unlock()
	s.dropIndex()
	// Between these two there is no index; the next start would make it again.
	if err := s.safe.meta.Truncate(0); err != nil {
		return fmt.Errorf("compact index: %w", err)
	}
	if err := s.safe.meta.Datasync(); err != nil {
		return fmt.Errorf("compact index: %w", err)
	}
	if err := s.fs.Rename(temp, path); err != nil {
		return fmt.Errorf("compact index: %w", err)
	}
	if err := s.fs.SyncDir(s.dir); err != nil {
		return err
	}
	if err := s.openBolt(path, true); err != nil {
		return err
	}
	return s.safe.settle(s)
}
