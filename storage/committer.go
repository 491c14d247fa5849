package storage

import (
	"fmt"
	"time"

	bolt "go.etcd.io/bbolt"
)

// Limits of one batch of the log.
const (
	batchRecords = 256
	batchBytes   = 16 << 20
	maxLinger    = time.Millisecond
)

// request is one caller's records: one group, applied whole or not at all.
type request struct {
	items []*item
	out   []outcome
	err   error
	done  chan struct{}
}

func (r *request) length() (n int64) {
	for _, it := range r.items {
		n += it.length()
	}
	return n
}

// writeLog is stage 1: it gathers what waits, writes it with one sync, and
// hands it to stage 2.
func (s *Store) writeLog() {
	defer close(s.index)
	var buf []byte
	var linger time.Duration
	for req := range s.queue {
		batch := s.gather(req, linger)
		s.number(batch)
		var items []*item
		for _, r := range batch {
			items = append(items, r.items...)
		}
		s.mu.Lock()
		err := s.failed
		s.mu.Unlock()
		start := time.Now()
		if err == nil {
			if buf, err = s.seg.write(items, buf); err != nil {
				err = s.fail(err)
			}
		}
		if cap(buf) > 2*batchBytes {
			buf = nil
		}
		if linger = 0; len(batch) > 1 {
			linger = min(maxLinger, time.Since(start)/8)
		}
		if err != nil {
			answer(batch, err)
			continue
		}
		s.index <- batch
	}
}

// gather takes more requests as long as they wait, and lingers a little when
// the batch before had company.
func (s *Store) gather(first *request, linger time.Duration) []*request {
	batch, records, bytes := []*request{first}, len(first.items), first.length()
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
		batch, records, bytes = append(batch, req), records+len(req.items), bytes+req.length()
	}
	return batch
}

// number gives records their sequence and marks groups.
func (s *Store) number(batch []*request) {
	for _, r := range batch {
		for i, it := range r.items {
			it.rec.seq, it.rec.continued = s.seq, i < len(r.items)-1
			s.seq++
		}
	}
}

func answer(batch []*request, err error) {
	for _, r := range batch {
		r.err = err
		close(r.done)
	}
}

// writeIndex is stage 2: one transaction a batch, in the order of the log.
func (s *Store) writeIndex() {
	for batch := range s.index {
		s.mu.Lock()
		err := s.failed
		s.mu.Unlock()
		if err == nil {
			if err = s.db.Update(func(tx *bolt.Tx) error { return applyBatch(index{tx}, batch) }); err != nil {
				err = s.fail(fmt.Errorf("update index: %w", err))
			}
		}
		if err == nil {
			for _, r := range batch {
				for _, o := range r.out {
					s.feeds.publish(o.events)
				}
			}
		}
		answer(batch, err)
	}
}

func applyBatch(x index, batch []*request) error {
	var last *item
	for _, r := range batch {
		var err error
		if r.out, err = applyGroup(x, r.items); err != nil {
			return err
		}
		last = r.items[len(r.items)-1]
	}
	return x.putWatermark(position{last.pos.segment, last.pos.offset + last.length()}, last.rec.seq+1)
}

// applyGroup applies the records of one group; when a message of it has
// nowhere to go, none is applied.
func applyGroup(x index, items []*item) ([]outcome, error) {
	out := make([]outcome, len(items))
	if len(items) > 1 {
		for _, it := range items {
			for _, t := range it.rec.targets {
				if _, err := x.resolve(t); err != nil {
					for i, it := range items {
						out[i].err = err
						if err := x.grow(it.pos.segment, it.length(), it.length()); err != nil {
							return nil, err
						}
					}
					return out, nil
				}
			}
		}
	}
	for i, it := range items {
		var err error
		if out[i], err = apply(x, &it.rec, it.pos, int64(len(it.meta))); err != nil {
			return nil, fmt.Errorf("record %d: %w", it.rec.seq, err)
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
