package backup

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"mailstead/accounts"
	"mailstead/storage"
)

// Opened is a generation open to read from. Close it.
type Opened struct {
	*Manifest
	Store *storage.Store
	// Accounts is nil when the generation has none.
	Accounts *accounts.DB

	temp string
	done func() // with reading
}

// Open opens a generation. The backup is only read: an index and what a store
// writes to are made in a new directory below temp (empty: the system's), and
// removed by Close.
func Open(ctx context.Context, dir string, m *Manifest, temp string) (_ *Opened, err error) {
	dir, err = filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("open backup: %w", err)
	}
	o := &Opened{Manifest: m, done: reading(dir)}
	if o.temp, err = os.MkdirTemp(temp, "mailstead-backup-*"); err != nil {
		o.done()
		return nil, fmt.Errorf("open backup: %w", err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(fmt.Errorf("open generation %q: %w", m.Generation, err), o.Close())
		}
	}()
	if err := os.MkdirAll(filepath.Join(o.temp, "mail", "big"), 0o700); err != nil {
		return nil, err
	}
	last := lastSegment(m)
	for _, f := range m.Files {
		if err := o.bring(ctx, dir, f, f.Name == last); err != nil {
			return nil, err
		}
	}
	if o.Store, err = storage.Open(o.temp, storage.Options{Housekeeping: -1, MinFree: -1}); err != nil {
		return nil, err
	}
	if !m.Has(AccountsName) {
		return o, nil
	}
	o.Accounts, err = accounts.Open(filepath.Join(o.temp, AccountsName), accounts.Options{})
	return o, err
}

// lastSegment is the segment that was being written.
func lastSegment(m *Manifest) (name string) {
	for _, f := range m.Files {
		if strings.HasSuffix(f.Name, ".seg") && (len(f.Name) > len(name) || len(f.Name) == len(name) && f.Name > name) {
			name = f.Name
		}
	}
	return name
}

// bring puts a file where a store looks for it: a link, or a copy of what a
// store may write to or is the beginning of a longer file.
func (o *Opened) bring(ctx context.Context, dir string, f File, own bool) error {
	from, to := filepath.Join(dir, filepath.FromSlash(f.Path)), filepath.Join(o.temp, filepath.FromSlash(f.Name))
	if !strings.HasPrefix(f.Name, "mail/") && f.Name != AccountsName {
		return nil
	}
	info, err := os.Stat(from)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // the store names what is damaged by it
	}
	if err != nil {
		return err
	}
	if !own && info.Size() == f.Size && f.Name != AccountsName {
		return os.Symlink(from, to)
	}
	_, err = copyOut(ctx, from, to, f, nil)
	return err
}

// Close closes the generation and removes what Open has made.
func (o *Opened) Close() error {
	defer o.done()
	var errs []error
	if o.Store != nil {
		errs = append(errs, o.Store.Close())
	}
	if o.Accounts != nil {
		errs = append(errs, o.Accounts.Close())
	}
	return errors.Join(append(errs, os.RemoveAll(o.temp))...)
}
