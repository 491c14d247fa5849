// Package load holds the workloads: what is done to a server and what is counted
// while it is done. Each is an entry of All, in a file of its own; it sees a
// server only as addresses, accounts and costs (package peer), so that every
// server gets the same bytes in the same order.
package load

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"mailstead/bench/corpus"
	"mailstead/bench/peer"
)

// Workload is one thing to measure.
type Workload struct {
	// Name selects it on the command line.
	Name string
	// Group selects it together with others.
	Group string
	// About is one sentence for people.
	About string
	// Needs is a capability of IMAP without which it cannot be run.
	Needs string
	// Goals are what Mailstead is to reach.
	Goals []Goal
	// MaxRounds bounds the rounds, for what takes long or much disk; 0 is no bound.
	MaxRounds int
	// Prepare is called once per system before the first round; nil is nothing.
	Prepare func(ctx context.Context, b *Bench) error
	// Run does one round and reports its figures with r.
	Run func(ctx context.Context, b *Bench) error
}

// All is every workload, in the order they run.
func All() []Workload {
	return slices.Concat([]Workload{
		deliver("smtp-1", "deliveries over one connection", delivery{clients: 1, share: 1}),
		deliver("smtp-8", "deliveries over 8 connections", delivery{clients: 8, share: 2}),
		deliver("smtp-conn", "8 clients, one connection per message", delivery{clients: 8, share: 1, reconnect: true}),
		deliver("smtp-20rcpt", "each message goes to 20 recipients, over one connection", delivery{clients: 1, share: 1, divisor: 4, recipients: 20, disk: true}),
		imapAppend(), imapImport(), imapFlags(), imapStore(), smtpMixed(), memory(),
	}, reading())
}

// Metric is what a figure means.
type Metric struct {
	// Name and Unit make the column.
	Name, Unit string
	// More tells that a greater figure is better.
	More bool
}

// Value is one figure of one round.
type Value struct {
	Metric Metric
	Figure float64
}

// Counts are how much a round does.
type Counts struct {
	Messages int // of a delivery over one connection; others do a multiple
	Import   int // messages of a pipelined import
	Changes  int // flag changes of each client
	Mailbox  int // messages of the mailbox whose flags change all at once
	Large    int // large messages of each stream beside small ones
	LargeMB  int // MB of each of them
	Burst    int // large messages at the same time
	BurstMB  int // MB of each of them
	Archive  int // messages of the large mailbox that is read
	Repeat   int // times that a command is repeated at most
	Desk     int // messages of each INBOX that clients work with
	Logins   int // one after another; of 8 clients together four times as many
	Steps    int // of each of 8 clients that do all kinds of things
	Idle     int // connections that wait for news
}

// Full are the counts of a real run.
func Full() Counts {
	return Counts{Messages: 1000, Import: 10000, Changes: 500, Mailbox: 10000, Large: 5, LargeMB: 50, Burst: 100, BurstMB: 25,
		Archive: 20000, Repeat: 5, Desk: 1000, Logins: 100, Steps: 400, Idle: 500}
}

// Quick are counts that only show that everything works.
func Quick() Counts {
	return Counts{Messages: 16, Import: 40, Changes: 10, Mailbox: 50, Large: 1, LargeMB: 1, Burst: 4, BurstMB: 1,
		Archive: 60, Repeat: 2, Desk: 20, Logins: 8, Steps: 20, Idle: 8}
}

// Bench is one system with all that the workloads do to it. It is for one
// goroutine.
type Bench struct {
	// System is the server.
	System *peer.System
	// Corpus has the messages, and Small those of 4 KB.
	Corpus, Small *corpus.Corpus
	// Old has the messages of the large mailbox that is read.
	Old *corpus.Archive
	// Counts are how much to do.
	Counts Counts
	// Talk is where long preparations tell how far they are; nil is nowhere.
	Talk io.Writer

	values []Value
	serial atomic.Int64 // of the last message made
	watch  *watch
	large  *corpus.Corpus // of the workload that runs
	turn   int            // rounds of this workload before this one

	archived, furnished bool  // the mailboxes for reading are filled
	oldSize             int64 // octets of the large mailbox
	answers             map[string]Answer
}

// Begin comes before a workload's first round.
func (b *Bench) Begin(ctx context.Context, w Workload) error {
	b.turn, b.answers = 0, map[string]Answer{}
	if w.Needs != "" {
		if err := b.needs(ctx, w.Needs); err != nil {
			return err
		}
	}
	if w.Prepare == nil {
		return nil
	}
	return w.Prepare(ctx, b)
}

// Round does one round of a workload and gives its figures.
func (b *Bench) Round(ctx context.Context, w Workload) ([]Value, error) {
	b.values = nil
	err := w.Run(ctx, b)
	b.turn++
	return b.values, err
}

// End comes after a workload's last round: it closes what the rounds share.
func (b *Bench) End() error {
	if b.watch == nil {
		return nil
	}
	err := b.watch.close()
	b.watch = nil
	return err
}

// serials takes the numbers of n new messages and gives the first.
func (b *Bench) serials(n int) int { return int(b.serial.Add(int64(n))) - n }

// add reports a figure.
func (b *Bench) add(name, unit string, more bool, figure float64) {
	b.values = append(b.values, Value{Metric{name, unit, more}, figure})
}

// measured runs f, and reports what it cost the server per operation, and the
// server's memory at the end of it.
func (b *Bench) measured(operations int, operation string, f func() error) error {
	before, err := b.System.CPU()
	if err != nil {
		return err
	}
	if err := f(); err != nil {
		return err
	}
	after, err := b.System.CPU()
	if err != nil {
		return err
	}
	b.add("CPU", "ms/"+operation, false, milliseconds(after-before)/float64(operations))
	memory, err := b.System.Memory()
	if err != nil {
		return err
	}
	b.add("memory", "MiB", false, float64(memory)/(1<<20))
	return nil
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

func rate(n int, d time.Duration) float64 { return float64(n) / d.Seconds() }

// parallel runs f for each of n clients and joins their errors; the first error
// cancels the context of the others.
func parallel(ctx context.Context, n int, f func(ctx context.Context, client int) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	errs := make([]error, n)
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			if errs[i] = f(ctx, i); errs[i] != nil {
				errs[i] = fmt.Errorf("client %d: %w", i, errs[i])
				cancel()
			}
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}
