package storage_test

import (
	"strings"
	"testing"
	"time"

	"mailstead/storage"
	"mailstead/storage/storagetest"
)

// TestCompactionMovesWhatRemovedAccountsShared: records that are moved still
// name the mailboxes their messages first went to. That these are gone says
// nothing about who has the messages now.
func TestCompactionMovesWhatRemovedAccountsShared(t *testing.T) {
	t.Parallel()
	s := storagetest.Open(t, storage.Options{Housekeeping: -1, SegmentSize: 5000})
	one, two := newAccount(t, s, 1), newAccount(t, s, 2)
	big := "Subject: big\r\n\r\n" + strings.Repeat("line of a big message\r\n", 60000)
	put(t, s, big, one, two)
	put(t, s, message, one, two)
	put(t, s, message+strings.Repeat("more\r\n", 1000), two) // the segment is full
	if err := s.RemoveAccount(t.Context(), 2); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Purge(t.Context(), 0, time.Now().Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	res, err := s.Compact(t.Context(), storage.CompactOptions{All: true})
	if err != nil {
		t.Fatal(err)
	}
	if res.Segments == 0 || res.Kept != 0 {
		t.Errorf("got %+v, want a segment removed and none kept", res)
	}
	if got := read(t, s, one, 1); got != big {
		t.Errorf("got %d bytes of the big message, want %d", len(got), len(big))
	}
	if got := read(t, s, one, 2); got != message {
		t.Errorf("got %q, want %q", got, message)
	}
}
