package textindex

import (
	"encoding/binary"
	"io"
)

// writer writes a piece: the sections in their order, each with its tokens in
// theirs, then the columns, then the directory.
type writer struct {
	pages pageWriter
	n     int // documents
	dir   dirWriter

	// of the section: its postings are written as they come, its blocks behind
	// them.
	held       []byte  // blocks that are whole
	blocks     []block // of held, and their places in it
	text, lens []byte  // of the block begun
	first      int64   // its first posting
	posting    []byte

	// of the column
	docs, from int
}

func newWriter(f io.WriterAt, stamp string, old []uint64, docs []docRow) *writer {
	w := &writer{pages: pageWriter{w: f}, n: len(docs)}
	w.dir.str(stamp)
	w.dir.uint(uint64(len(old)))
	for _, n := range old {
		w.dir.uint(n)
	}
	w.dir.uint(uint64(len(docs)))
	last := uint64(0)
	for _, d := range docs {
		w.dir.uint(d.blob - last)
		size := uint64(d.size) << 1
		if d.unsure {
			size |= 1
		}
		w.dir.uint(size)
		last = d.blob
	}
	return w
}

func (w *writer) begin() {
	w.held, w.blocks, w.text, w.lens = w.held[:0], nil, w.text[:0], w.lens[:0]
}

// token adds the next token of a section.
func (w *writer) token(tok string, docs []uint32) {
	if len(w.text) == 0 {
		w.first = w.pages.offset()
	}
	w.posting = appendPosting(w.posting[:0], docs, w.n)
	w.pages.write(w.posting)
	w.text = append(append(w.text, '\n'), tok...)
	w.lens = binary.AppendUvarint(w.lens, uint64(len(w.posting)))
	if len(w.text) >= sectionBlock {
		w.text = append(w.text, '\n')
		w.hold()
	}
}

// hold ends a block.
func (w *writer) hold() {
	w.blocks = append(w.blocks, block{int64(len(w.held)), int64(len(w.text)), int64(len(w.lens)), w.first})
	w.held = append(append(w.held, w.text...), w.lens...)
	w.text, w.lens = w.text[:0], w.lens[:0]
}

func (w *writer) end() {
	if len(w.text) > 0 {
		w.text = append(w.text, '\n')
		w.hold()
	}
	from := w.pages.offset()
	w.pages.write(w.held)
	for i := range w.blocks {
		w.blocks[i].at += from
	}
	w.dir.blocks(w.blocks)
}

func (w *writer) beginColumn() {
	w.begin()
	w.docs, w.from = 0, 0
}

// value adds what the next document has in a column.
func (w *writer) value(text []byte, unsure bool) {
	n := uint64(len(text)) << 1
	if unsure {
		n |= 1
	}
	w.text = append(w.text, text...)
	w.lens = binary.AppendUvarint(w.lens, n)
	if w.docs++; w.docs-w.from >= columnDocs || len(w.text) >= columnBlock {
		w.holdColumn()
	}
}

func (w *writer) holdColumn() {
	w.blocks = append(w.blocks, block{w.pages.offset(), int64(len(w.text)), int64(len(w.lens)), int64(w.from)})
	w.pages.write(w.text)
	w.pages.write(w.lens)
	w.text, w.lens, w.from = w.text[:0], w.lens[:0], w.docs
}

func (w *writer) endColumn() {
	if w.docs > w.from {
		w.holdColumn()
	}
	w.dir.blocks(w.blocks)
}

func (w *writer) finish() error { return w.pages.finish(w.dir.b) }
