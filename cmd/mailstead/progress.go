package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	"golang.org/x/term"

	"mailstead/admin"
)

const (
	redrawEvery = 200 * time.Millisecond // on a terminal
	repeatEvery = 10 * time.Second       // elsewhere, a line each time
)

// progress shows on standard error how far long work is: one line that is
// written over on a terminal, elsewhere a line now and then.
type progress struct {
	err      io.Writer
	terminal bool
	next     time.Time // when to show again
	shown    bool
}

func newProgress(std streams) *progress {
	f, ok := std.err.(*os.File)
	p := &progress{err: std.err, terminal: ok && term.IsTerminal(int(f.Fd()))}
	if !p.terminal {
		p.next = time.Now().Add(repeatEvery)
	}
	return p
}

// show writes what text gives, if it is time to.
func (p *progress) show(text func() string) {
	now := time.Now()
	if now.Before(p.next) {
		return
	}
	if p.next, p.shown = now.Add(repeatEvery), true; p.terminal {
		p.next = now.Add(redrawEvery)
		fmt.Fprintf(p.err, "\r\x1b[K%s", text())
		return
	}
	fmt.Fprintln(p.err, text())
}

// end wipes the line away.
func (p *progress) end() {
	if p.terminal && p.shown {
		fmt.Fprint(p.err, "\r\x1b[K")
	}
}

// percent is how much done is of total.
func percent(done, total int64) int64 {
	if total == 0 {
		return 100
	}
	return done * 100 / total
}

// long does something that a signal ends early.
func (r reach) long(do func(context.Context, *admin.Client) error) (err error) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	c, end, err := r.connect(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, end()) }()
	if err = do(ctx, c); ctx.Err() != nil && err != nil {
		return errInterrupted
	}
	return err
}

// errInterrupted is work that a signal has ended.
var errInterrupted = errors.New("interrupted; what was done stays done")
