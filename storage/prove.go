package storage

import (
	"cmp"
	"fmt"
	"io"
	"path/filepath"
	"slices"

	"mailstead/internal/durable"
)

// proveRows bounds the bodies whose places are held in memory for Prove.
const proveRows = 500_000

// Prove reads what the held state needs of a file, from r, and tells what is
// not as it was stored. It is quickest when files are proved in the order of
// Files.
func (h *Held) Prove(f HeldFile, r io.ReaderAt) (problems []string, err error) {
	name := filepath.Base(f.Name)
	if a, ok := h.asides[filepath.Join(asideDir, name)]; ok {
		return h.prove(name, []aside{a}, r)
	}
	var n uint32
	if _, err := fmt.Sscanf(name, "%d.seg", &n); err != nil {
		return nil, fmt.Errorf("prove %q: no file of the log: %w", f.Name, err)
	}
	if h.bodies[n] == 0 {
		return nil, nil
	}
	if h.window[n] == nil {
		if err := h.load(n); err != nil {
			return nil, err
		}
	}
	return h.prove(name, h.window[n], r)
}

func (h *Held) prove(name string, list []placed, r io.ReaderAt) (problems []string, err error) {
	file := &openFile{File: proving{ReaderAt: r}, path: name}
	for i, p := range list {
		if i%256 == 0 && h.ctx.Err() != nil {
			return nil, h.ctx.Err()
		}
		c := &content{log: h.store.seg, file: file, off: p.loc.pos.offset + p.loc.bodyAt, size: p.loc.size}
		if p.loc.aside != 0 {
			c.off = asideHead
		}
		if err := h.store.proveBody(p.id, p.loc, c); err != nil {
			problems = append(problems, err.Error())
		}
	}
	return problems, nil
}

// proving is a file that is only read.
type proving struct {
	durable.File
	io.ReaderAt
}

// ReadAt implements io.ReaderAt.
func (p proving) ReadAt(b []byte, off int64) (int, error) { return p.ReaderAt.ReadAt(b, off) }

// load reads the places of the bodies in segment n and some after it.
func (h *Held) load(n uint32) error {
	h.window = map[uint32][]placed{}
	total := 0
	for _, f := range h.Files {
		var k uint32
		if _, err := fmt.Sscanf(filepath.Base(f.Name), "%d.seg", &k); err != nil || k < n {
			continue
		}
		if total += h.bodies[k]; total > proveRows && k > n {
			break
		}
		h.window[k] = make([]placed, 0, h.bodies[k])
	}
	_, err := readCheckpointRows(h.reader(), h.Sequence, func(rows []checkpointRow) error {
		for _, r := range rows {
			if r.bucket != bucketLoc {
				continue
			}
			p, err := decodePlaced(r)
			if err != nil {
				return err
			}
			if list, ok := h.window[p.loc.pos.segment]; ok && p.loc.aside == 0 {
				h.window[p.loc.pos.segment] = append(list, p)
			}
		}
		return h.ctx.Err()
	})
	for _, list := range h.window {
		slices.SortFunc(list, func(a, b placed) int { return cmp.Compare(a.loc.pos.offset, b.loc.pos.offset) })
	}
	return err
}
