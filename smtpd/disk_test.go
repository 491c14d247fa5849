package smtpd_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"mailstead/delivery"
	"mailstead/internal/faultfs"
	"mailstead/internal/spool"
	"mailstead/mail"
	"mailstead/smtpd"
	"mailstead/storage"
)

// faulty starts a server whose spool is on a disk that can fail.
func faulty(t testing.TB) (*suite, *faultfs.FS) {
	t.Helper()
	dir := t.TempDir()
	fsys, err := faultfs.New(dir)
	if err != nil {
		t.Fatal(err)
	}
	return start(t, smtpd.Options{Spool: spool.Dir{Path: dir, MemoryLimit: 4 << 10, FS: fsys}}), fsys
}

// begin names a sender and a recipient.
func (p *peer) begin() {
	p.t.Helper()
	p.do("MAIL FROM:<a@b.test>", "250 *")
	p.do("RCPT TO:<alice@example.test>", "250 *")
}

// TestDiskFailsWithinMessage fails every operation of the spool in turn while
// a message comes in: it is read to its end, the answer is temporary, and the
// next message on the same connection is taken.
func TestDiskFailsWithinMessage(t *testing.T) {
	t.Parallel()
	body := strings.Repeat(strings.Repeat("x", 998)+"\r\n", 60)
	for _, tt := range []struct {
		name string
		err  error
		want string
	}{
		{"full", unix.ENOSPC, "452 4.3.1 Not enough storage, try again later"},
		{"over the disk quota", unix.EDQUOT, "452 4.3.1 Not enough storage, try again later"},
		{"broken", unix.EIO, "451 4.3.0 Not possible at the moment, try again later"},
	} {
		for _, verb := range []string{"DATA", "BDAT"} {
			t.Run(tt.name+" "+verb, func(t *testing.T) {
				t.Parallel()
				s, fsys := faulty(t)
				p := s.greeted(t)
				send := func(want string) {
					p.begin()
					if verb == "BDAT" {
						p.raw(fmt.Sprintf("BDAT %d LAST\r\n%s", len(body), body))
						p.want(want)
						return
					}
					p.do("DATA", "354 *")
					p.raw(body)
					p.do(".", want)
				}
				const operations = 3 // the file, what was in memory, the first write of the rest
				for k := range operations {
					in := fsys.Inject(faultfs.Fault{At: k + 1, Err: tt.err, Tear: faultfs.Prefix})
					send(tt.want)
					if len(in.Fired()) != 1 {
						t.Fatalf("operation %d: the message did not come to it", k+1)
					}
					in.Stop()
				}
				s.delivered(t, 0)
				send("250 2.0.0 *")
				if got := s.delivered(t, 1)[0].text; !strings.HasSuffix(got, body) {
					t.Errorf("got %d bytes, want the message", len(got))
				}
				if n := strings.Count(s.log.String(), "level=ERROR"); n != operations {
					t.Errorf("got %d errors in the log, want one for each of %d messages:\n%s", n, operations, s.log)
				}
			})
		}
	}
}

// TestSpoolThatCannotBeReadIsTemporary: the message is there, but not for us.
func TestSpoolThatCannotBeReadIsTemporary(t *testing.T) {
	t.Parallel()
	s, fsys := faulty(t)
	p := s.greeted(t)
	p.begin()
	p.do("DATA", "354 *")
	stop := fsys.FailReads(faultfs.ReadFault{})
	p.raw(strings.Repeat(strings.Repeat("x", 98)+"\r\n", 100))
	p.do(".", "451 4.3.0 Not possible at the moment, try again later")
	stop()
	p.do("NOOP", "250 *")
	s.delivered(t, 0)
}

// TestTroubleBelowIsTemporary: whatever the store says, and however it is
// wrapped, mail does not bounce.
func TestTroubleBelowIsTemporary(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		err  error
		want string
	}{
		{"no space", fmt.Errorf("%w: %w", delivery.ErrNoSpace, storage.ErrNoSpace), "452 4.3.1 *"},
		{"mailbox full", fmt.Errorf("%w: %w", delivery.ErrOverQuota, storage.ErrOverQuota), "452 4.2.2 *"},
		{"disk full", fmt.Errorf("store message: %w", unix.ENOSPC), "452 4.3.1 *"},
		{"store closed", fmt.Errorf("store message: %w", storage.ErrClosed), "451 4.3.0 *"},
		{"limit", fmt.Errorf("store message: %w", storage.ErrLimit), "451 4.3.0 *"},
		{"store stopped", fmt.Errorf("store message: store stopped after a failed write: %w", unix.EIO), "451 4.3.0 *"},
		{"mailbox gone", fmt.Errorf("store message: %w", storage.ErrNoMailbox), "451 4.3.0 *"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			d := &fakeDeliverer{}
			failing := errors.New("") // the first message fails, the next does not
			d.deliver = func(context.Context, delivery.Envelope) (err error) {
				if failing != nil {
					failing, err = nil, tt.err
				}
				return err
			}
			s := start(t, smtpd.Options{Deliverer: d})
			p := s.greeted(t)
			p.begin()
			p.do("DATA", "354 *")
			p.do("Subject: x\r\n\r\nhi\r\n.", tt.want)
			p.begin()
			p.do("DATA", "354 *")
			p.do("Subject: x\r\n\r\nhi\r\n.", "250 2.0.0 *")

			d.verify = func(mail.Address, int64) error { return tt.err }
			p.do("MAIL FROM:<a@b.test>", "250 *")
			p.do("RCPT TO:<alice@example.test>", tt.want)
			p.do("QUIT", "221 *")
		})
	}
}
