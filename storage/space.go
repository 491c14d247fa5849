package storage

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// Space is what the store takes on the disk, in bytes where nothing else is
// said.
type Space struct {
	Segments    int   // files of the log
	Bytes       int64 // of the log
	Live        int64 // of Bytes: messages that somebody has, or can bring back
	Worth       int64 // dead bytes that Compact would give back
	BigFiles    int   // messages that have a file of their own
	BigBytes    int64
	Index       int64 // of index.db
	IndexFree   int64 // of Index: pages that hold nothing
	Checkpoints int
	// Checkpoint is when the newest one was written; zero when there is none.
	Checkpoint time.Time
	Kept       int64 // messages that are expunged and can be brought back
	KeptBytes  int64 // of these
	Text       int64 // of the text index
	TextPieces int   // its files
}

// Dead is what Compact could give back of the log at most.
func (s Space) Dead() int64 { return s.Bytes - s.Live }

// Space tells what the store takes on the disk. It reads no message, but a row
// for each one that can be brought back.
func (s *Store) Space() (sp Space, err error) {
	err = s.view(func(x index) error {
		at, _, _ := x.watermark()
		for k, v := range x.scan(bucketSeg, nil) {
			u := decodeUse(k, v)
			sp.Bytes, sp.Live = sp.Bytes+u.bytes, sp.Live+u.live
			if u.worth(at) {
				sp.Worth += u.bytes - u.live
			}
		}
		for k, v := range x.scan(bucketKept, nil) {
			row, err := decodeKept(v)
			if err != nil {
				_ = x.state.damaged(bucketKept, k) // noted; a check tells of it
				continue
			}
			sp.Kept++
			sp.KeptBytes += row.hot.size
		}
		return nil
	})
	if err != nil {
		return sp, fmt.Errorf("measure store: %w", err)
	}
	sp.Index, sp.IndexFree = s.indexSize()
	sp.TextPieces, sp.Text = s.text.measure()
	return sp, s.measureFiles(&sp)
}

// measureFiles looks at what is in the log's directory.
func (s *Store) measureFiles(sp *Space) error {
	list, err := segments(s.seg.dir)
	if err != nil {
		return err
	}
	sp.Segments = len(list)
	big, err := asideFiles(s.seg.dir)
	if err != nil {
		return err
	}
	for _, n := range big {
		if info, err := os.Stat(filepath.Join(s.seg.dir, asideName(n))); err == nil { // else it has gone meanwhile
			sp.BigFiles++
			sp.BigBytes += info.Size()
		}
	}
	points, err := checkpoints(s.seg.dir)
	if err != nil || len(points) == 0 {
		return err
	}
	sp.Checkpoints = len(points)
	info, err := os.Stat(filepath.Join(s.seg.dir, checkpointName(points[0])))
	if errors.Is(err, os.ErrNotExist) { // a newer one has just come
		return nil
	}
	if err == nil {
		sp.Checkpoint = info.ModTime()
	}
	return err
}
