package load

import (
	"context"
	"errors"
	"sync"
	"time"

	"mailstead/bench/corpus"
	"mailstead/bench/wire"
)

const (
	sampleTime = 20 * time.Millisecond
	// settle is what a server gets after its start before its memory counts as
	// idle.
	settle = time.Second
)

// memory is how much the server takes for many large messages at the same time.
func memory() Workload {
	return Workload{
		Name: "memory", About: "100 messages of 25 MB at the same time, each half sent before any is ended", MaxRounds: 2,
		Prepare: func(_ context.Context, b *Bench) error {
			b.large = corpus.Fixed(b.Counts.BurstMB * megabyte)
			return nil
		},
		Run: runBurst,
	}
}

func runBurst(ctx context.Context, b *Bench) error {
	w, err := b.watched(ctx)
	if err != nil {
		return err
	}
	before := w.counts
	if err := errors.Join(b.End(), b.System.Restart(ctx)); err != nil {
		return err
	}
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(settle):
	}
	idle, err := b.System.Memory()
	if err != nil {
		return err
	}
	peak, start := int64(0), time.Now()
	sent, err := withPeak(b, &peak, func() ([]int, error) { return burst(ctx, b) })
	if err != nil {
		return err
	}
	b.add("large", "MB/s", true, rate(b.Counts.Burst*b.Counts.BurstMB, time.Since(start)))
	b.add("memory idle", "MiB", false, float64(idle)/(1<<20))
	b.add("memory peak over idle", "MiB", false, float64(max(peak-idle, 1))/(1<<20))
	if w, err = b.watched(ctx); err != nil {
		return err
	}
	w.counts = before
	return w.await(ctx, sent)
}

// withPeak calls f and notes the greatest memory of the server meanwhile.
func withPeak(b *Bench, peak *int64, f func() ([]int, error)) ([]int, error) {
	stop := make(chan struct{})
	var wg sync.WaitGroup
	var failed error
	wg.Go(func() {
		for tick := time.NewTicker(sampleTime); ; {
			n, err := b.System.Memory()
			*peak, failed = max(*peak, n), errors.Join(failed, err)
			select {
			case <-stop:
				tick.Stop()
				return
			case <-tick.C:
			}
		}
	})
	sent, err := f()
	close(stop)
	wg.Wait()
	return sent, errors.Join(err, failed)
}

// burst sends one large message per connection; none is ended before all are
// half sent. It tells the messages of each account.
func burst(ctx context.Context, b *Bench) ([]int, error) {
	sent := make([]int, b.System.Accounts)
	n := b.Counts.Burst
	first := b.serials(n)
	half := make(chan struct{}, n)
	all := make(chan struct{})
	go func() {
		for range n { // one from each client, come what may
			<-half
		}
		close(all)
	}()
	for i := range n {
		sent[(first+i)*scatter%len(sent)]++
	}
	text := b.large.Append(nil, first)
	return sent, parallel(ctx, n, func(ctx context.Context, client int) error {
		to := b.System.Address((first + client) * scatter % len(sent))
		conn, err := halfSent(ctx, b.System.SMTP, to, text)
		half <- struct{}{}
		if err != nil {
			return err
		}
		<-all
		if err := conn.Write(text[len(text)/2:]); err != nil {
			return errors.Join(err, conn.Close())
		}
		return errors.Join(conn.End(), conn.Quit())
	})
}

// halfSent sends the first half of a message.
func halfSent(ctx context.Context, addr, to string, text []byte) (*wire.SMTP, error) {
	conn, err := wire.DialSMTP(ctx, addr)
	if err != nil {
		return nil, err
	}
	if err := conn.Begin(sender, []string{to}); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	if err := conn.Write(text[:len(text)/2]); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return conn, nil
}
