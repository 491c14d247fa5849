package load

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"mailstead/bench/corpus"
	"mailstead/bench/wire"
)

const (
	megabyte     = 1000 * 1000
	smallClients = 4
	largeClients = 2
	// mostSmall bounds the small messages that go beside large ones.
	mostSmall = 20000
)

// smtpMixed is how long small messages take, alone and while large ones stream
// in beside them.
func smtpMixed() Workload {
	return Workload{
		Name: "smtp-mixed", About: "4 connections deliver small messages, alone and while 2 others stream messages of 50 MB", MaxRounds: 3,
		Prepare: func(_ context.Context, b *Bench) error {
			b.large = corpus.Fixed(b.Counts.LargeMB * megabyte)
			return nil
		},
		Run: runMixed,
	}
}

func runMixed(ctx context.Context, b *Bench) error {
	w, err := b.watched(ctx)
	if err != nil {
		return err
	}
	s := &smalls{b: b, sent: make([]int, b.System.Accounts)}
	if err := s.run(ctx, b.Counts.Messages, nil); err != nil {
		return err
	}
	s.report("alone")
	finished := make(chan struct{})
	var large error
	start := time.Now()
	var wg sync.WaitGroup
	wg.Go(func() {
		large = streamLarge(ctx, b)
		b.add("large", "MB/s", true, rate(largeClients*b.Counts.Large*b.Counts.LargeMB, time.Since(start)))
		close(finished)
	})
	err = s.run(ctx, mostSmall, finished)
	wg.Wait()
	if err := errors.Join(large, err); err != nil {
		return err
	}
	s.report("beside large")
	for i := range largeClients {
		s.sent[i] += b.Counts.Large
	}
	return w.await(ctx, s.sent)
}

// streamLarge sends the large messages; each client has an account of its own.
func streamLarge(ctx context.Context, b *Bench) error {
	return parallel(ctx, largeClients, func(ctx context.Context, client int) error {
		conn, err := wire.DialSMTP(ctx, b.System.SMTP)
		if err != nil {
			return err
		}
		var text []byte
		for range b.Counts.Large {
			if ctx.Err() != nil {
				return errors.Join(ctx.Err(), conn.Close())
			}
			text = b.large.Append(text[:0], b.serials(1))
			if err := conn.Send(sender, []string{b.System.Address(client)}, text); err != nil {
				return errors.Join(err, conn.Close())
			}
		}
		return conn.Quit()
	})
}

// smalls sends small messages and notes how long each took.
type smalls struct {
	b *Bench

	mu    sync.Mutex
	sent  []int // by account
	times []time.Duration
}

// run sends n messages, or as many as go until finished is closed, but one per
// client at least.
func (s *smalls) run(ctx context.Context, n int, finished <-chan struct{}) error {
	s.times = nil
	var next atomic.Int64
	return parallel(ctx, smallClients, func(ctx context.Context, _ int) error {
		conn, err := wire.DialSMTP(ctx, s.b.System.SMTP)
		if err != nil {
			return err
		}
		var text []byte
		for next.Add(1) <= int64(n) {
			serial := s.b.serials(1)
			account := serial * scatter % s.b.System.Accounts
			text = s.b.Small.Append(text[:0], serial)
			start := time.Now()
			if err := conn.Send(sender, []string{s.b.System.Address(account)}, text); err != nil {
				return errors.Join(err, conn.Close())
			}
			s.note(account, time.Since(start))
			select {
			case <-ctx.Done():
				return errors.Join(ctx.Err(), conn.Close())
			case <-finished:
				return conn.Quit()
			default:
			}
		}
		return conn.Quit()
	})
}

func (s *smalls) note(account int, took time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sent[account]++
	s.times = append(s.times, took)
}

// report adds the median and the 99th percentile.
func (s *smalls) report(name string) {
	slices.Sort(s.times)
	at := func(percent int) float64 { return milliseconds(s.times[(len(s.times)-1)*percent/100]) }
	s.b.add("p50 "+name, "ms", false, at(50))
	s.b.add("p99 "+name, "ms", false, at(99))
}
