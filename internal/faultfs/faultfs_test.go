package faultfs

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"

	"mailstead/internal/durable"
)

// newFS makes a file system over a directory of the test.
func newFS(t testing.TB) (*FS, string) {
	t.Helper()
	dir := t.TempDir()
	f, err := New(dir)
	if err != nil {
		t.Fatal(err)
	}
	return f, dir
}

// must ends the test for the error of a step that has nothing to give.
func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func open(t testing.TB, f durable.FS, path string, flag int) durable.File {
	t.Helper()
	file, err := f.Open(path, flag, 0o600)
	must(t, err)
	t.Cleanup(func() { file.Close() })
	return file
}

func write(t testing.TB, file durable.File, off int64, text string) {
	t.Helper()
	if n, err := file.WriteAt([]byte(text), off); n != len(text) || err != nil {
		t.Fatalf("write: got %d, %v, want %d", n, err, len(text))
	}
}

// after gives the files of a clone by name.
func after(t testing.TB, f *FS, p Policy) map[string]string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "clone")
	must(t, f.CrashClone(dir, p))
	entries, err := os.ReadDir(dir)
	must(t, err)
	got := map[string]string{}
	for _, e := range entries {
		b, err := os.ReadFile(filepath.Join(dir, e.Name()))
		must(t, err)
		got[e.Name()] = string(b)
	}
	return got
}

const rw = os.O_RDWR | os.O_CREATE

// TestForgottenSyncLosesData runs the same program with each of its syncs left
// out: only the one that makes all of them keeps what it wrote.
func TestForgottenSyncLosesData(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name                      string
		data, names, afterReplace bool
		want                      map[string]string
	}{
		{"all syncs", true, true, true, map[string]string{"log": "acknowledged", "state": "new"}},
		{"no sync of the data", false, true, true, map[string]string{"log": "", "state": ""}},
		{"no sync of the directory", true, false, false, map[string]string{"state": "old"}},
		{"no sync after the rename", true, true, false, map[string]string{"log": "acknowledged", "state": "old", "state.new": "new"}},
		{"no sync at all", false, false, false, map[string]string{"state": "old"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			must(t, os.WriteFile(filepath.Join(dir, "state"), []byte("old"), 0o600))
			f, err := New(dir)
			must(t, err)
			log := open(t, f, filepath.Join(dir, "log"), rw)
			write(t, log, 0, "acknowledged")
			state := open(t, f, filepath.Join(dir, "state.new"), rw)
			write(t, state, 0, "new")
			if tt.data {
				must(t, log.Datasync())
				must(t, state.Datasync())
			}
			if tt.names {
				must(t, f.SyncDir(dir))
			}
			must(t, f.Rename(filepath.Join(dir, "state.new"), filepath.Join(dir, "state")))
			if tt.afterReplace {
				must(t, f.SyncDir(dir))
			}
			equal(t, after(t, f, Policy{}), tt.want)
			equal(t, after(t, f, Policy{Data: Kept, Names: Kept}), map[string]string{"log": "acknowledged", "state": "new"})
		})
	}
}

func equal(t testing.TB, got, want map[string]string) {
	t.Helper()
	if len(got) != len(want) {
		t.Errorf("got files %q, want %q", got, want)
		return
	}
	for name, text := range want {
		if g, ok := got[name]; !ok || g != text {
			t.Errorf("%s: got %q (there: %v), want %q", name, g, ok, text)
		}
	}
}

