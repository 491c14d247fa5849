package storage_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"mailstead/mail"
	"mailstead/storage"
	"mailstead/storage/storagetest"
)

func checkpoint(t testing.TB, s *storage.Store) {
	t.Helper()
	if err := s.Checkpoint(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// spoil changes a byte in the middle of a file of the log.
func spoil(t testing.TB, dir, name string) {
	t.Helper()
	path := filepath.Join(dir, "mail", name)
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	b[len(b)/2] ^= 0x10
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

// openDamaged opens a store whose log is known to be damaged.
func openDamaged(t testing.TB, dir string, o storage.Options) *storage.Store {
	t.Helper()
	s, err := storage.Open(dir, o)
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

// onlyDamage expects a store that is sound but for what Open has told.
func onlyDamage(t testing.TB, s *storage.Store) {
	t.Helper()
	rep, err := s.Check(t.Context(), storage.CheckOptions{Bodies: true})
	if err != nil || !slices.Equal(rep.Problems, s.Damage()) || len(s.Damage()) == 0 {
		t.Errorf("got problems %q, %v, want only %q", rep.Problems, err, s.Damage())
	}
}

func TestRebuildFromCheckpointAndLog(t *testing.T) {
	t.Parallel()
	dir, o := t.TempDir(), noHouse(storage.Options{SegmentSize: 2000, KeepExpunged: keepLong})
	s := storagetest.OpenDir(t, dir, o)
	history(t, s)
	checkpoint(t, s)
	a := named(t, s, 1, "INBOX")
	fill(t, s, a, 1, 5)
	expunge(t, s, a, 2)
	checkpoint(t, s)
	fill(t, s, a, 6, 5)
	expunge(t, s, a, 3, 7)
	checkpoint(t, s)
	fill(t, s, a, 11, 5)
	undelete(t, s, 1, "", expunged(t, s, 1)[:1])
	if got := files(t, dir, "*.ckp"); len(got) != 2 {
		t.Errorf("got checkpoints %v, want two", got)
	}
	sameAfter(t, s, dir, o, 1, 2)
}

func TestDamagedCheckpointsFallBack(t *testing.T) {
	t.Parallel()
	for name, damaged := range map[string]int{"newest": 1, "both, all segments there": 2} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir, o := t.TempDir(), noHouse(storage.Options{SegmentSize: 2000})
			s := storagetest.OpenDir(t, dir, o)
			history(t, s)
			checkpoint(t, s)
			fill(t, s, named(t, s, 1, "INBOX"), 1, 5)
			checkpoint(t, s)
			fill(t, s, named(t, s, 1, "INBOX"), 6, 5)
			want := dump(t, s, 1) + describe(t, s, 1, 2)
			storagetest.Verify(t, s)
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			list := files(t, dir, "*.ckp")
			slices.Reverse(list)
			for _, f := range list[:damaged] {
				spoil(t, dir, f)
			}
			dropIndex(t, dir)
			s = openDamaged(t, dir, o)
			if d := cmp.Diff(want, dump(t, s, 1)+describe(t, s, 1, 2)); d != "" {
				t.Errorf("(-want +got):\n%s", d)
			}
			if len(s.Damage()) != damaged {
				t.Errorf("got damage %q", s.Damage())
			}
			onlyDamage(t, s)
		})
	}
}

func TestCheckFindsADamagedCheckpointAndTheNextReplacesIt(t *testing.T) {
	t.Parallel()
	dir, o := t.TempDir(), noHouse(storage.Options{})
	s := storagetest.OpenDir(t, dir, o)
	a := newAccount(t, s, 1)
	fill(t, s, a, 1, 5)
	checkpoint(t, s)
	spoil(t, dir, files(t, dir, "*.ckp")[0])
	if rep, err := s.Check(t.Context(), storage.CheckOptions{Bodies: true}); err != nil || len(rep.Problems) != 1 || !strings.HasPrefix(rep.Problems[0], "checkpoint ") {
		t.Errorf("got %q, %v", rep.Problems, err)
	}
	fill(t, s, a, 6, 5)
	checkpoint(t, s)
	if got := files(t, dir, "*.ckp"); len(got) != 1 {
		t.Errorf("got checkpoints %v, want the new one alone", got)
	}
	sameAfter(t, s, dir, o, 1)
}

// TestHoleInTheLogLosesOnlyItself flips a byte in the change of one sealed
// record, and takes index and checkpoints away.
func TestHoleInTheLogLosesOnlyItself(t *testing.T) {
	t.Parallel()
	dir, o := t.TempDir(), noHouse(storage.Options{SegmentSize: 10_000})
	s := storagetest.OpenDir(t, dir, o)
	a, b := newAccount(t, s, 1), newAccount(t, s, 2)
	sent := named(t, s, 1, "Sent")
	put(t, s, fillText(500), sent)
	fill(t, s, b, 600, 2)
	fill(t, s, a, 1, 40)
	checkpoint(t, s)
	before := map[string]storage.Mailbox{}
	for _, name := range []string{"INBOX", "Sent"} {
		m, err := s.Mailbox(1, name)
		if err != nil {
			t.Fatal(err)
		}
		before[name] = m
	}
	storagetest.Verify(t, s)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	tenth := ""
	for _, name := range files(t, dir, "*.seg") {
		if b, err := os.ReadFile(filepath.Join(dir, "mail", name)); err == nil && strings.Contains(string(b), "number 10\r\n") {
			tenth = name
		}
	}
	damageChange(t, dir, tenth, "number 10\r\n")
	dropIndex(t, dir, files(t, dir, "*.ckp")...)
	s = openDamaged(t, dir, o)
	if len(s.Damage()) != 1 || !strings.Contains(s.Damage()[0], "segment ") {
		t.Errorf("got damage %q", s.Damage())
	}
	onlyDamage(t, s)
	var got []string
	for r, err := range s.Rows(a, storage.UIDSet{{First: 1, Last: 1000}}, storage.ReadOptions{Message: true}) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, r.Message.Envelope.Subject)
		checkFilled(t, s, a, r)
	}
	if len(got) != 39 || slices.Contains(got, "number 10") {
		t.Errorf("got %d messages %v, want all but number 10", len(got), got)
	}
	for name, renewed := range map[string]bool{"INBOX": true, "Sent": false} {
		if m, err := s.Mailbox(1, name); err != nil || (m.UIDValidity != before[name].UIDValidity) != renewed {
			t.Errorf("%s: got UIDVALIDITY %d, was %d, %v; want a new one: %v", name, m.UIDValidity, before[name].UIDValidity, err, renewed)
		}
	}
	if got := read(t, s, b, 2); got != fillText(601) {
		t.Errorf("another account: got %q", got)
	}
	fill(t, s, a, 41, 2)
	want := describe(t, s, 1, 2)
	checkpoint(t, s)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	// From the checkpoint on the store is sound, with or without its index.
	dropIndex(t, dir)
	s = storagetest.OpenDir(t, dir, o)
	if d := cmp.Diff(want, describe(t, s, 1, 2)); d != "" {
		t.Errorf("from the checkpoint (-want +got):\n%s", d)
	}
}

