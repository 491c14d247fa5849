package backup

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// lockFile locks a file of the backup for one alone, until it is closed.
// ErrBusy.
func lockFile(dir, name string) (*os.File, error) {
	f, err := os.OpenFile(filepath.Join(dir, name), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock backup: %w", err)
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		f.Close()
		if errors.Is(err, unix.EWOULDBLOCK) {
			return nil, fmt.Errorf("%q: %w", dir, ErrBusy)
		}
		return nil, fmt.Errorf("lock backup: %w", err)
	}
	return f, nil
}

// reading keeps files of the backup from being removed until the function it
// gives is called. On a medium that cannot be written to nothing is.
func reading(dir string) (done func()) {
	f, err := os.Open(filepath.Join(dir, readingName))
	if err != nil {
		return func() {}
	}
	_ = unix.Flock(int(f.Fd()), unix.LOCK_SH) // the same holds where it cannot be locked
	return func() { f.Close() }
}
