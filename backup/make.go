package backup

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"mailstead/internal/durable"
	"mailstead/storage"
)

// run is one run of Make.
type run struct {
	o       Options
	dir     string
	gen     string // directory of the generation
	earlier []*Manifest
	unread  error // manifests that could not be read
	stock   *stock
	journal *journal
	m       *Manifest
	res     *Result
	pace    pace
}

// Make makes a new generation in dir, which is new, empty or a backup. The
// store goes on meanwhile. When files of the store are damaged or missing the
// generation is made all the same, and is not Complete. Errors: ErrNotEmpty,
// ErrInside, ErrBusy, storage.ErrNoSpace.
func Make(ctx context.Context, s *storage.Store, dir string, o Options) (_ *Result, err error) {
	o.defaults()
	dir, err = prepare(s, dir, o.FS)
	if err != nil {
		return nil, err
	}
	lock, err := lockFile(dir, lockName)
	if err != nil {
		return nil, err
	}
	defer lock.Close()
	r := &run{o: o, dir: dir, m: &Manifest{Layout: layout, Version: o.Version, StoreFormat: storage.Format, Complete: true, Problems: []string{}}}
	r.res = &Result{Manifest: r.m}
	if r.earlier, r.unread = Generations(dir); r.unread != nil {
		r.m.problem("%v; nothing is removed from the backup until that is mended or its directory taken away", r.unread)
	}
	if err := r.tidy(); err != nil {
		return nil, err
	}
	if err := r.make(ctx, s); err != nil {
		return nil, noSpace(fmt.Errorf("back up to %q: %w", dir, err))
	}
	if err := r.prune(); err != nil {
		return nil, fmt.Errorf("remove old generations: %w", err)
	}
	return r.res, nil
}

// prepare sees that dir may be written to.
func prepare(s *storage.Store, dir string, fsys durable.FS) (string, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", fmt.Errorf("make backup directory: %w", err)
	}
	dir, err := filepath.EvalSymlinks(dir)
	if err != nil {
		return "", fmt.Errorf("look at backup directory: %w", err)
	}
	dir, err = filepath.Abs(dir)
	if err != nil {
		return "", fmt.Errorf("look at backup directory: %w", err)
	}
	data, err := filepath.EvalSymlinks(s.Dir())
	if err == nil {
		data, err = filepath.Abs(data)
	}
	if err != nil {
		return "", fmt.Errorf("look at data directory: %w", err)
	}
	if rel, err := filepath.Rel(data, dir); err == nil && rel != ".." && !strings.HasPrefix(rel, "../") {
		return "", fmt.Errorf("%q %w", dir, ErrInside)
	}
	if err := known(dir); !errors.Is(err, ErrNoBackup) {
		return dir, err
	}
	list, err := os.ReadDir(dir)
	if err != nil {
		return "", fmt.Errorf("look at backup directory: %w", err)
	}
	for _, e := range list {
		if e.Name() != markerName+partialSuffix {
			return "", fmt.Errorf("%q %w and no backup", dir, ErrNotEmpty)
		}
	}
	return dir, writeFile(fsys, filepath.Join(dir, markerName), fmt.Appendf(nil, "layout %d\nA backup of Mailstead. Passwords and keys are in it. Do not change anything by hand.\n", layout))
}

