package faultfs

import (
	"fmt"
	"io/fs"
	"math/rand/v2"
	"path/filepath"
	"slices"

	"golang.org/x/sys/unix"
)

// Kind is what an operation does.
type Kind string

// The kinds of operation that are counted. Opening a file that exists and
// reading are not.
const (
	Create   Kind = "create"
	Write    Kind = "write"
	Truncate Kind = "truncate"
	Allocate Kind = "allocate"
	Datasync Kind = "datasync" // of bbolt too
	Link     Kind = "link"
	Rename   Kind = "rename"
	Remove   Kind = "remove"
	SyncDir  Kind = "syncdir"
	Temp     Kind = "temp"
)

// Op is one operation. Path is absolute, that of the new name for Link and
// Rename.
type Op struct {
	Kind   Kind
	Path   string
	Offset int64 // of Write, the size for Truncate and Allocate
	Length int   // of Write
}

// String is the operation in short, for messages of tests.
func (o Op) String() string {
	s := string(o.Kind) + " " + filepath.Base(o.Path)
	if o.Kind == Write {
		s += fmt.Sprintf(" %d+%d", o.Offset, o.Length)
	}
	return s
}

// On matches operations of any of the kinds (none given: of all) on files
// whose base name has the form of glob, as filepath.Match has it.
func On(glob string, kinds ...Kind) func(Op) bool {
	return func(o Op) bool {
		ok, err := filepath.Match(glob, filepath.Base(o.Path))
		if err != nil {
			panic("faultfs: " + err.Error())
		}
		return ok && (len(kinds) == 0 || slices.Contains(kinds, o.Kind))
	}
}

// Tear is what of a failing write reaches the file. A page of bbolt arrives
// whole or not at all, as the page cache takes it; torn by a power cut it is all
// the same.
type Tear uint8

// The ways a write is torn.
const (
	Nothing Tear = iota
	Prefix       // the first bytes, fewer than all
	Sectors      // any of its sectors of 512 bytes, not all unless there is one
)

// Fault is something to go wrong.
type Fault struct {
	// At is which of the matching operations fails, counted from Inject on,
	// the first being 1. Zero is 1.
	At int
	// Match chooses operations; nil is all.
	Match func(Op) bool
	// Err is the cause of the error; nil is EIO.
	Err error
	// Tear is for writes; the rest of the operations do nothing when they fail.
	Tear Tear
	// Seed chooses what Tear leaves.
	Seed uint64
	// Forever lets every matching operation after the first fail too.
	Forever bool
}

// Injection is a Fault at work.
type Injection struct {
	fs    *FS
	fault Fault
	seen  int
	fired []Op
	rand  *rand.Rand
}

// Inject lets something go wrong from now on. Several may be at work; the
// oldest that applies decides.
func (f *FS) Inject(fault Fault) *Injection {
	if fault.Err == nil {
		fault.Err = unix.EIO
	}
	fault.At = max(fault.At, 1)
	in := &Injection{fs: f, fault: fault, rand: rand.New(rand.NewPCG(fault.Seed, uint64(fault.At)))}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.faults = append(f.faults, in)
	return in
}

// Fired lists the operations that failed by it.
func (in *Injection) Fired() []Op {
	in.fs.mu.Lock()
	defer in.fs.mu.Unlock()
	return slices.Clone(in.fired)
}

// Stop ends it: the disk works again.
func (in *Injection) Stop() {
	in.fs.mu.Lock()
	defer in.fs.mu.Unlock()
	in.fs.faults = slices.DeleteFunc(in.fs.faults, func(x *Injection) bool { return x == in })
}

// Ops lists the operations so far, those that failed too.
func (f *FS) Ops() []Op {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.ops)
}

// failure is the error of an operation that was made to fail.
type failure struct {
	*fs.PathError
	by *Injection
}

// Unwrap gives the path error.
func (f failure) Unwrap() error { return f.PathError }

// beginLocked counts an operation and tells whether it is to fail.
func (f *FS) beginLocked(o Op) error {
	f.ops = append(f.ops, o)
	var hit *Injection
	for _, in := range f.faults {
		if in.fault.Match != nil && !in.fault.Match(o) {
			continue
		}
		in.seen++
		if hit == nil && (in.seen == in.fault.At || in.fault.Forever && in.seen > in.fault.At) {
			hit = in
		}
	}
	if hit == nil {
		return nil
	}
	hit.fired = append(hit.fired, o)
	return failure{&fs.PathError{Op: string(o.Kind), Path: o.Path, Err: hit.fault.Err}, hit}
}

// span is a part of a write, from the first byte to before the last.
type span struct{ from, to int }

// torn gives the parts of a failing write that reach the file. Units are never
// torn themselves.
func (in *Injection) torn(off int64, length, unit int) []span {
	if length == 0 {
		return nil
	}
	switch in.fault.Tear {
	case Prefix:
		if unit == sectorSize {
			return []span{{0, in.rand.IntN(length)}}
		}
		return []span{{0, in.rand.IntN((length+unit-1)/unit) * unit}}
	case Sectors:
		var all []span
		for from := 0; from < length; {
			to := min(length, from+unit-int((off+int64(from))%int64(unit)))
			all = append(all, span{from, to})
			from = to
		}
		missing := in.rand.IntN(len(all))
		var parts []span
		for i, s := range all {
			if in.rand.IntN(2) == 0 && (i != missing || len(all) == 1) {
				parts = append(parts, s)
			}
		}
		return parts
	}
	return nil
}