func TestNamesNeedTheirDirectory(t *testing.T) {
	t.Parallel()
	f, dir := newFS(t)
	path := func(n string) string { return filepath.Join(dir, n) }
	for _, n := range []string{"a", "b", "c"} {
		file := open(t, f, path(n), rw)
		write(t, file, 0, n)
		must(t, file.Datasync())
	}
	must(t, f.SyncDir(dir))
	must(t, f.Remove(path("a")))
	must(t, f.Link(path("b"), path("d")))
	must(t, f.Rename(path("c"), path("b")))
	before := map[string]string{"a": "a", "b": "b", "c": "c"}
	now := map[string]string{"b": "c", "d": "b"}
	equal(t, after(t, f, Policy{}), before)
	equal(t, after(t, f, Policy{Names: Kept}), now)
	seen := map[int]bool{}
	for seed := range uint64(200) {
		got := after(t, f, Policy{Names: Random, Seed: seed})
		// The three changes are independent: removed, linked, renamed.
		if (got["b"] == "c") == (got["c"] == "c") {
			t.Fatalf("seed %d: got %q, want c under one of two names", seed, got)
		}
		seen[bit(got["a"] == "")|bit(got["d"] == "b")<<1|bit(got["b"] == "c")<<2] = true
	}
	if len(seen) != 8 {
		t.Errorf("got %d of the 8 outcomes in 200 seeds", len(seen))
	}
	must(t, f.SyncDir(dir))
	equal(t, after(t, f, Policy{}), now)
}

func bit(b bool) int {
	if b {
		return 1
	}
	return 0
}

func TestUnsyncedSectorsAreMixed(t *testing.T) {
	t.Parallel()
	f, dir := newFS(t)
	file := open(t, f, filepath.Join(dir, "x"), rw)
	write(t, file, 0, strings.Repeat("0", 4*sectorSize))
	must(t, file.Datasync())
	must(t, f.SyncDir(dir))
	write(t, file, 100, strings.Repeat("1", 3*sectorSize))
	write(t, file, 3*sectorSize, strings.Repeat("2", 2*sectorSize))
	seen := map[string]bool{}
	for seed := range uint64(300) {
		b := after(t, f, Policy{Data: Random, Seed: seed})["x"]
		if len(b) != 4*sectorSize && len(b) != 5*sectorSize {
			t.Fatalf("seed %d: got %d bytes", seed, len(b))
		}
		shape := ""
		for s := 0; s < len(b); s += sectorSize {
			shape += b[s+sectorSize-1:s+sectorSize] + b[s:s+1] + " "
		}
		seen[shape] = true
	}
	for _, want := range []string{"00 00 00 00 ", "10 11 11 22 ", "00 11 00 22 ", "00 00 00 01 ", "10 00 11 22 22 ", "00 00 00 00 \x00\x00 "} {
		if !seen[want] {
			t.Errorf("got no file of sectors %q among %d", want, len(seen))
		}
	}
}

func TestEveryOperationCountsAndCanFail(t *testing.T) {
	t.Parallel()
	steps := func(f *FS, dir string) error {
		a, b := filepath.Join(dir, "a"), filepath.Join(dir, "b")
		tmp, err := f.Temp(dir)
		if err != nil {
			return err
		}
		defer tmp.Close()
		file, err := f.Open(a, rw, 0o600)
		if err != nil {
			return err
		}
		defer file.Close()
		if _, err := file.WriteAt([]byte("hello"), 3); err != nil {
			return err
		}
		for _, do := range []func() error{
			func() error { return file.Truncate(4) },
			func() error { return file.(interface{ Allocate(int64) error }).Allocate(9) },
			file.Datasync,
			func() error { return f.Link(a, b) },
			func() error { return f.Rename(b, filepath.Join(dir, "c")) },
			func() error { return f.Remove(a) },
			func() error { return f.SyncDir(dir) },
		} {
			if err := do(); err != nil {
				return err
			}
		}
		return nil
	}
	want := []Kind{Temp, Create, Write, Truncate, Allocate, Datasync, Link, Rename, Remove, SyncDir}
	for k := 1; ; k++ {
		f, dir := newFS(t)
		in := f.Inject(Fault{At: k, Err: unix.ENOSPC})
		err := steps(f, dir)
		ops := f.Ops()
		if k > len(want) {
			if err != nil || len(ops) != len(want) || len(in.Fired()) != 0 {
				t.Errorf("without a fault: got %v, %v", ops, err)
			}
			return
		}
		if !errors.Is(err, unix.ENOSPC) || len(ops) != k || ops[k-1].Kind != want[k-1] {
			t.Errorf("operation %d: got %v after %v, want ENOSPC of %s", k, err, ops, want[k-1])
		}
		if fired := in.Fired(); len(fired) != 1 || fired[0] != ops[k-1] {
			t.Errorf("operation %d: got %v fired", k, fired)
		}
	}
}

