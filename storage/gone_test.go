package storage_test

import (
	"fmt"
	"testing"

	"mailstead/storage"
	"mailstead/storage/storagetest"
)

// TestOldExpungesAreForgotten: what was expunged long ago is not remembered UID
// by UID, and that is told, live as well as after the index was made anew. No
// two of the messages have UIDs without one between, so each is a range.
func TestOldExpungesAreForgotten(t *testing.T) {
	t.Parallel()
	dir, o := t.TempDir(), noHouse(storage.Options{})
	s := storagetest.OpenDir(t, dir, o)
	inbox := newAccount(t, s, 1)
	const limit, batch = 10_000, 219
	for at := 0; at <= limit; at += batch {
		var list []storage.Incoming
		for i := at; i < min(at+batch, limit+1); i++ {
			list = append(list, storage.Incoming{Body: storagetest.Body(fmt.Sprintf("Subject: %d\r\n\r\n", i)), Targets: []storage.Target{{Ref: inbox, UID: storage.UID(2*i + 2)}}})
		}
		if _, err := s.AppendAll(t.Context(), list); err != nil {
			t.Fatal(err)
		}
	}
	expunge := func(first, last storage.UID) storage.ModSeq {
		t.Helper()
		gone, m, err := s.Expunge(t.Context(), inbox, storage.UIDSet{{First: first, Last: last}}, false)
		if err != nil || len(gone) != int(last-first)/2+1 {
			t.Fatalf("expunged %d ranges, %v", len(gone), err)
		}
		return m
	}
	vanished := func(since storage.ModSeq, ranges int, complete bool) {
		t.Helper()
		gone, all, err := s.Vanished(inbox, since)
		if err != nil || len(gone) != ranges || all != complete {
			t.Errorf("since %d: got %d ranges, complete %v, %v, want %d, %v", since, len(gone), all, err, ranges, complete)
		}
	}
	first := expunge(2, 2)
	second := expunge(4, 10_002)
	third := expunge(10_004, 20_000)
	vanished(0, limit, true)
	fourth := expunge(20_002, 20_002)
	for range 2 {
		vanished(0, limit, false)
		vanished(first-1, limit, false)
		vanished(first, limit, true)
		vanished(second, limit/2, true)
		vanished(third, 1, true)
		vanished(fourth, 0, true)
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		if err := storage.Reindex(dir); err != nil {
			t.Fatal(err)
		}
		s = storagetest.OpenDir(t, dir, o)
	}
}
