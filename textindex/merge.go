package textindex

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"io"
	"slices"
)

// Merge writes a piece with the documents of several that keep says yes to; of a
// blob that several have it takes one. All must have the same columns.
func Merge(f io.WriterAt, stamp string, old []uint64, pieces []*Piece, keep func(blob uint64) bool) error {
	docs, numbers := mergeDocs(pieces, keep)
	w := newWriter(f, stamp, old, docs)
	for i := range sectionCount {
		if err := mergeSection(w, i, pieces, numbers); err != nil {
			return err
		}
	}
	for i := range pieces[0].columns {
		if err := mergeColumn(w, i, pieces, numbers); err != nil {
			return err
		}
	}
	return w.finish()
}

// place is where a document of the merged piece comes from.
type place struct{ piece, doc int }

// merged numbers documents anew: to[piece][doc], -1 for those left out, and back.
type merged struct {
	to   [][]int32
	from []place
}

func mergeDocs(pieces []*Piece, keep func(uint64) bool) (docs []docRow, m merged) {
	for i, p := range pieces {
		to := make([]int32, len(p.docs))
		for d, row := range p.docs {
			if to[d] = -1; keep(row.blob) {
				m.from = append(m.from, place{i, d})
			}
		}
		m.to = append(m.to, to)
	}
	blob := func(p place) uint64 { return pieces[p.piece].docs[p.doc].blob }
	slices.SortStableFunc(m.from, func(a, b place) int { return cmp.Compare(blob(a), blob(b)) })
	m.from = slices.CompactFunc(m.from, func(a, b place) bool { return blob(a) == blob(b) })
	for i, p := range m.from {
		m.to[p.piece][p.doc] = int32(i)
		docs = append(docs, pieces[p.piece].docs[p.doc])
	}
	return docs, m
}

// walker goes through the entries of a section.
type walker struct {
	p          *Piece
	blocks     []block
	text, lens []byte // what is left of the block
	at         int64  // of the posting
	read, post cursor
	tok        []byte // the entry; nil at the end
	size       int64  // of its posting
}

func (w *walker) next() error {
	w.at += w.size
	w.size = 0
	for len(w.text) <= 1 {
		if len(w.blocks) == 0 {
			w.tok = nil
			return nil
		}
		b := w.blocks[0]
		w.blocks = w.blocks[1:]
		data, err := w.read.read(b.at, b.text+b.lens)
		if err != nil {
			return err
		}
		w.text, w.lens, w.at = data[:b.text], data[b.text:], b.first
	}
	end := bytes.IndexByte(w.text[1:], '\n')
	n, used := binary.Uvarint(w.lens)
	if end < 0 || used <= 0 || n > maxPosting {
		return ErrDamaged
	}
	w.tok, w.text = w.text[1:1+end], w.text[1+end:]
	w.size, w.lens = int64(n), w.lens[used:]
	return nil
}

func mergeSection(w *writer, section int, pieces []*Piece, m merged) error {
	var list []*walker
	for _, p := range pieces {
		r := &walker{p: p, blocks: p.sections[section].blocks, read: cursor{r: p.pages}, post: cursor{r: p.pages}}
		if err := r.next(); err != nil {
			return err
		}
		list = append(list, r)
	}
	w.begin()
	var docs, some []uint32
	for {
		var least []byte
		for _, r := range list {
			if r.tok != nil && (least == nil || bytes.Compare(r.tok, least) < 0) {
				least = r.tok
			}
		}
		if least == nil {
			w.end()
			return w.pages.err
		}
		tok := string(least)
		docs = docs[:0]
		for i, r := range list {
			if r.tok == nil || string(r.tok) != tok {
				continue
			}
			b, err := r.post.read(r.at, r.size)
			if err != nil {
				return err
			}
			if some, err = appendDocs(some[:0], b, len(r.p.docs)); err != nil {
				return err
			}
			for _, d := range some {
				if n := m.to[i][d]; n >= 0 {
					docs = append(docs, uint32(n))
				}
			}
			if err := r.next(); err != nil {
				return err
			}
		}
		if !slices.IsSorted(docs) {
			slices.Sort(docs)
		}
		if len(docs) > 0 {
			w.token(tok, docs)
		}
	}
}

// values goes through a column.
type values struct {
	p          *Piece
	blocks     []block
	text, lens []byte
	doc        int
}

// seek gives what a document has; documents ascend.
func (v *values) seek(doc int) (text []byte, unsure bool, err error) {
	for {
		if len(v.lens) == 0 {
			if len(v.blocks) == 0 {
				return nil, false, ErrDamaged
			}
			b := v.blocks[0]
			v.blocks = v.blocks[1:]
			data, err := v.p.pages.read(b.at, b.text+b.lens)
			if err != nil {
				return nil, false, err
			}
			v.text, v.lens, v.doc = data[:b.text], data[b.text:], int(b.first)
			continue
		}
		n, used := binary.Uvarint(v.lens)
		if used <= 0 || n>>1 > uint64(len(v.text)) {
			return nil, false, ErrDamaged
		}
		text, unsure = v.text[:n>>1], n&1 != 0
		v.text, v.lens = v.text[n>>1:], v.lens[used:]
		v.doc++
		if v.doc > doc {
			return text, unsure, nil
		}
	}
}

func mergeColumn(w *writer, column int, pieces []*Piece, m merged) error {
	var list []*values
	for _, p := range pieces {
		if column >= len(p.columns) {
			return ErrDamaged
		}
		list = append(list, &values{p: p, blocks: p.columns[column].blocks})
	}
	w.beginColumn()
	for _, at := range m.from {
		text, unsure, err := list[at.piece].seek(at.doc)
		if err != nil {
			return err
		}
		w.value(text, unsure)
	}
	w.endColumn()
	return w.pages.err
}
