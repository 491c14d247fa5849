package storage_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"mailstead/storage"
	"mailstead/storage/storagetest"
)

// sector is what a disk writes at once.
const sector = 512

// overwrite changes the bytes of a segment at its beginning and gives what it
// held.
func overwrite(t testing.TB, dir, name string, with []byte) (before []byte) {
	t.Helper()
	path := filepath.Join(dir, "mail", name)
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteAt(with, 0); err != nil {
		t.Fatal(err)
	}
	return before
}

// filled counts the messages of fill that a mailbox has whole.
func filled(t testing.TB, s *storage.Store, ref storage.Ref) map[int]int {
	t.Helper()
	have := map[int]int{}
	for r, err := range s.Rows(ref, everyUID(), storage.ReadOptions{Message: true}) {
		if err != nil {
			t.Fatal(err)
		}
		n := 0
		if r.Message == nil {
			continue
		}
		if _, err := fmt.Sscanf(r.Message.Envelope.Subject, "number %d", &n); err != nil {
			continue
		}
		c, err := s.OpenBody(t.Context(), ref, r.UID)
		if errors.Is(err, storage.ErrDamaged) {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(io.NewSectionReader(c, 0, c.Size()))
		if c.Close(); err == nil && string(b) == fillText(n) {
			have[n]++
		}
	}
	return have
}

// hasFilled expects each of the messages from 1 to n once, but for those lost.
func hasFilled(t testing.TB, s *storage.Store, n int, lost ...int) {
	t.Helper()
	have := filled(t, s, named(t, s, 1, "INBOX"))
	for i := 1; i <= n; i++ {
		if got := have[i]; got != 1 && !slices.Contains(lost, i) || got > 1 {
			t.Errorf("message %d: got it %d times, want once", i, got)
		}
	}
}

// beginIn tells which of n messages begin in the bytes.
func beginIn(b []byte, n int) (list []int) {
	for i := 1; i <= n; i++ {
		if bytes.Contains(b, fmt.Appendf(nil, "Subject: number %d\r\n", i)) {
			list = append(list, i)
		}
	}
	return list
}

// closedStore makes a store of n messages and closes it.
func closedStore(t testing.TB, dir string, o storage.Options, n int) {
	t.Helper()
	s, err := storage.Open(dir, o)
	if err != nil {
		t.Fatal(err)
	}
	fill(t, s, newAccount(t, s, 1), 1, n)
	checkpoint(t, s)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestOverwrittenFirstSectorLosesOnlyWhatWasInIt(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name    string
		size    int64
		segment int // its index among the segments, -1 for the last
		drop    bool
	}{
		{"only segment, index there", 0, -1, false},
		{"only segment, index gone", 0, -1, true},
		{"last segment, index there", 10_000, -1, false},
		{"last segment, index gone", 10_000, -1, true},
		{"first segment, index gone", 10_000, 0, true},
		{"segment in the middle, index gone", 10_000, 1, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			const n = 30
			dir, o := t.TempDir(), noHouse(storage.Options{SegmentSize: c.size})
			closedStore(t, dir, o, n)
			list := files(t, dir, "*.seg")
			name := list[(c.segment+len(list))%len(list)]
			before := overwrite(t, dir, name, bytes.Repeat([]byte{0xff}, sector))
			lost := beginIn(before[:sector], n)
			if c.drop {
				dropIndex(t, dir, files(t, dir, "*.ckp")...)
			}
			s := openDamaged(t, dir, o)
			hasFilled(t, s, n, lost...)
			rep, err := s.Check(t.Context(), storage.CheckOptions{Bodies: true})
			if err != nil || len(rep.Problems) == 0 || c.drop && len(s.Damage()) == 0 {
				t.Errorf("got problems %q, damage %q, %v, want them told", rep.Problems, s.Damage(), err)
			}
			fill(t, s, named(t, s, 1, "INBOX"), n+1, 1)
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			after, err := os.ReadFile(filepath.Join(dir, "mail", name))
			if err != nil || len(after) < len(before) || !bytes.Equal(after[sector:len(before)], before[sector:]) {
				t.Errorf("%s: %d bytes before, %d after, %v: what was not damaged has changed", name, len(before), len(after), err)
			}
			hasFilled(t, openDamaged(t, dir, o), n+1, lost...)
		})
	}
}

