package storage

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	bolt "go.etcd.io/bbolt"

	"mailstead/mail"
)

// errDamagedLog is a log that is broken where no crash can have broken it.
var errDamagedLog = errors.New("log is damaged")

// replay brings the index up to the log and finds the place to go on writing.
func (s *Store) replay() error {
	list, err := segments(s.seg.dir)
	if err != nil {
		return err
	}
	at, seq, known := position{}, uint64(1), false
	if err := s.view(func(x index) error {
		if p, n, ok := x.watermark(); ok {
			at, seq, known = p, n, true
		}
		return x.state.fault
	}); err != nil {
		return err
	}
	if len(list) == 0 {
		if known {
			return fmt.Errorf("no segments, but the index knows of some: %w", errDamagedLog)
		}
		s.seq = seq
		return s.seg.begin(1)
	}
	last := list[len(list)-1]
	if known && at.segment > last {
		return fmt.Errorf("segment %d is missing: %w", at.segment, errDamagedLog)
	}
	if info, err := os.Stat(filepath.Join(s.seg.dir, segmentName(at.segment))); known && err == nil && info.Size() < at.offset {
		return fmt.Errorf("segment %d ends at %d, the index knows it up to %d: %w", at.segment, info.Size(), at.offset, errDamagedLog)
	}
	r := &replayer{s: s, next: seq, end: at, total: s.logAhead(list, at)}
	for i, n := range list {
		if n < at.segment {
			continue
		}
		if from := at.segment; i > 0 && list[i-1] != n-1 && n > max(from, 1) || i == 0 && n > max(from, 1) {
			if !s.opts.Salvage {
				return fmt.Errorf("segment %d is missing; bring it back, or give up what it held with reindex: %w", n-1, errDamagedLog)
			}
			if err := r.hole(fmt.Sprintf("segment %d is missing", n-1)); err != nil {
				return err
			}
		}
		from := int64(0)
		if n == at.segment {
			from = at.offset
		}
		if err := r.segment(n, from, n == last); err != nil {
			return err
		}
	}
	if err := r.finish(); err != nil {
		return err
	}
	s.progress(Progress{File: segmentName(last), Records: int64(r.applied), Done: r.total, Total: r.total})
	s.seq = r.next
	s.damage = append(s.damage, r.damage...)
	if r.applied > 0 {
		s.log.Info("log replayed", "records", r.applied, "damages", len(r.damage))
	}
	return s.resumeAt(last, r)
}

// replayAnew replays into a new index, because the old one is damaged.
func (s *Store) replayAnew(why error) error {
	s.noteDamage(why)
	s.dropIndex()
	s.damage = nil
	if err := s.makeIndex(filepath.Join(s.dir, "index.db"), true); err != nil {
		return err
	}
	return s.replay()
}

// resumeAt makes the end of the log the place to write.
func (s *Store) resumeAt(last uint32, r *replayer) error {
	switch {
	case r.stub:
		return s.seg.begin(last)
	case r.spoiled:
		return s.seg.begin(last + 1)
	case r.old || r.end.offset >= s.seg.size:
		// What was written in an old format stays as it is.
		if err := s.seg.resume(last, r.end.offset, r.salt); err != nil {
			return err
		}
		return s.seg.begin(last + 1)
	}
	return s.seg.resume(last, r.end.offset, r.salt)
}

// replayer applies the records of a log from a watermark on.
type replayer struct {
	s    *Store
	next uint64 // sequence expected

	group   []*item    // of a group that is not whole yet
	pending []*request // whole groups
	end     position   // behind the last of them
	applied int
	damage  []string
	salvage *salvage // after the first hole

	read, total int64 // bytes, of segments done and of all

	// spoiled: the last segment holds something, but nothing that can be read.
	spoiled bool

	stub bool // the last segment has not even a whole header
	v1   bool // the last segment is of format 1
	old  bool // the last segment is of a format before the present one
	salt [8]byte
}

// noteSegment notes a segment that can't be read, so that nobody takes it for
// one that compaction gave up.
func (s *Store) noteSegment(n uint32) error {
	info, err := os.Stat(filepath.Join(s.seg.dir, segmentName(n)))
	if err != nil {
		return fmt.Errorf("note damaged segment: %w", err)
	}
	return s.db.Update(func(tx *bolt.Tx) error {
		x := index{tx, &txState{}}
		if x.has(bucketSeg, segmentKey(n)) {
			return nil
		}
		return x.grow(n, info.Size(), 0)
	})
}

