package load

import (
	"context"
	"errors"
	"fmt"
	"time"

	"mailstead/bench/peer"
	"mailstead/bench/wire"
)

// imapAppend is one client that stores messages and waits for each answer.
func imapAppend() Workload {
	return Workload{Name: "imap-append-1", About: "one client appends, waiting for each answer", Run: func(ctx context.Context, b *Bench) error {
		return intoNewMailbox(ctx, b, b.Counts.Messages, func(c *wire.IMAP, mailbox string, first int) error {
			var text []byte
			for i := range b.Counts.Messages {
				text = b.Corpus.Append(text[:0], first+i)
				if err := c.Append(mailbox, text); err != nil {
					return err
				}
			}
			return nil
		})
	}}
}

// imapImport is one client that stores messages without waiting.
func imapImport() Workload {
	return Workload{Name: "imap-append-pipelined", About: "one client imports a mailbox with pipelined appends", Run: func(ctx context.Context, b *Bench) error {
		return intoNewMailbox(ctx, b, b.Counts.Import, func(c *wire.IMAP, mailbox string, first int) error {
			return c.Import(mailbox, b.Counts.Import, func(dst []byte, i int) []byte { return b.Corpus.Append(dst, first+i) })
		})
	}}
}

// intoNewMailbox measures how n messages are stored, checks that they are there,
// and deletes them.
func intoNewMailbox(ctx context.Context, b *Bench, n int, store func(c *wire.IMAP, mailbox string, first int) error) (err error) {
	c, err := wire.DialIMAP(ctx, b.System.IMAP, b.System.Address(0), peer.Password)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	first := b.serials(n)
	mailbox := fmt.Sprintf("import-%d", first)
	if err := c.Do("CREATE "+mailbox, nil); err != nil {
		return err
	}
	err = b.measured(n, "message", func() error {
		start := time.Now()
		if err := store(c, mailbox, first); err != nil {
			return err
		}
		b.add("stored", "1/s", true, rate(n, time.Since(start)))
		return nil
	})
	if err != nil {
		return err
	}
	got, err := c.Messages(mailbox)
	if err != nil {
		return err
	}
	if got != n {
		return fmt.Errorf("mailbox %s: got %d messages, want %d", mailbox, got, n)
	}
	return c.Do("DELETE "+mailbox, nil)
}
