package storage_test

import (
	"fmt"
	"slices"
	"testing"

	"mailstead/storage"
	"mailstead/storage/storagetest"
)

// TestHoleDoesNotExpungeTheWrongMessages loses a message: those after it have
// other UIDs then, so that what was done by UID would hit others.
func TestHoleDoesNotExpungeTheWrongMessages(t *testing.T) {
	t.Parallel()
	dir, o := t.TempDir(), noHouse(storage.Options{SegmentSize: 10_000})
	s := storagetest.OpenDir(t, dir, o)
	a := newAccount(t, s, 1)
	archive := named(t, s, 1, "Archive")
	if _, err := s.CreateMailbox(t.Context(), 1, "work", ""); err != nil {
		t.Fatal(err)
	}
	work := named(t, s, 1, "work")
	fill(t, s, a, 1, 40)
	fill(t, s, work, 41, 3)
	expunge(t, s, a, 2, 20)
	if _, err := s.Move(t.Context(), a, storage.UIDs(3, 30), archive); err != nil {
		t.Fatal(err)
	}
	if _, err := s.SetFlags(t.Context(), a, storage.UIDs(4, 25), storage.FlagChange{Flags: storage.Deleted}); err != nil {
		t.Fatal(err)
	}
	// What is moved away from work must not go with it.
	if _, err := s.Move(t.Context(), work, storage.UIDs(1, 2, 3), archive); err != nil {
		t.Fatal(err)
	}
	if err := s.DeleteMailbox(t.Context(), 1, "work"); err != nil {
		t.Fatal(err)
	}
	storagetest.Verify(t, s)
	before := map[string]uint32{}
	boxes, err := s.Mailboxes(1)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range boxes {
		before[m.Name] = m.UIDValidity
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	damageChange(t, dir, "000002.seg", "number 10\r\n")
	dropIndex(t, dir)
	s = openDamaged(t, dir, o)
	onlyDamage(t, s)
	have := map[string][]string{}
	if boxes, err = s.Mailboxes(1); err != nil {
		t.Fatal(err)
	}
	for _, m := range boxes {
		ref := storage.Ref{Account: 1, Mailbox: m.ID}
		for r, err := range s.Rows(ref, storage.UIDSet{{First: 1, Last: 1000}}, storage.ReadOptions{Message: true}) {
			if err != nil {
				t.Fatal(err)
			}
			have[r.Message.Envelope.Subject] = append(have[r.Message.Envelope.Subject], m.Name)
			if n := r.Message.Envelope.Subject; r.Flags&storage.Deleted != 0 && n != "number 4" {
				t.Errorf("%s is marked deleted", n)
			}
		}
		if before[m.Name] == m.UIDValidity && slices.Contains([]string{"INBOX", "Archive"}, m.Name) {
			t.Errorf("%s has the UIDVALIDITY it had", m.Name)
		}
	}
	for i := 1; i <= 43; i++ {
		name := fmt.Sprintf("number %d", i)
		// What was expunged behind the hole by a UID that is not sure may be back.
		if want := i != 2 && i != 10; want != (len(have[name]) == 1) {
			t.Errorf("%s: got it in %v, want it: %v", name, have[name], want)
		}
	}
	if got := have["number 3"]; !slices.Equal(got, []string{"Archive"}) {
		t.Errorf("a move before any doubt: got %v", got)
	}
}
