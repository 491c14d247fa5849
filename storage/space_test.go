package storage_test

import (
	"strings"
	"testing"
	"time"

	"mailstead/storage"
	"mailstead/storage/storagetest"
)

func space(t testing.TB, s *storage.Store) storage.Space {
	t.Helper()
	sp, err := s.Space()
	if err != nil {
		t.Fatal(err)
	}
	return sp
}

func TestSpaceTellsWhatCompactGivesBack(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := storagetest.OpenDir(t, dir, noHouse(storage.Options{SegmentSize: 10_000, KeepExpunged: keepLong}))
	a := newAccount(t, s, 1)
	fill(t, s, a, 1, 60)
	put(t, s, noise(aside, 1), a)
	sp := space(t, s)
	if sp.Segments != len(files(t, dir, "*.seg")) || sp.Bytes < 60*1300 || sp.Live < sp.Bytes*9/10 || sp.Worth != 0 || sp.BigFiles != 1 || sp.BigBytes < aside ||
		sp.Index == 0 || sp.Checkpoints != 0 || !sp.Checkpoint.IsZero() || sp.Kept != 0 {
		t.Errorf("full: got %+v", sp)
	}
	if _, _, err := s.Expunge(t.Context(), a, storage.UIDSet{{First: 1, Last: 50}}, false); err != nil {
		t.Fatal(err)
	}
	sp = space(t, s)
	if sp.Kept != 50 || sp.KeptBytes < 50*1200 || sp.Worth != 0 {
		t.Errorf("expunged: got %+v", sp)
	}
	if _, err := s.Purge(t.Context(), 0, time.Now().Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	checkpoint(t, s)
	sp = space(t, s)
	if sp.Kept != 0 || sp.Worth < 45*1200 || sp.Dead() < sp.Worth || sp.Checkpoints != 1 || time.Since(sp.Checkpoint) > time.Minute {
		t.Errorf("purged: got %+v", sp)
	}
	res, err := s.Compact(t.Context(), storage.CompactOptions{})
	if err != nil || res.Freed < sp.Worth*9/10 || res.Freed > sp.Worth+int64(res.Segments)*100 {
		t.Errorf("got %+v, %v, space said %d", res, err, sp.Worth)
	}
	if sp = space(t, s); sp.Worth != 0 {
		t.Errorf("compacted: got %+v", sp)
	}
}

func TestCheckNamesDamagedMessages(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := openDamaged(t, dir, noHouse(storage.Options{KeepExpunged: keepLong}))
	a, b := newAccount(t, s, 1), newAccount(t, s, 2)
	put(t, s, message, a)
	put(t, s, fillText(7), a, b)
	if _, err := s.Copy(t.Context(), a, storage.UIDs(2), named(t, s, 1, "Sent")); err != nil {
		t.Fatal(err)
	}
	expunge(t, s, b, 1)
	damage(t, dir, "000001.seg", "line of 7\r")
	rep, err := s.Check(t.Context(), storage.CheckOptions{Bodies: true})
	if err != nil || len(rep.Problems) != 3 || len(rep.Damaged) != 3 {
		t.Fatalf("got %q, %v, want three problems", rep.Problems, err)
	}
	for _, want := range []string{`account "user1" in mailbox "INBOX", UID 2: `, `account "user1" in mailbox "Sent", UID 1: `, `account "user2" expunged from mailbox "INBOX", UID 1: `} {
		if got := strings.Join(rep.Problems, "\n"); !strings.Contains(got, want) || !strings.Contains(got, "wrong CRC") {
			t.Errorf("got %q, want %q in it", got, want)
		}
	}
}

func TestOpenTellsItsProgress(t *testing.T) {
	t.Parallel()
	dir, o := t.TempDir(), noHouse(storage.Options{SegmentSize: 10_000})
	s := storagetest.OpenDir(t, dir, o)
	a := newAccount(t, s, 1)
	fill(t, s, a, 1, 20)
	checkpoint(t, s)
	fill(t, s, a, 21, 100)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	dropIndex(t, dir)
	seen := map[string]storage.Progress{}
	o.Progress = func(p storage.Progress) {
		if p.Done > p.Total {
			t.Errorf("got %+v", p)
		}
		seen[p.File] = p
	}
	storagetest.OpenDir(t, dir, o)
	last := files(t, dir, "*.seg")
	if p := seen[last[len(last)-1]]; p.Done != p.Total || p.Records == 0 {
		t.Errorf("at the end: got %+v", p)
	}
	if p := seen[files(t, dir, "*.ckp")[0]]; p.Done != p.Total || p.Records == 0 {
		t.Errorf("of the checkpoint: got %+v", p)
	}
}
