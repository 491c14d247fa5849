package storage_test

import (
	"testing"

	"mailstead/storage"
	"mailstead/storage/storagetest"
)

// TestPlace: what works on many messages tells where it is, up to the last.
func TestPlace(t *testing.T) {
	t.Parallel()
	s := storagetest.Open(t, storage.Options{})
	inbox := newAccount(t, s, 1)
	trash := named(t, s, 1, "Trash")
	for range 9 {
		put(t, s, "Subject: x\r\n\r\n", inbox)
	}
	for _, tc := range []struct {
		name string
		want storage.UID
		do   func(*storage.Place) error
	}{
		{"search", 9, func(p *storage.Place) error {
			for _, err := range s.Search(storage.WithPlace(t.Context(), p), inbox, storage.Query{Larger: new(int64)}, storage.All) {
				if err != nil {
					return err
				}
			}
			return nil
		}},
		{"the first", 1, func(p *storage.Place) error {
			for _, err := range s.Search(storage.WithPlace(t.Context(), p), inbox, storage.Query{}, storage.First) {
				if err != nil {
					return err
				}
			}
			return nil
		}},
		{"flags", 7, func(p *storage.Place) error {
			_, err := s.SetFlags(storage.WithPlace(t.Context(), p), inbox, storage.UIDSet{{First: 3, Last: 7}}, storage.FlagChange{Flags: storage.Deleted})
			return err
		}},
		{"copy", 2, func(p *storage.Place) error {
			_, err := s.Copy(storage.WithPlace(t.Context(), p), inbox, storage.UIDs(1, 2), trash)
			return err
		}},
		{"move", 4, func(p *storage.Place) error {
			_, err := s.Move(storage.WithPlace(t.Context(), p), inbox, storage.UIDs(4), trash)
			return err
		}},
		{"expunge", 7, func(p *storage.Place) error {
			_, _, err := s.Expunge(storage.WithPlace(t.Context(), p), inbox, nil, true)
			return err
		}},
		{"nothing", 0, func(p *storage.Place) error {
			_, _, err := s.Expunge(storage.WithPlace(t.Context(), p), inbox, nil, true)
			return err
		}},
	} {
		var p storage.Place
		if err := tc.do(&p); err != nil || p.At() != tc.want {
			t.Errorf("%s: got %d, %v, want %d", tc.name, p.At(), err, tc.want)
		}
	}
}
