package storage_test

import (
	"errors"
	"strings"
	"testing"

	"mailstead/storage"
	"mailstead/storage/storagetest"
)

func TestRenameKeepsEveryMailboxReachable(t *testing.T) {
	t.Parallel()
	s := storagetest.Open(t, storage.Options{})
	newAccount(t, s, 1)
	for _, tc := range []struct{ name, below, to string }{
		{"levels", "deep" + strings.Repeat("/x", storage.MaxNameDepth-1), "a/b"},
		{"bytes", "long/" + strings.Repeat("x", storage.MaxNameBytes-5), "longer"},
	} {
		from, _, _ := strings.Cut(tc.below, "/")
		if _, err := s.CreateMailbox(t.Context(), 1, tc.below, ""); err != nil {
			t.Fatal(err)
		}
		if err := s.RenameMailbox(t.Context(), 1, from, tc.to); !errors.Is(err, storage.ErrBadName) {
			t.Errorf("%s: got %v, want ErrBadName", tc.name, err)
		}
	}
	boxes, err := s.Mailboxes(1)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range boxes {
		if _, err := s.Mailbox(1, m.Name); err != nil {
			t.Errorf("%.40q: %v", m.Name, err)
		}
	}
}
