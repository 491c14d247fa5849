package storage_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"golang.org/x/sys/unix"

	"mailstead/internal/faultfs"
	"mailstead/storage"
)

// Variables of the environment for the fault tests: with the first set, each
// operation fails in turn instead of one in some; the others repeat a run, and
// one number of an operation in it.
const (
	faultFull = "MAILSTEAD_FAULT_FULL"
	faultSeed = "MAILSTEAD_FAULT_SEED"
	faultAt   = "MAILSTEAD_FAULT_AT"
)

// trial is one test of faults: which it tries, and with what seeds.
type trial struct {
	t    *testing.T
	seed uint64
	full bool
}

func newTrial(t *testing.T) *trial {
	tr := &trial{t: t, seed: rand.Uint64N(1 << 32), full: os.Getenv(faultFull) != ""}
	if v := os.Getenv(faultSeed); v != "" {
		n, err := strconv.ParseUint(v, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		tr.seed = n
	}
	t.Logf("%s=%d", faultSeed, tr.seed)
	return tr
}

// each gives the numbers from 1 on that are tried: all, or one in stride,
// beginning where the seed says.
func (tr *trial) each(stride int, try func(k int) (more bool)) {
	if v := os.Getenv(faultAt); v != "" {
		k, err := strconv.Atoi(v)
		if err != nil {
			tr.t.Fatal(err)
		}
		try(k)
		return
	}
	first := 1
	if tr.full {
		stride = 1
	} else {
		first += int(tr.seed % uint64(stride))
	}
	for k := first; try(k); k += stride {
		if tr.t.Failed() {
			return // one is enough to look at
		}
	}
}

// site is a disk with a store's directory on it.
type site struct {
	t       *testing.T
	dir     string
	fs      *faultfs.FS
	segment int64 // size; 0 is smallSegment
}

func newSite(t *testing.T) *site {
	t.Helper()
	dir := t.TempDir()
	fsys, err := faultfs.New(dir)
	if err != nil {
		t.Fatal(err)
	}
	return &site{t: t, dir: dir, fs: fsys}
}

// work opens a store and runs the workload, until steps more have run after
// the first that failed.
func (x *site) work(m *faultModel, after int) (failed error) {
	x.t.Helper()
	w, err := x.world(m)
	if err != nil {
		return err
	}
	for _, step := range faultWork() {
		err := step(w)
		if failed == nil && !errors.Is(err, errSkipped) {
			failed = err
		}
		if failed == nil {
			continue
		}
		if after--; after < 0 || w.s == nil {
			break
		}
	}
	if w.s == nil {
		return failed
	}
	if err := w.s.Close(); failed == nil {
		failed = err
	}
	return failed
}

// world opens the store of a site.
func (x *site) world(m *faultModel) (*world, error) {
	o := faultOptions(x.fs)
	if x.segment != 0 {
		o.SegmentSize = x.segment
	}
	open := func() (*storage.Store, error) { return storage.Open(x.dir, o) }
	s, err := open()
	return &world{x.t.Context(), open, s, m}, err
}

// after a fault: what a power cut would leave, and what is on the disk.
func (x *site) check(m *faultModel, seed uint64) error {
	for n, p := range []faultfs.Policy{{}, {Data: faultfs.Kept}, {Data: faultfs.Random, Names: faultfs.Random, Seed: seed}} {
		clone := filepath.Join(x.t.TempDir(), "clone")
		if err := x.fs.CrashClone(clone, p); err != nil {
			return err
		}
		if err := sound(clone, m.possible()); err != nil {
			return fmt.Errorf("power cut, policy %d: %w", n, err)
		}
		if err := os.RemoveAll(clone); err != nil {
			return err
		}
	}
	if err := sound(x.dir, m.possible()); err != nil {
		return fmt.Errorf("restart: %w", err)
	}
	return nil
}

// TestWorkWithoutFaults is what the others compare with: no step may be left
// out.
func TestWorkWithoutFaults(t *testing.T) {
	t.Parallel()
	x, m := newSite(t), newFaultModel()
	w, err := x.world(m)
	if err != nil {
		t.Fatal(err)
	}
	for i, step := range faultWork() {
		if err := step(w); err != nil {
			t.Fatalf("step %d: %v", i+1, err)
		}
		got, err := observe(w.s)
		if err == nil {
			err = anyOf(m.possible(), got)
		}
		if err != nil {
			t.Fatalf("step %d: %v", i+1, err)
		}
	}
	if err := w.s.Close(); err != nil {
		t.Fatal(err)
	}
	if n := len(m.possible()); n != 1 {
		t.Errorf("got %d possible states, want 1", n)
	}
	if err := x.check(m, 1); err != nil {
		t.Error(err)
	}
	ops := map[faultfs.Kind]int{}
	for _, o := range x.fs.Ops() {
		ops[o.Kind]++
	}
	t.Logf("operations: %v", ops)
}

// TestEveryOperationFails lets one operation fail, or all from it on, and
// looks at the disk.
func TestEveryOperationFails(t *testing.T) {
	t.Parallel()
	for _, forever := range []bool{false, true} {
		t.Run(fmt.Sprintf("forever %v", forever), func(t *testing.T) {
			t.Parallel()
			tr := newTrial(t)
			tr.each(17, func(k int) bool {
				return tr.fault(faultfs.Fault{At: k, Forever: forever}, k)
			})
		})
	}
}

// TestEveryWriteIsTorn leaves some of a write on the disk.
func TestEveryWriteIsTorn(t *testing.T) {
	t.Parallel()
	for _, tear := range []faultfs.Tear{faultfs.Prefix, faultfs.Sectors} {
		t.Run(fmt.Sprintf("tear %d", tear), func(t *testing.T) {
			t.Parallel()
			tr := newTrial(t)
			tr.each(13, func(k int) bool {
				return tr.fault(faultfs.Fault{At: k, Match: faultfs.On("*", faultfs.Write), Tear: tear, Seed: tr.seed + uint64(k)}, k)
			})
		})
	}
}

// fault runs the work with one fault; false when it did not come to it.
func (tr *trial) fault(f faultfs.Fault, k int) bool {
	tr.t.Helper()
	x, m := newSite(tr.t), newFaultModel()
	in := x.fs.Inject(f)
	failed := x.work(m, 2)
	fired := in.Fired()
	in.Stop()
	if len(fired) == 0 {
		if failed != nil {
			tr.t.Errorf("without a fault: %v", failed)
		}
		return false
	}
	if err := x.check(m, tr.seed+uint64(k)); err != nil {
		tr.t.Errorf("%s=%d, operation %d (%v) failed, which gave %v: %v", faultSeed, tr.seed, k, fired[0], failed, err)
	}
	_ = os.RemoveAll(x.dir) // as early as possible: there are many
	return true
}

// TestPowerCutAtEverySync clones the disk before and after each sync takes
// effect, and opens the clones.
func TestPowerCutAtEverySync(t *testing.T) {
	t.Parallel()
	for name, size := range map[string]int64{"small segments": smallSegment, "space set aside": 32 << 20} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			newTrial(t).powerCuts(size)
		})
	}
}

