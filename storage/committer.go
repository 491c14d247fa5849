package storage

import (
	"errors"
	"fmt"
	"time"

	bolt "go.etcd.io/bbolt"
	"golang.org/x/sys/unix"
)

// Limits of one batch of the log.
const (
	batchRecords = 256
	batchBytes   = 16 << 20
	maxLinger    = time.Millisecond
	// fullPause is how long the index waits before it tries a full disk again.
	fullPause = 500 * time.Millisecond
)

// request is one caller's records: one group, applied whole or not at all.
type request struct {
	items []*item
	// settled is called once the index has come past the records, or never
	// will: what was reserved for them is free again. May be nil.
	settled func()
	// seal begins a new segment, settle makes the index durable as it is,
	// exchange a new index.db; such a request has no records.
	seal, settle, exchange bool
	start                  position // seal: of the new segment
	seq                    uint64   // seal: of its first record

	origin *Origin // whose it is, nil for nobody's

	logged chan struct{} // closed when the records are durable, or logErr says why not
	logErr error
	done   chan struct{} // closed when they are indexed too, or err says why not
	err    error
	out    []outcome
}

func (r *request) length() (n int64) {
	for _, it := range r.items {
		n += recordHeader + int64(len(it.meta)) + it.rec.inLog()
	}
	return n
}

// finish answers a request for good, once stage 1 is done with it.
func (r *request) finish() {
	<-r.logged
	r.giveBack()
	close(r.done)
}

// giveBack gives back what was reserved for a request, once.
func (r *request) giveBack() {
	if r.settled != nil {
		r.settled()
		r.settled = nil
	}
}

// writeLog is stage 1: it gathers what waits, writes it with one sync, and
// hands it to stage 2.
func (s *Store) writeLog() {
	defer close(s.index)
	var buf []byte
	var linger time.Duration
	for {
		req, ok := s.next, true
		if s.next = nil; req == nil {
			if req, ok = <-s.queue; !ok {
				return
			}
		}
		batch := s.gather(req, linger)
		start := time.Now()
		if buf = s.logBatch(batch, buf); cap(buf) > 2*batchBytes {
			buf = nil
		}
		if linger = 0; len(batch) > 1 {
			linger = min(maxLinger, time.Since(start)/8)
		}
	}
}

// logBatch writes a batch and hands it on; while stage 2 prepares its
// transaction the log is synced, and those who wait for that are told. A message
// that can't be read fails alone.
func (s *Store) logBatch(batch []*request, buf []byte) []byte {
	buf, err := s.writeBatch(batch, buf)
	if errors.Is(err, errUnreadable) && len(batch) > 1 {
		for i := range batch {
			buf = s.logBatch(batch[i:i+1:i+1], buf)
		}
		return buf
	}
	handed := err == nil
	if handed {
		s.index <- batch
		if len(batch[0].items) > 0 {
			if err = s.seg.sync(); err != nil {
				err = s.fail(err)
			}
		}
	}
	for _, r := range batch {
		r.logErr = err
		if !handed {
			r.err = err
			r.giveBack() // before anybody hears of it
		}
		close(r.logged)
		if !handed {
			r.finish()
		}
	}
	return buf
}

// writeBatch makes a batch durable. A full disk fails the batch alone; a
// failure after which nobody knows what the disk holds stops the store.
func (s *Store) writeBatch(batch []*request, buf []byte) ([]byte, error) {
	if err := s.failure(); err != nil || len(batch[0].items) == 0 && !batch[0].seal {
		return buf, err
	}
	if s.seg.full() || batch[0].seal && s.seg.at.offset > segmentHeader {
		if err := s.seg.begin(s.seg.at.segment + 1); errors.Is(err, errUnsynced) {
			return buf, s.fail(err)
		} else if err != nil {
			return buf, noSpace(err)
		}
	}
	if batch[0].seal {
		batch[0].start, batch[0].seq = s.seg.at, s.seq
	}
	seq := s.seq
	s.number(batch)
	var items []*item
	for _, r := range batch {
		items = append(items, r.items...)
	}
	if len(items) == 0 {
		return buf, nil
	}
	buf, err := s.seg.write(items, buf)
	if errors.Is(err, errUnsynced) {
		return buf, s.fail(err)
	}
	if err != nil {
		s.seq = seq
	}
	return buf, noSpace(err)
}

