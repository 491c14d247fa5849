package storage_test

import (
	"errors"
	"io"
	"testing"

	"mailstead/storage"
	"mailstead/storage/storagetest"
)

// TestOpenRowAfterTheBodyMoved opens bodies where they were when their rows were
// read: compaction has moved some and removed where they lay.
func TestOpenRowAfterTheBodyMoved(t *testing.T) {
	t.Parallel()
	for _, compress := range []bool{false, true} {
		s := storagetest.Open(t, noHouse(storage.Options{SegmentSize: 10_000, Compress: compress}))
		a := newAccount(t, s, 1)
		const n = 60
		fill(t, s, a, 0, n)
		var gone []storage.UID
		for u := storage.UID(1); u <= n; u++ {
			if u%7 != 0 {
				gone = append(gone, u)
			}
		}
		moved, kept := false, 0
		for row, err := range s.Rows(a, storage.UIDSet{{First: 1, Last: n}}, storage.ReadOptions{Place: true}) {
			if err != nil {
				t.Fatal(err)
			}
			if row.UID%7 == 6 && !moved {
				moved = true
				expunge(t, s, a, gone...)
				if res, err := s.Compact(t.Context(), storage.CompactOptions{}); err != nil || res.Segments == 0 {
					t.Fatalf("compact: got %+v, %v", res, err)
				}
			}
			c, err := s.OpenRow(t.Context(), &row)
			if moved && row.UID%7 != 0 {
				if err == nil {
					c.Close() // what is gone may lie where it was
				} else if !errors.Is(err, storage.ErrNoMessage) {
					t.Errorf("UID %d: got %v", row.UID, err)
				}
				continue
			}
			if err != nil {
				t.Fatalf("UID %d: %v", row.UID, err)
			}
			text, err := io.ReadAll(io.NewSectionReader(c, 0, c.Size()))
			if want := fillText(int(row.UID) - 1); err != nil || string(text) != want {
				t.Errorf("UID %d: got %d bytes, %v, want %d", row.UID, len(text), err, len(want))
			}
			if err := errors.Join(c.Close(), c.Close()); err != nil {
				t.Error(err)
			}
			kept++
		}
		if kept < n/7 {
			t.Errorf("%d bodies read", kept)
		}
	}
}