// powerCuts does the work with segments of a size.
func (tr *trial) powerCuts(segment int64) {
	t := tr.t
	t.Helper()
	stride, seeds := 13, 1
	if tr.full {
		stride, seeds = 1, 6
	}
	x, m := newSite(t), newFaultModel()
	x.segment = segment
	tried := 0
	x.fs.OnSync(func(n int) {
		if t.Failed() || (n+int(tr.seed%97))%stride != 0 {
			return
		}
		// Nothing here may end the goroutine: it is the store's.
		tried++
		policies := []faultfs.Policy{{}, {Data: faultfs.Kept, Names: faultfs.Kept}, {Names: faultfs.Kept}, {Data: faultfs.Kept}}
		for i := range seeds {
			policies = append(policies, faultfs.Policy{Data: faultfs.Random, Names: faultfs.Random, Seed: tr.seed + uint64(100*n+i)})
		}
		for i, p := range policies {
			possible := m.possible()
			clone := filepath.Join(t.TempDir(), "clone")
			if err := x.fs.CrashClone(clone, p); err != nil {
				t.Error(err)
				return
			}
			if err := sound(clone, append(possible, m.possible()...)); err != nil {
				t.Errorf("%s=%d, sync point %d, policy %d: %v", faultSeed, tr.seed, n, i, err)
			}
			_ = os.RemoveAll(clone) // as early as possible: there are many
		}
	})
	if err := x.work(m, 0); err != nil {
		t.Error(err)
	}
	t.Logf("%d sync points", tried)
}

