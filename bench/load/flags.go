package load

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"mailstead/bench/peer"
	"mailstead/bench/wire"
)

const (
	flagClients = 8
	flagMailbox = "flags"
	flagSize    = 200 // messages of the mailbox of each client
	bulkMailbox = "bulk"
)

// imapFlags is 8 clients that each set and remove a flag of one message after
// another, waiting for each answer; each has an account of its own.
func imapFlags() Workload {
	return Workload{
		Name: "imap-flags-8", About: "8 clients change the flag of one message at a time",
		Prepare: func(ctx context.Context, b *Bench) error {
			return parallel(ctx, flagClients, func(ctx context.Context, client int) error {
				return fill(ctx, b, client, flagMailbox, min(flagSize, b.Counts.Changes))
			})
		},
		Run: runFlags,
	}
}

// fill makes a mailbox with n messages.
func fill(ctx context.Context, b *Bench, account int, mailbox string, n int) (err error) {
	c, err := wire.DialIMAP(ctx, b.System.IMAP, b.System.Address(account), peer.Password)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	if err := c.Do("CREATE "+mailbox, nil); err != nil {
		return err
	}
	first := b.serials(n)
	return c.Import(mailbox, n, func(dst []byte, i int) []byte { return b.Small.Append(dst, first+i) })
}

// opened logs in and selects a mailbox that must not be empty.
func opened(ctx context.Context, b *Bench, account int, mailbox string) (*wire.IMAP, int, error) {
	c, err := wire.DialIMAP(ctx, b.System.IMAP, b.System.Address(account), peer.Password)
	if err != nil {
		return nil, 0, err
	}
	n, err := c.Select(mailbox)
	if err == nil && n < 1 {
		err = fmt.Errorf("mailbox %s is empty", mailbox)
	}
	if err != nil {
		return nil, 0, errors.Join(err, c.Close())
	}
	return c, n, nil
}

func runFlags(ctx context.Context, b *Bench) (err error) {
	conns, sizes := make([]*wire.IMAP, flagClients), make([]int, flagClients)
	defer func() {
		for _, c := range conns {
			if c != nil {
				err = errors.Join(err, c.Close())
			}
		}
	}()
	for i := range conns {
		if conns[i], sizes[i], err = opened(ctx, b, i, flagMailbox); err != nil {
			return err
		}
	}
	n := b.Counts.Changes * flagClients
	return b.measured(n, "change", func() error {
		start := time.Now()
		err := parallel(ctx, flagClients, func(ctx context.Context, client int) error {
			return change(ctx, conns[client], b.turn*b.Counts.Changes, b.Counts.Changes, sizes[client])
		})
		b.add("changes", "1/s", true, rate(n, time.Since(start)))
		return err
	})
}

// change sets the flag of one message after another, and on the next walk over
// the mailbox removes it: each command changes something.
func change(ctx context.Context, c *wire.IMAP, done, n, size int) error {
	for i := done; i < done+n && ctx.Err() == nil; i++ {
		sign := "+"
		if i/size%2 == 1 {
			sign = "-"
		}
		if err := c.Do("UID STORE "+strconv.Itoa(i%size+1)+" "+sign+`FLAGS (\Flagged)`, nil); err != nil {
			return err
		}
	}
	return ctx.Err()
}

// imapStore is one client that changes a flag of all messages of a large mailbox
// with one command.
func imapStore() Workload {
	return Workload{
		Name: "imap-store-10k", About: "one STORE changes a flag of 10,000 messages",
		Prepare: func(ctx context.Context, b *Bench) error { return fill(ctx, b, 0, bulkMailbox, b.Counts.Mailbox) },
		Run:     runStore,
	}
}

func runStore(ctx context.Context, b *Bench) (err error) {
	c, n, err := opened(ctx, b, 0, bulkMailbox)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	const passes = 4
	return b.measured(passes, "command", func() error {
		start := time.Now()
		for i := range passes {
			got := 0
			err := c.Do("STORE 1:* "+string("+-"[i%2])+`FLAGS (\Flagged)`, func(line []byte) {
				if bytes.Contains(line, []byte(" FETCH ")) {
					got++
				}
			})
			if err != nil {
				return err
			}
			if got != n {
				return fmt.Errorf("STORE answered for %d messages, want %d", got, n)
			}
		}
		b.add("STORE 1:*", "ms", false, milliseconds(time.Since(start))/passes)
		return nil
	})
}