// noSpace gives a full disk its own name.
func noSpace(err error) error {
	if errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT) {
		return fmt.Errorf("%w: %w", ErrNoSpace, err)
	}
	return err
}

// gather takes more requests as long as they wait, and lingers a little when
// the batch before had company.
func (s *Store) gather(first *request, linger time.Duration) []*request {
	batch, records, bytes := []*request{first}, len(first.items), first.length()
	if records == 0 {
		return batch
	}
	var timeout <-chan time.Time
	if linger > 0 {
		timeout = time.After(linger)
	}
	for records < batchRecords && bytes < batchBytes {
		var req *request
		var ok bool
		select {
		case req, ok = <-s.queue:
		default:
			if timeout == nil {
				return batch
			}
			select {
			case req, ok = <-s.queue:
			case <-timeout:
				return batch
			}
		}
		if !ok {
			return batch
		}
		if len(req.items) == 0 {
			// It has a batch of its own, after this one.
			s.next = req
			return batch
		}
		batch, records, bytes = append(batch, req), records+len(req.items), bytes+req.length()
	}
	return batch
}

// number gives records their sequence and marks groups and the batch.
func (s *Store) number(batch []*request) {
	for b, r := range batch {
		for i, it := range r.items {
			it.rec.seq, it.rec.continued, it.rec.first = s.seq, i < len(r.items)-1, b == 0 && i == 0
			s.seq++
		}
	}
}

// writeIndex is stage 2: one transaction a batch, in the order of the log.
func (s *Store) writeIndex() {
	var next []*request
	for {
		batch, ok := next, true
		if next = nil; batch == nil {
			if batch, ok = <-s.index; !ok {
				return
			}
		}
		batch, next = s.merge(batch)
		err := s.failure()
		switch {
		case err == nil && len(batch[0].items) > 0:
			err = s.indexBatch(batch)
		case err == nil:
			var answered bool
			if answered, err = s.manage(batch[0]); answered {
				continue
			}
		}
		if err != nil {
			err = s.fail(fmt.Errorf("update index: %w", err))
		} else {
			for _, r := range batch {
				s.publish(r)
			}
		}
		for _, r := range batch {
			r.err = err
			r.finish()
		}
		if err == nil {
			s.safe.advance(s)
		}
	}
}

// merge adds the batches that wait and are durable already: one transaction
// costs little more than the greatest of them. rest is one that must wait.
func (s *Store) merge(batch []*request) (merged, rest []*request) {
	for len(batch[0].items) > 0 && len(batch) < batchRecords {
		select {
		case next, ok := <-s.index:
			if !ok {
				return batch, nil
			}
			if len(next[0].items) == 0 || !next[0].durable() {
				return batch, next
			}
			batch = append(batch, next...)
		default:
			return batch, nil
		}
	}
	return batch, nil
}

// durable tells whether stage 1 is done with a request.
func (r *request) durable() bool {
	select {
	case <-r.logged:
		return true
	default:
		return false
	}
}

// manage does what a request without records is for. One that fails and harms
// nothing is answered by it; any other failure stops the store.
func (s *Store) manage(r *request) (answered bool, err error) {
	switch {
	case r.exchange:
		err = s.exchangeIndex()
		answered = err != nil && s.db != nil && !errors.Is(err, errUnsynced)
	case r.settle:
		err = s.safe.settle(s)
		answered = errors.Is(err, ErrNoSpace)
	case r.seal:
		err = noSpace(s.passSeal(r))
		answered = errors.Is(err, ErrNoSpace)
	}
	if answered {
		r.err = err
		r.finish()
	}
	return answered, err
}

// passSeal notes that the index knows all of the segments before the new one.
func (s *Store) passSeal(r *request) (err error) {
	defer s.guard(&err)()
	return s.db.Update(func(tx *bolt.Tx) error { return index{tx, &txState{}}.putWatermark(r.start, r.seq) })
}

// indexBatch applies a batch that is in the log, however long the disk is
// full. A record that meets a damaged row fails alone; the index is made again
// at the next start, with that record.
func (s *Store) indexBatch(batch []*request) error {
	err := s.patiently(batch)
	if !isDamage(err) {
		return err
	}
	s.noteDamage(err)
	for i, r := range batch {
		one := batch[i : i+1]
		if err := s.patiently(one); isDamage(err) {
			r.out = make([]outcome, len(r.items))
			for i := range r.out {
				r.out[i].err = fmt.Errorf("%w: %w", ErrDamaged, err)
			}
		} else if err != nil {
			return err
		}
	}
	return nil
}

