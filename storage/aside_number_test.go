package storage_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"mailstead/storage"
	"mailstead/storage/storagetest"
)

// The file of a big body that is gone must not take the file of a later one with
// it when the log is read again.
func TestFilesOfBigBodiesSurviveRebuild(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name  string
		first func(t *testing.T, s *storage.Store, inbox storage.Ref, text string)
	}{
		{"after an expunge", func(t *testing.T, s *storage.Store, inbox storage.Ref, text string) {
			uid := put(t, s, text, inbox)[0].UID
			if _, _, err := s.Expunge(t.Context(), inbox, storage.UIDs(uid), false); err != nil {
				t.Fatal(err)
			}
		}},
		{"after a refused append", func(t *testing.T, s *storage.Store, inbox storage.Ref, text string) {
			nowhere := storage.Target{Ref: storage.Ref{Account: 1, Mailbox: 999}}
			if _, err := s.Append(t.Context(), strings.NewReader(text), nowhere); !errors.Is(err, storage.ErrNoMailbox) {
				t.Fatal(err)
			}
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			big := strings.Repeat("x", 1<<20)
			s := storagetest.OpenDir(t, dir, storage.Options{})
			inbox := newAccount(t, s, 1)
			tc.first(t, s, inbox, big+"first")
			for _, lost := range [][]string{nil, {"index.db", "index.meta"}} {
				if err := s.Close(); err != nil {
					t.Fatal(err)
				}
				for _, name := range lost {
					if err := os.Remove(filepath.Join(dir, name)); err != nil {
						t.Fatal(err)
					}
				}
				s = storagetest.OpenDir(t, dir, storage.Options{})
				if lost == nil {
					put(t, s, big+"second", inbox)
				}
			}
			for r, err := range s.Rows(inbox, storage.UIDSet{{First: 1, Last: 9}}, storage.ReadOptions{}) {
				if err != nil || read(t, s, inbox, r.UID) != big+"second" {
					t.Errorf("UID %d is another message, %v", r.UID, err)
				}
			}
		})
	}
}
