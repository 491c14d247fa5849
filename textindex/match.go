package textindex

import (
	"bytes"
	"encoding/binary"
	"strings"
	"unicode/utf8"
)

// Answer tells of each document of a piece whether it matches: in Yes it does, in
// Maybe its message must be asked, in neither it does not.
type Answer struct{ Yes, Maybe Bitmap }

// Where says which text of a message is meant.
type Where int

// The two texts. Each is looked into by itself.
const (
	Header Where = iota
	Body
)

// Text finds the documents whose header or body contains a string, folded as the
// texts are.
func (p *Piece) Text(where Where, q string) (a Answer, err error) {
	n := len(p.docs)
	a = Answer{NewBitmap(n), NewBitmap(n)}
	if q == "" {
		a.Yes.fill(n)
		return a, nil
	}
	s := search{p: p, words: &p.sections[headerWords], grams: &p.sections[headerGrams]}
	if where == Body {
		s.words, s.grams = &p.sections[bodyWords], &p.sections[bodyGrams]
	}
	if !utf8.ValidString(q) || strings.Contains(q, "\n") {
		a.Maybe.fill(n)
		return a, nil
	}
	start, end, c := nextRun(q, 0)
	switch {
	case c == separator:
		a.Maybe.fill(n)
	case start > 0 || end < len(q) || c == dense && utf8.RuneCountInString(q) > 2:
		a.Maybe, err = s.phrase(q)
	default:
		err = s.one(q, c, &a)
	}
	if err != nil {
		return Answer{}, err
	}
	for _, i := range p.unsure {
		a.Maybe.set(i)
	}
	a.Maybe.minus(a.Yes)
	return a, nil
}

// search looks into one text of a piece.
type search struct {
	p            *Piece
	words, grams *section
	docs         []uint32
}

// one answers for a string that lies within one token wherever it stands.
func (s *search) one(q string, c class, a *Answer) error {
	if err := s.union(s.words, q, a.Yes); err != nil || c == dense {
		return err
	}
	if len(q) <= gramLen { // a trigram that has it is proof
		return s.union(s.grams, q, a.Yes)
	}
	return s.chance(q, a.Maybe)
}

// phrase gives the documents that have everything a string is cut into.
func (s *search) phrase(q string) (Bitmap, error) {
	all := NewBitmap(len(s.p.docs))
	all.fill(len(s.p.docs))
	for at := 0; ; {
		start, end, c := nextRun(q, at)
		if c == separator {
			return all, nil
		}
		at = end
		run := q[start:end]
		if c == dense {
			var err error
			pairs(run, func(pair string) {
				if err == nil {
					err = s.within(s.words, pair, all)
				}
			})
			if err != nil {
				return nil, err
			}
			continue
		}
		has := NewBitmap(len(s.p.docs))
		needle := run
		if start > 0 {
			needle = "\n" + needle
		}
		if end < len(q) {
			needle += "\n"
		}
		if err := s.union(s.words, needle, has); err != nil {
			return nil, err
		}
		var err error
		if len(run) <= gramLen {
			err = s.union(s.grams, run, has)
		} else {
			err = s.chance(run, has)
		}
		if err != nil {
			return nil, err
		}
		all.and(has)
	}
}

// within leaves in the set what has an entry that contains a string.
func (s *search) within(in *section, needle string, set Bitmap) error {
	has := NewBitmap(len(s.p.docs))
	if err := s.union(in, needle, has); err != nil {
		return err
	}
	set.and(has)
	return nil
}

// chance adds the documents that have every trigram of a string.
func (s *search) chance(q string, to Bitmap) (err error) {
	all := NewBitmap(len(s.p.docs))
	all.fill(len(s.p.docs))
	left := len(s.p.docs) > 0
	grams(q, func(g string) {
		if err == nil && left {
			err = s.within(s.grams, "\n"+g+"\n", all)
			left = all.count() > 0
		}
	})
	if err == nil {
		to.or(all)
	}
	return err
}

// scanBytes is how much of a dictionary is read at once.
const scanBytes = 256 << 10

