package storage

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	bolt "go.etcd.io/bbolt"
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
		return nil
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
	r := replayer{db: s.db, next: seq, end: position{last, segmentHeader}}
	for i, n := range list {
		if n < at.segment {
			continue
		}
		if i > 0 && list[i-1] != n-1 {
			return fmt.Errorf("segment %d is missing: %w", n-1, errDamagedLog)
		}
		if err := r.segment(s.seg.dir, n, max(at.offset*b2i(n == at.segment), segmentHeader), n == last); err != nil {
			return err
		}
	}
	if err := r.flush(); err != nil {
		return err
	}
	if r.applied > 0 {
		s.log.Info("log replayed", "records", r.applied)
	}
	s.seq = r.next
	if known && at.segment == last && r.end.offset < at.offset {
		return fmt.Errorf("segment %d is shorter than the index knows: %w", last, errDamagedLog)
	}
	return s.resumeAt(last, r)
}

func b2i(b bool) int64 {
	if b {
		return 1
	}
	return 0
}

// resumeAt cuts the torn tail and goes on behind the last whole group.
func (s *Store) resumeAt(last uint32, r replayer) error {
	if r.stub {
		if err := os.Remove(filepath.Join(s.seg.dir, segmentName(last))); err != nil {
			return fmt.Errorf("remove unfinished segment: %w", err)
		}
		return s.seg.begin(last)
	}
	if err := s.seg.resume(last, r.end.offset); err != nil {
		return err
	}
	if r.end.offset >= s.seg.size {
		return s.seg.begin(last + 1)
	}
	return nil
}

// replayer applies scanned records in slices.
type replayer struct {
	db      *bolt.DB
	next    uint64 // sequence expected
	pending []*request
	group   []*item
	end     position // behind the last whole group
	applied int
	stub    bool // the last segment has not even a whole header
}

func (r *replayer) segment(dir string, n uint32, from int64, last bool) error {
	path := filepath.Join(dir, segmentName(n))
	if last {
		// What replay puts in the index must not outlive its record.
		f, err := os.OpenFile(path, os.O_RDWR, 0)
		if err != nil {
			return fmt.Errorf("open segment: %w", err)
		}
		err = f.Sync()
		if info, serr := f.Stat(); serr == nil && info.Size() < segmentHeader {
			r.stub = true
		}
		if err := errors.Join(err, f.Close()); err != nil {
			return fmt.Errorf("sync segment: %w", err)
		}
		if r.stub {
			if len(r.group) > 0 {
				return fmt.Errorf("segment %d ends in half a group: %w", n-1, errDamagedLog)
			}
			return nil
		}
	}
	if len(r.group) == 0 {
		r.end = position{n, from}
	}
	end, err := scanSegment(dir, n, from, r.take)
	if errors.Is(err, errTorn) {
		if last && end >= segmentHeader {
			return nil
		}
		return fmt.Errorf("segment %d at %d: %w", n, end, errDamagedLog)
	}
	return err
}

// take is called for each record found.
func (r *replayer) take(rec record, pos position, length int64) error {
	if rec.seq != r.next {
		return errTorn
	}
	r.next++
	r.group = append(r.group, &item{rec: rec, meta: make([]byte, length-recordHeader-rec.size), pos: pos})
	if rec.continued {
		return nil
	}
	r.pending = append(r.pending, &request{items: r.group})
	r.applied += len(r.group)
	r.group = nil
	r.end = position{pos.segment, pos.offset + length}
	if len(r.pending) >= batchRecords {
		return r.flush()
	}
	return nil
}

// flush applies what is whole; half a group is given up.
func (r *replayer) flush() error {
	r.next -= uint64(len(r.group))
	if len(r.pending) == 0 {
		return nil
	}
	err := r.db.Update(func(tx *bolt.Tx) error { return applyBatch(index{tx}, r.pending) })
	r.pending = nil
	if err != nil {
		return fmt.Errorf("replay log: %w", err)
	}
	return nil
}
