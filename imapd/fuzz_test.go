package imapd

import (
	"context"
	"io"
	"log/slog"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"mailstead/storage"
)

// panics is a log handler that remembers a session's panic.
type panics struct{ seen atomic.Pointer[string] }

func (p *panics) Enabled(context.Context, slog.Level) bool { return true }
func (p *panics) WithAttrs([]slog.Attr) slog.Handler       { return p }
func (p *panics) WithGroup(string) slog.Handler            { return p }
func (p *panics) Handle(_ context.Context, r slog.Record) error {
	if r.Message == "session panicked" {
		text := ""
		r.Attrs(func(a slog.Attr) bool {
			text += a.String() + "\n"
			return true
		})
		p.seen.Store(&text)
	}
	return nil
}

// FuzzSession sends any bytes to a session that is logged in and has a mailbox
// selected: it must not panic, and must end when the client has gone.
func FuzzSession(f *testing.F) {
	for _, seed := range []string{
		"a NOOP\r\nb FETCH 1:* (FLAGS BODY[] ENVELOPE BODYSTRUCTURE)\r\n",
		"a UID FETCH 1:* (BODY.PEEK[3.HEADER.FIELDS (Subject)] BINARY.SIZE[2] BINARY.PEEK[1]<0.5>)\r\n",
		"a UID STORE 1,2:* +FLAGS.SILENT (\\Seen $x)\r\nb EXPUNGE\r\nc CLOSE\r\n",
		"a SEARCH RETURN (SAVE MIN) OR NOT SEEN (SUBJECT x SINCE 1-Jan-2020)\r\nb FETCH $ UID\r\n",
		"a UID SEARCH CHARSET UTF-8 TEXT {3+}\r\nabc 1:5 UID 2:*\r\n",
		"a SETACL INBOX bob@example.test +lrsq\r\nb GETACL INBOX\r\nc MYRIGHTS Shared/bob@example.test/INBOX\r\nd LISTRIGHTS INBOX -anyone\r\ne DELETEACL INBOX \"\"\r\nf LIST \"\" Shared/% RETURN (MYRIGHTS)\r\n",
		"a APPEND INBOX (\\Seen) {3+}\r\nabc\r\nb IDLE\r\nDONE\r\nc LIST (SUBSCRIBED RECURSIVEMATCH) \"\" (% *) RETURN (STATUS (MESSAGES))\r\n",
		"a ENABLE IMAP4rev2\r\nb CREATE x/y (USE (\\Sent))\r\nc RENAME x z\r\nd DELETE z/y\r\ne LSUB \"\" *\r\n",
		"a COPY 1:2 Trash\r\nb MOVE 3 Trash\r\nc SELECT Trash\r\nd STATUS INBOX (RECENT)\r\n",
		"a SORT RETURN (UPDATE PARTIAL -1:-2) (REVERSE DATE DISPLAYFROM) UTF-8 YOUNGER 9\r\nb STORE 1 +FLAGS (\\Seen \\Deleted)\r\nc UID THREAD REFS UTF-8 ALL\r\nd EXPUNGE\r\ne CANCELUPDATE \"a\"\r\n",
		"a ESEARCH IN (subtree (a \"\") mailboxes INBOX) RETURN (COUNT) OLDER 1\r\nb ESEARCH RETURN (UPDATE) FUZZY (SUBJECT x)\r\n",
		"a UNSELECT\r\nb ENABLE QRESYNC\r\nc SELECT INBOX (QRESYNC (1 1 1:9 (1:2 1:2)))\r\nd UID FETCH 1:* (PREVIEW (LAZY) EMAILID) (CHANGEDSINCE 1 VANISHED PARTIAL -1:-2)\r\ne STORE 1 (UNCHANGEDSINCE 9) +FLAGS.SILENT (\\Deleted)\r\nf CLOSE\r\n",
		"a UNSELECT\r\nb ENABLE UIDONLY\r\nc SELECT INBOX\r\nd UID STORE 1:* +FLAGS (x)\r\ne UIDBATCHES 500 1:2\r\nf UID SEARCH MODSEQ \"/flags/x\" all 1 THREADID T4 SAVEDON 1-Jan-2020\r\ng UID EXPUNGE 1:*\r\n",
		"a AUTHENTICATE PLAIN\r\n*\r\nb STARTTLS\r\n\x16\x03\x01",
	} {
		f.Add([]byte(seed))
	}
	log := &panics{}
	s := newSuite(f, func(o *Options) { o.Logger = slog.New(log) })
	s.fill("INBOX", 3)
	s.deliver("INBOX", multipart, storage.Flagged)
	s.deliver("INBOX", "\x00\xff no header\n\n\n", 0)
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := net.Dial("tcp", s.addr)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if err := c.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
			t.Fatal(err)
		}
		// A reset by a server that has said BYE is no failure of the write.
		go func() {
			_, _ = c.Write([]byte("l LOGIN alice@example.test \"" + password + "\"\r\ns SELECT INBOX\r\n"))
			_, _ = c.Write(data)
			_ = c.(*net.TCPConn).CloseWrite()
		}()
		if _, err := io.Copy(io.Discard, c); err != nil {
			if n, ok := err.(net.Error); ok && n.Timeout() {
				t.Fatalf("session hangs after %q", data)
			}
		}
		if p := log.seen.Load(); p != nil {
			t.Fatalf("session panicked after %q: %s", data, *p)
		}
	})
}
