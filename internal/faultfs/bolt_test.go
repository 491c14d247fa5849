package faultfs

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"
	"sync"
	"testing"

	bolt "go.etcd.io/bbolt"
	"golang.org/x/sys/unix"
)

// openBolt opens a database under the hook.
func openBolt(t testing.TB, f *FS, path string, o bolt.Options) (*bolt.DB, *os.File) {
	t.Helper()
	var file *os.File
	o.OpenFile = func(name string, flag int, perm os.FileMode) (_ *os.File, err error) {
		file, err = f.OpenBolt(name, flag, perm)
		return file, err
	}
	db, err := bolt.Open(path, 0o600, &o)
	must(t, err)
	t.Cleanup(func() { db.Close() })
	f.HookBolt(db)
	return db, file
}

func put(db *bolt.DB, key string) error {
	return db.Update(func(tx *bolt.Tx) error {
		b, err := tx.CreateBucketIfNotExists([]byte("b"))
		if err != nil {
			return err
		}
		return b.Put([]byte(key), make([]byte, 1500))
	})
}

// keys are what a database on disk has, after bbolt's own check of it.
func keys(t testing.TB, path string) (_ map[string]bool, err error) {
	t.Helper()
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		// Where pages are not what bbolt expects, it panics.
		if p := recover(); p != nil {
			err = fmt.Errorf("read database: %v", p)
		}
	}()
	db, err := bolt.Open(path, 0o600, &bolt.Options{})
	if err != nil {
		return nil, err
	}
	defer db.Close()
	got := map[string]bool{}
	err = db.View(func(tx *bolt.Tx) error {
		for err := range tx.Check() {
			return err
		}
		b := tx.Bucket([]byte("b"))
		if b == nil {
			return nil
		}
		return b.ForEach(func(k, _ []byte) error {
			got[string(k)] = true
			return nil
		})
	})
	return got, err
}

// TestBoltSurvivesPowerCuts clones at each of bbolt's syncs: what a
// transaction put is there once Update has returned. It also proves that the
// hook makes bbolt's syncs where bbolt made them: one too few would lose keys
// or break the tree.
func TestBoltSurvivesPowerCuts(t *testing.T) {
	t.Parallel()
	f, dir := newFS(t)
	// A file longer than its pages grows in steps, behind the hook's back.
	db, _ := openBolt(t, f, filepath.Join(dir, "x.db"), bolt.Options{InitialMmapSize: 64 << 20})
	must(t, f.SyncDir(dir))
	var mu sync.Mutex
	acked := map[string]bool{}
	points := 0
	f.OnSync(func(n int) {
		points++
		mu.Lock()
		defer mu.Unlock()
		for seed, p := range []Policy{{}, {Data: Kept}, {Data: Random, Seed: uint64(n)}, {Data: Random, Seed: uint64(n) + 1000}} {
			clone := t.TempDir()
			// The database is locked here: nothing may end the goroutine.
			if err := f.CrashClone(clone, p); err != nil {
				t.Error(err)
			}
			got, err := keys(t, filepath.Join(clone, "x.db"))
			if err != nil {
				t.Errorf("point %d, policy %d: %v", n, seed, err)
			}
			for k := range acked {
				if !got[k] {
					t.Errorf("point %d, policy %d: %s is lost", n, seed, k)
				}
			}
		}
	})
	for i := range 15 {
		key := fmt.Sprint("key", i)
		must(t, put(db, key))
		mu.Lock()
		acked[key] = true
		mu.Unlock()
	}
	if points < 15*4 {
		t.Errorf("got %d sync points, want two before and two after each of 15 meta pages", points)
	}
}

// TestBoltWithoutSyncLosesData: a database with NoSync is safe only after
// SyncBolt.
func TestBoltWithoutSyncLosesData(t *testing.T) {
	t.Parallel()
	f, dir := newFS(t)
	db, file := openBolt(t, f, filepath.Join(dir, "x.db"), bolt.Options{NoSync: true, NoGrowSync: true})
	must(t, f.SyncDir(dir))
	must(t, put(db, "key"))
	look := func(p Policy) (map[string]bool, error) {
		clone := t.TempDir()
		must(t, f.CrashClone(clone, p))
		return keys(t, filepath.Join(clone, "x.db"))
	}
	if got, err := look(Policy{}); err != nil || got["key"] {
		t.Errorf("before the sync: got %v, %v, want no key", got, err)
	}
	must(t, f.SyncBolt(file))
	if got, err := look(Policy{}); err != nil || !got["key"] {
		t.Errorf("after the sync: got %v, %v, want the key", got, err)
	}
	in := f.Inject(Fault{Match: On("x.db", Datasync)})
	if err := f.SyncBolt(file); !errors.Is(err, unix.EIO) || len(in.Fired()) != 1 {
		t.Errorf("failing sync: got %v, want EIO", err)
	}
}

func TestBoltWritesAndSyncsFail(t *testing.T) {
	t.Parallel()
	for _, kind := range []Kind{Write, Datasync} {
		for _, tear := range []Tear{Nothing, Prefix, Sectors} {
			for k := 1; ; k++ {
				f, dir := newFS(t)
				db, _ := openBolt(t, f, filepath.Join(dir, "x.db"), bolt.Options{})
				must(t, f.SyncDir(dir))
				must(t, put(db, "first"))
				in := f.Inject(Fault{At: k, Match: On("x.db", kind), Tear: tear, Seed: uint64(k)})
				err := put(db, "second")
				if len(in.Fired()) == 0 {
					if err != nil || k < 3 {
						t.Errorf("%s: got %v with %d operations, want no error and some", kind, err, k-1)
					}
					break
				}
				if !errors.Is(err, unix.EIO) {
					t.Errorf("%s %d: got %v, want EIO", kind, k, err)
				}
				clone := t.TempDir()
				must(t, f.CrashClone(clone, Policy{Data: Random, Seed: uint64(k)}))
				if got, err := keys(t, filepath.Join(clone, "x.db")); err != nil || !got["first"] {
					t.Errorf("%s %d: got %v, %v, want what was acknowledged", kind, k, got, err)
				}
			}
		}
	}
}

func TestHookRefusesAStranger(t *testing.T) {
	t.Parallel()
	f, dir := newFS(t)
	db, err := bolt.Open(filepath.Join(dir, "x.db"), 0o600, nil)
	must(t, err)
	defer db.Close()
	defer func() {
		if recover() == nil {
			t.Error("got no panic")
		}
	}()
	f.HookBolt(db)
}
