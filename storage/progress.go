package storage

import (
	"os"
	"path/filepath"
)

// Progress tells how far Open is with one file after the other.
type Progress struct {
	File        string // its name
	Records     int64  // of the log applied, or rows of the checkpoint read
	Done, Total int64  // bytes of the log from where the index stands, or rows
}

// progressEvery is how many records are read between two words of progress.
const progressEvery = 4096

func (r *replayer) progress(sr *segmentReader, bytes int64) {
	r.s.progress(Progress{File: segmentName(sr.number), Records: int64(r.applied), Done: min(r.read+bytes, r.total), Total: r.total})
}

// progress tells how far Open is to whoever asked.
func (s *Store) progress(p Progress) {
	if s.opts.Progress != nil {
		s.opts.Progress(p)
	}
}

// logAhead is how many bytes of log lie behind a place.
func (s *Store) logAhead(list []uint32, at position) (bytes int64) {
	for _, n := range list {
		if n < at.segment {
			continue
		}
		info, err := os.Stat(filepath.Join(s.seg.dir, segmentName(n)))
		if err != nil {
			continue // opening it will tell
		}
		from := int64(segmentHeader)
		if n == at.segment {
			from = at.offset
		}
		bytes += max(info.Size()-from, 0)
	}
	return bytes
}
