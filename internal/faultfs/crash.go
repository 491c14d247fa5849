package faultfs

import (
	"io/fs"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
)

// nameOp is a change to one directory; all of it happens or nothing.
type nameOp struct {
	dir     string
	changes []nameChange
}

// nameChange gives a name to a file, or to none.
type nameChange struct {
	path string
	ino  *inode
}

func (o nameOp) apply(names map[string]*inode) {
	for _, c := range o.changes {
		if c.ino == nil {
			delete(names, c.path)
		} else {
			names[c.path] = c.ino
		}
	}
}

// settleLocked makes the names in dir safe.
func (f *FS) settleLocked(dir string) {
	f.pending = slices.DeleteFunc(f.pending, func(o nameOp) bool {
		if o.dir == dir {
			o.apply(f.stable)
		}
		return o.dir == dir
	})
}

// OnSync lets hook be called at each sync point, before a sync takes effect
// and after it, with the number of calls so far, from 0 on. One call at a
// time; the hook may use CrashClone, but nothing that syncs. Nil ends it.
func (f *FS) OnSync(hook func(n int)) {
	f.hookMu.Lock()
	defer f.hookMu.Unlock()
	f.onSync, f.points = hook, 0
}

func (f *FS) point() {
	f.hookMu.Lock()
	defer f.hookMu.Unlock()
	if f.onSync != nil {
		f.onSync(f.points)
		f.points++
	}
}

// sync is one sync point; done learns whether it failed.
func (f *FS) sync(o Op, done func(error)) error {
	f.point()
	f.mu.Lock()
	err := f.beginLocked(o)
	done(err)
	f.mu.Unlock()
	f.point()
	return err
}

// Fate is what a power cut does to what was not synced.
type Fate uint8

// The fates.
const (
	Lost   Fate = iota // none of it arrives
	Kept               // all of it arrives
	Random             // any part of it, in any order
)

// Policy tells how the disk looks after a power cut. The zero value loses
// everything that was not synced.
type Policy struct {
	// Data is the fate of bytes and sizes; Random picks among all that a
	// sector has held since its sync.
	Data Fate
	// Names is the fate of creations, links, renames and removals; Random
	// picks the first few of them or any of them.
	Names Fate
	// Seed is for Random.
	Seed uint64
}

// CrashClone writes into dst, which is empty or missing, what the disk could
// hold if power failed now.
func (f *FS) CrashClone(dst string, p Policy) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	rnd := rand.New(rand.NewPCG(p.Seed, 0x706f776572))
	names := maps.Clone(f.stable)
	for _, o := range p.survivors(rnd, f.pending) {
		o.apply(names)
	}
	err := filepath.WalkDir(f.root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.IsDir() {
			return err
		}
		return os.MkdirAll(filepath.Join(dst, path[len(f.root):]), 0o700)
	})
	if err != nil {
		return err
	}
	images := map[*inode]image{}
	for _, path := range slices.Sorted(maps.Keys(names)) {
		ino := names[path]
		if _, ok := images[ino]; !ok {
			images[ino] = ino.crash(p.Data, rnd)
		}
		if err := images[ino].write(filepath.Join(dst, path[len(f.root):])); err != nil {
			return err
		}
	}
	return nil
}

// survivors are the unsynced changes of names that arrived.
func (p Policy) survivors(rnd *rand.Rand, pending []nameOp) []nameOp {
	switch p.Names {
	case Kept:
		return pending
	case Random:
		if rnd.IntN(2) == 0 {
			return pending[:rnd.IntN(len(pending)+1)]
		}
		var some []nameOp
		for _, o := range pending {
			if rnd.IntN(2) == 0 {
				some = append(some, o)
			}
		}
		return some
	}
	return nil
}

// image is a file as it is on the disk.
type image struct {
	size    int64
	sectors map[int64][]byte
}

// crash decides what is left of a file.
func (n *inode) crash(fate Fate, rnd *rand.Rand) image {
	im := image{n.safeSize, maps.Clone(n.safe)}
	if fate == Lost {
		return im
	}
	for _, s := range slices.Sorted(maps.Keys(n.dirty)) {
		v := n.dirty[s].versions
		pick := len(v) - 1
		if fate == Random {
			pick = rnd.IntN(len(v)+1) - 1
		}
		if pick >= 0 {
			im.sectors[s] = v[pick]
		}
	}
	if len(n.sizes) > 0 {
		pick := len(n.sizes) - 1
		if fate == Random {
			pick = rnd.IntN(len(n.sizes)+1) - 1
		}
		if pick >= 0 {
			im.size = n.sizes[pick]
		}
	}
	return im
}

// write makes the file; runs of zeros are left out of it.
func (im image) write(path string) (err error) {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	defer func() {
		if cerr := f.Close(); err == nil {
			err = cerr
		}
	}()
	if err := f.Truncate(im.size); err != nil {
		return err
	}
	var run []byte
	start := int64(0)
	flush := func() error {
		if len(run) == 0 {
			return nil
		}
		_, err := f.WriteAt(run, start)
		run = run[:0]
		return err
	}
	for _, s := range slices.Sorted(maps.Keys(im.sectors)) {
		at := s * sectorSize
		if at >= im.size {
			break
		}
		if at != start+int64(len(run)) {
			if err := flush(); err != nil {
				return err
			}
			start = at
		}
		run = append(run, im.sectors[s][:min(sectorSize, im.size-at)]...)
	}
	return flush()
}
