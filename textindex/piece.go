package textindex

import (
	"fmt"
	"io"
	"slices"
)

// Piece is an open piece. It keeps its directory and its list of documents in
// memory, about twelve bytes for each, and reads the rest when it is asked. Safe
// for concurrent use; whoever opened the file closes it.
type Piece struct {
	pages    *pageReader
	stamp    string
	old      []uint64
	docs     []docRow
	unsure   []uint32
	sections [sectionCount]section
	columns  []column
}

// Open opens the piece in a file of size bytes. What is no piece, or a damaged
// one, gives ErrDamaged; what is damaged further inside gives it when it is read.
func Open(f io.ReaderAt, size int64) (*Piece, error) {
	pages, dir, err := openPages(f, size)
	if err != nil {
		return nil, fmt.Errorf("open text index: %w", err)
	}
	p := &Piece{pages: pages}
	d := dirReader{b: dir}
	p.stamp = d.str()
	for range d.count(1) {
		p.old = append(p.old, d.uint())
	}
	p.readDocs(&d)
	for i := range p.sections {
		p.sections[i].blocks = d.blocks()
	}
	for len(d.b) > 0 {
		p.columns = append(p.columns, column{d.blocks()})
	}
	if d.bad {
		return nil, fmt.Errorf("open text index: directory: %w", ErrDamaged)
	}
	return p, nil
}

func (p *Piece) readDocs(d *dirReader) {
	n := d.count(2)
	if n > MaxDocs {
		d.bad = true
		return
	}
	p.docs = make([]docRow, n)
	last := uint64(0)
	for i := range p.docs {
		gap, size := d.uint(), d.uint()
		if i > 0 && gap == 0 || last+gap < last {
			d.bad = true
		}
		last += gap
		p.docs[i] = docRow{last, int64(size >> 1), size&1 != 0}
		if size&1 != 0 {
			p.unsure = append(p.unsure, uint32(i))
		}
	}
}

// Stamp is what the piece was written with.
func (p *Piece) Stamp() string { return p.stamp }

// Replaces names the pieces this one was merged from.
func (p *Piece) Replaces() []uint64 { return p.old }

// Len is the number of documents.
func (p *Piece) Len() int { return len(p.docs) }

// Doc gives the blob and the size of the message of a document. Blobs ascend.
func (p *Piece) Doc(i int) (blob uint64, size int64) { return p.docs[i].blob, p.docs[i].size }

// Find gives the document of a blob.
func (p *Piece) Find(blob uint64) (int, bool) {
	return slices.BinarySearchFunc(p.docs, blob, func(d docRow, b uint64) int {
		switch {
		case d.blob < b:
			return -1
		case d.blob > b:
			return 1
		}
		return 0
	})
}

// Dictionary is the bytes of all dictionaries: what a merge holds in memory.
func (p *Piece) Dictionary() (n int64) {
	for _, s := range p.sections {
		for _, b := range s.blocks {
			n += b.text + b.lens
		}
	}
	return n
}

// Verify reads all of the piece. Open pieces are proved as they are read; this
// finds damage where nobody looked yet.
func (p *Piece) Verify() error {
	for at := int64(0); at < p.pages.size; at += scanBytes {
		if _, err := p.pages.read(at, min(scanBytes, p.pages.size-at)); err != nil {
			return err
		}
	}
	return nil
}
