package textindex

import (
	"encoding/binary"
	"io"
	"maps"
	"slices"
	"strings"
)

// Limits, in bytes. A document that has more of one kind is told from its message.
const (
	// MaxText is how much of a header or a body the index takes.
	MaxText  = 1 << 20
	maxValue = 16 << 10 // what the fields of one name have
	// MaxDocs is how many documents a piece has at most.
	MaxDocs = 1 << 17
)

// Doc is one message for the index. Texts are folded as queries are.
type Doc struct {
	Blob uint64
	Size int64 // of the message: with Blob it says which one it is
	// Unsure: the texts are not all the message has; where they don't say yes
	// the answer is maybe.
	Unsure       bool
	Header, Body string
	Fields       [][]string // by column: the values of each field of that name; no line feeds
}

// docRow is what a piece keeps of a document itself.
type docRow struct {
	blob   uint64
	size   int64
	unsure bool
}

// Builder gathers documents in memory for a piece. For one goroutine.
type Builder struct {
	docs  []docRow
	words [2]map[string]*growing // by Where
	grams [2]map[uint32]*growing // the same; a trigram as a number, first byte highest
	cols  []growingColumn
	slab  []growing
	bytes int
}

// growing is a posting to be.
type growing struct {
	count int
	next  uint32 // one more than the last document
	gaps  []byte // varints
}

type growingColumn struct {
	text []byte
	lens []uint32
}

// The sections of a piece.
const (
	headerWords = iota
	headerGrams
	bodyWords
	bodyGrams
	sectionCount
)

// NewBuilder makes an empty one for pieces with a number of columns.
func NewBuilder(columns int) *Builder {
	b := &Builder{cols: make([]growingColumn, columns)}
	for i := range b.words {
		b.words[i], b.grams[i] = map[string]*growing{}, map[uint32]*growing{}
	}
	return b
}

// Len is the number of documents.
func (b *Builder) Len() int { return len(b.docs) }

// Bytes is about how much memory the builder takes.
func (b *Builder) Bytes() int { return b.bytes }

// Add puts in a document. Its blob must be above those before.
func (b *Builder) Add(d Doc) {
	n := uint32(len(b.docs))
	unsure := d.Unsure || len(d.Header) > MaxText || len(d.Body) > MaxText
	b.docs = append(b.docs, docRow{d.Blob, d.Size, unsure})
	b.bytes += 64
	b.addText(n, d.Header[:min(len(d.Header), MaxText)], Header)
	b.addText(n, d.Body[:min(len(d.Body), MaxText)], Body)
	for i := range b.cols {
		var values []string
		if i < len(d.Fields) {
			values = d.Fields[i]
		}
		b.bytes += b.cols[i].add(values, unsure)
	}
}

// add notes the values of a document; lens has 1 where they are not told.
func (c *growingColumn) add(values []string, unsure bool) int {
	size := 0
	for _, v := range values {
		size += len(v) + 1
	}
	if unsure || size > maxValue {
		c.lens = append(c.lens, 1)
		return 4
	}
	for _, v := range values {
		c.text = append(append(c.text, v...), '\n')
	}
	c.lens = append(c.lens, uint32(size)<<1)
	return size + 4
}

// addText cuts a text, which may end within a token: such a document is unsure.
func (b *Builder) addText(doc uint32, s string, where Where) {
	for at := 0; ; {
		start, end, c := nextRun(s, at)
		if c == separator {
			return
		}
		at = end
		switch tok := s[start:end]; {
		case c == dense:
			pairs(tok, func(p string) { b.addWord(doc, p, where) })
		case wordLike(tok):
			b.addWord(doc, tok, where)
		default:
			b.addChance(doc, tok, where)
		}
	}
}

func (b *Builder) addWord(doc uint32, tok string, where Where) {
	g := b.words[where][tok]
	if g == nil {
		g = b.grow()
		b.words[where][strings.Clone(tok)] = g
		b.bytes += len(tok)
	}
	b.note(doc, g)
}

func (b *Builder) addChance(doc uint32, tok string, where Where) {
	n := uint32(0)
	for i := range len(tok) {
		if n = n<<8&0xffffff | uint32(tok[i]); i < gramLen-1 {
			continue
		}
		g := b.grams[where][n]
		if g == nil {
			g = b.grow()
			b.grams[where][n] = g
		}
		b.note(doc, g)
	}
}

// grow makes a new posting.
func (b *Builder) grow() *growing {
	if len(b.slab) == 0 {
		b.slab = make([]growing, 256)
	}
	g := &b.slab[0]
	b.slab = b.slab[1:]
	b.bytes += 96
	return g
}

func (b *Builder) note(doc uint32, g *growing) {
	if g.next > doc {
		return
	}
	was := cap(g.gaps)
	g.gaps = binary.AppendUvarint(g.gaps, uint64(doc-g.next))
	b.bytes += cap(g.gaps) - was
	g.next, g.count = doc+1, g.count+1
}

func (g *growing) docs(to []uint32) []uint32 {
	next := uint32(0)
	for b := g.gaps; len(b) > 0; {
		gap, n := binary.Uvarint(b)
		b = b[n:]
		to, next = append(to, next+uint32(gap)), next+uint32(gap)+1
	}
	return to
}

// Write writes the piece to an empty file; the caller syncs it. stamp is given
// back by Piece.Stamp, old by Piece.Replaces.
func (b *Builder) Write(f io.WriterAt, stamp string, old []uint64) error {
	w := newWriter(f, stamp, old, b.docs)
	var docs []uint32
	for where := range b.words {
		w.begin()
		for _, tok := range slices.Sorted(maps.Keys(b.words[where])) {
			docs = b.words[where][tok].docs(docs[:0])
			w.token(tok, docs)
		}
		w.end()
		w.begin()
		for _, n := range slices.Sorted(maps.Keys(b.grams[where])) {
			docs = b.grams[where][n].docs(docs[:0])
			w.token(string([]byte{byte(n >> 16), byte(n >> 8), byte(n)}), docs)
		}
		w.end()
	}
	for i := range b.cols {
		w.beginColumn()
		text := b.cols[i].text
		for _, n := range b.cols[i].lens {
			w.value(text[:n>>1], n&1 != 0)
			text = text[n>>1:]
		}
		w.endColumn()
	}
	return w.finish()
}
