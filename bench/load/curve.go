package load

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strconv"

	"mailstead/bench/peer"
	"mailstead/bench/wire"
)

// changes are how many messages have changed when a client asks what has.
const changes = 10

// Cost is what an operation takes on a mailbox of so many messages.
type Cost struct {
	Operation string  `json:"operation"`
	Messages  int     `json:"messages"`
	Wall      float64 `json:"wall_ms"` // median of one
	CPU       float64 `json:"cpu_ms"`  // mean of one
}

// Curve fills a mailbox of each size, and calls each with what operations cost
// whose answer has the same length on all of them. Counts.Repeat is how often
// each is done.
func Curve(ctx context.Context, b *Bench, sizes []int, each func(Cost)) error {
	for account, n := range sizes {
		if err := b.curveMailbox(ctx, account, n); err != nil {
			return err
		}
	}
	if err := b.System.Restart(ctx); err != nil {
		return err
	}
	if _, err := b.rest(ctx); err != nil {
		return err
	}
	for account, n := range sizes {
		c, err := wire.DialIMAP(ctx, b.System.IMAP, b.System.Address(account), peer.Password)
		if err != nil {
			return err
		}
		err = b.curvePoint(c, n, each)
		if err := errors.Join(err, c.Close()); err != nil {
			return fmt.Errorf("mailbox of %d messages: %w", n, err)
		}
	}
	return nil
}

// curveMailbox makes the mailbox of an account.
func (b *Bench) curveMailbox(ctx context.Context, account, n int) error {
	next := 0
	err := b.System.Fill(ctx, peer.Fill{
		Account: account, Mailbox: archiveMailbox, Count: n, Message: b.Small.Append, Seen: b.Old.Seen, Date: b.Old.Received,
		Progress: func(done int) {
			if done >= next+n/10 {
				next = done
				b.say("%d of %d messages", done, n)
			}
		},
	})
	if err != nil {
		return err
	}
	_, err = b.rest(ctx)
	return err
}

// curvePoint measures on the mailbox of one size; it has been opened by nobody
// since the start.
func (b *Bench) curvePoint(c *wire.IMAP, n int, each func(Cost)) error {
	add := func(operation string, x cost) {
		each(Cost{Operation: operation, Messages: n, Wall: milliseconds(x.wall), CPU: milliseconds(x.cpu)})
	}
	open := func() error {
		got, err := c.Select(archiveMailbox)
		if err == nil && got != n {
			err = fmt.Errorf("got %d messages", got)
		}
		return err
	}
	first, err := b.cost(open)
	if err != nil {
		return err
	}
	add("SELECT, first after start", first)
	middle := strconv.Itoa(n / 2)
	for _, o := range []struct {
		name string
		do   func() error
	}{
		{"SELECT", open},
		{"UID FETCH of one, FLAGS", func() error { return count(c, "UID FETCH "+middle+" (FLAGS)", 1) }},
		{"UID FETCH of one, ENVELOPE", func() error { return count(c, "UID FETCH "+middle+" (ENVELOPE)", 1) }},
		{"FETCH of the last, FLAGS", func() error { return count(c, "FETCH * (FLAGS)", 1) }},
		{"STATUS", func() error { return c.Do("STATUS "+archiveMailbox+" (MESSAGES UIDNEXT UIDVALIDITY UNSEEN)", nil) }},
		{"NOOP", func() error { return c.Do("NOOP", nil) }},
		{"UID STORE of one", func() error { return c.Do("UID STORE "+middle+` FLAGS (\Flagged)`, nil) }},
	} {
		x, err := b.repeated(o.do)
		if err != nil {
			return fmt.Errorf("%s: %w", o.name, err)
		}
		add(o.name, x)
	}
	return b.curveChanges(c, n, add)
}

// curveChanges changes some messages and asks what has changed (RFC 7162).
func (b *Bench) curveChanges(c *wire.IMAP, n int, add func(string, cost)) error {
	offered, err := c.Offers("CONDSTORE")
	if err != nil {
		return err
	}
	if !offered {
		b.say("CHANGEDSINCE is left out: CONDSTORE is not offered")
		return nil
	}
	modseq := -1
	if err := c.Do("STATUS "+archiveMailbox+" (HIGHESTMODSEQ)", func(line []byte) { modseq = max(modseq, wire.After(line, "HIGHESTMODSEQ ")) }); err != nil {
		return err
	}
	for i := range changes {
		uid := strconv.Itoa(1 + i*n/changes)
		if err := c.Do("UID STORE "+uid+` +FLAGS.SILENT ($changed)`, nil); err != nil {
			return err
		}
	}
	x, err := b.repeated(func() error {
		return count(c, "UID FETCH 1:* (FLAGS) (CHANGEDSINCE "+strconv.Itoa(modseq)+")", changes)
	})
	if err != nil {
		return err
	}
	add(fmt.Sprintf("CHANGEDSINCE, %d changes", changes), x)
	return nil
}

// count does a command whose answer is so many FETCH responses.
func count(c *wire.IMAP, command string, want int) error {
	got := 0
	err := c.Do(command, func(line []byte) {
		if bytes.Contains(line, []byte(" FETCH (")) {
			got++
		}
	})
	if err == nil && got != want {
		err = fmt.Errorf("%s: got %d messages, want %d", command, got, want)
	}
	return err
}