// TestMissingSegmentNeedsSalvage takes a whole segment away.
func TestMissingSegmentNeedsSalvage(t *testing.T) {
	t.Parallel()
	dir, o := t.TempDir(), noHouse(storage.Options{SegmentSize: 10_000})
	s := storagetest.OpenDir(t, dir, o)
	a := newAccount(t, s, 1)
	fill(t, s, a, 1, 40)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	dropIndex(t, dir, "000002.seg")
	if _, err := storage.Open(dir, o); err == nil || !strings.Contains(err.Error(), "segment 2 is missing") {
		t.Fatalf("got %v, want an error that names the segment", err)
	}
	o.Salvage = true
	s = openDamaged(t, dir, o)
	onlyDamage(t, s)
	if m, err := s.MailboxByID(a); err != nil || m.Messages < 20 || m.Messages >= 40 {
		t.Errorf("got %d messages, %v", m.Messages, err)
	}
}

func TestReindexMakesTheIndexAnew(t *testing.T) {
	t.Parallel()
	dir, o := t.TempDir(), noHouse(storage.Options{SegmentSize: 2000})
	s := storagetest.OpenDir(t, dir, o)
	history(t, s)
	want := dump(t, s, 1) + describe(t, s, 1, 2)
	if err := storage.Reindex(dir); err == nil {
		t.Error("an open store was to be indexed anew")
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := storage.Reindex(dir); err != nil {
		t.Fatal(err)
	}
	s = storagetest.OpenDir(t, dir, o)
	if d := cmp.Diff(want, dump(t, s, 1)+describe(t, s, 1, 2)); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	if _, err := os.Stat(filepath.Join(dir, "index.db.old")); err != nil {
		t.Errorf("the old index is not kept: %v", err)
	}
}

// TestSalvageRevivesWhatWasMoved takes away all but the segment that a
// compaction has moved messages to.
func TestSalvageRevivesWhatWasMoved(t *testing.T) {
	t.Parallel()
	dir, o := t.TempDir(), noHouse(storage.Options{SegmentSize: 10_000})
	s := storagetest.OpenDir(t, dir, o)
	a, b := newAccount(t, s, 1), newAccount(t, s, 2)
	fill(t, s, a, 1, 30)
	fill(t, s, b, 31, 3)
	for u := storage.UID(1); u <= 30; u += 3 {
		expunge(t, s, a, u, u+1)
	}
	if _, err := s.Compact(t.Context(), storage.CompactOptions{All: true}); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	dropIndex(t, dir, files(t, dir, "*.ckp")...)
	o.Salvage = true
	s = openDamaged(t, dir, o)
	onlyDamage(t, s)
	for id, want := range map[mail.AccountID]uint32{1: 10, 2: 3} {
		ref := named(t, s, id, "INBOX")
		if m, err := s.MailboxByID(ref); err != nil || m.Messages != want {
			t.Errorf("account %d: got %d messages, %v, want %d", id, m.Messages, err, want)
		}
		for r, err := range s.Rows(ref, storage.UIDSet{{First: 1, Last: 1000}}, storage.ReadOptions{Message: true}) {
			if err != nil {
				t.Fatal(err)
			}
			checkFilled(t, s, ref, r)
		}
	}
}

// TestDamageDestroysNoBytes starts twice after the record of a big message was
// damaged: its body stays on the disk for whoever wants to look.
func TestDamageDestroysNoBytes(t *testing.T) {
	t.Parallel()
	dir, o := t.TempDir(), noHouse(storage.Options{SegmentSize: 10_000})
	s := storagetest.OpenDir(t, dir, o)
	a := newAccount(t, s, 1)
	big := noise(aside, 1)
	put(t, s, big, a)
	fill(t, s, a, 1, 20)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	damageChange(t, dir, "000001.seg", "")
	dropIndex(t, dir)
	for range 2 {
		s = openDamaged(t, dir, o)
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if got := files(t, dir, "big/*"); len(got) != 0 {
		t.Errorf("got files %v among the store's", got)
	}
	list, err := filepath.Glob(filepath.Join(dir, "lost", "*.msg"))
	if err != nil || len(list) != 1 {
		t.Fatalf("lost: got %v, %v", list, err)
	}
	if b, err := os.ReadFile(list[0]); err != nil || !strings.HasSuffix(string(b), big) {
		t.Errorf("the body is not in %s (%v)", list[0], err)
	}
}
