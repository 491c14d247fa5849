package storage_test

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"mailstead/storage"
	"mailstead/storage/storagetest"
)

// fillWith appends n small messages to a mailbox.
func fillWith(tb testing.TB, s *storage.Store, ref storage.Ref, n int) {
	tb.Helper()
	for n > 0 {
		var list []storage.Incoming
		for range min(n, 200) {
			list = append(list, storage.Incoming{Body: strings.NewReader("Subject: x\r\n\r\nx\r\n"), Targets: []storage.Target{{Ref: ref}}})
		}
		if _, err := s.AppendAll(tb.Context(), list); err != nil {
			tb.Fatal(err)
		}
		n -= len(list)
	}
}

// contentsOnDisk is the mailbox as a scan finds it.
func contentsOnDisk(tb testing.TB, s *storage.Store, ref storage.Ref) (uids, unseen []storage.UID) {
	tb.Helper()
	for r, err := range s.Rows(ref, storage.UIDSet{{First: 1, Last: 1<<32 - 1}}, storage.ReadOptions{}) {
		if err != nil {
			tb.Fatal(err)
		}
		uids = append(uids, r.UID)
		if r.Flags&storage.Seen == 0 {
			unseen = append(unseen, r.UID)
		}
	}
	return uids, unseen
}

// TestContentsWhileOthersWrite describes a mailbox again and again, also anew,
// while messages come, change and go: in the end it is what the index holds.
func TestContentsWhileOthersWrite(t *testing.T) {
	t.Parallel()
	s := storagetest.Open(t, storage.Options{})
	ref := newAccount(t, s, 1)
	fillWith(t, s, ref, 300)
	var wg sync.WaitGroup
	done := make(chan struct{})
	for w := range 3 {
		wg.Go(func() {
			for i := range 60 {
				fillWith(t, s, ref, 2)
				u := storage.UID(1 + (i*7+w*31)%290)
				change := storage.FlagChange{Op: storage.FlagOp(i % 2), Flags: storage.Seen}
				if _, err := s.SetFlags(t.Context(), ref, storage.UIDSet{{First: u, Last: u + 4}}, change); err != nil {
					t.Error(err)
				}
				if _, _, err := s.Expunge(t.Context(), ref, storage.UIDSet{{First: u, Last: u}}, false); err != nil {
					t.Error(err)
				}
			}
		})
	}
	var readers sync.WaitGroup
	for range 2 {
		readers.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				s.ForgetDescriptions()
				for range 3 {
					c, err := s.Contents(ref)
					if err != nil || c.UIDs.Len() < 100 || c.Unseen.Without(c.UIDs.Set()).Len() != 0 {
						t.Errorf("contents: %d messages, %v", c.UIDs.Len(), err)
						return
					}
				}
			}
		})
	}
	wg.Wait()
	close(done)
	readers.Wait()
	c, err := s.Contents(ref)
	if err != nil {
		t.Fatal(err)
	}
	uids, unseen := contentsOnDisk(t, s, ref)
	if got := slices.Collect(c.UIDs.All()); !slices.Equal(got, uids) {
		t.Errorf("got %v, index has %v", c.UIDs.Set(), storage.UIDs(uids...))
	}
	if got := slices.Collect(c.Unseen.All()); !slices.Equal(got, unseen) {
		t.Errorf("unseen: got %v, index has %v", c.Unseen.Set(), storage.UIDs(unseen...))
	}
}

// TestChangedSinceBeyondWhatIsRemembered asks for more changes than are kept in
// memory, and for fewer.
func TestChangedSinceBeyondWhatIsRemembered(t *testing.T) {
	t.Parallel()
	s := storagetest.Open(t, storage.Options{})
	ref := newAccount(t, s, 1)
	fillWith(t, s, ref, storage.MaxChanges+500)
	if _, err := s.Contents(ref); err != nil {
		t.Fatal(err)
	}
	var modseqs []storage.ModSeq
	for u := storage.UID(1); u <= 3000; u += 300 {
		out, err := s.SetFlags(t.Context(), ref, storage.UIDSet{{First: u, Last: u + 250}}, storage.FlagChange{Flags: storage.Flagged})
		if err != nil {
			t.Fatal(err)
		}
		modseqs = append(modseqs, out.ModSeq)
	}
	for i, since := range append([]storage.ModSeq{1, 2000}, modseqs...) {
		var want, got []storage.UID
		for r, err := range s.Rows(ref, storage.UIDSet{{First: 1, Last: 1<<32 - 1}}, storage.ReadOptions{}) {
			if err != nil {
				t.Fatal(err)
			}
			if r.ModSeq > since {
				want = append(want, r.UID)
			}
		}
		for r, err := range s.Rows(ref, storage.UIDSet{{First: 1, Last: 1<<32 - 1}}, storage.ReadOptions{ChangedSince: since}) {
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, r.UID)
		}
		if !slices.Equal(got, want) {
			t.Errorf("%d: since %d: got %v, want %v", i, since, storage.UIDs(got...), storage.UIDs(want...))
		}
	}
}

// TestManyMailboxesDescribed describes more mailboxes than there is room for.
func TestManyMailboxesDescribed(t *testing.T) {
	t.Parallel()
	s := storagetest.Open(t, storage.Options{})
	newAccount(t, s, 1)
	s.DescribedRoom(2000)
	var refs []storage.Ref
	for i := range 20 {
		m, err := s.CreateMailbox(t.Context(), 1, fmt.Sprintf("box %d", i), "")
		if err != nil {
			t.Fatal(err)
		}
		ref := storage.Ref{Account: 1, Mailbox: m.ID}
		refs = append(refs, ref)
		fillWith(t, s, ref, i)
	}
	for range 2 {
		for i, ref := range refs {
			if c, err := s.Contents(ref); err != nil || c.UIDs.Len() != i || c.Unseen.Len() != i {
				t.Errorf("mailbox %d: got %d messages, %v", i, c.UIDs.Len(), err)
			}
			if weight, n := s.Described(); weight > 2000 || n == 0 || n > 6 {
				t.Fatalf("%d mailboxes described in %d bytes", n, weight)
			}
			fillWith(t, s, ref, 1)
			if c, err := s.Contents(ref); err != nil || c.UIDs.Len() != i+1 {
				t.Errorf("mailbox %d: got %d messages, %v", i, c.UIDs.Len(), err)
			} else if _, _, err := s.Expunge(t.Context(), ref, storage.UIDs(c.UIDs.Last()), false); err != nil {
				t.Error(err)
			}
		}
	}
}