// TestPowerCutDuringRecovery cuts the power while a store that was cut off is
// being opened.
func TestPowerCutDuringRecovery(t *testing.T) {
	t.Parallel()
	tr := newTrial(t)
	x, m := newSite(t), newFaultModel()
	syncs := 0
	stop := 40 + int(tr.seed%60)
	first := filepath.Join(t.TempDir(), "clone")
	var possible []faultState
	x.fs.OnSync(func(n int) {
		if syncs++; syncs == stop {
			possible = m.possible()
			if err := x.fs.CrashClone(first, faultfs.Policy{Data: faultfs.Random, Names: faultfs.Random, Seed: tr.seed}); err != nil {
				t.Error(err)
			}
		}
	})
	if err := x.work(m, 0); err != nil {
		t.Error(err)
	}
	if possible == nil {
		t.Fatalf("got %d syncs, want %d", syncs, stop)
	}
	fsys, err := faultfs.New(first)
	if err != nil {
		t.Fatal(err)
	}
	fsys.OnSync(func(n int) {
		for i, p := range []faultfs.Policy{{}, {Data: faultfs.Kept, Names: faultfs.Kept}, {Data: faultfs.Random, Names: faultfs.Random, Seed: tr.seed + uint64(n)}} {
			clone := filepath.Join(t.TempDir(), "clone")
			if err := fsys.CrashClone(clone, p); err != nil {
				t.Error(err)
			} else if err := sound(clone, possible); err != nil {
				t.Errorf("%s=%d, sync point %d of the recovery, policy %d: %v", faultSeed, tr.seed, n, i, err)
			}
		}
	})
	s, err := storage.Open(first, faultOptions(fsys))
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

// TestPowerCutAfterRestart: a process that ended with things not synced is
// followed by another, and power fails then: what the second one has taken over
// must be as safe as what it wrote itself.
func TestPowerCutAfterRestart(t *testing.T) {
	t.Parallel()
	tr := newTrial(t)
	tr.each(29, func(k int) bool {
		x, m := newSite(t), newFaultModel()
		in := x.fs.Inject(faultfs.Fault{At: k, Match: faultfs.On("*", faultfs.Datasync, faultfs.SyncDir), Forever: true})
		_ = x.work(m, 0) // how it failed is looked at by others
		in.Stop()
		cut := func(when string) {
			for i, p := range []faultfs.Policy{{}, {Data: faultfs.Kept}, {Data: faultfs.Random, Names: faultfs.Random, Seed: tr.seed + uint64(k)}} {
				clone := filepath.Join(t.TempDir(), "clone")
				if err := x.fs.CrashClone(clone, p); err != nil {
					t.Error(err)
				} else if err := sound(clone, m.possible()); err != nil {
					t.Errorf("%s=%d, syncs failed from the %d. on, power cut %s, policy %d: %v", faultSeed, tr.seed, k, when, i, err)
				}
				_ = os.RemoveAll(clone) // as early as possible: there are many
			}
		}
		x.fs.OnSync(func(n int) { cut(fmt.Sprintf("at sync point %d of the restart", n)) })
		w, err := x.world(m)
		if err != nil {
			t.Fatalf("%s=%d, syncs failed from the %d. on: restart: %v", faultSeed, tr.seed, k, err)
		}
		x.fs.OnSync(nil)
		got, err := observe(w.s)
		if err == nil {
			err = anyOf(m.possible(), got)
		}
		if err != nil {
			t.Errorf("%s=%d, syncs failed from the %d. on: %v", faultSeed, tr.seed, k, err)
		}
		m.states = []faultState{got} // others may have seen it now
		if err := w.createAccount(3); err != nil {
			t.Error(err)
		}
		cut("after the restart")
		if err := w.s.Close(); err != nil {
			t.Error(err)
		}
		return len(in.Fired()) > 0
	})
}

// TestFullDiskOnce: what needs space fails, and when there is space again the
// store goes on as if nothing had been.
func TestFullDiskOnce(t *testing.T) {
	t.Parallel()
	for _, forever := range []bool{false, true} {
		t.Run(fmt.Sprintf("forever %v", forever), func(t *testing.T) {
			t.Parallel()
			tr := newTrial(t)
			tr.each(11, func(k int) bool { return tr.fullDisk(k, forever) })
		})
	}
}

// fullDisk has no space for the k-th write, and for good those after it, until
// a step has failed and two more have been tried.
func (tr *trial) fullDisk(k int, forever bool) bool {
	t := tr.t
	t.Helper()
	x, m := newSite(t), newFaultModel()
	w, err := x.world(m)
	if err != nil {
		t.Fatal(err)
	}
	in := x.fs.Inject(faultfs.Fault{At: k, Match: spaceTaken(forever), Err: unix.ENOSPC, Forever: forever, Tear: faultfs.Prefix, Seed: tr.seed})
	full := 0
	for i, step := range faultWork() {
		err := step(w)
		fired := in.Fired()
		switch {
		case len(fired) == 0 && err != nil:
			t.Fatalf("step %d without a fault: %v", i+1, err)
		case len(fired) == 0:
			continue
		case full <= 2:
			full++
			if err != nil && !errors.Is(err, errSkipped) && !errors.Is(err, unix.ENOSPC) && !errors.Is(err, storage.ErrNoSpace) {
				t.Errorf("%s=%d, no space at write %d (%v): step %d: got %v, want an error that says so", faultSeed, tr.seed, k, fired[0], i+1, err)
			}
			if w.s == nil {
				in.Stop() // it could not be opened again
				w.s, err = w.open()
			}
			if err != nil && w.s == nil {
				t.Fatalf("%s=%d, no space at write %d (%v): open with space again: %v", faultSeed, tr.seed, k, fired[0], err)
			}
			// Reading goes on.
			got, oerr := observe(w.s)
			if oerr == nil {
				oerr = anyOf(m.possible(), got)
			}
			if oerr != nil {
				t.Errorf("%s=%d, no space at write %d (%v), after step %d: %v", faultSeed, tr.seed, k, fired[0], i+1, oerr)
			}
			if full > 2 || !forever {
				in.Stop()
				full = 3
			}
		case err != nil && !errors.Is(err, errSkipped):
			t.Errorf("%s=%d, no space at write %d (%v): step %d with space again: %v", faultSeed, tr.seed, k, fired[0], i+1, err)
		}
		if t.Failed() {
			break
		}
	}
	fired := in.Fired()
	in.Stop()
	if err := w.s.Close(); err != nil {
		t.Errorf("close: %v", err)
	}
	if len(fired) == 0 {
		return false
	}
	if err := x.check(m, tr.seed+uint64(k)); err != nil {
		t.Errorf("%s=%d, no space at write %d (%v): %v", faultSeed, tr.seed, k, fired[0], err)
	}
	return true
}

// spaceTaken matches what a full disk refuses. The index is left out where it
// would be for good: the store waits for it then.
func spaceTaken(forever bool) func(faultfs.Op) bool {
	takes := faultfs.On("*", faultfs.Write, faultfs.Create, faultfs.Temp)
	index := faultfs.On("index.db")
	return func(o faultfs.Op) bool { return takes(o) && !(forever && index(o)) }
}
