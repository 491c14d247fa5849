package transfer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"mailstead/internal/durable"
	"mailstead/storage"
)

// Errors of Export.
var (
	ErrNotEmpty  = errors.New("is not empty and no earlier export of the same account in the same format")
	ErrNoMailbox = errors.New("no such mailbox")
)

// ExportOptions of Export.
type ExportOptions struct {
	Format    Format   // FormatMaildir or FormatMbox
	Account   string   // whose mail it is: an export goes on only with that of the same
	Mailboxes []string // names; empty: all
	Progress  func(Progress)
}

// markerName is the file that tells an export from other directories: its
// format and the account, a line each.
const markerName = ".mailstead-export"

// maxMarker bounds what is read of a marker, in bytes.
const maxMarker = 4096

// readMarker gives what the marker in a directory says, empty when there is
// none.
func readMarker(dir string) string {
	f, _, err := openRegular(filepath.Join(dir, markerName))
	if err != nil {
		return ""
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxMarker))
	if err != nil {
		return ""
	}
	return string(b)
}

// exported gives the format of the export in a directory, empty when none is.
func exported(dir string) Format {
	first, _, _ := strings.Cut(readMarker(dir), "\n")
	switch f := Format(first); f {
	case FormatMaildir, FormatMbox:
		return f
	}
	return ""
}

// writer is a format of exports.
type writer interface {
	// begin starts a mailbox; done tells that an earlier export has written it
	// and nothing can be added, with so many messages.
	begin(context.Context, Mailbox) (done bool, there int64, err error)
	// put writes a message, or tells that an earlier export has.
	put(context.Context, Message) (there bool, n int64, err error)
	// end ends the mailbox; whole tells that every message was put.
	end(whole bool) error
	finish(all []Mailbox) error
}

// Export writes messages into a directory that is new or empty, or goes on with
// an earlier export there: what it has written is kept as it is. Messages that
// cannot be read are left out and named. Errors: ErrNotEmpty, ErrNoMailbox.
func Export(ctx context.Context, src Source, dir string, o ExportOptions) (*Result, error) {
	ex := &exporter{src: src, o: o, res: &Result{Mailboxes: []MailboxResult{}, Problems: []Problem{}}}
	all, err := src.Mailboxes(ctx)
	if err != nil {
		return ex.res, fmt.Errorf("list mailboxes to export: %w", err)
	}
	boxes, err := choose(all, o.Mailboxes)
	if err != nil {
		return ex.res, err
	}
	resumed, err := prepare(dir, o)
	if err != nil {
		return ex.res, err
	}
	ex.w = &maildirExport{root: dir, resumed: resumed}
	if o.Format == FormatMbox {
		ex.w = &mboxExport{root: dir}
	}
	for _, m := range boxes {
		ex.total += m.Messages
	}
	for _, m := range boxes {
		if err := ex.mailbox(ctx, m); err != nil {
			return ex.res, fmt.Errorf("export mailbox %q: %w", m.Name, err)
		}
	}
	if err := ex.w.finish(all); err != nil {
		return ex.res, fmt.Errorf("finish export: %w", err)
	}
	return ex.res, syncAll(dir)
}

// choose picks the mailboxes by name.
func choose(all []Mailbox, names []string) (list []Mailbox, err error) {
	if len(names) == 0 {
		return all, nil
	}
	for _, name := range names {
		clean, err := storage.CleanName(name)
		i := slices.IndexFunc(all, func(m Mailbox) bool { return m.Name == clean })
		if err != nil || i < 0 {
			return nil, fmt.Errorf("%q: %w", name, ErrNoMailbox)
		}
		list = append(list, all[i])
	}
	return list, nil
}

// prepare makes the directory and marks it.
func prepare(dir string, o ExportOptions) (resumed bool, err error) {
	marker := string(o.Format) + "\n" + o.Account + "\n"
	if o.Format != FormatMaildir && o.Format != FormatMbox {
		return false, fmt.Errorf("no format %q to export", o.Format)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return false, err
	}
	d, err := os.Open(dir)
	if err != nil {
		return false, err
	}
	defer d.Close()
	if _, err := d.Readdirnames(1); err == io.EOF {
		return false, durable.WriteFile(filepath.Join(dir, markerName), []byte(marker), 0o600)
	}
	if readMarker(dir) != marker {
		return false, fmt.Errorf("%q %w", dir, ErrNotEmpty)
	}
	return true, nil
}

// makeDir makes a directory and those above it. What stands there under its name
// must be one itself: an administrator may write where others do.
func makeDir(path string) error {
	if err := os.MkdirAll(path, 0o700); err != nil {
		return err
	}
	info, err := os.Lstat(path)
	if err == nil && !info.IsDir() {
		err = fmt.Errorf("%q is a link", path)
	}
	return err
}

// create makes a file, or empties what an interrupted export has left.
func create(path string) (*os.File, error) {
	return os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC|unix.O_NOFOLLOW, 0o600)
}

// syncAll makes all that was written under dir durable, which for many small
// files is much faster at the end than one by one.
func syncAll(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	if err := unix.Syncfs(int(d.Fd())); err != nil {
		return fmt.Errorf("sync export: %w", err)
	}
	return nil
}

// exporter is one export under way.
type exporter struct {
	src   Source
	w     writer
	o     ExportOptions
	res   *Result
	total int64
}

func (ex *exporter) mailbox(ctx context.Context, m Mailbox) error {
	ex.res.Mailboxes = append(ex.res.Mailboxes, MailboxResult{Name: m.Name})
	done, there, err := ex.w.begin(ctx, m)
	if errors.Is(err, unix.ENAMETOOLONG) {
		ex.res.skip(m.Name, "", err)
		return nil
	}
	if err != nil {
		return err
	}
	b := &ex.res.Mailboxes[len(ex.res.Mailboxes)-1]
	if done {
		b.Duplicates += there
		ex.res.Duplicates += there
		if more := m.Messages - there; more > 0 {
			ex.res.skip(m.Name, "", fmt.Errorf("the file of an earlier export is kept, it lacks %d messages", more))
			b.Skipped += more - 1
			ex.res.Skipped += more - 1
		}
		ex.progress()
		return nil
	}
	err = ex.messages(ctx, m, b)
	return errors.Join(err, ex.w.end(err == nil))
}

func (ex *exporter) messages(ctx context.Context, m Mailbox, b *MailboxResult) error {
	for msg, err := range ex.src.Messages(ctx, m) {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		var there bool
		var n int64
		if err == nil {
			there, n, err = ex.w.put(ctx, msg)
		}
		var out *writeError
		switch {
		case errors.As(err, &out) || err != nil && msg.Item == "":
			return err
		case err != nil:
			ex.res.skip(m.Name, msg.Item, err)
		case there:
			b.Duplicates++
			ex.res.Duplicates++
		default:
			b.Copied++
			ex.res.Copied++
			ex.res.Bytes += n
		}
		ex.progress()
	}
	return ctx.Err()
}

func (ex *exporter) progress() {
	r := ex.res
	r.Messages = r.Copied + r.Duplicates + r.Skipped
	if ex.o.Progress != nil {
		ex.o.Progress(Progress{Done: r.Messages, Total: max(ex.total, r.Messages), Bytes: r.Bytes})
	}
}

// writeError is a fault of the target, which ends an export.
type writeError struct{ error }

// Unwrap gives the cause.
func (e *writeError) Unwrap() error { return e.error }

// failed makes an error, if it is one, end the export.
func failed(err error) error {
	if err == nil {
		return nil
	}
	return &writeError{err}
}
