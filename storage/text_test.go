package storage

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"mailstead/mail"
)

// textStore is a store with a text index, of one account with two mailboxes.
type textStore struct {
	t      *rapid.T
	dir    string
	opts   Options
	s      *Store
	boxes  [2]Ref
	said   []string // words that were used
	number int
}

func (x *textStore) check(err error) {
	x.t.Helper()
	if err != nil {
		x.t.Fatal(err)
	}
}

func (x *textStore) open() {
	x.t.Helper()
	s, err := Open(x.dir, x.opts)
	x.check(err)
	x.s = s
}

// word draws something that messages say.
func (x *textStore) word() string {
	return rapid.OneOf(
		rapid.SampledFrom([]string{"invoice", "Voice", "mail", "e-mail", "Größe", "STRASSE", "東京都庁", "日本", "x1y2z3w4v5q6", "dGhpcyBpcw0KdGhpcyBpcw", "http://a.test/?q=invoice", "ﬁsh", "İzmir", "&amp;", "<b>bold</b>er", "a", "=?"}),
		rapid.StringMatching(`[a-c]{1,5}`), rapid.StringMatching(`[a-zA-Z0-9]{7,24}`)).Draw(x.t, "word")
}

func (x *textStore) words(n int) string {
	var l []string
	for range rapid.IntRange(0, n).Draw(x.t, "words") {
		w := x.word()
		l, x.said = append(l, w), append(x.said, w)
	}
	return strings.Join(l, rapid.SampledFrom([]string{" ", "  ", "-", ""}).Draw(x.t, "between"))
}

// message draws a message: plain, HTML, with parts, with a message within, with
// and without the fields that are asked for.
func (x *textStore) message() string {
	x.number++
	var h strings.Builder
	for _, f := range []string{"Subject", "From", "To", "X-Odd", "Cc", "Subject"} {
		if rapid.IntRange(0, 2).Draw(x.t, f) > 0 {
			fmt.Fprintf(&h, "%s: %s\r\n", f, x.words(4))
		}
	}
	fmt.Fprintf(&h, "Message-ID: <%d@x.test>\r\nMIME-Version: 1.0\r\n", x.number)
	html := "Content-Type: text/html; charset=utf-8\r\n\r\n<p>" + x.words(6) + "</p><style>hidden</style><i>" + x.words(3) + "</i>\r\n"
	plain := "Content-Type: text/plain; charset=utf-8\r\n\r\n" + x.words(8) + "\r\n"
	switch rapid.IntRange(0, 3).Draw(x.t, "form") {
	case 0:
		return h.String() + plain
	case 1:
		return h.String() + html
	case 2:
		return h.String() + "Content-Type: multipart/mixed; boundary=bb\r\n\r\n--bb\r\n" + plain + "\r\n--bb\r\nContent-Type: message/rfc822\r\n\r\nSubject: " +
			x.words(2) + "\r\n" + html + "\r\n--bb\r\nContent-Type: application/octet-stream\r\n\r\ninvoice\r\n--bb--\r\n"
	}
	return h.String() + "\r\n" + x.words(8) + "\r\n"
}

// value draws what to look for: mostly a part of what was said.
func (x *textStore) value() string {
	if len(x.said) == 0 || rapid.IntRange(0, 4).Draw(x.t, "anything") == 0 {
		return x.word()
	}
	r := []rune(rapid.SampledFrom(x.said).Draw(x.t, "said"))
	a, b := rapid.IntRange(0, len(r)).Draw(x.t, "a"), rapid.IntRange(0, len(r)).Draw(x.t, "b")
	s := string(r[min(a, b):max(a, b)])
	if rapid.IntRange(0, 5).Draw(x.t, "phrase") == 0 {
		s += rapid.SampledFrom([]string{" ", "-", "."}).Draw(x.t, "then") + rapid.SampledFrom(x.said).Draw(x.t, "more")
	}
	return s
}

