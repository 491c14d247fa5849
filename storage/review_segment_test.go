package storage_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"mailstead/internal/faultfs"
	"mailstead/storage"
	"mailstead/storage/storagetest"
)

// TestFailedBeginOfASegmentLeavesNone: with a next one there the one before
// would count as finished.
func TestFailedBeginOfASegmentLeavesNone(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]faultfs.Fault{
		"create":        {Match: faultfs.On("000002.seg", faultfs.Create)},
		"write":         {Match: faultfs.On("000002.seg", faultfs.Write), Tear: faultfs.Prefix},
		"full disk":     {Match: faultfs.On("000002.seg", faultfs.Write), Err: unix.ENOSPC},
		"datasync":      {Match: faultfs.On("000002.seg", faultfs.Datasync)},
		"directory":     {Match: faultfs.On("mail", faultfs.SyncDir)},
		"seal":          {Match: faultfs.On("000001.seg", faultfs.Truncate)},
		"taking back":   {Match: faultfs.On("000002.seg", faultfs.Datasync, faultfs.Remove), Forever: true},
		"names at all":  {Match: faultfs.On("mail", faultfs.SyncDir), Forever: true},
		"anything of 2": {Match: faultfs.On("000002.seg"), Forever: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			fsys, err := faultfs.New(dir)
			if err != nil {
				t.Fatal(err)
			}
			s, err := storage.Open(dir, noHouse(storage.Options{FS: fsys}))
			if err != nil {
				t.Fatal(err)
			}
			a := newAccount(t, s, 1)
			fill(t, s, a, 1, 3)
			in := fsys.Inject(fault)
			if _, err := s.Compact(t.Context(), storage.CompactOptions{All: true}); err == nil || len(in.Fired()) == 0 {
				t.Errorf("got %v, %v failed, want the failure told", err, in.Fired())
			}
			removed := !slices.ContainsFunc(in.Fired(), func(o faultfs.Op) bool { return o.Kind == faultfs.Remove })
			if got := files(t, dir, "000002.seg"); removed && len(got) > 0 {
				t.Errorf("got %v, want no next segment", got)
			}
			in.Stop()
			n := 3
			if _, err := s.Append(t.Context(), strings.NewReader(fillText(4)), storage.Target{Ref: a}); err == nil {
				n = 4
			} else if errors.Is(err, storage.ErrNoSpace) {
				t.Errorf("with all well again: got %v", err)
			}
			clone := filepath.Join(t.TempDir(), "clone")
			if err := fsys.CrashClone(clone, faultfs.Policy{}); err != nil {
				t.Fatal(err)
			}
			if err := s.Close(); err != nil && n == 4 {
				t.Error(err)
			}
			for _, dir := range []string{dir, clone} {
				s := storagetest.OpenDir(t, dir, noHouse(storage.Options{}))
				if hasFilled(t, s, n); len(s.Damage()) > 0 {
					t.Errorf("got damage %q, want none", s.Damage())
				}
			}
		})
	}
}

func TestCompactGoesOnBehindADamagedHeader(t *testing.T) {
	t.Parallel()
	for name, damaged := range map[string]int{"header and first record": sector, "all": 20_000} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			const n = 40
			dir := t.TempDir()
			s := openDamaged(t, dir, noHouse(storage.Options{SegmentSize: 10_000}))
			a := newAccount(t, s, 1)
			fill(t, s, a, 1, n)
			b, err := os.ReadFile(filepath.Join(dir, "mail", "000002.seg"))
			if err != nil {
				t.Fatal(err)
			}
			in := beginIn(b, n)
			gone, lost := []storage.UID{}, in
			if damaged < len(b) {
				lost = in[:1]
			}
			for i := 1; i <= n; i++ {
				if i != in[0] && i%4 != 0 {
					gone, lost = append(gone, storage.UID(i)), append(slices.Clone(lost), i)
				}
			}
			expunge(t, s, a, gone...)
			overwrite(t, dir, "000002.seg", bytes.Repeat([]byte{0xff}, min(damaged, len(b))))
			res, err := s.Compact(t.Context(), storage.CompactOptions{All: true})
			if err != nil || res.Kept != 1 || res.Segments < 3 {
				t.Errorf("got %+v, %v, want the damaged segment kept and the others removed", res, err)
			}
			if got := files(t, dir, "000002.seg"); len(got) != 1 {
				t.Error("the damaged segment is gone")
			}
			hasFilled(t, s, n, lost...)
		})
	}
}
