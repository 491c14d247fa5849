package textindex

import "encoding/binary"

// block is a stretch of a dictionary or a column.
type block struct {
	at         int64 // in the data
	text, lens int64 // bytes of its text, and of the lengths that follow
	first      int64 // of a dictionary: the posting of its first token, in the data; of a column: its first document
}

// section is a dictionary with its postings. The text of a block is its tokens,
// each with a line feed before it, and one at the end; then come the lengths of
// their postings.
type section struct{ blocks []block }

// column holds a header field of each document. The text of a block is the
// values, each with a line feed behind it; then come the lengths of what each of
// its documents has, doubled, plus one where it is not told.
type column struct{ blocks []block }

// Sizes of blocks, in bytes, and of a column also in documents. maxBlock is what
// a reader takes.
const (
	sectionBlock = 4 << 10
	columnBlock  = 256 << 10
	columnDocs   = 1024
	maxBlock     = 1 << 20
)

// dirWriter packs a directory.
type dirWriter struct{ b []byte }

func (w *dirWriter) uint(v uint64) { w.b = binary.AppendUvarint(w.b, v) }
func (w *dirWriter) str(s string)  { w.uint(uint64(len(s))); w.b = append(w.b, s...) }

func (w *dirWriter) blocks(l []block) {
	w.uint(uint64(len(l)))
	for _, b := range l {
		w.uint(uint64(b.at))
		w.uint(uint64(b.text))
		w.uint(uint64(b.lens))
		w.uint(uint64(b.first))
	}
}

// dirReader reads one; safe on any bytes.
type dirReader struct {
	b   []byte
	bad bool
}

func (d *dirReader) uint() uint64 {
	v, n := binary.Uvarint(d.b)
	if n <= 0 {
		d.b, d.bad = nil, true
		return 0
	}
	d.b = d.b[n:]
	return v
}

// count reads the number of things that take size bytes each at least.
func (d *dirReader) count(size int) int {
	v := d.uint()
	if v > uint64(len(d.b)/size) {
		d.b, d.bad = nil, true
		return 0
	}
	return int(v)
}

func (d *dirReader) str() string {
	n := d.count(1)
	s := string(d.b[:n])
	d.b = d.b[n:]
	return s
}

func (d *dirReader) blocks() []block {
	l := make([]block, d.count(4))
	for i := range l {
		l[i] = block{int64(d.uint()), int64(d.uint()), int64(d.uint()), int64(d.uint())}
		if b := l[i]; b.at < 0 || b.text < 0 || b.lens < 0 || b.first < 0 || b.text > maxBlock || b.lens > maxBlock {
			d.bad = true
		}
	}
	return l
}
