package durable

import (
	"errors"
	"io"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"
)

// File is the part of an open file that stored data needs. Reads and writes
// may be made by many goroutines at once, as of *os.File.
type File interface {
	io.ReaderAt
	io.WriterAt
	io.Closer
	// Truncate sets the file's length in bytes.
	Truncate(size int64) error
	// Datasync returns when the file's bytes and its length would survive a
	// power loss; after an error they may not, and trying again proves nothing.
	Datasync() error
	// Size is the file's length in bytes.
	Size() (int64, error)
}

// FS is the file system as the store and the spool use it. Whoever keeps data
// takes one, so that tests can make any of its operations fail, tear writes
// and drop what was not synced. Safe for concurrent use.
type FS interface {
	// Open opens or creates a file; flag and perm are those of os.OpenFile.
	Open(name string, flag int, perm fs.FileMode) (File, error)
	// OpenBolt opens a file for bbolt, which needs a real one.
	OpenBolt(name string, flag int, perm fs.FileMode) (*os.File, error)
	// SyncBolt is Datasync of a file that bbolt writes.
	SyncBolt(f *os.File) error
	// Temp creates a file in dir (empty: the system's) that has no name.
	Temp(dir string) (File, error)
	Link(oldname, newname string) error
	Rename(oldname, newname string) error
	Remove(name string) error
	// SyncDir makes the names in a directory durable.
	SyncDir(dir string) error
	// Free is the space in bytes that is left for us on dir's disk.
	Free(dir string) (int64, error)
}

// OS is the real file system.
type OS struct{}

type osFile struct{ *os.File }

func (f osFile) Datasync() error { return unix.Fdatasync(int(f.Fd())) }

// Allocate makes the file longer, to size bytes, and sets disk space aside for
// them; they read as zeros. A later sync of what is written there is cheaper.
func (f osFile) Allocate(size int64) error { return unix.Fallocate(int(f.Fd()), 0, 0, size) }

// Flush has n bytes from off on written to the disk, and waits for it. That
// makes nothing durable, but a sync that follows finds little to do, and does not
// hold back those of others.
func (f osFile) Flush(off, n int64) error {
	const all = unix.SYNC_FILE_RANGE_WAIT_BEFORE | unix.SYNC_FILE_RANGE_WRITE | unix.SYNC_FILE_RANGE_WAIT_AFTER
	return unix.SyncFileRange(int(f.Fd()), off, n, all)
}

func (f osFile) Size() (int64, error) {
	info, err := f.Stat()
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

// Open implements FS.
func (OS) Open(name string, flag int, perm fs.FileMode) (File, error) {
	f, err := os.OpenFile(name, flag, perm)
	if err != nil {
		return nil, err
	}
	return osFile{f}, nil
}

// OpenBolt implements FS.
func (OS) OpenBolt(name string, flag int, perm fs.FileMode) (*os.File, error) {
	return os.OpenFile(name, flag, perm)
}

// SyncBolt implements FS.
func (OS) SyncBolt(f *os.File) error { return unix.Fdatasync(int(f.Fd())) }

// Temp implements FS.
func (OS) Temp(dir string) (File, error) {
	f, err := os.CreateTemp(dir, "incoming-*")
	if err != nil {
		return nil, err
	}
	if err := os.Remove(f.Name()); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return osFile{f}, nil
}

// Link implements FS.
func (OS) Link(oldname, newname string) error { return os.Link(oldname, newname) }

// Rename implements FS.
func (OS) Rename(oldname, newname string) error { return os.Rename(oldname, newname) }

// Remove implements FS.
func (OS) Remove(name string) error { return os.Remove(name) }

// SyncDir implements FS.
func (OS) SyncDir(dir string) error { return SyncDir(dir) }

// Free implements FS.
func (OS) Free(dir string) (int64, error) {
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return 0, err
	}
	return int64(st.Bavail) * st.Bsize, nil
}