func TestFaultsChooseOperations(t *testing.T) {
	t.Parallel()
	f, dir := newFS(t)
	a, b := open(t, f, filepath.Join(dir, "a.seg"), rw), open(t, f, filepath.Join(dir, "b.db"), rw)
	once := f.Inject(Fault{At: 2, Match: On("*.seg", Write)})
	ever := f.Inject(Fault{At: 2, Match: On("*.db"), Err: unix.ENOSPC, Forever: true})
	try := func(file durable.File) error {
		_, err := file.WriteAt([]byte("x"), 0)
		return err
	}
	for i, want := range []error{nil, unix.EIO, nil} {
		if err := try(a); !errors.Is(err, want) {
			t.Errorf("a, write %d: got %v, want %v", i, err, want)
		}
	}
	for i, want := range []error{nil, unix.ENOSPC, unix.ENOSPC} {
		if err := try(b); !errors.Is(err, want) {
			t.Errorf("b, write %d: got %v, want %v", i, err, want)
		}
	}
	ever.Stop()
	must(t, try(b))
	if n, m := len(once.Fired()), len(ever.Fired()); n != 1 || m != 2 {
		t.Errorf("got %d and %d failures, want 1 and 2", n, m)
	}
}

func TestTornWrites(t *testing.T) {
	t.Parallel()
	old, fresh := bytes.Repeat([]byte("o"), 4*sectorSize), bytes.Repeat([]byte("n"), 3*sectorSize)
	for _, tear := range []Tear{Nothing, Prefix, Sectors} {
		shapes := map[string]bool{}
		for seed := range uint64(40) {
			f, dir := newFS(t)
			path := filepath.Join(dir, "x")
			file := open(t, f, path, rw)
			write(t, file, 0, string(old))
			f.Inject(Fault{Tear: tear, Seed: seed})
			n, err := file.WriteAt(fresh, 256)
			if !errors.Is(err, unix.EIO) || n >= len(fresh) {
				t.Fatalf("seed %d: got %d, %v, want EIO", seed, n, err)
			}
			got, err := os.ReadFile(path)
			must(t, err)
			if c := after(t, f, Policy{Data: Kept, Names: Kept})["x"]; c != string(got) {
				t.Fatalf("seed %d: the clone is not what is on the disk", seed)
			}
			if bytes.Count(got, []byte("n"))+bytes.Count(got, []byte("o")) != len(old) || got[0] != 'o' || bytes.Count(got, []byte("n")) >= len(fresh) {
				t.Fatalf("seed %d: got %q", seed, got)
			}
			if tear == Prefix && bytes.Contains(got[256:], []byte("on")) {
				t.Fatalf("seed %d: got %q, want a prefix", seed, got)
			}
			shapes[string(got)] = true
		}
		if want := map[Tear]int{Nothing: 1, Prefix: 20, Sectors: 8}[tear]; len(shapes) < want {
			t.Errorf("tear %d: got %d different files, want %d or more", tear, len(shapes), want)
		}
	}
}

// TestSyncAfterAFailedOneProvesNothing: as on Linux, where the kernel drops
// what it could not write.
func TestSyncAfterAFailedOneProvesNothing(t *testing.T) {
	t.Parallel()
	f, dir := newFS(t)
	file := open(t, f, filepath.Join(dir, "x"), rw)
	must(t, f.SyncDir(dir))
	write(t, file, 0, "old and safe")
	must(t, file.Datasync())
	write(t, file, 0, "lost")
	write(t, file, 12, "longer")
	in := f.Inject(Fault{Match: On("x", Datasync)})
	if err := file.Datasync(); !errors.Is(err, unix.EIO) {
		t.Fatalf("got %v, want EIO", err)
	}
	in.Stop()
	must(t, file.Datasync())
	equal(t, after(t, f, Policy{}), map[string]string{"x": "old and safe"})
	write(t, file, 0, "lost and safelonger") // nothing new, but written again
	must(t, file.Datasync())
	equal(t, after(t, f, Policy{}), map[string]string{"x": "lost and safelonger"})
}