func isDamage(err error) bool { return errors.Is(err, errBadRow) || errors.Is(err, errBadIndex) }

// patiently waits for a full disk to have room again. Meanwhile nothing new is
// taken.
func (s *Store) patiently(batch []*request) error {
	for {
		freed, err := s.applyTx(batch)
		if err = noSpace(err); !errors.Is(err, ErrNoSpace) {
			s.removeAside(freed)
			s.stall(nil)
			return err
		}
		s.stall(err)
		select {
		case <-time.After(fullPause):
		case <-s.stop:
			return err
		}
	}
}

// applyTx is one transaction, and gives the files of bodies that nothing needs
// any more. After one that panicked there is no other.
func (s *Store) applyTx(batch []*request) (freed []uint64, err error) {
	if s.broken {
		return nil, fmt.Errorf("a transaction failed in the middle: %w", errBadIndex)
	}
	defer s.guard(&err)()
	t := &txState{remembered: s.remembered()}
	s.broken = true
	err = s.db.Update(func(tx *bolt.Tx) error { return applyBatch(index{tx, t}, batch) })
	s.broken = false
	if err != nil {
		return nil, err
	}
	return t.freed, nil
}

func applyBatch(x index, batch []*request) error {
	var last *item
	for _, r := range batch {
		var err error
		if r.out, err = applyGroup(x, r.items); err != nil {
			// What looked wrong may only be a row that can't be read.
			return errors.Join(err, x.state.fault)
		}
		last = r.items[len(r.items)-1]
	}
	for _, r := range batch {
		if r.logged == nil {
			break // replay
		}
		if <-r.logged; r.logErr != nil {
			return r.logErr
		}
	}
	if err := x.putWatermark(position{last.pos.segment, last.pos.offset + last.length()}, last.rec.seq+1); err != nil {
		return err
	}
	return x.state.fault
}

// applyGroup applies the records of one group; when a new message of it has
// nowhere to go, or one that it replaces is gone, none is applied. Messages that compaction moves are somewhere
// already, whatever became of where they first went.
func applyGroup(x index, items []*item) ([]outcome, error) {
	out := make([]outcome, len(items))
	if len(items) > 1 {
		for _, it := range items {
			if it.rec.kind == kindExpunge && !it.rec.revive {
				if gone, err := x.missing(&it.rec); err != nil {
					return nil, err
				} else if gone {
					return refuseGroup(x, items, ErrNoMessage)
				}
			}
			if it.rec.kind != kindMessage || it.rec.revive {
				continue // where a moved message is, or what it needs made, is not told by its targets
			}
			for _, t := range it.rec.targets {
				if _, err := x.resolve(t); err != nil {
					return refuseGroup(x, items, err)
				}
			}
		}
	}
	for i, it := range items {
		var err error
		if out[i], err = apply(x, it); err != nil {
			return nil, fmt.Errorf("record %d: %w", it.rec.seq, err)
		}
	}
	return out, nil
}

// missing tells whether an expunge names messages of which none is there.
func (x index) missing(r *record) (bool, error) {
	list, err := x.hits(Ref{r.account, r.mailbox}, r.uids, r.all)
	return len(list) == 0, err
}

// refuseGroup counts a group's bytes and does nothing else.
func refuseGroup(x index, items []*item, why error) ([]outcome, error) {
	out := make([]outcome, len(items))
	for i, it := range items {
		out[i].err = why
		x.dropAside(it.rec.aside)
		if err := x.noteAside(it.rec.aside); err != nil {
			return nil, err
		}
		if err := x.grow(it.pos.segment, it.length(), 0); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// putWatermark notes how far the index has come: the place and the sequence of
// the next record.
func (x index) putWatermark(p position, seq uint64) error {
	w := rowWriter{}
	w.uint(uint64(p.segment))
	w.int(p.offset)
	w.uint(seq)
	return x.put(bucketMeta, []byte("watermark"), w.b)
}

func (x index) watermark() (p position, seq uint64, ok bool) {
	d := rowReader{b: x.get(bucketMeta, []byte("watermark"))}
	p, seq = position{uint32(d.uint()), d.int()}, d.uint()
	return p, seq, !d.bad
}
