package storage_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"mailstead/mail"
	"mailstead/storage"
	"mailstead/storage/storagetest"
)

// noHouse keeps the background work out of a test.
func noHouse(o storage.Options) storage.Options {
	o.Housekeeping = -1
	return o
}

// fill appends n messages with bodies of their own.
func fill(t testing.TB, s *storage.Store, ref storage.Ref, from, n int) {
	t.Helper()
	for i := range n {
		put(t, s, fillText(from+i), ref)
	}
}

func fillText(i int) string {
	return fmt.Sprintf("Subject: number %d\r\nMessage-ID: <%d@example.test>\r\n\r\n%s", i, i, strings.Repeat(fmt.Sprintf("line of %d\r\n", i), 100))
}

func expunge(t testing.TB, s *storage.Store, ref storage.Ref, uids ...storage.UID) {
	t.Helper()
	if _, _, err := s.Expunge(t.Context(), ref, storage.UIDs(uids...), false); err != nil {
		t.Fatal(err)
	}
}

// files lists the names in the log's directory that match.
func files(t testing.TB, dir, pattern string) (names []string) {
	t.Helper()
	list, err := filepath.Glob(filepath.Join(dir, "mail", pattern))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range list {
		names = append(names, filepath.Base(f))
	}
	return names
}

// dropIndex removes the index of a closed store, and what more is named below
// its log's directory.
func dropIndex(t testing.TB, dir string, more ...string) {
	t.Helper()
	names := []string{filepath.Join(dir, "index.db"), filepath.Join(dir, "index.meta")}
	for _, m := range more {
		names = append(names, filepath.Join(dir, "mail", m))
	}
	for _, n := range names {
		if err := os.Remove(n); err != nil {
			t.Fatal(err)
		}
	}
}

// sameAfter closes the store and expects the same of it opened again, and
// again without its index.
func sameAfter(t *testing.T, s *storage.Store, dir string, o storage.Options, ids ...mail.AccountID) {
	t.Helper()
	all := func(s *storage.Store) (text string) {
		for _, id := range ids {
			text += dump(t, s, id)
		}
		return text + describe(t, s, ids...)
	}
	want := all(s)
	for _, how := range []string{"reopen", "rebuild"} {
		storagetest.Verify(t, s)
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		if how == "rebuild" {
			dropIndex(t, dir)
		}
		s = storagetest.OpenDir(t, dir, o)
		if d := cmp.Diff(want, all(s)); d != "" {
			t.Errorf("after %s (-want +got):\n%s", how, d)
		}
	}
}

func TestCompactGivesDeadSegmentsBack(t *testing.T) {
	t.Parallel()
	dir, o := t.TempDir(), noHouse(storage.Options{SegmentSize: 10_000})
	s := storagetest.OpenDir(t, dir, o)
	a := newAccount(t, s, 1)
	fill(t, s, a, 1, 100)
	var gone []storage.UID
	for u := range storage.UID(100) {
		if u%7 != 0 {
			gone = append(gone, u)
		}
	}
	expunge(t, s, a, gone...)
	want, before := describe(t, s, 1), files(t, dir, "*.seg")
	var told []int64
	res, err := s.Compact(t.Context(), storage.CompactOptions{Progress: func(done, total int64) { told = append(told, done) }})
	if err != nil {
		t.Fatal(err)
	}
	after := files(t, dir, "*.seg")
	if res.Segments < 10 || res.Kept != 0 || res.Freed <= 0 || res.Moved <= 0 || len(after) != len(before)-res.Segments+countNew(before, after) {
		t.Errorf("got %+v, %d segments before, %d after", res, len(before), len(after))
	}
	if !slices.IsSorted(told) || len(told) == 0 {
		t.Errorf("progress: got %v", told)
	}
	if d := cmp.Diff(want, describe(t, s, 1)); d != "" {
		t.Errorf("messages (-want +got):\n%s", d)
	}
	for u := storage.UID(7); u <= 100; u += 7 {
		if got := read(t, s, a, u); got != fillText(int(u)) {
			t.Errorf("UID %d: got %q", u, got)
		}
	}
	if again, err := s.Compact(t.Context(), storage.CompactOptions{}); err != nil || again.Segments > 1 {
		t.Errorf("compacted again: got %+v, %v", again, err)
	}
	fill(t, s, a, 101, 5)
	sameAfter(t, s, dir, o, 1)
}

