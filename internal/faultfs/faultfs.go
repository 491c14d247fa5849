package faultfs

import (
	"io/fs"
	"os"
	"path/filepath"
	"sync"

	"golang.org/x/sys/unix"

	"mailstead/internal/durable"
)

// FS is a durable.FS whose operations can go wrong. Make it with New.
type FS struct {
	root string

	hookMu sync.Mutex // held while onSync runs
	points int
	onSync func(n int)

	mu      sync.Mutex        // guards all below, and is held during operations
	names   map[string]*inode // as the program sees them
	stable  map[string]*inode // as a power cut surely leaves them
	pending []nameOp
	bolts   map[*os.File]*inode
	ops     []Op
	faults  []*Injection
	reads   []*ReadFault
	free    func(dir string) (int64, error)
}

var _ durable.FS = (*FS)(nil)

// New makes a file system of what is in root, which counts as synced. Paths
// given to it must lie below root, but for the directory of Temp.
func New(root string) (*FS, error) {
	root, err := filepath.Abs(root)
	if err != nil {
		return nil, err
	}
	f := &FS{root: root, names: map[string]*inode{}, stable: map[string]*inode{}, bolts: map[*os.File]*inode{}, free: durable.OS{}.Free}
	err = filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		_, err = f.adoptLocked(path)
		return err
	})
	return f, err
}

// adoptLocked takes a file that exists as one that is synced.
func (f *FS) adoptLocked(path string) (*inode, error) {
	ino := newInode()
	if err := ino.load(path); err != nil {
		return nil, err
	}
	f.names[path], f.stable[path] = ino, ino
	return ino, nil
}

// lookupLocked finds the file of a path, nil when there is none.
func (f *FS) lookupLocked(path string) (*inode, error) {
	if _, err := os.Lstat(path); err != nil {
		if os.IsNotExist(err) {
			return nil, nil
		}
		return nil, err
	}
	if ino := f.names[path]; ino != nil {
		return ino, nil
	}
	return f.adoptLocked(path)
}

// openLocked opens a real file; making one and cutting one are operations.
func (f *FS) openLocked(path string, flag int, perm fs.FileMode) (*os.File, *inode, error) {
	ino, err := f.lookupLocked(path)
	if err != nil {
		return nil, nil, err
	}
	made := ino == nil && flag&os.O_CREATE != 0
	cut := ino != nil && flag&os.O_TRUNC != 0
	switch {
	case made:
		err = f.beginLocked(Op{Kind: Create, Path: path})
	case cut:
		err = f.beginLocked(Op{Kind: Truncate, Path: path})
	}
	if err != nil {
		return nil, nil, err
	}
	file, err := os.OpenFile(path, flag, perm)
	if err != nil {
		return nil, nil, err
	}
	if made {
		ino = newInode()
		f.names[path] = ino
		f.pending = append(f.pending, nameOp{filepath.Dir(path), []nameChange{{path, ino}}})
	}
	if cut {
		ino.truncate(0)
	}
	return file, ino, nil
}

// Open implements durable.FS.
func (f *FS) Open(name string, flag int, perm fs.FileMode) (durable.File, error) {
	path, err := filepath.Abs(name)
	if err != nil {
		return nil, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	real, ino, err := f.openLocked(path, flag, perm)
	if err != nil {
		return nil, err
	}
	return &file{fs: f, real: real, ino: ino, path: path}, nil
}

// Temp implements durable.FS. The path of its operations is "*" in dir.
func (f *FS) Temp(dir string) (durable.File, error) {
	if dir == "" {
		dir = os.TempDir()
	}
	path := filepath.Join(dir, "*")
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.beginLocked(Op{Kind: Temp, Path: path}); err != nil {
		return nil, err
	}
	real, err := os.CreateTemp(dir, "incoming-*")
	if err != nil {
		return nil, err
	}
	if err := os.Remove(real.Name()); err != nil {
		real.Close()
		return nil, err
	}
	return &file{fs: f, real: real, path: path}, nil
}

// Link implements durable.FS.
func (f *FS) Link(oldname, newname string) error {
	return f.rename(Link, oldname, newname, os.Link)
}

// Rename implements durable.FS.
func (f *FS) Rename(oldname, newname string) error {
	return f.rename(Rename, oldname, newname, os.Rename)
}

func (f *FS) rename(kind Kind, oldname, newname string, do func(string, string) error) error {
	from, err := filepath.Abs(oldname)
	if err != nil {
		return err
	}
	to, err := filepath.Abs(newname)
	if err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	ino, err := f.lookupLocked(from)
	if err != nil {
		return err
	}
	if err := f.beginLocked(Op{Kind: kind, Path: to}); err != nil {
		return err
	}
	if err := do(from, to); err != nil {
		return err
	}
	add := nameOp{filepath.Dir(to), []nameChange{{to, ino}}}
	f.names[to] = ino
	if kind == Link || from == to {
		f.pending = append(f.pending, add)
		return nil
	}
	delete(f.names, from)
	gone := nameChange{from, nil}
	if filepath.Dir(from) == add.dir {
		add.changes = append(add.changes, gone)
		f.pending = append(f.pending, add)
		return nil
	}
	f.pending = append(f.pending, add, nameOp{filepath.Dir(from), []nameChange{gone}})
	return nil
}

// Remove implements durable.FS.
func (f *FS) Remove(name string) error {
	path, err := filepath.Abs(name)
	if err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.beginLocked(Op{Kind: Remove, Path: path}); err != nil {
		return err
	}
	if err := os.Remove(path); err != nil {
		return err
	}
	if f.names[path] != nil || f.stable[path] != nil {
		delete(f.names, path)
		f.pending = append(f.pending, nameOp{filepath.Dir(path), []nameChange{{path, nil}}})
	}
	return nil
}

// SyncDir implements durable.FS.
func (f *FS) SyncDir(dir string) error {
	path, err := filepath.Abs(dir)
	if err != nil {
		return err
	}
	if info, err := os.Stat(path); err != nil {
		return err
	} else if !info.IsDir() {
		return &fs.PathError{Op: "syncdir", Path: path, Err: unix.ENOTDIR}
	}
	return f.sync(Op{Kind: SyncDir, Path: path}, func(err error) {
		if err == nil {
			f.settleLocked(path)
		}
	})
}

// Free implements durable.FS: the real space, or what SetFree said.
func (f *FS) Free(dir string) (int64, error) {
	f.mu.Lock()
	free := f.free
	f.mu.Unlock()
	return free(dir)
}

// SetFree makes Free give bytes; below zero the real number again.
func (f *FS) SetFree(bytes int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.free = durable.OS{}.Free
	if bytes >= 0 {
		f.free = func(string) (int64, error) { return bytes, nil }
	}
}
