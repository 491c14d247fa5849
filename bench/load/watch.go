package load

import (
	"context"
	"errors"
	"fmt"
	"time"

	"mailstead/bench/peer"
	"mailstead/bench/wire"
)

const (
	logins    = 4 // at the same time
	visible   = 5 * time.Minute
	askAgain  = 3 * time.Millisecond
	inboxName = "INBOX"
)

// watch has every account logged in by IMAP, and knows how many messages are in
// each INBOX. Logging in is slow on purpose, so it is done before anything is
// measured.
type watch struct {
	conns  []*wire.IMAP
	counts []int
}

// watched logs in, unless that has been done.
func (b *Bench) watched(ctx context.Context) (*watch, error) {
	if b.watch != nil {
		return b.watch, nil
	}
	w := &watch{conns: make([]*wire.IMAP, b.System.Accounts), counts: make([]int, b.System.Accounts)}
	err := parallel(ctx, logins, func(ctx context.Context, client int) (err error) {
		for i := client; i < len(w.conns); i += logins {
			if w.conns[i], err = wire.DialIMAP(ctx, b.System.IMAP, b.System.Address(i), peer.Password); err != nil {
				return err
			}
			if w.counts[i], err = w.conns[i].Messages(inboxName); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, errors.Join(err, w.close())
	}
	b.watch = w
	return w, nil
}

// await returns when each account has got as many messages as it should. More
// than that is an error: nothing may come twice.
func (w *watch) await(ctx context.Context, sent []int) error {
	end := time.Now().Add(visible)
	for i, n := range sent {
		if n == 0 {
			continue
		}
		want := w.counts[i] + n
		if err := w.awaitOne(ctx, i, want, end); err != nil {
			return err
		}
		w.counts[i] = want
	}
	return nil
}

func (w *watch) awaitOne(ctx context.Context, i, want int, end time.Time) error {
	for {
		got, err := w.conns[i].Messages(inboxName)
		if err != nil {
			return err
		}
		if got == want {
			return nil
		}
		if got > want || time.Now().After(end) {
			return fmt.Errorf("account %d: got %d messages, want %d", i, got, want)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(askAgain):
		}
	}
}

func (w *watch) close() error {
	var errs []error
	for _, c := range w.conns {
		if c != nil {
			errs = append(errs, c.Close())
		}
	}
	return errors.Join(errs...)
}