func countNew(before, after []string) (n int) {
	for _, name := range after {
		if !slices.Contains(before, name) {
			n++
		}
	}
	return n
}

func TestCompactAllSealsTheSegmentWrittenTo(t *testing.T) {
	t.Parallel()
	dir, o := t.TempDir(), noHouse(storage.Options{})
	s := storagetest.OpenDir(t, dir, o)
	a := newAccount(t, s, 1)
	fill(t, s, a, 1, 10)
	expunge(t, s, a, 3)
	res, err := s.Compact(t.Context(), storage.CompactOptions{All: true})
	if err != nil || res.Segments != 1 {
		t.Errorf("got %+v, %v, want one segment removed", res, err)
	}
	if got := files(t, dir, "*.seg"); !slices.Equal(got, []string{"000002.seg"}) {
		t.Errorf("got segments %v, want the second alone", got)
	}
	for _, name := range files(t, dir, "*.seg") {
		b, err := os.ReadFile(filepath.Join(dir, "mail", name))
		if err != nil || strings.Contains(string(b), "line of 3\r") {
			t.Errorf("%s still holds what was expunged (%v)", name, err)
		}
	}
	sameAfter(t, s, dir, o, 1)
}

// TestCompactSurvivesACrashAtOnce copies the files of a store as a crash would
// leave them, right after segments are gone.
func TestCompactSurvivesACrashAtOnce(t *testing.T) {
	t.Parallel()
	for name, all := range map[string]bool{"what is worth it": false, "all": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir, o := t.TempDir(), noHouse(storage.Options{SegmentSize: 10_000})
			s := storagetest.OpenDir(t, dir, o)
			a := newAccount(t, s, 1)
			fill(t, s, a, 1, 30)
			expunge(t, s, a, 1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20)
			if res, err := s.Compact(t.Context(), storage.CompactOptions{All: all}); err != nil || res.Segments == 0 {
				t.Fatalf("got %+v, %v", res, err)
			}
			want := describe(t, s, 1)
			crashed := t.TempDir()
			if err := os.CopyFS(crashed, os.DirFS(dir)); err != nil {
				t.Fatal(err)
			}
			c := storagetest.OpenDir(t, crashed, o)
			if d := cmp.Diff(want, describe(t, c, 1)); d != "" {
				t.Errorf("(-want +got):\n%s", d)
			}
		})
	}
}

