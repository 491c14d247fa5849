package backup

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
)

// ours are the names of message files in a backup; nothing else is ever removed
// there.
var ours = regexp.MustCompile(`^(\d{6,}(\.\d+)?\.seg|\d{10,}(\.\d+)?\.msg)(\.partial)?$`)

// tidy makes the directories, takes away what a run that ended early has left,
// and loads the stock.
func (r *run) tidy() error {
	for _, d := range []string{filepath.Join("mail", "big"), generationsDir} {
		if err := os.MkdirAll(filepath.Join(r.dir, d), 0o700); err != nil {
			return err
		}
	}
	names, err := generationNames(r.dir)
	if err != nil {
		return err
	}
	for _, name := range names {
		_, err := os.Stat(filepath.Join(r.dir, generationsDir, name, manifestName))
		if errors.Is(err, fs.ErrNotExist) {
			err = r.removeAll(filepath.Join(r.dir, generationsDir, name))
		}
		if err != nil {
			return err
		}
	}
	j, copied, err := openJournal(r.o.FS, r.dir)
	if err != nil {
		return err
	}
	r.journal, r.stock = j, loadStock(r.dir, r.earlier, copied)
	return nil
}

// removeAll removes a directory with what is in it.
func (r *run) removeAll(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		path := filepath.Join(dir, e.Name())
		if e.IsDir() {
			err = r.removeAll(path)
		} else {
			err = r.o.FS.Remove(path)
		}
		if err != nil {
			return err
		}
	}
	return r.o.FS.Remove(dir)
}

// prune gives up the generations that are not kept, and then the files that
// nothing needs any more. The manifest goes first: half a generation does not
// exist.
func (r *run) prune() error {
	if err := r.journal.f.Close(); err != nil {
		return err
	}
	if err := r.o.FS.Remove(filepath.Join(r.dir, journalName)); err != nil {
		return err
	}
	if r.unread != nil {
		return nil
	}
	lock, err := lockFile(r.dir, readingName)
	if errors.Is(err, ErrBusy) {
		return nil // somebody reads; the next run does it
	}
	if err != nil {
		return err
	}
	defer lock.Close()
	needed := map[string]bool{}
	for _, f := range r.m.Files {
		needed[f.Path] = true
	}
	whole := r.m.Complete
	for i, m := range r.earlier {
		if i+1 < r.o.Keep || m.Complete && !whole {
			whole = whole || m.Complete
			for _, f := range m.Files {
				needed[f.Path] = true
			}
			continue
		}
		dir := filepath.Join(r.dir, generationsDir, m.Generation)
		if err := r.o.FS.Remove(filepath.Join(dir, manifestName)); err != nil {
			return err
		}
		if err := r.o.FS.SyncDir(dir); err != nil {
			return err
		}
		if err := r.removeAll(dir); err != nil {
			return err
		}
		r.res.Removed = append(r.res.Removed, m.Generation)
	}
	for _, sub := range []string{"mail", "mail/big"} {
		if err := r.sweep(sub, needed); err != nil {
			return err
		}
	}
	return nil
}

// sweep removes the message files of a directory that are not needed.
func (r *run) sweep(sub string, needed map[string]bool) error {
	entries, err := os.ReadDir(filepath.Join(r.dir, sub))
	if err != nil {
		return err
	}
	for _, e := range entries {
		if p := sub + "/" + e.Name(); !e.IsDir() && ours.MatchString(e.Name()) && !needed[p] {
			if err := r.o.FS.Remove(filepath.Join(r.dir, p)); err != nil {
				return err
			}
		}
	}
	return nil
}
