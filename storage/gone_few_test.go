package storage_test

import (
	"fmt"
	"testing"

	"mailstead/storage"
	"mailstead/storage/storagetest"
)

// TestHistory: as many ranges of expunged UIDs are remembered as the option says,
// live as well as after the index was made anew.
func TestHistory(t *testing.T) {
	t.Parallel()
	dir, o := t.TempDir(), noHouse(storage.Options{History: 2})
	s := storagetest.OpenDir(t, dir, o)
	inbox := newAccount(t, s, 1)
	for i := range 7 {
		if _, err := s.Append(t.Context(), storagetest.Body(fmt.Sprintf("Subject: %d\r\n\r\n", i)), storage.Target{Ref: inbox}); err != nil {
			t.Fatal(err)
		}
	}
	var at [3]storage.ModSeq
	for i := range at {
		uid := storage.UID(2*i + 2)
		_, m, err := s.Expunge(t.Context(), inbox, storage.UIDSet{{First: uid, Last: uid}}, false)
		if err != nil {
			t.Fatal(err)
		}
		at[i] = m
	}
	for range 2 {
		for i, want := range []string{"[{4 4} {6 6}] true", "[{6 6}] true", "[] true"} {
			gone, complete, err := s.Vanished(inbox, at[i])
			if got := fmt.Sprint(gone, complete); got != want || err != nil {
				t.Errorf("after the %d. expunge: got %s, %v, want %s", i+1, got, err, want)
			}
		}
		if _, complete, err := s.Vanished(inbox, at[0]-1); complete || err != nil {
			t.Errorf("before the first: complete %t, %v, want false", complete, err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		if err := storage.Reindex(dir); err != nil {
			t.Fatal(err)
		}
		s = storagetest.OpenDir(t, dir, o)
	}
}
