package storage_test

import (
	"strings"
	"testing"

	"mailstead/storage"
	"mailstead/storage/storagetest"
)

// What is moved together with a message whose first mailbox is gone stays whole.
func TestCompactMovesMessagesOfDeletedMailboxes(t *testing.T) {
	t.Parallel()
	s := storagetest.Open(t, storage.Options{})
	inbox := newAccount(t, s, 1)
	m, err := s.CreateMailbox(t.Context(), 1, "gone", "")
	if err != nil {
		t.Fatal(err)
	}
	big := strings.Repeat("x", 1<<20)
	put(t, s, big, inbox)
	put(t, s, message, storage.Ref{Account: 1, Mailbox: m.ID})
	if _, err := s.Move(t.Context(), storage.Ref{Account: 1, Mailbox: m.ID}, storage.UIDs(1), inbox); err != nil {
		t.Fatal(err)
	}
	if err := s.DeleteMailbox(t.Context(), 1, "gone"); err != nil {
		t.Fatal(err)
	}
	res, err := s.Compact(t.Context(), storage.CompactOptions{All: true})
	if err != nil || res.Segments != 1 || res.Kept != 0 {
		t.Errorf("got %+v, %v, want one segment removed", res, err)
	}
	if read(t, s, inbox, 1) != big || read(t, s, inbox, 2) != message {
		t.Error("messages are other than before")
	}
}