// make does all up to the manifest, which is the generation's birth.
func (r *run) make(ctx context.Context, s *storage.Store) (err error) {
	if err := r.begin(); err != nil {
		return err
	}
	ckp, err := r.o.FS.Open(filepath.Join(r.gen, checkpointName), os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	defer func() {
		if cerr := ckp.Close(); err == nil {
			err = cerr
		}
	}()
	held, err := r.hold(ctx, s, ckp)
	if err != nil {
		return err
	}
	defer held.Release()
	ctx = held.Context()
	if err := held.List(); err != nil {
		return err
	}
	r.m.describe(held)
	f := File{Name: fmt.Sprintf("mail/%016d.ckp", held.Sequence), Path: r.inGeneration(checkpointName)}
	if err := ckp.Datasync(); err != nil {
		return err
	}
	if f.Size, err = ckp.Size(); err != nil {
		return err
	}
	if f.SHA256, err = sumOf(ctx, ckp, f.Size, nil); err != nil {
		return err
	}
	r.res.Copied += f.Size
	r.m.Files = append(r.m.Files, f)
	if err := r.copyAll(ctx, held); err != nil {
		return err
	}
	held.Release()
	return r.finish()
}

// begin makes the generation's directory.
func (r *run) begin() error {
	now := r.o.Now().UTC()
	name := now.Format("20060102T150405Z")
	for i := 2; ; i++ {
		r.gen = filepath.Join(r.dir, generationsDir, name)
		err := os.Mkdir(r.gen, 0o700)
		if err == nil {
			break
		}
		if !errors.Is(err, os.ErrExist) {
			return err
		}
		name = fmt.Sprintf("%s-%d", now.Format("20060102T150405Z"), i)
	}
	r.m.Generation, r.m.Time, r.m.Number = name, now, 1
	if len(r.earlier) > 0 {
		r.m.Number = r.earlier[0].Number + 1
	}
	return nil
}

func (r *run) inGeneration(name string) string {
	return filepath.ToSlash(filepath.Join(generationsDir, r.m.Generation, name))
}

// hold catches the moment: the store and the extra files.
func (r *run) hold(ctx context.Context, s *storage.Store, ckp storage.CheckpointFile) (*storage.Held, error) {
	if r.o.Still != nil {
		r.o.Still.Lock()
		defer r.o.Still.Unlock()
	}
	r.m.Time = r.o.Now().UTC()
	held, err := s.Hold(ctx, ckp)
	if err != nil {
		return nil, err
	}
	r.m.Sequence = held.Sequence
	for _, e := range r.o.Extra {
		f, err := r.extra(e)
		if err != nil {
			held.Release()
			return nil, err
		}
		if f != nil {
			r.m.Files = append(r.m.Files, *f)
		}
	}
	return held, nil
}

// extra writes a file that is not the store's. One that cannot be read is a
// problem.
func (r *run) extra(e Extra) (*File, error) {
	path := filepath.Join(r.gen, filepath.FromSlash(e.Name))
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, err
	}
	out, err := r.o.FS.Open(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, err
	}
	w := &appender{f: out}
	werr := e.Write(w)
	if err := errors.Join(w.err, out.Datasync()); err != nil {
		return nil, errors.Join(err, out.Close())
	}
	f := &File{Name: e.Name, Path: r.inGeneration(e.Name), Size: w.at}
	f.SHA256, err = sumOf(context.Background(), out, f.Size, nil)
	if err := errors.Join(err, out.Close()); err != nil {
		return nil, err
	}
	r.res.Copied += f.Size
	if werr != nil {
		r.m.problem("%s: %v", e.Name, werr)
		return nil, nil
	}
	return f, nil
}

// finish makes all names durable and writes the manifest.
func (r *run) finish() error {
	for _, f := range r.m.Files {
		r.m.Bytes += f.Size
		for _, p := range f.Damaged {
			r.m.problem("%s: %s", f.Name, p)
		}
	}
	dirs := []string{filepath.Join(r.dir, "mail", "big"), filepath.Join(r.dir, "mail"), filepath.Join(r.dir, generationsDir), r.dir}
	err := filepath.WalkDir(r.gen, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() {
			dirs = append(dirs, path)
		}
		return err
	})
	if err != nil {
		return err
	}
	for _, d := range dirs {
		if err := r.o.FS.SyncDir(d); err != nil {
			return err
		}
	}
	b, err := r.m.encode()
	if err != nil {
		return err
	}
	return writeFile(r.o.FS, filepath.Join(r.gen, manifestName), b)
}

func noSpace(err error) error {
	if errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT) {
		return fmt.Errorf("%w: %w", storage.ErrNoSpace, err)
	}
	return err
}
