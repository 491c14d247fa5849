package load

import (
	"context"
	"fmt"
	"time"
)

// Point is how a server does with so many messages in its store.
type Point struct {
	Messages int     `json:"messages"`
	Rate     float64 `json:"rate"`     // deliveries per second of the last tenth before this point
	CPU      float64 `json:"cpu_ms"`   // per message of these
	Bodies   int64   `json:"bodies"`   // bytes of all messages sent
	Disk     int64   `json:"disk"`     // bytes on disk
	Stop     float64 `json:"stop_ms"`  // how long it takes to stop
	Start    float64 `json:"start_ms"` // how long until it greets again
	Memory   int64   `json:"memory"`   // bytes after that start
	Missing  int     `json:"missing"`  // messages not in the mailboxes; must be 0
}

// growthClients fill the store.
const growthClients = 8

// Points are the sizes at which Growth measures: the powers of ten from 1,000
// that are less than n, and n.
func Points(n int) []int {
	var out []int
	for p := 1000; p < n; p *= 10 {
		out = append(out, p)
	}
	return append(out, n)
}

// Growth fills a store and calls each at every point.
func Growth(ctx context.Context, b *Bench, n int, each func(Point) error) error {
	g := growth{b: b, d: delivery{clients: growthClients, recipients: 1}}
	for _, size := range Points(n) {
		p, err := g.upTo(ctx, size)
		if err != nil {
			return fmt.Errorf("at %d messages: %w", size, err)
		}
		if err := each(p); err != nil {
			return err
		}
	}
	return nil
}

type growth struct {
	b      *Bench
	d      delivery
	done   int
	bodies int64
}

// upTo fills the store to a size and measures.
func (g *growth) upTo(ctx context.Context, size int) (Point, error) {
	p := Point{Messages: size}
	if err := g.send(ctx, size-size/10-g.done); err != nil {
		return p, err
	}
	tail := size - g.done
	before, err := g.b.System.CPU()
	if err != nil {
		return p, err
	}
	start := time.Now()
	if err := g.send(ctx, tail); err != nil {
		return p, err
	}
	p.Rate = rate(tail, time.Since(start))
	after, err := g.b.System.CPU()
	if err != nil {
		return p, err
	}
	p.CPU, p.Bodies = milliseconds(after-before)/float64(tail), g.bodies
	return p, g.restart(ctx, &p)
}

// send delivers n more messages.
func (g *growth) send(ctx context.Context, n int) error {
	if n <= 0 {
		return nil
	}
	first := g.b.serials(n)
	for i := range n {
		g.bodies += g.b.Corpus.Size(first + i)
	}
	g.done += n
	return g.d.send(ctx, g.b, first, n)
}

// restart measures the disk, a stop and a start, and counts what is there.
func (g *growth) restart(ctx context.Context, p *Point) (err error) {
	start := time.Now()
	if err := g.b.System.Stop(); err != nil {
		return err
	}
	p.Stop = milliseconds(time.Since(start))
	if p.Disk, err = g.b.System.Disk(); err != nil {
		return err
	}
	start = time.Now()
	if err := g.b.System.Start(ctx); err != nil {
		return err
	}
	p.Start = milliseconds(time.Since(start))
	if p.Memory, err = g.b.System.Memory(); err != nil {
		return err
	}
	w, err := g.b.watched(ctx)
	if err != nil {
		return err
	}
	p.Missing = p.Messages
	for _, n := range w.counts {
		p.Missing -= n
	}
	if p.Missing != 0 {
		return fmt.Errorf("%d messages are missing", p.Missing)
	}
	return g.b.End()
}
