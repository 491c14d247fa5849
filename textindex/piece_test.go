package textindex

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// memory is a file.
type memory struct{ b []byte }

func (m *memory) WriteAt(b []byte, off int64) (int, error) {
	if n := int(off) + len(b); n > len(m.b) {
		m.b = append(m.b, make([]byte, n-len(m.b))...)
	}
	return copy(m.b[off:], b), nil
}

func (m *memory) open(t testing.TB) *Piece {
	t.Helper()
	p, err := Open(bytes.NewReader(m.b), int64(len(m.b)))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// fataler is what a test and a rapid check have in common.
type fataler interface {
	Helper()
	Fatalf(string, ...any)
}

func build(t fataler, docs []Doc) *memory {
	t.Helper()
	b := NewBuilder(2)
	for _, d := range docs {
		b.Add(d)
	}
	m := &memory{}
	if err := b.Write(m, "stamp", []uint64{7, 9}); err != nil {
		t.Fatalf("write: %v", err)
	}
	return m
}

// texts draws what messages say: words that repeat, parts of each other, chance,
// scripts with and without spaces, punctuation.
func texts() *rapid.Generator[string] {
	tok := rapid.OneOf(
		rapid.SampledFrom([]string{"invoice", "voice", "in", "a", "mail", "e-mail", "größe", "straße", "東京都", "日本語", "京", "สวัสดี", "x1y2z3w4v5", "dGhpcyBpcw0K", "20260101", "1234567890123", "http://a.test/?q=invoice", "\xff\xc3", "ñandú", "donaudampfschifffahrtsgesellschaft"}),
		rapid.StringMatching(`[a-c]{1,8}`), rapid.StringMatching(`[a-z0-9]{7,30}`), rapid.StringN(0, 6, -1))
	return rapid.Custom(func(t *rapid.T) string {
		l := rapid.SliceOfN(tok, 0, 12).Draw(t, "tokens")
		sep := rapid.SampledFrom([]string{" ", "", ", "}).Draw(t, "sep")
		return strings.ReplaceAll(strings.Join(l, sep), "\n", " ")
	})
}

func drawDocs(t *rapid.T, from uint64, n int) (docs []Doc) {
	for i := range n {
		d := Doc{Blob: from + uint64(i)*4, Size: int64(i), Header: texts().Draw(t, "header"), Body: texts().Draw(t, "body"), Unsure: rapid.IntRange(0, 19).Draw(t, "unsure") == 0}
		for range 2 {
			d.Fields = append(d.Fields, rapid.SliceOfN(texts(), 0, 2).Draw(t, "field"))
		}
		docs = append(docs, d)
	}
	return docs
}

// drawQuery is a part of what a document says, or anything.
func drawQuery(t *rapid.T, docs []Doc) string {
	if len(docs) == 0 || rapid.IntRange(0, 3).Draw(t, "any") == 0 {
		return texts().Draw(t, "query")
	}
	d := rapid.SampledFrom(docs).Draw(t, "of")
	s := d.Body
	if rapid.Bool().Draw(t, "header") {
		s = d.Header
	}
	a, b := rapid.IntRange(0, len(s)).Draw(t, "a"), rapid.IntRange(0, len(s)).Draw(t, "b")
	return s[min(a, b):max(a, b)]
}

// verify holds a piece's answers against the documents themselves.
func verify(t *rapid.T, p *Piece, docs []Doc, q string) {
	if p.Len() != len(docs) {
		t.Fatalf("got %d documents, want %d", p.Len(), len(docs))
	}
	check := func(what string, a Answer, err error, has func(d Doc) bool) {
		if err != nil {
			t.Fatalf("%s %q: %v", what, q, err)
		}
		for i, d := range docs {
			yes, maybe := a.Yes.Has(i), a.Maybe.Has(i)
			if yes && maybe || yes && !has(d) || !yes && !maybe && has(d) {
				t.Fatalf("%s %q: document %+v: got yes %v, maybe %v", what, q, d, yes, maybe)
			}
		}
	}
	for i, d := range docs {
		if blob, size := p.Doc(i); blob != d.Blob || size != d.Size {
			t.Fatalf("document %d: got blob %d of %d bytes", i, blob, size)
		}
		if n, ok := p.Find(d.Blob); !ok || n != i {
			t.Fatalf("blob %d: got %d, %v", d.Blob, n, ok)
		}
		if _, ok := p.Find(d.Blob + 1); ok {
			t.Fatalf("blob %d found", d.Blob+1)
		}
	}
	a, err := p.Text(Header, q)
	check("header", a, err, func(d Doc) bool { return strings.Contains(d.Header, q) })
	a, err = p.Text(Body, q)
	check("body", a, err, func(d Doc) bool { return strings.Contains(d.Body, q) })
	for i := range 2 {
		a, err = p.Field(i, q)
		check(fmt.Sprint("field ", i), a, err, func(d Doc) bool {
			for _, v := range d.Fields[i] {
				if strings.Contains(v, q) {
					return true
				}
			}
			return false
		})
	}
}

func TestAnswersAreThoseOfTheTexts(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		docs := drawDocs(t, 10, rapid.IntRange(0, 12).Draw(t, "docs"))
		m := build(t, docs)
		p, err := Open(bytes.NewReader(m.b), int64(len(m.b)))
		if err != nil {
			t.Fatal(err)
		}
		for range 4 {
			verify(t, p, docs, drawQuery(t, docs))
		}
	})
}

