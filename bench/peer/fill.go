package peer

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"mailstead/bench/wire"
)

// Fill is mail that is put into a mailbox as fast as a server allows, for reading
// it afterwards.
type Fill struct {
	// Account is its number, Mailbox the name: INBOX, or one on the first level
	// that does not exist yet.
	Account int
	Mailbox string
	// First is the serial of the first message, and Count how many there are.
	First, Count int
	// Message appends the message of a serial, with lines that end with CR LF. It
	// must be safe for concurrent use.
	Message func(dst []byte, i int) []byte
	// Seen and Date are a message's flag and internal date.
	Seen func(i int) bool
	Date func(i int) time.Time
	// Progress is told now and then how many are done.
	Progress func(done int)
}

// Fill puts mail into a mailbox.
func (s *System) Fill(ctx context.Context, f Fill) error {
	if err := s.engine.fill(ctx, s, f); err != nil {
		return fmt.Errorf("fill %s of %s: %w", f.Mailbox, s.Name, err)
	}
	return nil
}

// Forget stops the server, removes what it keeps only to answer faster, and
// starts it again.
func (s *System) Forget(ctx context.Context) error {
	if err := s.Stop(); err != nil {
		return err
	}
	if err := s.engine.forget(s); err != nil {
		return err
	}
	return s.Start(ctx)
}

// told is how often progress is told, in messages.
const told = 1000

// fill appends over one connection without waiting for answers.
func (m *mailstead) fill(ctx context.Context, s *System, f Fill) (err error) {
	c, err := wire.DialIMAP(ctx, s.IMAP, s.Address(f.Account), Password)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	if f.Mailbox != "INBOX" {
		if err := c.Do("CREATE "+f.Mailbox, nil); err != nil {
			return err
		}
	}
	return c.ImportWith(f.Mailbox, f.Count, func(i int) string {
		if i%told == 0 && i > 0 {
			f.Progress(i)
		}
		flags := "()"
		if f.Seen(f.First + i) {
			flags = `(\Seen)`
		}
		return flags + ` "` + f.Date(f.First+i).Format("02-Jan-2006 15:04:05 -0700") + `"`
	}, func(dst []byte, i int) []byte { return f.Message(dst, f.First+i) })
}

// forget has nothing to do: what Mailstead keeps beside the mail is made as it
// arrives.
func (m *mailstead) forget(*System) error { return nil }

// fill writes the Maildir, as Dovecot's own deliveries would: lines end with LF,
// and the name has both sizes.
func (d *debian) fill(ctx context.Context, s *System, f Fill) error {
	uid, gid, err := d.owner()
	if err != nil {
		return err
	}
	name, _, _ := strings.Cut(s.Address(f.Account), "@")
	dir := filepath.Join(s.store, name, "Maildir")
	if f.Mailbox != "INBOX" {
		dir = filepath.Join(dir, "."+f.Mailbox)
	}
	for _, sub := range []string{"cur", "new", "tmp"} {
		if err := os.MkdirAll(filepath.Join(dir, sub), 0o700); err != nil {
			return err
		}
	}
	m := maildir{Fill: f, dir: filepath.Join(dir, "cur"), uid: uid, gid: gid}
	g, ctx := errgroup.WithContext(ctx)
	for range runtime.NumCPU() {
		g.Go(func() error { return m.write(ctx) })
	}
	if err := g.Wait(); err != nil {
		return err
	}
	return own(filepath.Join(s.store, name), uid, gid)
}

// own gives the directories of a tree to somebody.
func own(dir string, uid, gid int) error {
	return filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() {
			err = os.Chown(path, uid, gid)
		}
		return err
	})
}

// maildir is a directory that several write messages into.
type maildir struct {
	Fill

	dir      string
	uid, gid int
	next     atomic.Int64
}

// write takes one message after the other.
func (m *maildir) write(ctx context.Context) error {
	var text []byte
	for ctx.Err() == nil {
		k := int(m.next.Add(1)) - 1
		if k >= m.Count {
			break
		}
		if k%told == 0 && k > 0 {
			m.Progress(k)
		}
		text = m.Message(text[:0], m.First+k)
		if err := m.one(text, m.First+k); err != nil {
			return err
		}
	}
	return ctx.Err()
}

func (m *maildir) one(text []byte, i int) error {
	size, date := len(text), m.Date(i)
	text = bytes.ReplaceAll(text, []byte("\r\n"), []byte("\n"))
	flags := ""
	if m.Seen(i) {
		flags = "S"
	}
	// Dovecot numbers new messages by the time in their names.
	name := fmt.Sprintf("%d.M%dP1.bench,S=%d,W=%d:2,%s", date.Unix(), i, len(text), size, flags)
	path := filepath.Join(m.dir, name)
	if err := os.WriteFile(path, text, 0o600); err != nil {
		return err
	}
	return errors.Join(os.Chown(path, m.uid, m.gid), os.Chtimes(path, date, date))
}

// forget removes Dovecot's indexes and caches; the list of UIDs is none of them.
func (d *debian) forget(s *System) error {
	return filepath.WalkDir(s.store, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() || !strings.HasPrefix(e.Name(), "dovecot.index") {
			return err
		}
		return os.Remove(path)
	})
}

// owner is whose the mail is.
func (d *debian) owner() (uid, gid int, err error) {
	if uid, err = strconv.Atoi(d.uid); err != nil {
		return 0, 0, err
	}
	gid, err = strconv.Atoi(d.gid)
	return uid, gid, err
}
