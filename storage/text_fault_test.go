package storage

import (
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"mailstead/internal/faultfs"
)

// sameAnswers compares searches with the index and without.
func sameAnswers(t *testing.T, s *Store, ref Ref, when string) {
	t.Helper()
	for _, q := range []Query{
		{Body: []string{"word7"}}, {Text: []string{"umber 1"}}, {Header: []HeaderMatch{{"subject", "number 3"}}}, {Not: []Query{{Body: []string{"common"}}}}, {Body: []string{"nothing"}},
	} {
		var got [2][]UID
		for i, indexed := range []bool{true, false} {
			for r, err := range s.search(t.Context(), ref, q, All, indexed) {
				if err != nil {
					t.Fatalf("%s: %v", when, err)
				}
				got[i] = append(got[i], r.UID)
			}
		}
		if fmt.Sprint(got[0]) != fmt.Sprint(got[1]) {
			t.Errorf("%s: %+v: got %v with the index, want %v", when, q, got[0], got[1])
		}
	}
}

// Whatever goes wrong with the index's files, the store goes on, and searches
// find what there is; after a power cut too.
func TestTextIndexSurvivesFaults(t *testing.T) {
	t.Parallel()
	seed := rand.Uint64N(1 << 32)
	t.Logf("seed %d", seed)
	const stride = 9
	for k := 1 + int(seed%stride); ; k += stride {
		dir := t.TempDir()
		fsys, err := faultfs.New(dir)
		if err != nil {
			t.Fatal(err)
		}
		o := quietText()
		o.FS = fsys
		s := openText(t, dir, o)
		if err := s.CreateAccount(t.Context(), 1, "a"); err != nil {
			t.Fatal(err)
		}
		inText := func(op faultfs.Op) bool { return strings.Contains(op.Path, "/"+textDir+"/") }
		in := fsys.Inject(faultfs.Fault{At: k, Match: inText, Tear: faultfs.Tear(k % 3), Seed: seed, Forever: k%2 == 0})
		var ref Ref
		failed := 0
		for range 7 {
			ref = fillText(t, s, 11)
			if err := s.IndexText(t.Context()); err != nil {
				failed++
			}
			sameAnswers(t, s, ref, fmt.Sprintf("fault %d", k))
		}
		fired := len(in.Fired())
		in.Stop()
		for n, p := range []faultfs.Policy{{}, {Data: faultfs.Kept}, {Data: faultfs.Random, Names: faultfs.Random, Seed: seed}} {
			clone := filepath.Join(t.TempDir(), "clone")
			if err := fsys.CrashClone(clone, p); err != nil {
				t.Fatal(err)
			}
			c := openText(t, clone, quietText())
			when := fmt.Sprintf("fault %d, power cut, policy %d", k, n)
			sameAnswers(t, c, ref, when)
			if err := c.IndexText(t.Context()); err != nil {
				t.Errorf("%s: %v", when, err)
			}
			sameAnswers(t, c, ref, when+", indexed")
			if len(textFiles(t, clone)) == 0 {
				t.Errorf("%s: no index afterwards", when)
			}
		}
		if fired == 0 {
			if failed > 0 {
				t.Errorf("without a fault: %d rounds failed", failed)
			}
			return
		}
		if err := s.IndexText(t.Context()); err != nil {
			t.Errorf("fault %d: not made afterwards: %v", k, err)
		}
		sameAnswers(t, s, ref, fmt.Sprintf("fault %d, made afterwards", k))
	}
}

// Searches, deliveries and the making and merging of pieces do not disturb each
// other.
func TestTextIndexIsAskedWhileItIsMade(t *testing.T) {
	t.Parallel()
	o := quietText()
	o.SearchBatch = 5
	s := openText(t, t.TempDir(), o)
	if err := s.CreateAccount(t.Context(), 1, "a"); err != nil {
		t.Fatal(err)
	}
	ref := fillText(t, s, 1)
	const rounds = 40
	var wg sync.WaitGroup
	done := make(chan struct{})
	for range 3 {
		wg.Go(func() {
			for last := 0; ; {
				n := 0
				for _, err := range s.Search(t.Context(), ref, Query{Body: []string{"common"}}, All) {
					if err != nil {
						t.Error(err)
						return
					}
					n++
				}
				if n < last {
					t.Errorf("got %d messages, there were %d before", n, last)
				}
				last = n
				select {
				case <-done:
					return
				default:
				}
			}
		})
	}
	for range rounds {
		fillText(t, s, 10)
		if err := s.IndexText(t.Context()); err != nil {
			t.Error(err)
		}
	}
	close(done)
	wg.Wait()
	if n := countFound(t, s, ref, Query{Body: []string{"ommo"}}); n != 10*rounds+1 {
		t.Errorf("got %d messages, want %d", n, 10*rounds+1)
	}
}