func TestCompactIsInterrupted(t *testing.T) {
	t.Parallel()
	dir, o := t.TempDir(), noHouse(storage.Options{SegmentSize: 10_000})
	s := storagetest.OpenDir(t, dir, o)
	a := newAccount(t, s, 1)
	fill(t, s, a, 1, 100)
	expunge(t, s, a, 1, 2, 3, 4, 5, 20, 21, 22, 23, 24, 60, 61, 62, 63, 64)
	want := describe(t, s, 1)
	ctx, cancel := context.WithCancel(t.Context())
	rounds := 0
	res, err := s.Compact(ctx, storage.CompactOptions{All: true, Progress: func(int64, int64) {
		if rounds++; rounds == 3 {
			cancel()
		}
	}})
	if !errors.Is(err, context.Canceled) || res.Segments != 0 {
		t.Errorf("got %+v, %v, want context.Canceled", res, err)
	}
	if d := cmp.Diff(want, describe(t, s, 1)); d != "" {
		t.Errorf("after the interruption (-want +got):\n%s", d)
	}
	storagetest.Verify(t, s)
	crashed := t.TempDir()
	if err := os.CopyFS(crashed, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	c := storagetest.OpenDir(t, crashed, o)
	if d := cmp.Diff(want, describe(t, c, 1)); d != "" {
		t.Errorf("after a crash then (-want +got):\n%s", d)
	}
	ctx, cancel = context.WithCancel(t.Context())
	rounds = 0
	if _, err := s.Compact(ctx, storage.CompactOptions{All: true, Rate: 1, Progress: func(int64, int64) {
		if rounds++; rounds == 2 {
			cancel()
		}
	}}); !errors.Is(err, context.Canceled) && !errors.Is(err, context.DeadlineExceeded) {
		cancel()
		t.Errorf("at a rate: got %v", err)
	}
	cancel()
	if _, err := s.Compact(t.Context(), storage.CompactOptions{All: true}); err != nil {
		t.Fatal(err)
	}
	sameAfter(t, s, dir, o, 1)
}

func TestCompactBesideChangesLosesNothing(t *testing.T) {
	t.Parallel()
	dir, o := t.TempDir(), noHouse(storage.Options{SegmentSize: 20_000})
	s := storagetest.OpenDir(t, dir, o)
	a := newAccount(t, s, 1)
	fill(t, s, a, 1, 50)
	var wg sync.WaitGroup
	stop := make(chan struct{})
	wg.Go(func() {
		defer close(stop)
		for i := range 150 {
			text := fillText(1000 + i)
			if _, err := s.Append(t.Context(), strings.NewReader(text), storage.Target{Ref: a}); err != nil {
				t.Error(err)
				return
			}
			if i%3 != 0 {
				if _, _, err := s.Expunge(t.Context(), a, storage.UIDs(storage.UID(i+5)), false); err != nil {
					t.Error(err)
				}
			}
		}
	})
	wg.Go(func() {
		for {
			for r, err := range s.Rows(a, storage.UIDSet{{First: 1, Last: 1<<32 - 1}}, storage.ReadOptions{Message: true}) {
				if err != nil {
					t.Error(err)
					return
				}
				checkFilled(t, s, a, r)
			}
			select {
			case <-stop:
				return
			default:
			}
		}
	})
	for going := true; going; {
		if _, err := s.Compact(t.Context(), storage.CompactOptions{All: true}); err != nil {
			t.Fatal(err)
		}
		select {
		case <-stop:
			going = false
		default:
		}
	}
	wg.Wait()
	sameAfter(t, s, dir, o, 1)
}

// checkFilled expects a message of fill, unless it was expunged meanwhile.
func checkFilled(t *testing.T, s *storage.Store, ref storage.Ref, r storage.Row) {
	c, err := s.OpenBody(t.Context(), ref, r.UID)
	if errors.Is(err, storage.ErrNoMessage) {
		return
	}
	if err != nil {
		t.Errorf("UID %d: %v", r.UID, err)
		return
	}
	defer c.Close()
	b, err := io.ReadAll(io.NewSectionReader(c, 0, c.Size()))
	var n int
	if _, serr := fmt.Sscanf(r.Message.Envelope.Subject, "number %d", &n); err != nil || serr != nil || string(b) != fillText(n) {
		t.Errorf("UID %d, %q: %v, got %q", r.UID, r.Message.Envelope.Subject, err, b)
	}
}

// damage changes one byte of a file of the log, where it holds text.
func damage(t testing.TB, dir, name, text string) {
	t.Helper()
	damageAt(t, dir, name, func(log string) int { return strings.Index(log, text) })
}

// damageChange spoils what a record says, before its body: the record of the
// message with this text, or the first message of the segment if it is empty.
func damageChange(t testing.TB, dir, name, text string) {
	t.Helper()
	damageAt(t, dir, name, func(log string) int {
		if text == "" {
			return strings.Index(log, "MSr3\x01") + 50
		}
		return strings.LastIndex(log[:max(strings.Index(log, text), 0)], "MSr3\x01") + 50
	})
}

// damageAt flips a bit of a segment.
func damageAt(t testing.TB, dir, name string, where func(log string) int) {
	t.Helper()
	path := filepath.Join(dir, "mail", name)
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	i := where(string(b))
	if i < 50 {
		t.Fatalf("%s does not hold what is to be damaged", name)
	}
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteAt([]byte{b[i] ^ 0x20}, int64(i)); err != nil {
		t.Fatal(err)
	}
}

func TestCompactKeepsTheSegmentOfADamagedBody(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s, err := storage.Open(dir, noHouse(storage.Options{SegmentSize: 10_000}))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	a := newAccount(t, s, 1)
	fill(t, s, a, 1, 50)
	expunge(t, s, a, 1, 2, 3, 4, 5, 7, 8, 11, 12, 13, 14, 15, 16, 17)
	damage(t, dir, "000001.seg", "line of 6\r")
	res, err := s.Compact(t.Context(), storage.CompactOptions{All: true})
	if err != nil || res.Kept != 1 || res.Segments == 0 {
		t.Errorf("got %+v, %v, want one segment kept and others removed", res, err)
	}
	if got := files(t, dir, "000001.seg"); len(got) != 1 {
		t.Error("the damaged message's segment is gone")
	}
	if _, err := s.OpenBody(t.Context(), a, 6); !errors.Is(err, storage.ErrDamaged) {
		t.Errorf("got %v, want ErrDamaged", err)
	}
	if got := read(t, s, a, 9); got != fillText(9) {
		t.Errorf("its neighbour: got %q", got)
	}
	expunge(t, s, a, 6)
	if res, err = s.Compact(t.Context(), storage.CompactOptions{All: true}); err != nil || res.Kept != 0 {
		t.Errorf("once it is expunged: got %+v, %v", res, err)
	}
	if got := files(t, dir, "000001.seg"); len(got) != 0 {
		t.Error("the segment is still there")
	}
	storagetest.Verify(t, s)
}

// TestCompactExchangesTheIndex makes many free pages and gives them back while
// others read.
func TestCompactExchangesTheIndex(t *testing.T) {
	t.Parallel()
	dir, o := t.TempDir(), noHouse(storage.Options{})
	s := storagetest.OpenDir(t, dir, o)
	a, b := newAccount(t, s, 1), newAccount(t, s, 2)
	fill(t, s, a, 1, 20)
	var msgs []storage.Incoming
	for i := range 2000 {
		msgs = append(msgs, storage.Incoming{Body: storagetest.Body(fmt.Sprintf("Subject: %d %s\r\n\r\n", i, strings.Repeat("x", 500))), Targets: []storage.Target{{Ref: b}}})
	}
	if _, err := s.AppendAll(t.Context(), msgs); err != nil {
		t.Fatal(err)
	}
	if err := s.RemoveAccount(t.Context(), 2); err != nil {
		t.Fatal(err)
	}
	want := describe(t, s, 1)
	stop := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			if got := describe(t, s, 1); got != want {
				t.Errorf("while the index is exchanged: got\n%s", got)
			}
			select {
			case <-stop:
				return
			default:
			}
		}
	})
	size := func() int64 {
		info, err := os.Stat(filepath.Join(dir, "index.db"))
		if err != nil {
			t.Fatal(err)
		}
		return info.Size()
	}
	before := size()
	res, err := s.Compact(t.Context(), storage.CompactOptions{All: true})
	close(stop)
	wg.Wait()
	if err != nil || size() > before/2 || res.Index != before-size() {
		t.Errorf("got %+v, %v: index of %d bytes before, %d after", res, err, before, size())
	}
	if got := files(t, dir, "../index.db.*"); len(got) != 0 {
		t.Errorf("left behind: %v", got)
	}
	fill(t, s, a, 21, 3)
	sameAfter(t, s, dir, o, 1)
}

