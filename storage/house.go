package storage

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// How the store looks after itself.
const (
	houseEvery = 10 * time.Minute
	houseRate  = 16 << 20 // bytes a second that background compaction copies
	// checkpointAfter is how much log there is before a new checkpoint is worth
	// it: a lost index is back by reading that much at most.
	checkpointAfter = 512 << 20
)

func be32(k []byte) uint32 { return binary.BigEndian.Uint32(k) }

// keepHouse gives up what was expunged long ago, compacts what is half dead
// and writes checkpoints, now and then.
func (s *Store) keepHouse(ctx context.Context) {
	every := s.opts.Housekeeping
	if every == 0 {
		every = houseEvery
	}
	if every < 0 {
		return
	}
	t := time.NewTicker(every)
	defer t.Stop()
	for first := true; ; first = false {
		if !first || len(s.damage) > 0 {
			if err := s.house(ctx, first); err != nil && ctx.Err() == nil && !errors.Is(err, ErrClosed) {
				s.log.Warn("housekeeping failed", "err", err)
			}
		}
		select {
		case <-t.C:
		case <-s.stop:
			return
		}
	}
}

// whileOpen runs f with a context that ends when the store closes.
func (s *Store) whileOpen(f func(context.Context)) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go func() {
		select {
		case <-s.stop:
			cancel()
		case <-ctx.Done():
		}
	}()
	f(ctx)
}

// house is one round of it. After a log was found damaged it begins with a
// checkpoint, which makes what was saved the truth.
func (s *Store) house(ctx context.Context, damaged bool) error {
	if s.opts.KeepExpunged > 0 {
		before := time.Now().Add(-s.opts.KeepExpunged)
		if old, err := s.expired(before.Unix()); err != nil {
			return err
		} else if old {
			if _, err := s.Purge(ctx, 0, before); err != nil {
				return err
			}
		}
	}
	due, err := s.checkpointDue()
	if err != nil {
		return err
	}
	if due || damaged {
		if err := s.Checkpoint(ctx); err != nil {
			return err
		}
	}
	_, err = s.Compact(ctx, CompactOptions{Rate: houseRate})
	return err
}

// checkpointDue tells whether much was written since the last one.
func (s *Store) checkpointDue() (bool, error) {
	from := position{1, 0}
	if list, err := checkpoints(s.seg.dir); err != nil {
		return false, err
	} else if len(list) > 0 {
		if from, err = checkpointPlace(s.seg.dir, list[0]); err != nil {
			return true, nil // it is damaged
		}
	}
	written := int64(0)
	err := s.view(func(x index) error {
		at, _, _ := x.watermark()
		written = at.offset - from.offset
		for k, v := range x.scan(bucketSeg, nil) {
			if n := be32(k); n >= from.segment && n < at.segment {
				d := rowReader{b: v}
				written += d.int()
			}
		}
		return nil
	})
	return written >= checkpointAfter, err
}

// tidy removes what a crash left behind, when the index is up to the log.
func (s *Store) tidy() error {
	if err := s.safe.settle(s); err != nil {
		return err
	}
	big, err := asideFiles(s.seg.dir)
	if err != nil {
		return err
	}
	list, err := segments(s.seg.dir)
	if err != nil {
		return err
	}
	var names []string
	err = s.view(func(x index) error {
		s.aside.Store(x.lastAside())
		for _, n := range big {
			s.aside.Store(max(s.aside.Load(), n))
			if !x.has(bucketAside, binary.BigEndian.AppendUint64(nil, n)) {
				names = append(names, asideName(n))
			}
		}
		at, _, _ := x.watermark()
		for _, n := range list {
			if n < at.segment && !x.has(bucketSeg, segmentKey(n)) {
				names = append(names, segmentName(n))
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	if len(s.damage) > 0 {
		return s.putAside(names)
	}
	names = append(names, "checkpoint.tmp", "../index.db.tmp")
	for _, name := range names {
		if err := s.fs.Remove(filepath.Join(s.seg.dir, name)); err != nil && !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("remove left-over file: %w", err)
		}
	}
	return nil
}

// lostDir is where files go that nothing refers to, when the log was damaged:
// the reference may be what was lost.
const lostDir = "lost"

// putAside moves files of the log's directory to lostDir.
func (s *Store) putAside(names []string) error {
	if len(names) == 0 {
		return nil
	}
	lost := filepath.Join(s.dir, lostDir)
	if err := os.MkdirAll(lost, 0o700); err != nil {
		return fmt.Errorf("put left-over files aside: %w", err)
	}
	for _, name := range names {
		s.log.Warn("file put aside", "name", name, "dir", lost)
		if err := s.fs.Rename(filepath.Join(s.seg.dir, name), filepath.Join(lost, filepath.Base(name))); err != nil {
			return fmt.Errorf("put left-over file aside: %w", err)
		}
	}
	return s.fs.SyncDir(lost)
}