func (x *textStore) query(depth int) (q Query) {
	for range rapid.IntRange(0, 2).Draw(x.t, "conds") {
		switch rapid.IntRange(0, 4).Draw(x.t, "cond") {
		case 0:
			q.Text = append(q.Text, x.value())
		case 1:
			q.Body = append(q.Body, x.value())
		case 2:
			f := rapid.SampledFrom([]string{"Subject", "from", "To", "cc", "X-Odd", "Message-ID", "x-none"}).Draw(x.t, "field")
			q.Header = append(q.Header, HeaderMatch{f, x.value()})
		case 3:
			q.HasNot = Seen
		case 4:
			q.UIDs = append(q.UIDs, UIDSet{{UID(rapid.IntRange(1, 20).Draw(x.t, "from")), 1<<32 - 1}})
		}
	}
	if depth > 0 && rapid.Bool().Draw(x.t, "or") {
		q.Or = [][2]Query{{x.query(depth - 1), x.query(depth - 1)}}
	}
	if depth > 0 && rapid.Bool().Draw(x.t, "not") {
		q.Not = []Query{x.query(depth - 1)}
	}
	return q
}

func (x *textStore) found(ref Ref, q Query, o Order, indexed bool) (list []UID) {
	for r, err := range x.s.search(context.Background(), ref, q, o, indexed) {
		x.check(err)
		list = append(list, r.UID)
	}
	return list
}

// compare asks with the index and without.
func (x *textStore) compare() {
	ref := rapid.SampledFrom(x.boxes[:]).Draw(x.t, "box")
	q := x.query(2)
	o := rapid.SampledFrom([]Order{All, All, First, Last}).Draw(x.t, "order")
	if got, want := x.found(ref, q, o, true), x.found(ref, q, o, false); !slices.Equal(got, want) {
		x.t.Fatalf("%+v: got %v with the index, want %v", q, got, want)
	}
}

func (x *textStore) append() {
	ref := rapid.SampledFrom(x.boxes[:]).Draw(x.t, "to")
	var list []Incoming
	for range rapid.IntRange(1, 8).Draw(x.t, "messages") {
		list = append(list, Incoming{Body: strings.NewReader(x.message()), Targets: []Target{{Ref: ref}}})
	}
	_, err := x.s.AppendAll(context.Background(), list)
	x.check(err)
}

func (x *textStore) some() UIDSet {
	from := rapid.IntRange(1, 20).Draw(x.t, "first")
	return UIDSet{{UID(from), UID(from + rapid.IntRange(0, 6).Draw(x.t, "more"))}}
}

// change does something to the mailboxes.
func (x *textStore) change() {
	ctx := context.Background()
	switch rapid.IntRange(0, 4).Draw(x.t, "change") {
	case 0:
		_, err := x.s.Copy(ctx, x.boxes[0], x.some(), x.boxes[1])
		x.check(err)
	case 1:
		_, err := x.s.Move(ctx, x.boxes[1], x.some(), x.boxes[0])
		x.check(err)
	case 2:
		_, _, err := x.s.Expunge(ctx, x.boxes[0], x.some(), false)
		x.check(err)
	case 3:
		var list []Expunged
		x.check(x.s.Expunged(1, func(e Expunged) bool { list = append(list, e); return len(list) < 4 }))
		_, err := x.s.Undelete(ctx, 1, "", list)
		x.check(err)
	case 4:
		_, err := x.s.Purge(ctx, 1, time.Now().Add(time.Hour))
		x.check(err)
		_, err = x.s.Compact(ctx, CompactOptions{})
		x.check(err)
	}
}

// harm damages, cuts, or removes a file of the index.
func (x *textStore) harm() {
	files, err := filepath.Glob(filepath.Join(x.dir, textDir, "1", "*"+textSuffix))
	x.check(err)
	if len(files) == 0 {
		return
	}
	name := rapid.SampledFrom(files).Draw(x.t, "file")
	b, err := os.ReadFile(name)
	x.check(err)
	switch rapid.IntRange(0, 2).Draw(x.t, "harm") {
	case 0:
		b[rapid.IntRange(0, len(b)-1).Draw(x.t, "byte")] ^= 1
		x.check(writeInPlace(name, b))
	case 1:
		x.check(os.Truncate(name, int64(rapid.IntRange(0, len(b)-1).Draw(x.t, "length"))))
	case 2:
		x.check(os.Remove(name))
	}
}

