package faultfs

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"unsafe"

	bolt "go.etcd.io/bbolt"
)

// OpenBolt implements durable.FS. Its owner must hand the database to HookBolt
// before it writes.
func (f *FS) OpenBolt(name string, flag int, perm fs.FileMode) (*os.File, error) {
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
	f.bolts[real] = ino
	return real, nil
}

// SyncBolt implements durable.FS. The file may have been opened by others, as
// long as it has the name of one that was opened here.
func (f *FS) SyncBolt(file *os.File) error {
	path, err := filepath.Abs(file.Name())
	if err != nil {
		return err
	}
	f.mu.Lock()
	ino := f.bolts[file]
	if ino == nil {
		ino = f.names[path]
	}
	f.mu.Unlock()
	if ino == nil {
		return &fs.PathError{Op: string(Datasync), Path: path, Err: fs.ErrNotExist}
	}
	return f.datasync(path, ino)
}

// HookBolt puts the file system between a database and its file: pages written
// are operations like others. A database without NoSync is made one with it,
// and its syncs are made at the same places by the hook, so that they count
// and can fail: before and after a meta page, and where the file grows. What
// bbolt wrote while it opened the file counts as synced, as it was.
//
// It panics when the database was not opened by OpenBolt, or is of a bbolt
// whose inside is not the one known here (1.5).
func (f *FS) HookBolt(db *bolt.DB) {
	real := *field[*os.File](reflect.ValueOf(db).Elem(), "file")
	ops := reflect.ValueOf(db).Elem().FieldByName("ops")
	if !ops.IsValid() || ops.Kind() != reflect.Struct {
		panic("faultfs: this bbolt has no struct DB.ops")
	}
	slot := field[func([]byte, int64) (int, error)](ops, "writeAt")
	f.mu.Lock()
	ino := f.bolts[real]
	f.mu.Unlock()
	if ino == nil {
		panic(fmt.Sprintf("faultfs: database %q was not opened by OpenBolt", db.Path()))
	}
	if err := ino.load(real.Name()); err != nil {
		panic("faultfs: read new database: " + err.Error())
	}
	h := &boltHook{fs: f, real: real, ino: ino, write: *slot, syncs: !db.NoSync, growSyncs: !db.NoGrowSync, metas: 2 * int64(db.Info().PageSize)}
	db.NoSync = true
	*slot = h.writeAt
}

// field gives the place of an unexported field, and panics when it is not what
// this package was written for.
func field[T any](v reflect.Value, name string) *T {
	fv := v.FieldByName(name)
	if want := reflect.TypeFor[T](); !fv.IsValid() || fv.Type() != want {
		panic(fmt.Sprintf("faultfs: this bbolt has no field %s of type %v", name, want))
	}
	return (*T)(unsafe.Pointer(fv.UnsafeAddr()))
}

// boltHook is between one database and its file.
type boltHook struct {
	fs               *FS
	real             *os.File
	ino              *inode
	write            func([]byte, int64) (int, error)
	syncs, growSyncs bool
	metas            int64 // where the meta pages end
}

func (h *boltHook) writeAt(p []byte, off int64) (int, error) {
	if err := h.grown(); err != nil {
		return 0, err
	}
	meta := h.syncs && off < h.metas
	if meta {
		if err := h.fs.datasync(h.real.Name(), h.ino); err != nil {
			return 0, err
		}
	}
	h.fs.mu.Lock()
	w := writing{h.ino, h.write, int(h.metas / 2)}
	n, err := h.fs.writeLocked(Op{Kind: Write, Path: h.real.Name(), Offset: off, Length: len(p)}, p, w)
	h.fs.mu.Unlock()
	if err == nil && meta {
		err = h.fs.datasync(h.real.Name(), h.ino)
	}
	return n, err
}

// grown notices that bbolt has made the file longer by itself.
func (h *boltHook) grown() error {
	info, err := h.real.Stat()
	if err != nil {
		return err
	}
	h.fs.mu.Lock()
	longer := info.Size() > h.ino.size
	h.ino.resize(max(info.Size(), h.ino.size))
	h.fs.mu.Unlock()
	if longer && h.growSyncs {
		return h.fs.datasync(h.real.Name(), h.ino)
	}
	return nil
}