func TestMergedPieceAnswersAsItsParts(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var pieces []*Piece
		var all []Doc
		for i := range rapid.IntRange(1, 4).Draw(t, "pieces") {
			from := uint64(10 + i*40)
			if i == 3 {
				from = 12 // between those of the first
			}
			docs := drawDocs(t, from, rapid.IntRange(0, 6).Draw(t, "docs"))
			m := build(t, docs)
			p, err := Open(bytes.NewReader(m.b), int64(len(m.b)))
			if err != nil {
				t.Fatal(err)
			}
			pieces, all = append(pieces, p), append(all, docs...)
		}
		mod := uint64(rapid.IntRange(1, 4).Draw(t, "mod"))
		keep := func(b uint64) bool { return mod == 1 || b/2%mod != 0 }
		m := &memory{}
		if err := Merge(m, "merged", []uint64{1}, pieces, keep); err != nil {
			t.Fatal(err)
		}
		p, err := Open(bytes.NewReader(m.b), int64(len(m.b)))
		if err != nil {
			t.Fatal(err)
		}
		var docs []Doc
		for i := range p.Len() {
			blob, _ := p.Doc(i)
			for _, d := range all {
				if d.Blob == blob && keep(blob) {
					docs = append(docs, d)
				}
			}
		}
		want := 0
		for _, d := range all {
			if keep(d.Blob) {
				want++
			}
		}
		if len(docs) != want {
			t.Fatalf("got %d documents, want %d", len(docs), want)
		}
		for range 4 {
			verify(t, p, docs, drawQuery(t, docs))
		}
	})
}

// A word is answered from the dictionary alone, however common it is.
func TestWordsNeedNoMessage(t *testing.T) {
	t.Parallel()
	var docs []Doc
	for i := range 5000 {
		docs = append(docs, Doc{Blob: uint64(i + 1), Body: fmt.Sprintf("the invoices of %d 東京都 x%dy%dz8abcdefg", i, i, i*7), Header: "subject: x"})
	}
	p := build(t, docs).open(t)
	for q, want := range map[string][2]int{
		"invoice": {5000, 0}, "nvoi": {5000, 0}, "京": {5000, 0}, "京都": {5000, 0}, "4999": {1, 5}, "zebra": {0, 0}, "of": {5000, 0}, "8a": {5000, 0},
	} {
		a, err := p.Text(Body, q)
		if err != nil {
			t.Fatal(err)
		}
		if yes, maybe := a.Yes.count(), a.Maybe.count(); yes != want[0] && maybe == 0 || maybe > want[1] {
			t.Errorf("%q: got %d yes, %d maybe, want %v at most", q, yes, maybe, want)
		}
	}
}

