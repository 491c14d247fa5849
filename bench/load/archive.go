package load

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"mailstead/bench/peer"
	"mailstead/bench/wire"
)

const (
	archiveMailbox = "archive"
	// longest is how long a command is repeated, once it was repeated at all.
	longest = 2 * time.Second
	// quiet is less processor time than this share of a tick, several times in
	// succession; after much mail more of them, as other work can hold a server up.
	quietTick  = 100 * time.Millisecond
	quietShare = 50
	quietTicks = 2
	quietAfter = 10
	quietTime  = 15 * time.Minute
)

// say tells how far a preparation is.
func (b *Bench) say(format string, args ...any) {
	if b.Talk == nil {
		return
	}
	if _, err := fmt.Fprintf(b.Talk, b.System.Name+": "+format+"\n", args...); err != nil {
		b.Talk = io.Discard // who listens no longer needs no more
	}
}

// fillArchive makes the large mailbox, once for all workloads.
func fillArchive(ctx context.Context, b *Bench) error {
	if b.archived {
		return nil
	}
	start, n := time.Now(), b.Counts.Archive
	next := 0
	err := b.System.Fill(ctx, peer.Fill{
		Mailbox: archiveMailbox, Count: n, Message: b.Old.Append, Seen: b.Old.Seen, Date: b.Old.Received,
		Progress: func(done int) {
			if next == 0 || done >= next+n/10 {
				next = done
				b.say("%d of %d messages", done, n)
			}
		},
	})
	if err != nil {
		return err
	}
	took := time.Since(start)
	c, got, err := opened(ctx, b, 0, archiveMailbox)
	if err != nil {
		return err
	}
	if err := c.Close(); err != nil {
		return err
	}
	if got != n {
		return fmt.Errorf("%s has %d messages, want %d", archiveMailbox, got, n)
	}
	b.archived = true
	before, err := b.System.Disk()
	if err != nil {
		return err
	}
	spent, err := b.restFor(ctx, quietAfter)
	if err != nil {
		return err
	}
	after, err := b.System.Disk()
	b.say("%d messages in %.1f s; until it was quiet %.1f s of processor time and %d MiB more of disk", n, took.Seconds(), spent.Seconds(), (after-before)>>20)
	return err
}

// fillDesks makes the INBOX of the accounts that clients work with, once.
func fillDesks(ctx context.Context, b *Bench) error {
	if b.furnished {
		return nil
	}
	first := b.serials(b.Counts.Desk * deskClients)
	for account := range deskClients {
		err := b.System.Fill(ctx, peer.Fill{
			Account: account, Mailbox: inboxName, First: first + account*b.Counts.Desk, Count: b.Counts.Desk,
			Message: b.Small.Append, Seen: b.Old.Seen, Date: b.Old.Received, Progress: func(int) {},
		})
		if err != nil {
			return err
		}
	}
	err := parallel(ctx, deskClients, func(ctx context.Context, client int) error {
		c, _, err := opened(ctx, b, client, inboxName) // it finds the messages
		if err != nil {
			return err
		}
		return errors.Join(c.Do("CREATE "+movedMailbox, nil), c.Close())
	})
	if err != nil {
		return err
	}
	b.furnished = true
	_, err = b.rest(ctx)
	return err
}

// rest waits until the server does nothing, and tells the processor time that it
// took for what it does in the background.
func (b *Bench) rest(ctx context.Context) (time.Duration, error) { return b.restFor(ctx, quietTicks) }

func (b *Bench) restFor(ctx context.Context, ticks int) (time.Duration, error) {
	first, err := b.System.CPU()
	if err != nil {
		return 0, err
	}
	last, still := first, 0
	for end := time.Now().Add(quietTime); time.Now().Before(end); {
		select {
		case <-ctx.Done():
			return 0, ctx.Err()
		case <-time.After(quietTick):
		}
		now, err := b.System.CPU()
		if err != nil {
			return 0, err
		}
		if still++; now-last > quietTick/quietShare {
			still = 0
		}
		if last = now; still == ticks {
			return now - first, nil
		}
	}
	return 0, fmt.Errorf("%s does not come to rest", b.System.Name)
}

// cost is what something took.
type cost struct{ wall, cpu time.Duration }

// cost runs f once.
func (b *Bench) cost(f func() error) (cost, error) {
	before, err := b.System.CPU()
	if err != nil {
		return cost{}, err
	}
	start := time.Now()
	if err := f(); err != nil {
		return cost{}, err
	}
	wall := time.Since(start)
	after, err := b.System.CPU()
	return cost{wall, after - before}, err
}

// repeated runs f several times: the median of the time, and the mean of what
// the processor worked, whose clock is coarser.
func (b *Bench) repeated(f func() error) (cost, error) {
	var walls []time.Duration
	var sum time.Duration
	for start := time.Now(); len(walls) < b.Counts.Repeat && (len(walls) == 0 || time.Since(start) < longest); {
		c, err := b.cost(f)
		if err != nil {
			return cost{}, err
		}
		walls, sum = append(walls, c.wall), sum+c.cpu
	}
	slices.Sort(walls)
	return cost{walls[len(walls)/2], sum / time.Duration(len(walls))}, nil
}

// report adds both figures of a cost.
func (b *Bench) report(name string, c cost) {
	b.add(name, "ms", false, milliseconds(c.wall))
	b.add(name+" CPU", "ms", false, milliseconds(c.cpu))
}

// forgotten restarts the server without what it keeps only to answer faster, and
// opens the large mailbox.
func (b *Bench) forgotten(ctx context.Context) (*wire.IMAP, error) {
	if err := b.System.Forget(ctx); err != nil {
		return nil, err
	}
	if _, err := b.rest(ctx); err != nil {
		return nil, err
	}
	c, n, err := opened(ctx, b, 0, archiveMailbox)
	if err == nil && n != b.Counts.Archive {
		err = errors.Join(fmt.Errorf("%s has %d messages, want %d", archiveMailbox, n, b.Counts.Archive), c.Close())
	}
	return c, err
}