// unwritten tells whether a segment without a header never got as far as a
// record: nothing but zeros follow, and the index knows nothing of it.
func (r *replayer) unwritten(n uint32, from int64) bool {
	f, err := os.Open(filepath.Join(r.s.seg.dir, segmentName(n)))
	if err != nil {
		return false
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil || from > segmentHeader {
		return false
	}
	sr := &segmentReader{f: f, number: n, size: info.Size()}
	blank, err := sr.blank(segmentHeader)
	return err == nil && blank
}

// segment replays one segment. Only what was written last, in the last one,
// may be torn: it was never answered.
func (r *replayer) segment(n uint32, from int64, last bool) error {
	sr, err := openSegment(r.s.seg.dir, n)
	if errors.Is(err, errTorn) {
		sr, err = recoverSalt(r.s.seg.dir, n)
	}
	if errors.Is(err, errTorn) && last && r.unwritten(n, from) {
		r.stub = true
		return r.batch()
	}
	if errors.Is(err, errTorn) {
		if last {
			// What may be in it stays; writing goes on in another one.
			r.spoiled = true
		}
		if err := r.hole(err.Error()); err != nil {
			return err
		}
		return r.s.noteSegment(n)
	}
	if err != nil {
		return err
	}
	defer sr.f.Close()
	if last {
		// What replay puts in the index must not outlive its record.
		if err := r.s.seg.renew(n, max(from, sr.start)); err != nil {
			return err
		}
	}
	r.salt, r.v1, r.old = sr.salt, sr.v1, sr.old
	from = max(from, sr.start)
	if err := r.batch(); err != nil {
		return err
	}
	r.end = position{n, from}
	for at := from; at < sr.size; {
		fd, err := r.record(sr, at, last)
		if errors.Is(err, errTorn) {
			return r.tail(sr, last)
		}
		if err != nil {
			return err
		}
		// Format 1 does not mark batches, and its groups go on over records.
		if fd.rec.first && !(sr.v1 && len(r.group) > 0) {
			if err := r.batch(); err != nil {
				return err
			}
		}
		r.describe(&fd.rec, fd.rec.loc(fd.pos, fd.head.length+fd.head.metaLen))
		r.take(&fd)
		at = fd.end()
		if fd.rec.seq%progressEvery == 0 {
			r.progress(sr, at-from)
		}
	}
	r.progress(sr, sr.size-from)
	r.read += sr.size - from
	return r.tail(sr, last)
}

// record reads the record at a place, or the next one behind a hole that only
// damage can have made.
func (r *replayer) record(sr *segmentReader, at int64, last bool) (found, error) {
	fd, err := sr.read(at)
	if err == nil && fd.rec.seq == r.next {
		return fd, nil
	}
	if err != nil && !errors.Is(err, errTorn) {
		return fd, err
	}
	if blank, berr := sr.blank(at); blank || berr != nil {
		return fd, errors.Join(berr, errTorn)
	}
	if err != nil || fd.rec.seq < r.next {
		if fd, err = sr.resync(at, r.next-1); err != nil {
			if !last && errors.Is(err, errTorn) {
				return fd, errors.Join(r.hole(fmt.Sprintf("segment %d: nothing readable from %d on", sr.number, at)), errTorn)
			}
			return fd, err
		}
	}
	// Unless a later batch was begun, nothing tells that this one was synced.
	for proof := fd; last && !proof.rec.first; {
		if proof, err = sr.next(&proof, r.next); err != nil {
			return fd, err
		}
	}
	if err := r.batch(); err != nil {
		return fd, err
	}
	why := fmt.Sprintf("segment %d: records %d to %d are lost, %d bytes at %d are damaged", sr.number, r.next, fd.rec.seq-1, fd.pos.offset-at, at)
	if err := r.hole(why); err != nil {
		return fd, err
	}
	r.next = fd.rec.seq
	return fd, nil
}

// next finds the record behind another one; errTorn when there is none.
func (r *segmentReader) next(fd *found, seq uint64) (found, error) {
	n, err := r.read(fd.end())
	if errors.Is(err, errTorn) {
		return r.resync(fd.end(), seq)
	}
	return n, err
}

// describe parses the message of a record, which is not in the log itself. One
// that can't be read has no description.
func (r *replayer) describe(rec *record, l locRow) {
	if rec.kind != kindMessage && (rec.kind != kindRelocate || r.salvage == nil) || len(rec.cold) > 0 {
		return
	}
	rec.cold = packCold(nil)
	stored, err := r.s.openAt(l)
	if err != nil {
		return // a big body that is gone
	}
	defer stored.Close()
	var body Body = stored
	if l.packed {
		p, err := openPacked(r.s.packer, stored, l.rawSize)
		if err != nil {
			return // the check will say so
		}
		body = p
	}
	if m, err := mail.ParseMessage(body, l.rawSize); err == nil {
		rec.cold = packCold(mail.AppendMessage(nil, m))
	}
}

// take adds a record to those waiting.
func (r *replayer) take(fd *found) {
	r.next = fd.rec.seq + 1
	if r.salvage != nil {
		r.salvage.adapt(&fd.rec)
	}
	r.group = append(r.group, &item{rec: fd.rec, meta: make([]byte, fd.head.metaLen), pos: fd.pos, head: fd.head.length})
	if fd.rec.continued {
		return
	}
	r.pending = append(r.pending, &request{items: r.group})
	r.group = nil
	r.end = position{fd.pos.segment, fd.end()}
}

// batch is called where a batch begins: the one before is known to be whole.
func (r *replayer) batch() error {
	if len(r.group) > 0 {
		r.damage = append(r.damage, fmt.Sprintf("a group ends in the middle at record %d", r.next-1))
		r.group = nil
	}
	if len(r.pending) < batchRecords {
		return nil
	}
	return r.flush()
}

// tail ends a segment. In the last one the bodies of the last batch are read:
// from the first one on that is torn, nothing was answered.
func (r *replayer) tail(sr *segmentReader, last bool) error {
	if !last {
		return nil
	}
	for i, req := range r.pending {
		for _, it := range req.items {
			if it.pos.segment != sr.number {
				continue
			}
			fd := found{rec: it.rec, pos: it.pos, head: head{length: it.head, metaLen: int64(len(it.meta))}}
			if err := sr.verify(&fd); err != nil {
				return err
			}
			if fd.sound || it.rec.inLog() == 0 || !r.lastBatch(i) {
				continue
			}
			r.next = req.items[0].rec.seq
			r.end = req.items[0].pos
			r.pending, r.group = r.pending[:i], nil
			return nil
		}
	}
	return nil
}

// lastBatch tells whether no batch begins after pending request i.
func (r *replayer) lastBatch(i int) bool {
	for _, req := range r.pending[i+1:] {
		if req.items[0].rec.first && !r.v1 {
			return false
		}
	}
	return true
}

// finish applies what is left; half a group is given up.
func (r *replayer) finish() error {
	if len(r.group) > 0 {
		r.next = r.group[0].rec.seq
		r.group = nil
	}
	if err := r.flush(); err != nil {
		return err
	}
	if r.salvage != nil {
		return r.salvage.finish(r.s)
	}
	return nil
}

// flush applies what is whole.
func (r *replayer) flush() error {
	for len(r.pending) > 0 {
		n := min(len(r.pending), batchRecords)
		// The files that are freed stay: one may be a later message's, which has the
		// number again. tidy removes those that nothing refers to in the end.
		if _, err := r.s.applyTx(r.pending[:n]); err != nil {
			return fmt.Errorf("replay log: %w", err)
		}
		for _, req := range r.pending[:n] {
			r.applied += len(req.items)
		}
		r.pending = r.pending[n:]
	}
	r.pending = nil
	return nil
}

// hole notes that part of the log can't be read. What comes after is applied
// as well as it can be.
func (r *replayer) hole(why string) error {
	r.s.log.Error("log damaged", "damage", why)
	r.damage = append(r.damage, why)
	r.group = nil
	if err := r.flush(); err != nil {
		return err
	}
	if r.salvage != nil {
		return nil
	}
	var err error
	r.salvage, err = beginSalvage(r.s)
	return err
}
