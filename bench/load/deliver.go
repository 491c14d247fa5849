package load

import (
	"context"
	"errors"
	"time"

	"mailstead/bench/wire"
)

const sender = "sender@example.net"

// scatter takes serials to accounts in no order a server could profit from.
const scatter = 7919

// delivery is a way to send messages.
type delivery struct {
	clients    int
	share      int  // messages are Counts.Messages times this, over divisor
	divisor    int  // 0 is 1
	recipients int  // of each message; 0 is 1
	reconnect  bool // one connection per message
	disk       bool // report the growth on disk
}

// deliver makes the workload of a delivery.
func deliver(name, about string, d delivery) Workload {
	d.divisor, d.recipients = max(d.divisor, 1), max(d.recipients, 1)
	return Workload{Name: name, About: about, Run: d.run}
}

func (d delivery) run(ctx context.Context, b *Bench) error {
	w, err := b.watched(ctx)
	if err != nil {
		return err
	}
	n := max(b.Counts.Messages*d.share/d.divisor, 1)
	first := b.serials(n)
	before, err := b.System.Disk()
	if err != nil {
		return err
	}
	rcpts := min(d.recipients, b.System.Accounts)
	err = b.measured(n, "message", func() error {
		start := time.Now()
		if err := d.send(ctx, b, first, n); err != nil {
			return err
		}
		b.add(d.metric("queued"), "1/s", true, rate(n*rcpts, time.Since(start)))
		if err := w.await(ctx, d.expected(b, first, n)); err != nil {
			return err
		}
		b.add(d.metric("visible"), "1/s", true, rate(n*rcpts, time.Since(start)))
		return nil
	})
	if err != nil || !d.disk {
		return err
	}
	after, err := b.System.Disk()
	b.add("disk", "KiB/message", false, float64(after-before)/1024/float64(n))
	return err
}

func (d delivery) metric(name string) string {
	if d.recipients > 1 {
		return "recipients " + name
	}
	return name
}

// to gives the accounts of message number serial.
func (d delivery) to(b *Bench, dst []int, serial int) []int {
	for k := range min(d.recipients, b.System.Accounts) {
		dst = append(dst, (serial*scatter+k)%b.System.Accounts)
	}
	return dst
}

// expected counts the messages of each account.
func (d delivery) expected(b *Bench, first, n int) []int {
	out := make([]int, b.System.Accounts)
	var to []int
	for i := range n {
		to = d.to(b, to[:0], first+i)
		for _, account := range to {
			out[account]++
		}
	}
	return out
}

// send delivers n messages, each client every so many of them.
func (d delivery) send(ctx context.Context, b *Bench, first, n int) error {
	return parallel(ctx, d.clients, func(ctx context.Context, client int) error {
		var conn *wire.SMTP
		var text []byte
		var to []int
		var names []string
		for i := client; i < n && ctx.Err() == nil; i += d.clients {
			if conn == nil {
				var err error
				if conn, err = wire.DialSMTP(ctx, b.System.SMTP); err != nil {
					return err
				}
			}
			to, names = d.to(b, to[:0], first+i), names[:0]
			for _, account := range to {
				names = append(names, b.System.Address(account))
			}
			text = b.Corpus.Append(text[:0], first+i)
			if err := conn.Send(sender, names, text); err != nil {
				return errors.Join(err, conn.Close())
			}
			if d.reconnect {
				if err := conn.Quit(); err != nil {
					return err
				}
				conn = nil
			}
		}
		if conn == nil {
			return ctx.Err()
		}
		return conn.Quit()
	})
}