func TestDamagedPieceIsFound(t *testing.T) {
	t.Parallel()
	docs := []Doc{{Blob: 1, Header: "subject: one", Body: "some text", Fields: [][]string{{"one"}}}, {Blob: 3, Body: strings.Repeat("other words ", 100)}}
	m := build(t, docs)
	want, err := m.open(t).Text(Body, "text")
	if err != nil || !want.Yes.Has(0) || want.Yes.Has(1) {
		t.Fatalf("got %v, %v", want, err)
	}
	for i := range m.b {
		b := bytes.Clone(m.b)
		b[i] ^= 0x10
		p, err := Open(bytes.NewReader(b), int64(len(b)))
		if err == nil {
			_, err = p.Text(Body, "text")
		}
		if !errors.Is(err, ErrDamaged) {
			t.Fatalf("byte %d of %d changed: got %v, want ErrDamaged", i, len(m.b), err)
		}
	}
	for i := range m.b {
		if _, err := Open(bytes.NewReader(m.b[:i]), int64(i)); !errors.Is(err, ErrDamaged) {
			t.Fatalf("cut at %d: got %v, want ErrDamaged", i, err)
		}
	}
	if p := m.open(t); p.Stamp() != "stamp" || fmt.Sprint(p.Replaces()) != "[7 9]" {
		t.Errorf("got stamp %q, replaces %v", p.Stamp(), p.Replaces())
	}
}

type failing struct{}

func (failing) WriteAt([]byte, int64) (int, error) { return 0, io.ErrShortWrite }

func TestFailedWriteIsTold(t *testing.T) {
	t.Parallel()
	b := NewBuilder(0)
	b.Add(Doc{Blob: 1, Body: "x"})
	if err := b.Write(failing{}, "", nil); !errors.Is(err, io.ErrShortWrite) {
		t.Errorf("got %v", err)
	}
}

// FuzzPiece reads pieces whose checksums are right and whose content is not.
func FuzzPiece(f *testing.F) {
	m := build(f, []Doc{{Blob: 1, Header: "subject: one", Body: "some text 日本語 a1b2c3d4e5", Fields: [][]string{{"one"}}}, {Blob: 2, Body: "text"}})
	p := m.open(f)
	data, err := p.pages.read(0, p.pages.size)
	if err != nil {
		f.Fatal(err)
	}
	for i := range data { // where the directory begins is told apart
		if i%16 == 0 {
			f.Add(data[:i], data[i:])
		}
	}
	f.Fuzz(func(t *testing.T, data, dir []byte) {
		m := &memory{}
		w := pageWriter{w: m}
		w.write(data)
		if err := w.finish(dir); err != nil {
			t.Fatal(err)
		}
		p, err := Open(bytes.NewReader(m.b), int64(len(m.b)))
		if err != nil {
			return
		}
		for _, q := range []string{"text", "e", "日本語", "one two", ""} {
			for _, w := range []Where{Header, Body} {
				_, _ = p.Text(w, q) // what it says does not matter
			}
			_, _ = p.Field(0, q)
		}
		if err := Merge(&memory{}, "", nil, []*Piece{p, p}, func(b uint64) bool { return b%3 > 0 }); err != nil && !errors.Is(err, ErrDamaged) {
			t.Fatalf("merge: got %v", err)
		}
	})
}

// samplePiece has everything that a piece can have.
func samplePiece() []Doc {
	return []Doc{
		{Blob: 5, Size: 100, Header: "subject: invoice from: ann@a.test", Body: "the invoice of 東京都 costs 20 dGhpcyBpcw0KdGhpcyBpcw", Fields: [][]string{{"invoice"}, {"ann@a.test"}}},
		{Blob: 9, Size: 200, Unsure: true, Header: "subject: cut", Body: "half of it"},
		{Blob: 1000, Size: 300, Header: "subject: größe", Body: "voices", Fields: [][]string{{"größe", "again"}, nil}},
	}
}

// TestFirstVersionIsStillRead reads a piece that was written when the format was
// new. A change of the format needs a new magic, and pieces made again.
func TestFirstVersionIsStillRead(t *testing.T) {
	t.Parallel()
	b, err := os.ReadFile(filepath.Join("testdata", "MStext01.idx"))
	if err != nil {
		t.Fatal(err)
	}
	if m := build(t, samplePiece()); !bytes.Equal(m.b, b) {
		t.Errorf("what is written now is not what was written then")
	}
	rapid.Check(t, func(rt *rapid.T) {
		p, err := Open(bytes.NewReader(b), int64(len(b)))
		if err != nil {
			rt.Fatal(err)
		}
		verify(rt, p, samplePiece(), drawQuery(rt, samplePiece()))
	})
}
