package storage

import (
	"cmp"
	"errors"
	"io"
	"math/bits"
	"slices"

	"mailstead/textindex"
)

// Pieces are merged like those of a log-structured tree: of each size there are
// few.
const (
	textFan = 4 // so many of about a size become one, of the next
	// textMergeMemory is the most bytes of dictionaries that are merged.
	textMergeMemory = 48 << 20
)

// textLevel is the size of a piece, in powers of textFan.
func textLevel(docs int) int { return bits.Len(uint(docs)) / 2 }

// mergeable finds pieces to merge: textFan of a size, or nil.
func mergeable(pieces []*textPiece) []*textPiece {
	levels := map[int][]*textPiece{}
	for _, p := range pieces {
		levels[textLevel(p.Len())] = append(levels[textLevel(p.Len())], p)
	}
	for level := range 32 {
		list := levels[level]
		if len(list) < textFan {
			continue
		}
		slices.SortFunc(list, func(a, b *textPiece) int { return cmp.Compare(a.number, b.number) })
		docs, bytes := 0, int64(0)
		for i, p := range list {
			docs, bytes = docs+p.Len(), bytes+p.Dictionary()
			if docs > textindex.MaxDocs || bytes > textMergeMemory {
				list = list[:i]
				break
			}
		}
		if len(list) >= 2 {
			return list
		}
	}
	return nil
}

// merge merges as long as there is something to merge. A piece that turns out
// damaged is dropped.
func (w *textWork) merge() error {
	for {
		more, err := w.mergeOnce()
		if err != nil || !more {
			return err
		}
	}
}

func (w *textWork) mergeOnce() (more bool, err error) {
	a, pieces := w.t.acquire(w.id)
	defer w.t.release(a, pieces)
	list := mergeable(pieces)
	if list == nil {
		return false, nil
	}
	var blobs, numbers []uint64
	var parts []*textindex.Piece
	size := int64(0)
	for _, p := range list {
		numbers, parts, size = append(numbers, p.number), append(parts, p.Piece), size+p.size
		for i := range p.Len() {
			b, _ := p.Doc(i)
			blobs = append(blobs, b)
		}
	}
	alive, err := w.alive(blobs)
	if err != nil {
		return false, err
	}
	if err := w.t.s.room(size); err != nil {
		return false, err
	}
	keep := func(b uint64) bool { return alive[b] }
	fresh, err := w.write(a, func(f io.WriterAt) error {
		return textindex.Merge(&resting{f, w}, textStamp(), numbers, parts, keep)
	})
	if errors.Is(err, textindex.ErrDamaged) {
		whole := true
		for _, p := range list { // which one is found by reading it all
			if verr := p.Verify(); verr != nil {
				whole = false
				w.t.damaged(a, p, verr)
			}
		}
		if whole { // damaged before its checksums were made
			for _, p := range list {
				w.t.damaged(a, p, err)
			}
		}
		return false, nil
	}
	if err != nil {
		return false, err
	}
	w.t.exchange(a, fresh, list...)
	return true, nil
}

// resting rests now and then while it is written to.
type resting struct {
	io.WriterAt
	w *textWork
}

// WriteAt implements io.WriterAt.
func (r *resting) WriteAt(b []byte, off int64) (int, error) {
	if err := r.w.rest(); err != nil {
		return 0, err
	}
	return r.WriterAt.WriteAt(b, off)
}