func writeInPlace(name string, b []byte) error {
	f, err := os.OpenFile(name, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	return errors.Join(err, f.Close())
}

func TestTextIndexFindsWhatReadingFinds(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		dir, err := os.MkdirTemp(t.TempDir(), "")
		if err != nil {
			rt.Fatal(err)
		}
		x := &textStore{t: rt, dir: dir, opts: Options{SearchIndex: true, SearchBatch: 4, KeepExpunged: time.Hour, Housekeeping: -1, MinFree: -1}}
		x.open()
		defer func() { x.check(x.s.Close()) }()
		ctx := context.Background()
		x.check(x.s.CreateAccount(ctx, 1, "a"))
		for i, name := range []string{"INBOX", "Other"} {
			m, err := x.s.Mailbox(1, name)
			if errors.Is(err, ErrNoMailbox) {
				m, err = x.s.CreateMailbox(ctx, 1, name, "")
			}
			x.check(err)
			x.boxes[i] = Ref{1, m.ID}
		}
		for range rapid.IntRange(4, 14).Draw(rt, "steps") {
			switch rapid.IntRange(0, 7).Draw(rt, "step") {
			case 0, 1, 2:
				x.append()
			case 3:
				x.change()
			case 4, 5:
				x.check(x.s.IndexText(ctx))
			case 6:
				x.check(x.s.Close())
				if rapid.Bool().Draw(rt, "harm") {
					x.harm()
				}
				x.open()
			case 7:
				x.harm()
			}
			x.compare()
			x.compare()
		}
	})
}

// textFiles names the pieces of account 1.
func textFiles(t *testing.T, dir string) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, textDir, "1", "*"))
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func fillText(t *testing.T, s *Store, n int) Ref {
	t.Helper()
	m, err := s.Mailbox(1, "INBOX")
	if err != nil {
		t.Fatal(err)
	}
	ref := Ref{1, m.ID}
	for n > 0 {
		var list []Incoming
		for range min(n, 100) {
			list = append(list, Incoming{Body: strings.NewReader(fmt.Sprintf("Subject: number %d\r\n\r\ncommon words, and word%d\r\n", n, n)), Targets: []Target{{Ref: ref}}})
			n--
		}
		if _, err := s.AppendAll(t.Context(), list); err != nil {
			t.Fatal(err)
		}
	}
	return ref
}

