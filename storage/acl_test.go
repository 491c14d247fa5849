package storage_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"mailstead/mail"
	"mailstead/storage"
	"mailstead/storage/storagetest"
)

// TestListOfAMailboxIsBounded fills a list to its limit.
func TestListOfAMailboxIsBounded(t *testing.T) {
	t.Parallel()
	s := storagetest.Open(t, storage.Options{})
	inbox := newAccount(t, s, 1)
	newAccount(t, s, 2)
	newAccount(t, s, 3)
	grant := func(to mail.AccountID, negative bool) error {
		return s.SetRights(t.Context(), inbox, storage.ReplaceFlags, storage.Grant{To: to, Negative: negative, Rights: storage.RightLookup})
	}
	for i := range mail.AccountID((storage.MaxGrants - 2) / 2) {
		newAccount(t, s, 10+i)
		if err := errors.Join(grant(10+i, false), grant(10+i, true)); err != nil {
			t.Fatal(err)
		}
	}
	if err := grant(2, false); err != nil {
		t.Fatal(err)
	}
	if err := grant(2, true); err != nil {
		t.Errorf("the last one: %v", err)
	}
	if err := grant(3, false); !errors.Is(err, storage.ErrLimit) {
		t.Errorf("one too many: got %v, want %v", err, storage.ErrLimit)
	}
	if err := grant(2, false); err != nil {
		t.Errorf("one of them again: %v", err)
	}
	if err := s.Unshare(t.Context(), inbox, 2, true); err != nil {
		t.Fatal(err)
	}
	if err := grant(3, false); err != nil {
		t.Errorf("one for another: %v", err)
	}
}

// TestRightsAreInLogAndCheckpoint opens a store again, without its index, and
// from a checkpoint without the log before it.
func TestRightsAreInLogAndCheckpoint(t *testing.T) {
	t.Parallel()
	dir, o := t.TempDir(), noHouse(storage.Options{})
	s := storagetest.OpenDir(t, dir, o)
	inbox := newAccount(t, s, 1)
	newAccount(t, s, 2)
	want := storage.RightLookup | storage.RightRead
	if err := s.SetRights(t.Context(), inbox, storage.AddFlags, storage.Grant{To: 2, Rights: want}); err != nil {
		t.Fatal(err)
	}
	for _, step := range []string{"opened again", "without index", "checkpoint, without index"} {
		if step == "checkpoint, without index" {
			if err := s.Checkpoint(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		if step != "opened again" {
			if err := os.Remove(filepath.Join(dir, "index.db")); err != nil {
				t.Fatal(err)
			}
		}
		s = storagetest.OpenDir(t, dir, o)
		list, err := s.SharedWith(2)
		if err != nil || len(list) != 1 || list[0].Ref != inbox || list[0].Rights != want {
			t.Errorf("%s: shared with 2: got %+v, %v", step, list, err)
		}
	}
}

// TestNewMailboxHasTheRightsOfTheOneAbove is RFC 4314 §4 of CREATE.
func TestNewMailboxHasTheRightsOfTheOneAbove(t *testing.T) {
	t.Parallel()
	s := storagetest.Open(t, storage.Options{})
	inbox := newAccount(t, s, 1)
	newAccount(t, s, 2)
	if err := s.SetRights(t.Context(), inbox, storage.AddFlags, storage.Grant{To: 2, Rights: storage.RightRead}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.CreateMailbox(t.Context(), 1, "INBOX/a/b", ""); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"INBOX/a", "INBOX/a/b"} {
		if r, err := s.RightsIn(named(t, s, 1, name), 2); err != nil || r != storage.RightRead {
			t.Errorf("%s: got %q, %v, want r", name, r, err)
		}
	}
	if r, err := s.RightsAbove(2, 1, "INBOX/a/c/d"); err != nil || r != storage.RightRead {
		t.Errorf("above INBOX/a/c/d: got %q, %v, want those of INBOX/a", r, err)
	}
	if _, err := s.RightsAbove(2, 1, "Other"); !errors.Is(err, storage.ErrNoMailbox) {
		t.Errorf("above Other: got %v, want none", err)
	}
}

// TestMessageMovesToAnotherAccount follows one message: what it takes counts for
// the account it is in, its text is read there, its keywords are that account's,
// and the account it has left can bring it back.
func TestMessageMovesToAnotherAccount(t *testing.T) {
	t.Parallel()
	quota := map[mail.AccountID]int64{}
	s := storagetest.Open(t, storage.Options{KeepExpunged: 1 << 50, Quota: func(id mail.AccountID) int64 { return quota[id] }})
	from, to := newAccount(t, s, 1), newAccount(t, s, 2)
	const text = "Message-ID: <1@x>\r\nSubject: x\r\n\r\ntext\r\n"
	if _, err := s.Append(t.Context(), storagetest.Body("Message-ID: <0@x>\r\n\r\n"), storage.Target{Ref: to, Keywords: []string{"WORK"}}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Append(t.Context(), storagetest.Body(text), storage.Target{Ref: from, Keywords: []string{"work"}, Flags: storage.Seen | storage.Deleted}); err != nil {
		t.Fatal(err)
	}
	all := storage.UIDSet{{First: 1, Last: 9}}
	quota[2] = 50
	for _, move := range []bool{false, true} {
		if _, err := s.Transfer(t.Context(), from, all, to, storage.TransferOptions{Move: move}); !errors.Is(err, storage.ErrOverQuota) {
			t.Errorf("move %v over quota of the destination: got %v, want %v", move, err, storage.ErrOverQuota)
		}
	}
	quota[1], quota[2] = 1, 0
	out, err := s.Transfer(t.Context(), from, all, to, storage.TransferOptions{Move: true, Except: storage.FlagMask{Flags: storage.Deleted}})
	if err != nil || fmt.Sprint(out.Src, out.Dst) != "[1] [2]" {
		t.Fatalf("move: got %+v, %v", out, err)
	}
	for row, err := range s.Rows(to, storage.UIDs(2), storage.ReadOptions{}) {
		if err != nil || row.Flags != storage.Seen || fmt.Sprint(row.Keywords) != "[WORK]" {
			t.Errorf("got %+v, %v, want it seen, with the keyword WORK", row, err)
		}
		if got := read(t, s, to, row.UID); got != text {
			t.Errorf("got text %q, want %q", got, text)
		}
	}
	for id, want := range map[mail.AccountID]int64{1: 0, 2: 2} {
		if u, err := s.Usage(id); err != nil || u.Messages != want {
			t.Errorf("account %d: got %+v, %v, want %d messages", id, u, err, want)
		}
	}
	n := 0
	if err := s.Expunged(1, func(e storage.Expunged) bool { n++; return true }); err != nil || n != 1 {
		t.Errorf("account 1 can bring back %d messages, %v, want 1", n, err)
	}
}