func TestTruncate(t *testing.T) {
	t.Parallel()
	f, dir := newFS(t)
	path := filepath.Join(dir, "x")
	file := open(t, f, path, rw)
	write(t, file, 0, strings.Repeat("a", 2000))
	must(t, file.Datasync())
	must(t, f.SyncDir(dir))
	must(t, file.Truncate(700))
	equal(t, after(t, f, Policy{}), map[string]string{"x": strings.Repeat("a", 2000)})
	write(t, file, 1500, "b")
	must(t, file.Datasync())
	want, err := os.ReadFile(path)
	must(t, err)
	equal(t, after(t, f, Policy{}), map[string]string{"x": string(want)})
	open(t, f, path, rw|os.O_TRUNC)
	equal(t, after(t, f, Policy{Data: Kept}), map[string]string{"x": ""})
}

func TestReadsFailWhereTheyAreTold(t *testing.T) {
	t.Parallel()
	f, dir := newFS(t)
	a, b := open(t, f, filepath.Join(dir, "a"), rw), open(t, f, filepath.Join(dir, "b"), rw)
	write(t, a, 0, "0123456789")
	write(t, b, 0, "0123456789")
	stop := f.FailReads(ReadFault{Match: func(p string) bool { return filepath.Base(p) == "a" }, From: 4, To: 6})
	for _, tt := range []struct {
		name string
		file durable.File
		off  int64
		want error
	}{
		{"before", a, 1, nil}, {"into", a, 2, unix.EIO}, {"inside", a, 5, unix.EIO}, {"behind", a, 6, nil}, {"another file", b, 4, nil},
	} {
		if _, err := tt.file.ReadAt(make([]byte, 3), tt.off); !errors.Is(err, tt.want) {
			t.Errorf("%s: got %v, want %v", tt.name, err, tt.want)
		}
	}
	stop()
	if _, err := a.ReadAt(make([]byte, 3), 4); err != nil {
		t.Errorf("after stop: got %v", err)
	}
}

func TestFree(t *testing.T) {
	t.Parallel()
	f, dir := newFS(t)
	f.SetFree(17)
	if n, err := f.Free(dir); n != 17 || err != nil {
		t.Errorf("got %d, %v, want 17", n, err)
	}
	f.SetFree(-1)
	if n, err := f.Free(dir); n == 17 || err != nil {
		t.Errorf("got %d, %v, want the real number", n, err)
	}
}

// TestOnSync: at each even point what is being synced is in doubt, at the odd
// one after it no more.
func TestOnSync(t *testing.T) {
	t.Parallel()
	f, dir := newFS(t)
	file := open(t, f, filepath.Join(dir, "x"), rw)
	must(t, f.SyncDir(dir))
	var got []string
	f.OnSync(func(n int) {
		if n != len(got) {
			t.Errorf("got point %d, want %d", n, len(got))
		}
		got = append(got, after(t, f, Policy{})["x"])
	})
	write(t, file, 0, "one")
	must(t, file.Datasync())
	write(t, file, 0, "two")
	must(t, file.Datasync())
	f.OnSync(nil)
	must(t, file.Datasync())
	if want := []string{"", "one", "one", "two"}; strings.Join(got, ",") != strings.Join(want, ",") {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestManyAtOnce(t *testing.T) {
	t.Parallel()
	f, dir := newFS(t)
	f.OnSync(func(n int) {
		if n%7 == 0 {
			if err := f.CrashClone(t.TempDir(), Policy{Data: Random, Names: Random, Seed: uint64(n)}); err != nil {
				t.Error(err)
			}
		}
	})
	var wg sync.WaitGroup
	for w := range 4 {
		wg.Go(func() {
			file, err := f.Open(filepath.Join(dir, string(rune('a'+w))), rw, 0o600)
			if err != nil {
				t.Error(err)
				return
			}
			defer file.Close()
			for i := range int64(20) {
				if _, err := file.WriteAt([]byte("line\n"), 5*i); err != nil {
					t.Error(err)
				}
				if err := errors.Join(file.Datasync(), f.SyncDir(dir)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	want := strings.Repeat("line\n", 20)
	equal(t, after(t, f, Policy{}), map[string]string{"a": want, "b": want, "c": want, "d": want})
}
