// Package storagetest opens stores for tests: each is checked, bodies and all,
// when its test ends. Only tests may import it.
package storagetest

import (
	"context"
	"strings"
	"testing"

	"mailstead/storage"
)

// Open opens a store in a directory of the test. At the end of the test every
// invariant is verified and the store closed.
func Open(t testing.TB, opts storage.Options) *storage.Store {
	t.Helper()
	return OpenDir(t, t.TempDir(), opts)
}

// OpenDir is Open for a directory of the caller's. The test may close the store
// itself after Verify.
func OpenDir(t testing.TB, dir string, opts storage.Options) *storage.Store {
	t.Helper()
	opts.SearchIndex, opts.SearchBatch = true, 8
	s, err := storage.Open(dir, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		Verify(t, s)
		if err := s.Close(); err != nil {
			t.Errorf("close store: %v", err)
		}
	})
	return s
}

// Verify checks the store, unless it is closed.
func Verify(t testing.TB, s *storage.Store) {
	t.Helper()
	rep, err := s.Check(context.Background(), storage.CheckOptions{Bodies: true}) // the test's own context has ended in a cleanup
	if err != nil && err != storage.ErrClosed {
		t.Errorf("check store: %v", err)
	}
	for _, p := range rep.Problems {
		t.Errorf("check store: %s", p)
	}
}

// Body is a message in memory.
func Body(text string) storage.Body { return strings.NewReader(text) }