func openText(t *testing.T, dir string, opts Options) *Store {
	t.Helper()
	s, err := Open(dir, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func quietText() Options {
	return Options{SearchIndex: true, SearchBatch: 1 << 30, Housekeeping: -1, MinFree: -1}
}

func countFound(t *testing.T, s *Store, ref Ref, q Query) (n int) {
	t.Helper()
	for _, err := range s.Search(t.Context(), ref, q, All) {
		if err != nil {
			t.Fatal(err)
		}
		n++
	}
	return n
}

func TestTextIndexMerges(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := openText(t, dir, quietText())
	if err := s.CreateAccount(t.Context(), 1, "a"); err != nil {
		t.Fatal(err)
	}
	var ref Ref
	for i := range 20 {
		ref = fillText(t, s, 40)
		if err := s.IndexText(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := countFound(t, s, ref, Query{Body: []string{"word7"}}); got != i+1 {
			t.Fatalf("round %d: got %d messages, want %d", i, got, i+1)
		}
		if n := len(textFiles(t, dir)); n > 8 {
			t.Fatalf("round %d: got %d pieces, want few", i, n)
		}
	}
	sp, err := s.Space()
	if err != nil || sp.Text == 0 || sp.TextPieces != len(textFiles(t, dir)) {
		t.Errorf("got %d bytes in %d pieces, %v", sp.Text, sp.TextPieces, err)
	}
}

// An index that answers is enough: no message is read.
func TestTextIndexAnswersWithoutMessages(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := openText(t, dir, quietText())
	if err := s.CreateAccount(t.Context(), 1, "a"); err != nil {
		t.Fatal(err)
	}
	ref := fillText(t, s, 200)
	if err := s.IndexText(t.Context()); err != nil {
		t.Fatal(err)
	}
	segs, err := filepath.Glob(filepath.Join(dir, "mail", "*.seg"))
	if err != nil || len(segs) == 0 {
		t.Fatal(segs, err)
	}
	for _, name := range segs { // nothing of a message can be read any more
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if err := writeInPlace(name, make([]byte, len(b))); err != nil {
			t.Fatal(err)
		}
	}
	s.sound.mu.Lock()
	clear(s.sound.set)
	s.sound.mu.Unlock()
	for _, tt := range []struct {
		q    Query
		want int
	}{
		{Query{Body: []string{"common"}}, 200}, {Query{Text: []string{"ommo"}}, 200}, {Query{Text: []string{"number"}}, 200},
		{Query{Body: []string{"word17"}}, 11}, {Query{Header: []HeaderMatch{{"subject", "r 17"}}}, 11}, {Query{Not: []Query{{Body: []string{"word1"}}}}, 89},
		{Query{Or: [][2]Query{{{Body: []string{"word200"}}, {Header: []HeaderMatch{{"subject", "number 199"}}}}}}, 2}, {Query{Header: []HeaderMatch{{"cc", ""}}}, 0},
	} {
		if got := countFound(t, s, ref, tt.q); got != tt.want {
			t.Errorf("%+v: got %d messages, want %d", tt.q, got, tt.want)
		}
	}
}

func TestTextIndexIsMadeInTheBackground(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	o := quietText()
	o.SearchBatch = 50
	s := openText(t, dir, o)
	if err := s.CreateAccount(t.Context(), 1, "a"); err != nil {
		t.Fatal(err)
	}
	fillText(t, s, 120)
	deadline := time.After(20 * time.Second)
	for len(textFiles(t, dir)) == 0 {
		select {
		case <-time.After(5 * time.Millisecond):
		case <-deadline:
			t.Fatal("no piece came")
		}
	}
	if err := s.RemoveAccount(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	if files := textFiles(t, dir); len(files) > 0 {
		t.Errorf("after the account's removal: got %v", files)
	}
}

// What was indexed for another store, or by another version, is not believed.
func TestTextIndexOfAnotherStoreIsDropped(t *testing.T) {
	t.Parallel()
	dir, other := t.TempDir(), t.TempDir()
	for _, d := range []string{dir, other} {
		s := openText(t, d, quietText())
		if err := s.CreateAccount(t.Context(), 1, "a"); err != nil {
			t.Fatal(err)
		}
		n := 50
		if d == dir {
			n = 40
		}
		fillText(t, s, n)
		if err := s.IndexText(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	tests := []struct {
		name   string
		change func(*Options)
		before func() error
	}{
		{"blobs that were never given", nil, func() error {
			return errors.Join(os.RemoveAll(filepath.Join(dir, textDir, "1")), os.Rename(filepath.Join(other, textDir, "1"), filepath.Join(dir, textDir, "1")))
		}},
		{"index made anew", nil, func() error { return Reindex(dir) }},
		{"restored", func(o *Options) { o.Restored = true }, nil},
	}
	for _, tt := range tests {
		o := quietText()
		if tt.change != nil {
			tt.change(&o)
		}
		if tt.before != nil {
			if err := tt.before(); err != nil {
				t.Fatal(tt.name, err)
			}
		}
		s, err := Open(dir, o)
		if err != nil {
			t.Fatal(tt.name, err)
		}
		a, list := s.text.acquire(mail.AccountID(1))
		s.text.release(a, list)
		for _, f := range textFiles(t, dir) {
			t.Errorf("%s: %s is left", tt.name, f)
		}
		if err := s.IndexText(t.Context()); err != nil {
			t.Fatal(tt.name, err)
		}
		if len(textFiles(t, dir)) == 0 {
			t.Errorf("%s: not made again", tt.name)
		}
		if err := s.Close(); err != nil {
			t.Fatal(tt.name, err)
		}
	}
}

// What is gone for good is taken out of the pieces.
func TestTextIndexForgetsWhatIsGone(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := openText(t, dir, quietText())
	if err := s.CreateAccount(t.Context(), 1, "a"); err != nil {
		t.Fatal(err)
	}
	ref := fillText(t, s, 90)
	if err := s.IndexText(t.Context()); err != nil {
		t.Fatal(err)
	}
	holds := func(word string) bool {
		for _, f := range textFiles(t, dir) {
			b, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			if bytes.Contains(b, []byte("\n"+word+"\n")) {
				return true
			}
		}
		return false
	}
	for _, tt := range []struct {
		name        string
		gone        UIDSet
		first, last bool // the words of the first and the last message are there
	}{
		{"few", UIDSet{{1, 5}}, true, true}, {"a third", UIDSet{{1, 30}}, false, true}, {"all", nil, false, false},
	} {
		if _, _, err := s.Expunge(t.Context(), ref, tt.gone, false); err != nil {
			t.Fatal(err)
		}
		if err := s.IndexText(t.Context()); err != nil {
			t.Fatal(err)
		}
		if first, last := holds("word90"), holds("word1"); first != tt.first || last != tt.last {
			t.Errorf("%s: got %v and %v, want %v and %v", tt.name, first, last, tt.first, tt.last)
		}
		sameAnswers(t, s, ref, tt.name)
	}
}
