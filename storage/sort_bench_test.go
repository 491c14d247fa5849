package storage_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"mailstead/storage"
	"mailstead/storage/storagetest"
)

// sortable fills a mailbox with messages of a few hundred threads.
func sortable(tb testing.TB, n int) (*storage.Store, storage.Ref) {
	s := storagetest.Open(tb, storage.Options{})
	return s, fillSortable(tb, s, n)
}

func fillSortable(tb testing.TB, s *storage.Store, n int) storage.Ref {
	tb.Helper()
	if err := s.CreateAccount(tb.Context(), 1, "alice@example.test"); err != nil {
		tb.Fatal(err)
	}
	box, err := s.Mailbox(1, "INBOX")
	if err != nil {
		tb.Fatal(err)
	}
	ref := storage.Ref{Account: 1, Mailbox: box.ID}
	r := rand.New(rand.NewPCG(1, 2))
	for from := 0; from < n; from += 1000 {
		var batch []storage.Incoming
		for i := from; i < min(from+1000, n); i++ {
			refs := ""
			if i > 10 && r.IntN(3) > 0 {
				parent := r.IntN(i)
				refs = fmt.Sprintf("References: <%d@x.test> <%d@x.test>\r\nIn-Reply-To: <%d@x.test>\r\n", parent/2, parent, parent)
			}
			text := fmt.Sprintf("From: Person %d <p%d@example.test>\r\nTo: Alice <alice@example.test>\r\nSubject: Re: subject number %d of many\r\nMessage-ID: <%d@x.test>\r\n%sDate: Mon, %d Feb 2022 %02d:%02d:25 +0100\r\n\r\nText.\r\n",
				r.IntN(500), r.IntN(500), r.IntN(n), i, refs, 1+r.IntN(28), r.IntN(24), r.IntN(60))
			batch = append(batch, storage.Incoming{Body: storagetest.Body(text), Targets: []storage.Target{{Ref: ref}}})
		}
		if _, err := s.AppendAll(tb.Context(), batch); err != nil {
			tb.Fatal(err)
		}
	}
	return ref
}

func matches(tb testing.TB, s *storage.Store, ref storage.Ref) (list []storage.Match) {
	for r, err := range s.Search(tb.Context(), ref, storage.Query{}, storage.All) {
		if err != nil {
			tb.Fatal(err)
		}
		list = append(list, storage.MatchOf(r))
	}
	return list
}

// BenchmarkSort measures the search for all of 20,000 messages, and the same
// with sorting or threading, keys in memory.
func BenchmarkSort(b *testing.B) {
	s, ref := sortable(b, 20_000)
	by := func(f ...storage.SortField) (l []storage.SortCriterion) {
		for _, f := range f {
			l = append(l, storage.SortCriterion{Field: f})
		}
		return l
	}
	run := func(name string, f func([]storage.Match) error) {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			if err := f(matches(b, s, ref)); err != nil {
				b.Fatal(err)
			}
			for b.Loop() {
				if err := f(matches(b, s, ref)); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	run("descriptions", func([]storage.Match) error { // what reading each message for it would cost
		for _, err := range s.Rows(ref, storage.UIDSet{{First: 1, Last: 1 << 31}}, storage.ReadOptions{Message: true}) {
			if err != nil {
				return err
			}
		}
		return nil
	})
	run("search", func([]storage.Match) error { return nil })
	for name, f := range map[string][]storage.SortCriterion{"date": by(storage.ByDate), "subject": by(storage.BySubject, storage.ByDate), "from": by(storage.ByDisplayFrom, storage.ByArrival)} {
		run(name, func(l []storage.Match) error { return s.Sort(ref, l, f) })
	}
	for name, a := range map[string]storage.ThreadAlgorithm{"references": storage.References, "refs": storage.Refs, "orderedsubject": storage.OrderedSubject} {
		run(name, func(l []storage.Match) error { _, err := s.ThreadFound(ref, l, a); return err })
	}
}
