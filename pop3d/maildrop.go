package pop3d

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strconv"
	"strings"

	"mailstead/internal/logkey"
	"mailstead/mail"
	"mailstead/storage"
)

// entry is one message of a maildrop.
type entry struct {
	uid  storage.UID
	size int64
	dele bool
}

// maildrop is INBOX as it was at login. Messages are numbered from 1.
type maildrop struct {
	account  mail.AccountID
	store    *storage.Store
	ref      storage.Ref
	validity uint32
	messages []entry
	bytes    int64
	unwatch  func()

	retrieved, deleted int
	sent               int64
}

func openMaildrop(s *storage.Store, id mail.AccountID) (*maildrop, error) {
	m, err := s.Mailbox(id, "INBOX")
	if err != nil {
		return nil, fmt.Errorf("open INBOX: %w", err)
	}
	d := &maildrop{account: id, store: s, ref: storage.Ref{Account: id, Mailbox: m.ID}, validity: m.UIDValidity, unwatch: func() {}}
	for r, err := range s.Rows(d.ref, storage.UIDSet{{First: 1, Last: 1<<32 - 1}}, storage.ReadOptions{}) {
		if err != nil {
			return nil, fmt.Errorf("list INBOX: %w", err)
		}
		d.messages = append(d.messages, entry{uid: r.UID, size: r.Size})
		d.bytes += r.Size
	}
	return d, nil
}

// unique is the message's unique-id (RFC 1939 §7), the same in every session.
func (d *maildrop) unique(e *entry) string { return fmt.Sprintf("%d.%d", d.validity, e.uid) }

// entry reads a message number; nil after it has answered what is wrong.
func (x *session) entry(arg string) *entry {
	n, err := strconv.Atoi(strings.TrimSpace(arg))
	if err != nil || n < 1 || n > len(x.drop.messages) {
		x.fail("", "no such message")
		return nil
	}
	if e := &x.drop.messages[n-1]; !e.dele {
		return e
	}
	x.fail("", "message is marked as deleted")
	return nil
}

func (x *session) stat(string) {
	n, size := 0, int64(0)
	for i := range x.drop.messages {
		if e := &x.drop.messages[i]; !e.dele {
			n, size = n+1, size+e.size
		}
	}
	x.ok("%d %d", n, size)
}

func (x *session) list(arg string) {
	x.listing(arg, func(e *entry) string { return strconv.FormatInt(e.size, 10) })
}

func (x *session) uidl(arg string) { x.listing(arg, x.drop.unique) }

func (x *session) listing(arg string, what func(*entry) string) {
	if arg != "" {
		if e := x.entry(arg); e != nil {
			x.ok("%s %s", strings.TrimSpace(arg), what(e))
		}
		return
	}
	x.ok("")
	for i := range x.drop.messages {
		if e := &x.drop.messages[i]; !e.dele {
			fmt.Fprintf(x.w, "%d %s\r\n", i+1, what(e))
		}
	}
	io.WriteString(x.w, ".\r\n")
}

func (x *session) dele(arg string) {
	if e := x.entry(arg); e != nil {
		e.dele = true
		x.ok("marked")
	}
}

func (x *session) rset(string) {
	for i := range x.drop.messages {
		x.drop.messages[i].dele = false
	}
	x.ok("nothing is marked")
}

func (x *session) retr(arg string) { x.send(arg, -1) }

func (x *session) top(arg string) {
	num, lines, _ := strings.Cut(strings.TrimSpace(arg), " ")
	n, err := strconv.Atoi(strings.TrimSpace(lines))
	if err != nil || n < 0 {
		x.fail("", "TOP needs a message and a number of lines")
		return
	}
	x.send(num, n)
}

// send streams a message: its header and lines of its body, all when lines is
// negative.
func (x *session) send(arg string, lines int) {
	e := x.entry(arg)
	if e == nil {
		return
	}
	c, err := x.drop.store.OpenBody(x.ctx, x.drop.ref, e.uid)
	switch {
	case errors.Is(err, storage.ErrNoMessage):
		x.fail("", "message was removed by another client")
		return
	case errors.Is(err, storage.ErrDamaged):
		// RFC 3206 §4: trying again is no use. The other messages are there.
		x.log("message damaged", err, logkey.UID, e.uid)
		x.fail("SYS/PERM", "the message is damaged and can't be read")
		return
	case err != nil:
		x.trouble("open message", err)
		return
	}
	defer c.Close()
	x.ok("%d octets", e.size)
	if err := x.copyLines(io.NewSectionReader(c, 0, c.Size()), lines); err != nil {
		// +OK is out: only a broken connection tells the client that this is
		// not the message.
		level := slog.LevelError
		if x.w.Flush() != nil {
			level = slog.LevelDebug // the client went away
		}
		x.srv.o.Logger.Log(x.ctx, level, "message not sent", logkey.Proto, "pop3", logkey.Remote, x.remote.String(), logkey.UID, e.uid, logkey.Err, err)
		_ = x.conn.Close()
		x.quit = true
		return
	}
	x.drop.sent += e.size
	if lines < 0 {
		x.drop.retrieved++
	}
}

// copyLines writes a message dot-stuffed, every line ending in CRLF (RFC 1939
// §3).
func (x *session) copyLines(r io.Reader, lines int) error {
	br := bufio.NewReaderSize(r, 32<<10)
	inBody, start := false, true
	for lines != 0 || !inBody {
		b, err := br.ReadSlice('\n')
		if len(b) > 0 {
			if start && b[0] == '.' {
				x.w.WriteByte('.')
			}
			text, whole := bytes.CutSuffix(b, []byte("\n"))
			if whole {
				text = bytes.TrimSuffix(text, []byte("\r"))
			} else if errors.Is(err, bufio.ErrBufferFull) && bytes.HasSuffix(text, []byte("\r")) {
				text = text[:len(text)-1] // it may be half a line break
				if err := br.UnreadByte(); err != nil {
					return err
				}
			}
			if _, err := x.w.Write(text); err != nil {
				return err
			}
			if whole {
				x.w.WriteString("\r\n")
				if inBody {
					lines--
				}
				inBody = inBody || start && len(text) == 0
			}
			start = whole
		}
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil && !errors.Is(err, bufio.ErrBufferFull) {
			return err
		}
	}
	if !start {
		x.w.WriteString("\r\n")
	}
	_, err := x.w.WriteString(".\r\n")
	return err
}

// end is QUIT: what is marked goes now, and +OK says that it is gone (RFC 1939
// §6).
func (x *session) end(string) {
	x.quit = true
	if x.drop == nil {
		x.ok("bye")
		return
	}
	var uids []storage.UID
	for _, e := range x.drop.messages {
		if e.dele {
			uids = append(uids, e.uid)
		}
	}
	if len(uids) > 0 {
		if _, _, err := x.drop.store.Expunge(x.ctx, x.drop.ref, storage.UIDs(uids...), false); err != nil {
			x.trouble("expunge maildrop", err)
			return
		}
		x.drop.deleted = len(uids)
	}
	x.ok("bye, %d removed", len(uids))
}