// TestCompactMovesWhatWasDeliveredElsewhere compacts a message that was stored
// in a mailbox, or an account, that is gone, together with others.
func TestCompactMovesWhatWasDeliveredElsewhere(t *testing.T) {
	t.Parallel()
	dir, o := t.TempDir(), noHouse(storage.Options{})
	s := storagetest.OpenDir(t, dir, o)
	a, b := newAccount(t, s, 1), newAccount(t, s, 2)
	if _, err := s.CreateMailbox(t.Context(), 1, "short-lived", ""); err != nil {
		t.Fatal(err)
	}
	short := named(t, s, 1, "short-lived")
	big := noise(aside, 1)
	put(t, s, fillText(1), short)
	put(t, s, fillText(2), b, a)
	put(t, s, big, a)
	fill(t, s, a, 3, 3)
	if _, err := s.Move(t.Context(), short, storage.UIDs(1), a); err != nil {
		t.Fatal(err)
	}
	if err := s.DeleteMailbox(t.Context(), 1, "short-lived"); err != nil {
		t.Fatal(err)
	}
	if err := s.RemoveAccount(t.Context(), 2); err != nil {
		t.Fatal(err)
	}
	if res, err := s.Compact(t.Context(), storage.CompactOptions{All: true}); err != nil || res.Kept != 0 || res.Segments != 1 {
		t.Errorf("got %+v, %v, want one segment removed", res, err)
	}
	if got := read(t, s, a, 1); got != fillText(2) {
		t.Errorf("got %q", got)
	}
	if got := read(t, s, a, 2); got != big {
		t.Error("the big message is not what it was")
	}
	if got := read(t, s, a, 6); got != fillText(1) {
		t.Errorf("got %q", got)
	}
	sameAfter(t, s, dir, o, 1)
}
