package load

import (
	"context"
	"errors"
	"time"

	"mailstead/bench/peer"
	"mailstead/bench/wire"
)

// deskClients is how many clients work at the same time, each with an account.
const deskClients = 8

// logins8 is connections that come, look into INBOX and go.
func logins8() Workload {
	return Workload{
		Name: "login", About: "connect, LOGIN, SELECT, LOGOUT, one after another and by 8 clients", Prepare: fillDesks, Run: runLogins,
		Goals: []Goal{{Metric: "one client", Times: 10}, {Metric: "8 clients", Times: 10}},
	}
}

// visit is one of these connections.
func visit(ctx context.Context, b *Bench, account int) error {
	c, _, err := opened(ctx, b, account, inboxName)
	if err != nil {
		return err
	}
	return c.Logout()
}

func runLogins(ctx context.Context, b *Bench) error {
	// The first login of an account is slow on purpose; this is about the others.
	if err := parallel(ctx, deskClients, func(ctx context.Context, client int) error { return visit(ctx, b, client) }); err != nil {
		return err
	}
	n := b.Counts.Logins
	one, err := b.cost(func() error {
		for range n {
			if err := visit(ctx, b, 0); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	const share = 2
	many, err := b.cost(func() error {
		return parallel(ctx, deskClients, func(ctx context.Context, client int) error {
			for range n / share {
				if err := visit(ctx, b, client); err != nil {
					return err
				}
			}
			return nil
		})
	})
	if err != nil {
		return err
	}
	b.report("one client", cost{one.wall / time.Duration(n), one.cpu / time.Duration(n)})
	total := n / share * deskClients
	b.add("8 clients", "1/s", true, rate(total, many.wall))
	b.add("8 clients CPU", "ms", false, milliseconds(many.cpu)/float64(total))
	return nil
}

// idle is many connections that wait for news of the same INBOX.
func idle() Workload {
	return Workload{
		Name: "idle", About: "connections in IDLE on an INBOX: what each takes, and how long until all know of a message", MaxRounds: 1,
		Prepare: fillDesks, Run: runIdle,
		Goals: []Goal{{Metric: "memory", AtMost: 30}},
	}
}

func runIdle(ctx context.Context, b *Bench) (err error) {
	if err := b.System.Restart(ctx); err != nil {
		return err
	}
	if err := visit(ctx, b, 0); err != nil {
		return err
	}
	if _, err := b.rest(ctx); err != nil {
		return err
	}
	before, err := b.System.Memory()
	if err != nil {
		return err
	}
	conns := make([]*wire.IMAP, b.Counts.Idle)
	defer func() {
		for _, c := range conns {
			if c != nil {
				err = errors.Join(err, c.Close())
			}
		}
	}()
	if err := goIdle(ctx, b, conns); err != nil {
		return err
	}
	if _, err := b.rest(ctx); err != nil {
		return err
	}
	after, err := b.System.Memory()
	if err != nil {
		return err
	}
	b.add("memory", "KiB/connection", false, float64(max(after-before, 1))/1024/float64(len(conns)))
	return push(ctx, b, conns)
}

// goIdle connects them all.
func goIdle(ctx context.Context, b *Bench, conns []*wire.IMAP) error {
	return parallel(ctx, logins, func(ctx context.Context, client int) (err error) {
		for i := client; i < len(conns); i += logins {
			if conns[i], err = wire.DialQuietIMAP(ctx, b.System.IMAP, b.System.Address(0), peer.Password); err != nil {
				return err
			}
			if _, err := conns[i].Select(inboxName); err != nil {
				return err
			}
			if err := conns[i].Idle(); err != nil {
				return err
			}
		}
		return nil
	})
}

// push delivers a message and waits until each connection has been told.
func push(ctx context.Context, b *Bench, conns []*wire.IMAP) error {
	times := make([]time.Duration, len(conns))
	text := b.Small.Append(nil, b.serials(1))
	spent, err := b.cost(func() error {
		s, err := wire.DialSMTP(ctx, b.System.SMTP)
		if err != nil {
			return err
		}
		start := time.Now()
		sent := make(chan error, 1)
		go func() { sent <- errors.Join(s.Send(sender, []string{b.System.Address(0)}, text), s.Quit()) }()
		err = parallel(ctx, len(conns), func(_ context.Context, i int) error {
			err := conns[i].News(" EXISTS")
			times[i] = time.Since(start)
			return err
		})
		return errors.Join(err, <-sent)
	})
	if err != nil {
		return err
	}
	p50, _, last := percentiles(times)
	b.add("told p50", "ms", false, p50)
	b.add("told all", "ms", false, last)
	b.add("told CPU", "ms", false, milliseconds(spent.cpu))
	return nil
}
