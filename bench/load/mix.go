package load

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"time"

	"mailstead/bench/peer"
	"mailstead/bench/wire"
)

const movedMailbox = "moved"

// mix is 8 people at work.
func mix() Workload {
	return Workload{
		Name: "mix", About: "8 clients deliver, log in, fetch, flag, search and move", Prepare: fillDesks, Run: runMix,
		Goals: []Goal{{Metric: "steps", Times: 8}, {Metric: "p99", AtMost: 40}},
	}
}

// worker is one client with an account of its own.
type worker struct {
	b       *Bench
	account int
	c       *wire.IMAP
	smtp    *wire.SMTP
	rnd     *rand.Rand
	size    int // of INBOX, as the client knows it
	low     int // UIDs from here on were not moved
	high    int // greatest UID that was there at the start
	sent    int
	times   []time.Duration
}

func runMix(ctx context.Context, b *Bench) (err error) {
	workers := make([]*worker, deskClients)
	defer func() {
		for _, w := range workers {
			if w != nil {
				err = errors.Join(err, w.close())
			}
		}
	}()
	before := make([]int, deskClients)
	for i := range workers {
		if workers[i], err = newWorker(ctx, b, i); err != nil {
			return err
		}
		if before[i], err = workers[i].stored(); err != nil {
			return err
		}
	}
	var took time.Duration
	total := b.Counts.Steps * deskClients
	spent, err := b.cost(func() error {
		start := time.Now()
		if err := parallel(ctx, deskClients, func(ctx context.Context, client int) error { return workers[client].work(ctx) }); err != nil {
			return err
		}
		took = time.Since(start)
		return arrived(ctx, workers, before) // what is still on its way costs as well
	})
	if err != nil {
		return err
	}
	var times []time.Duration
	for _, w := range workers {
		times = append(times, w.times...)
	}
	p50, p99, _ := percentiles(times)
	b.add("steps", "1/s", true, rate(total, took))
	b.add("steps CPU", "ms/step", false, milliseconds(spent.cpu)/float64(total))
	b.add("p50", "ms", false, p50)
	b.add("p99", "ms", false, p99)
	return nil
}

// percentiles sorts times, and gives the median, the 99th percentile and the
// greatest in milliseconds.
func percentiles(times []time.Duration) (p50, p99, last float64) {
	slices.Sort(times)
	at := func(percent int) float64 { return milliseconds(times[(len(times)-1)*percent/100]) }
	return at(50), at(99), at(100)
}

func newWorker(ctx context.Context, b *Bench, account int) (*worker, error) {
	w := &worker{b: b, account: account, rnd: rand.New(rand.NewPCG(uint64(b.turn), uint64(account))), low: -1}
	var err error
	if w.smtp, err = wire.DialSMTP(ctx, b.System.SMTP); err != nil {
		return nil, err
	}
	if w.c, w.size, err = opened(ctx, b, account, inboxName); err == nil {
		w.low, w.high, err = w.bounds()
	}
	if err != nil {
		return nil, errors.Join(err, w.close())
	}
	return w, nil
}

// bounds are the least and the greatest UID.
func (w *worker) bounds() (low, high int, err error) {
	low, high = -1, -1
	err = w.c.Do("FETCH 1,* (UID)", func(line []byte) {
		if uid := wire.After(line, "UID "); uid > 0 {
			if low < 0 || uid < low {
				low = uid
			}
			high = max(high, uid)
		}
	})
	if err == nil && low < 0 {
		err = errors.New("no UIDs")
	}
	return low, high, err
}

func (w *worker) close() error {
	var err error
	if w.c != nil {
		err = w.c.Close()
	}
	return errors.Join(err, w.smtp.Close())
}

// stored counts the messages of the account.
func (w *worker) stored() (int, error) {
	if err := w.c.Do("NOOP", nil); err != nil { // STATUS of what is selected may not look for news
		return 0, err
	}
	in, err := w.c.Messages(inboxName)
	if err != nil {
		return 0, err
	}
	moved, err := w.c.Messages(movedMailbox)
	return in + moved, err
}

// work does one thing after another; what it does depends on nothing but the
// round and the account.
func (w *worker) work(ctx context.Context) error {
	for range w.b.Counts.Steps {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		start := time.Now()
		if err := w.step(ctx); err != nil {
			return err
		}
		w.times = append(w.times, time.Since(start))
	}
	return nil
}

// step does the next thing: of a hundred, 40 look at the list, read or poll, 20
// flag, 15 deliver, 10 search, 10 move and 5 log in again.
func (w *worker) step(ctx context.Context) error {
	uid := w.low + w.rnd.IntN(max(w.high-w.low, 1))
	switch n := w.rnd.IntN(100); {
	case n < 15:
		w.sent++
		return w.smtp.Send(sender, []string{w.b.System.Address(w.account)}, w.b.Small.Append(nil, w.account*w.b.Counts.Steps*mixRounds+w.sent))
	case n < 35:
		return w.c.Do("UID STORE "+strconv.Itoa(uid)+" "+string("+-"[n%2])+`FLAGS (\Flagged)`, nil)
	case n < 45:
		return w.c.Do("UID SEARCH UNSEEN SUBJECT "+strconv.Itoa(n), nil)
	case n < 55 && w.low < w.high:
		w.low++
		return w.c.Do(fmt.Sprintf("UID MOVE %d %s", w.low-1, movedMailbox), nil)
	case n < 60:
		return w.again(ctx)
	case n < 70:
		return w.c.Do("NOOP", nil)
	case n < 85:
		return w.c.Do(fmt.Sprintf("UID FETCH %d:%d (FLAGS ENVELOPE RFC822.SIZE)", uid, uid+mixList), nil)
	default:
		return w.c.Do(fmt.Sprintf("UID FETCH %d (BODY.PEEK[])", uid), nil)
	}
}

const (
	mixList   = 50 // messages of a list on a screen
	mixRounds = 1000
)

// again logs out and in.
func (w *worker) again(ctx context.Context) error {
	if err := w.c.Logout(); err != nil {
		return err
	}
	var err error
	w.c, err = wire.DialIMAP(ctx, w.b.System.IMAP, w.b.System.Address(w.account), peer.Password)
	if err == nil {
		_, err = w.c.Select(inboxName)
	}
	return err
}

// arrived waits until each account has what was delivered to it, and nothing
// else.
func arrived(ctx context.Context, workers []*worker, before []int) error {
	end := time.Now().Add(visible)
	for i, w := range workers {
		for {
			got, err := w.stored()
			if err != nil {
				return err
			}
			want := before[i] + w.sent
			if got == want {
				break
			}
			if got > want || time.Now().After(end) {
				return fmt.Errorf("account %d: got %d messages, want %d", w.account, got, want)
			}
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-time.After(askAgain):
			}
		}
	}
	return nil
}
