package storage_test

import (
	"fmt"
	"testing"
	"time"

	"mailstead/storage"
	"mailstead/storage/storagetest"
)

func TestSearch(t *testing.T) {
	t.Parallel()
	s := storagetest.Open(t, storage.Options{})
	a := newAccount(t, s, 1)
	put(t, s, "Subject: =?iso-8859-1?q?Gr=FC=DFe?=\r\nFrom: Ann <ann@x.test>\r\nDate: Sat, 1 Feb 2020 23:30:00 -0500\r\nX-Odd: yes\r\n\r\nplain Body text\r\n", a)
	put(t, s, "Subject: two\r\nContent-Type: text/plain; charset=koi8-r\r\nContent-Transfer-Encoding: base64\r\n\r\n8NLJ18XU\r\n", a)
	put(t, s, "Subject: three\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\nsp=C3=A4ter mehr so=\r\nfort\r\n", a)
	if _, err := s.SetFlags(t.Context(), a, storage.UIDs(2), storage.FlagChange{Flags: storage.Seen, Keywords: []string{"Work"}}); err != nil {
		t.Fatal(err)
	}
	feb1 := time.Date(2020, 2, 1, 0, 0, 0, 0, time.UTC)
	for _, tc := range []struct {
		name string
		q    storage.Query
		want string
	}{
		{"all", storage.Query{}, "[1 2 3]"},
		{"none", storage.Query{None: true}, "[]"},
		{"flag", storage.Query{Has: storage.Seen}, "[2]"},
		{"no flag", storage.Query{HasNot: storage.Seen}, "[1 3]"},
		{"keyword", storage.Query{Keyword: []string{"WORK"}}, "[2]"},
		{"decoded subject", storage.Query{Header: []storage.HeaderMatch{{"subject", "GRÜSSE"}}}, "[1]"},
		{"field not cached", storage.Query{Header: []storage.HeaderMatch{{"x-odd", ""}}}, "[1]"},
		{"body", storage.Query{Body: []string{"body TEXT"}}, "[1]"},
		{"body in koi8-r", storage.Query{Body: []string{"привет"}}, "[2]"},
		{"body in quoted-printable", storage.Query{Text: []string{"Später", "sofort"}}, "[3]"},
		{"header is no body", storage.Query{Body: []string{"three"}}, "[]"},
		{"text of the header", storage.Query{Text: []string{"three"}}, "[3]"},
		{"sent on the day as written", storage.Query{SentOn: feb1}, "[1]"},
		{"or", storage.Query{Or: [][2]storage.Query{{{Has: storage.Seen}, {Body: []string{"sofort"}}}}}, "[2 3]"},
		{"not", storage.Query{Not: []storage.Query{{Has: storage.Seen}}}, "[1 3]"},
		{"uids", storage.Query{UIDs: []storage.UIDSet{storage.UIDs(1, 2), storage.UIDs(2, 3)}}, "[2]"},
	} {
		for order, want := range map[storage.Order]string{storage.All: tc.want, storage.Last: "last"} {
			got := []storage.UID{}
			for r, err := range s.Search(t.Context(), a, tc.q, order) {
				if err != nil {
					t.Fatal(err)
				}
				got = append(got, r.UID)
			}
			if want == "last" {
				if len(got) > 1 {
					t.Errorf("%s: last of them: got %v", tc.name, got)
				}
				continue
			}
			if fmt.Sprint(got) != want {
				t.Errorf("%s: got %v, want %s", tc.name, got, want)
			}
		}
	}
}

// A search for a few UIDs must not cost what the mailbox is big.
//
// Not parallel: it counts allocations.
func TestSearchReadsOnlyWhereItsUIDsAre(t *testing.T) {
	// Without a text index: what works on it in the background would be counted.
	s, err := storage.Open(t.TempDir(), storage.Options{Housekeeping: -1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		storagetest.Verify(t, s)
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	a := newAccount(t, s, 1)
	var list []storage.Incoming
	for range 500 {
		list = append(list, storage.Incoming{Body: storagetest.Body("Subject: x\r\n\r\ny\r\n"), Targets: []storage.Target{{Ref: a}}})
	}
	if _, err := s.AppendAll(t.Context(), list); err != nil {
		t.Fatal(err)
	}
	cost := func(q storage.Query) float64 {
		return testing.AllocsPerRun(5, func() {
			for r, err := range s.Search(t.Context(), a, q, storage.All) {
				if err != nil || r.UID != 250 {
					t.Errorf("got UID %d, %v", r.UID, err)
				}
			}
		})
	}
	one := storage.UIDs(250)
	whole := cost(storage.Query{Header: []storage.HeaderMatch{{"subject", "nothing"}}})
	for name, q := range map[string]storage.Query{
		"UID":            {UIDs: []storage.UIDSet{one}},
		"UID and body":   {UIDs: []storage.UIDSet{one}, Body: []string{"y"}},
		"UID of two":     {UIDs: []storage.UIDSet{storage.UIDs(1, 250), {{200, 400}}}},
		"UID and header": {UIDs: []storage.UIDSet{one}, Header: []storage.HeaderMatch{{"subject", "x"}}},
	} {
		if got := cost(q); got > whole/10 {
			t.Errorf("%s: got %.0f allocations, the whole mailbox takes %.0f", name, got, whole)
		}
	}
}