// union adds the documents of all entries that contain a string; an entry begins
// and ends with a line feed.
func (s *search) union(in *section, needle string, to Bitmap) error {
	read := cursor{r: s.p.pages}
	post := cursor{r: s.p.pages}
	key := []byte(needle)
	for i := 0; i < len(in.blocks) && to.count() < len(s.p.docs); {
		first, end := i, in.blocks[i].at
		for ; i < len(in.blocks) && in.blocks[i].at == end && end-in.blocks[first].at < scanBytes; i++ {
			end += in.blocks[i].text + in.blocks[i].lens
		}
		if i == first {
			return ErrDamaged
		}
		all, err := read.read(in.blocks[first].at, end-in.blocks[first].at)
		if err != nil {
			return err
		}
		for _, b := range in.blocks[first:i] {
			at := b.at - in.blocks[first].at
			if err := s.block(b, all[at:at+b.text], all[at+b.text:at+b.text+b.lens], key, &post, to); err != nil {
				return err
			}
		}
	}
	return nil
}

// block is union for one block.
func (s *search) block(b block, text, lens, key []byte, post *cursor, to Bitmap) error {
	place := b.first
	for done := 0; ; {
		i := bytes.Index(text[done:], key)
		if i < 0 {
			return nil
		}
		// The entry begins at the last line feed that is not behind the match,
		// or is its first byte.
		hit := done + i
		if key[0] != '\n' {
			hit = bytes.LastIndexByte(text[:hit], '\n')
		}
		if hit < done {
			return ErrDamaged
		}
		for range bytes.Count(text[done:hit], []byte{'\n'}) {
			n, used := binary.Uvarint(lens)
			if used <= 0 {
				return ErrDamaged
			}
			lens, place = lens[used:], place+int64(n)
		}
		n, used := binary.Uvarint(lens)
		if used <= 0 || n > maxPosting {
			return ErrDamaged
		}
		p, err := post.read(place, int64(n))
		if err != nil {
			return err
		}
		if s.docs, err = appendDocs(s.docs[:0], p, len(s.p.docs)); err != nil {
			return err
		}
		for _, d := range s.docs {
			to.set(d)
		}
		lens, place = lens[used:], place+int64(n)
		next := bytes.IndexByte(text[hit+1:], '\n')
		if next < 0 {
			return ErrDamaged
		}
		if done = hit + 1 + next; done+1 >= len(text) {
			return nil
		}
	}
}

// maxPosting is the most bytes of a posting: a bitmap, or fewer.
const maxPosting = MaxDocs/8 + 16

// Field finds the documents that have a value in a column that contains a
// string; an empty one is in every value.
func (p *Piece) Field(i int, q string) (a Answer, err error) {
	n := len(p.docs)
	a = Answer{NewBitmap(n), NewBitmap(n)}
	if i >= len(p.columns) || strings.Contains(q, "\n") {
		a.Maybe.fill(n)
		return a, nil
	}
	for _, b := range p.columns[i].blocks {
		data, err := p.pages.read(b.at, b.text+b.lens)
		if err != nil {
			return a, err
		}
		if err := fieldBlock(data[:b.text], data[b.text:], b.first, []byte(q), n, &a); err != nil {
			return a, err
		}
	}
	return a, nil
}

// fieldBlock is Field for one block.
func fieldBlock(text, lens []byte, doc int64, key []byte, n int, a *Answer) error {
	next := -2 // where the next match is; -1: nowhere
	at := 0
	for ; len(lens) > 0; doc++ {
		v, used := binary.Uvarint(lens)
		size := v >> 1
		if used <= 0 || size > uint64(len(text)-at) || doc >= int64(n) {
			return ErrDamaged
		}
		lens = lens[used:]
		if v&1 != 0 {
			a.Maybe.set(uint32(doc))
		}
		if next != -1 && next < at {
			if next = bytes.Index(text[at:], key); next >= 0 {
				next += at
			}
		}
		end := at + int(size)
		if size > 0 && next >= 0 && next < end {
			a.Yes.set(uint32(doc))
		}
		at = end
	}
	return nil
}