func TestTornHeaderOfANewSegmentIsNoDamage(t *testing.T) {
	t.Parallel()
	for name, held := range map[string][]byte{
		"nothing":       nil,
		"zeros":         make([]byte, 4096),
		"half a header": append([]byte("MSTDSEG3\x00\x00"), make([]byte, 4096)...),
		"anything":      append(bytes.Repeat([]byte{0xff}, 32), make([]byte, 4096)...),
	} {
		for _, drop := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, index gone %v", name, drop), func(t *testing.T) {
				t.Parallel()
				dir, o := t.TempDir(), noHouse(storage.Options{})
				closedStore(t, dir, o, 5)
				stub := filepath.Join(dir, "mail", "000002.seg")
				if err := os.WriteFile(stub, held, 0o600); err != nil {
					t.Fatal(err)
				}
				if drop {
					dropIndex(t, dir)
				}
				s := storagetest.OpenDir(t, dir, o)
				if got := s.Damage(); len(got) > 0 {
					t.Errorf("got damage %q, want none", got)
				}
				fill(t, s, named(t, s, 1, "INBOX"), 6, 1)
				hasFilled(t, s, 6)
				if err := s.Close(); err != nil {
					t.Fatal(err)
				}
				if b, err := os.ReadFile(stub); err != nil || !bytes.HasPrefix(b, []byte("MSTDSEG3")) || len(beginIn(b, 6)) != 1 {
					t.Errorf("got a segment of %d bytes, %v, want the new message in it", len(b), err)
				}
				s = storagetest.OpenDir(t, dir, o)
				if hasFilled(t, s, 6); len(s.Damage()) > 0 {
					t.Errorf("got damage %q, want none", s.Damage())
				}
			})
		}
	}
}

// TestUnreadableLastSegmentIsKept also by the starts that follow: somebody may
// read more of it.
func TestUnreadableLastSegmentIsKept(t *testing.T) {
	t.Parallel()
	for _, drop := range []bool{false, true} {
		t.Run(fmt.Sprintf("index gone %v", drop), func(t *testing.T) {
			t.Parallel()
			const n = 30
			dir, o := t.TempDir(), noHouse(storage.Options{SegmentSize: 10_000})
			closedStore(t, dir, o, n)
			list := files(t, dir, "*.seg")
			name := list[len(list)-1]
			b, err := os.ReadFile(filepath.Join(dir, "mail", name))
			if err != nil {
				t.Fatal(err)
			}
			lost := beginIn(b, n)
			spoiled := bytes.Repeat([]byte{0xff}, len(b))
			overwrite(t, dir, name, spoiled)
			if drop {
				dropIndex(t, dir, files(t, dir, "*.ckp")...)
			}
			s := openDamaged(t, dir, o)
			if hasFilled(t, s, n, lost...); len(s.Damage()) == 0 {
				t.Error("got no damage told")
			}
			fill(t, s, named(t, s, 1, "INBOX"), n+1, 1)
			for range 2 {
				if err := s.Close(); err != nil {
					t.Fatal(err)
				}
				s = openDamaged(t, dir, o)
				hasFilled(t, s, n+1, lost...)
				kept, err := os.ReadFile(filepath.Join(dir, "mail", name))
				if err != nil {
					kept, err = os.ReadFile(filepath.Join(dir, "lost", name))
				}
				if err != nil || !bytes.Equal(kept, spoiled) {
					t.Errorf("got %d bytes, %v, want the segment as it was", len(kept), err)
				}
			}
		})
	}
}

func TestSegmentShorterThanTheIndexKnowsIsRefused(t *testing.T) {
	t.Parallel()
	dir, o := t.TempDir(), noHouse(storage.Options{})
	closedStore(t, dir, o, 10)
	path := filepath.Join(dir, "mail", "000001.seg")
	if err := os.Truncate(path, 5000); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		s, err := storage.Open(dir, o)
		if err == nil {
			t.Fatal(errors.Join(errors.New("opened"), s.Close()))
		}
		if !strings.Contains(err.Error(), "segment 1 ends at 5000") {
			t.Errorf("got %v, want the segment and its length told", err)
		}
		if info, err := os.Stat(path); err != nil || info.Size() != 5000 {
			t.Errorf("got %v, %v, want the segment left alone", info, err)
		}
	}
	if err := storage.Reindex(dir); err != nil {
		t.Fatal(err)
	}
	if s, err := storage.Open(dir, o); err == nil {
		t.Error(errors.Join(errors.New("the checkpoint knows of more, too: opened"), s.Close()))
	}
}
