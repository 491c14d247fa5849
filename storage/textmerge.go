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
	alive, err := w.living(list)
	if err != nil {
		return false, err
	}
	return w.rewrite(a, list, alive)
}

// living tells which messages of some pieces the account still has.
func (w *textWork) living(list []*textPiece) (map[uint64]bool, error) {
	var blobs []uint64
	for _, p := range list {
		for i := range p.Len() {
			blobs = append(blobs, p.blob(i))
		}
	}
	return w.alive(blobs)
}

// rewrite makes one piece of some, with what is alive. It tells whether it did.
func (w *textWork) rewrite(a *textAccount, list []*textPiece, alive map[uint64]bool) (done bool, err error) {
	var numbers []uint64
	var parts []*textindex.Piece
	size := int64(0)
	for _, p := range list {
		numbers, parts, size = append(numbers, p.number), append(parts, p.Piece), size+p.size
	}
	if len(alive) == 0 {
		w.t.exchange(a, nil, list...)
		return true, nil
	}
	if err := w.t.s.room(size); err != nil {
		return false, err
	}
	fresh, err := w.write(a, func(f io.WriterAt) error {
		return textindex.Merge(&resting{f, w}, textStamp(), numbers, parts, func(b uint64) bool { return alive[b] })
	})
	if errors.Is(err, textindex.ErrDamaged) {
		w.dropDamaged(a, list, err)
		return false, nil
	}
	if err != nil {
		return false, err
	}
	w.t.exchange(a, fresh, list...)
	return true, nil
}

// dropDamaged finds which piece is damaged by reading them all.
func (w *textWork) dropDamaged(a *textAccount, list []*textPiece, why error) {
	found := false
	for _, p := range list {
		if err := p.Verify(); err != nil {
			found = true
			w.t.damaged(a, p, err)
		}
	}
	if found {
		return
	}
	for _, p := range list { // damaged before its checksums were made
		w.t.damaged(a, p, why)
	}
}

// takeOut rewrites pieces a quarter of which is gone.
func (w *textWork) takeOut() error {
	a, pieces := w.t.acquire(w.id)
	defer w.t.release(a, pieces)
	for _, p := range pieces {
		alive, err := w.living([]*textPiece{p})
		if err != nil {
			return err
		}
		if dead := p.Len() - len(alive); dead > p.Len()/4 {
			if _, err := w.rewrite(a, []*textPiece{p}, alive); err != nil {
				return err
			}
		}
	}
	return nil
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
