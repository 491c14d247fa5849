package transfer

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"mailstead/internal/durable"
	"mailstead/storage"
)

// maxFileNameBytes is how long file systems let a name be.
const maxFileNameBytes = 255

// maildirExport writes a Maildir++ as Dovecot has it.
type maildirExport struct {
	root    string
	resumed bool

	dir   string // of the mailbox
	box   Mailbox
	words []string      // keywords with a letter
	there []storage.UID // written by an earlier export
	list  *os.File      // the new dovecot-uidlist
	w     *bufio.Writer
}

// begin implements writer.
func (x *maildirExport) begin(ctx context.Context, m Mailbox) (done bool, n int64, err error) {
	x.box, x.dir, x.words, x.there = m, x.root, nil, nil
	if m.Name != "INBOX" {
		folder := encodeFolder(m.Name)
		if len(folder) > maxFileNameBytes {
			return false, 0, fmt.Errorf("directory name: %w", unix.ENAMETOOLONG)
		}
		x.dir = filepath.Join(x.root, folder)
	}
	for _, sub := range []string{".", "cur", "new", "tmp"} {
		if err := makeDir(filepath.Join(x.dir, sub)); err != nil {
			return false, 0, err
		}
	}
	if x.dir != x.root {
		if err := durable.WriteFile(filepath.Join(x.dir, "maildirfolder"), nil, 0o600); err != nil {
			return false, 0, err
		}
	}
	if x.resumed {
		if err := x.survey(ctx); err != nil {
			return false, 0, err
		}
	}
	if x.list, err = create(filepath.Join(x.dir, "tmp", uidListName)); err != nil {
		return false, 0, err
	}
	x.w = bufio.NewWriterSize(x.list, copyBuffer)
	fmt.Fprintf(x.w, "3 V%d N%d\n", m.UIDValidity, m.UIDNext) // an error shows at the end
	return false, 0, nil
}

// survey looks at what an earlier export has written. A file that is not as
// long as its name says was being written when the power went, and is removed.
func (x *maildirExport) survey(ctx context.Context) error {
	if f, _, err := openRegular(filepath.Join(x.dir, keywordsName)); err == nil {
		x.words = readKeywords(f)
		_ = f.Close() // only read
	}
	cur := filepath.Join(x.dir, "cur")
	err := eachName(ctx, cur, func(name string) error {
		uid, size, ok := x.parse(name)
		if !ok {
			return nil
		}
		info, err := os.Lstat(filepath.Join(cur, name))
		if err == nil && info.Size() != size {
			return os.Remove(filepath.Join(cur, name))
		}
		x.there = append(x.there, uid)
		return err
	})
	slices.Sort(x.there)
	return err
}

// base is a message's file name without flags: the same at every export.
func (x *maildirExport) base(m Message) string {
	return fmt.Sprintf("%d.V%dU%d.mailstead,S=%d", max(m.Date.Unix(), 0), x.box.UIDValidity, m.UID, m.Size)
}

// parse reads what base has written.
func (x *maildirExport) parse(name string) (uid storage.UID, size int64, ok bool) {
	base, _ := splitFlags(name)
	_, rest, ok := strings.Cut(base, fmt.Sprintf(".V%dU", x.box.UIDValidity))
	number1, number2, ok2 := strings.Cut(rest, ".mailstead,S=")
	u, err1 := strconv.ParseUint(number1, 10, 32)
	size, err2 := strconv.ParseInt(number2, 10, 64)
	return storage.UID(u), size, ok && ok2 && err1 == nil && err2 == nil
}

// put implements writer.
func (x *maildirExport) put(ctx context.Context, m Message) (there bool, n int64, err error) {
	if err := x.name(m.Keywords); err != nil {
		return false, 0, failed(err)
	}
	letters, left := writeFlags(m.Flags, m.Keywords, x.words)
	_, zone := m.Date.Zone()
	e := uidEntry{uid: m.UID, base: x.base(m), zone: zone / 60, keywords: left}
	if _, there = slices.BinarySearch(x.there, m.UID); !there {
		if err := x.write(ctx, m, e.base, letters); err != nil {
			return false, 0, err
		}
	}
	_, err = x.w.WriteString(e.line(m.Size))
	return there, m.Size, failed(err)
}

// name gives new keywords letters, as long as there are letters, and writes
// them down before a file has them.
func (x *maildirExport) name(keywords []string) error {
	n := len(x.words)
	for _, k := range keywords {
		if k != forwarded && !slices.Contains(x.words, k) && len(x.words) < keywordLetters {
			x.words = append(x.words, k)
		}
	}
	if len(x.words) == n {
		return nil
	}
	return durable.WriteFile(filepath.Join(x.dir, keywordsName), []byte(writeKeywords(x.words)), 0o600)
}

// write makes the file in tmp and moves it to cur.
func (x *maildirExport) write(ctx context.Context, m Message, base, letters string) error {
	body, err := m.Open(ctx)
	if err != nil {
		return err
	}
	tmp := filepath.Join(x.dir, "tmp", base)
	f, err := create(tmp)
	if err != nil {
		return errors.Join(failed(err), body.Close())
	}
	n, err := io.Copy(f, io.NewSectionReader(body, 0, body.Size()))
	err = errors.Join(err, f.Close(), body.Close())
	if err == nil && n != m.Size {
		err = fmt.Errorf("got %d bytes, want %d", n, m.Size)
	}
	if err != nil {
		return errors.Join(err, os.Remove(tmp))
	}
	if err := os.Chtimes(tmp, m.Date, m.Date); err != nil {
		return failed(err)
	}
	return failed(os.Rename(tmp, filepath.Join(x.dir, "cur", base+":2,"+letters)))
}

// end implements writer.
func (x *maildirExport) end(whole bool) error {
	err := errors.Join(x.w.Flush(), x.list.Close())
	if err != nil || !whole {
		return errors.Join(err, os.Remove(x.list.Name()))
	}
	return os.Rename(x.list.Name(), filepath.Join(x.dir, uidListName))
}

// finish implements writer: it writes the subscriptions.
func (x *maildirExport) finish(all []Mailbox) error {
	var b strings.Builder
	for _, m := range all {
		switch {
		case !m.Subscribed:
		case m.Name == "INBOX":
			b.WriteString("INBOX\n")
		default:
			b.WriteString(encodeFolder(m.Name)[1:] + "\n")
		}
	}
	return durable.WriteFile(filepath.Join(x.root, "subscriptions"), []byte(b.String()), 0o600)
}
