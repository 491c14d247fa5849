package storage_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"mailstead/storage"
	"mailstead/storage/storagetest"
)

const aside = 1 << 20 // from here on a body has a file of its own

func TestBigBodiesHaveFilesOfTheirOwn(t *testing.T) {
	t.Parallel()
	dir, o := t.TempDir(), noHouse(storage.Options{})
	s := storagetest.OpenDir(t, dir, o)
	a, b := newAccount(t, s, 1), newAccount(t, s, 2)
	small, big := noise(aside-1, 1), noise(aside, 2)
	put(t, s, small, a)
	if got := files(t, dir, "big/*"); len(got) != 0 {
		t.Errorf("%d bytes: got files %v", len(small), got)
	}
	put(t, s, big, a, b)
	if got := files(t, dir, "big/*"); len(got) != 1 {
		t.Errorf("%d bytes for two: got files %v, want one", len(big), got)
	}
	readAnywhere(t, s, a, 2, big)
	expunge(t, s, a, 2)
	if got := read(t, s, b, 1); got != big {
		t.Error("the other account's is not what it was")
	}
	if _, err := s.Copy(t.Context(), b, storage.UIDs(1), named(t, s, 2, "Sent")); err != nil {
		t.Fatal(err)
	}
	expunge(t, s, b, 1)
	sent := named(t, s, 2, "Sent")
	if got := read(t, s, sent, 1); got != big {
		t.Error("the copy is not what it was")
	}
	if _, err := s.Compact(t.Context(), storage.CompactOptions{All: true}); err != nil {
		t.Fatal(err)
	}
	readAnywhere(t, s, sent, 1, big)
	sameAfter(t, s, dir, o, 1, 2)
}

func TestBigBodyGoesWithItsMessage(t *testing.T) {
	t.Parallel()
	for name, keep := range map[string]time.Duration{"at once": 0, "when purged": keepLong} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir, o := t.TempDir(), noHouse(storage.Options{KeepExpunged: keep})
			s := storagetest.OpenDir(t, dir, o)
			a := newAccount(t, s, 1)
			put(t, s, noise(aside, 1), a)
			put(t, s, noise(aside, 2), a)
			expunge(t, s, a, 1)
			if got := files(t, dir, "big/*"); keep > 0 && len(got) != 2 {
				t.Errorf("while it can be brought back: got files %v", got)
			}
			if _, err := s.Purge(t.Context(), 0, time.Now().Add(time.Hour)); err != nil {
				t.Fatal(err)
			}
			if got := files(t, dir, "big/*"); len(got) != 1 {
				t.Errorf("got files %v, want one", got)
			}
			readAnywhere(t, s, a, 2, noise(aside, 2))
			sameAfter(t, s, dir, o, 1)
			if got := files(t, dir, "big/*"); len(got) != 1 {
				t.Errorf("after a rebuild: got files %v, want one", got)
			}
		})
	}
}

func TestFailedAppendLeavesNoBigBody(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := storagetest.OpenDir(t, dir, noHouse(storage.Options{}))
	a := newAccount(t, s, 1)
	_, err := s.AppendAll(t.Context(), []storage.Incoming{{Body: storagetest.Body(noise(aside, 1)), Targets: []storage.Target{{Ref: a}}},
		{Body: storagetest.Body(noise(aside, 2)), Targets: []storage.Target{{Ref: storage.Ref{Account: 1, Mailbox: 99}}}}})
	if err == nil {
		t.Error("got no error")
	}
	if err := s.Deliver(t.Context(), storagetest.Body(noise(aside, 1)), 9); err == nil {
		t.Error("delivery to nobody: got no error")
	}
	if got := files(t, dir, "big/*"); len(got) != 0 {
		t.Errorf("left behind: %v", got)
	}
}

func TestOrphanOfABigBodyIsRemovedAtStart(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := storagetest.OpenDir(t, dir, noHouse(storage.Options{}))
	a := newAccount(t, s, 1)
	big := noise(aside, 1)
	put(t, s, big, a)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	orphan := filepath.Join(dir, "mail", "big", "0000000077.msg")
	if err := os.WriteFile(orphan, []byte("half"), 0o600); err != nil {
		t.Fatal(err)
	}
	s = storagetest.OpenDir(t, dir, noHouse(storage.Options{}))
	if _, err := os.Stat(orphan); err == nil {
		t.Error("the orphan is still there")
	}
	put(t, s, noise(aside, 2), a)
	readAnywhere(t, s, a, 1, big)
	readAnywhere(t, s, a, 2, noise(aside, 2))
}

func TestMissingBigBodyIsDamageOfItsMessageAlone(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := openDamaged(t, dir, noHouse(storage.Options{}))
	a := newAccount(t, s, 1)
	put(t, s, noise(aside, 1), a)
	put(t, s, message, a)
	if err := os.Remove(filepath.Join(dir, "mail", "big", files(t, dir, "big/*")[0])); err != nil {
		t.Fatal(err)
	}
	if c, err := s.OpenBody(t.Context(), a, 1); err == nil {
		c.Close()
		t.Error("a body without a file was opened")
	}
	if got := read(t, s, a, 2); got != message {
		t.Errorf("got %q", got)
	}
	if rep, err := s.Check(t.Context(), storage.CheckOptions{Bodies: true}); err != nil || len(rep.Problems) != 1 {
		t.Errorf("check: got %q, %v", rep.Problems, err)
	}
}
