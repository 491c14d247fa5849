package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"text/tabwriter"
	"time"

	"golang.org/x/term"

	"mailstead/admin"
)

// statusVerb is mailstead status.
type statusVerb struct{ reach }

// Run is called by kong.
func (v *statusVerb) Run(std streams) error {
	var s admin.Status
	if err := v.ask("status", struct{}{}, &s); err != nil {
		return err
	}
	err := v.tell(std, s, func(w *tabwriter.Writer) {
		if s.Running {
			fmt.Fprintf(w, "state\trunning since %s, process %d\n", s.Started.Format(time.DateTime), s.PID)
		} else {
			fmt.Fprintf(w, "state\tnot running\n")
		}
		for _, at := range slices.Sorted(maps.Keys(s.Listening)) {
			fmt.Fprintf(w, "%s\t%s\n", s.Listening[at], at)
		}
		fmt.Fprintf(w, "version\t%s\ndata\t%s, %s free\ndomains\t%d\naccounts\t%d\naliases\t%d\nmessages\t%d, %s\n", s.Version, s.DataDir, bytesText(s.DiskFree), s.Domains, s.Accounts, s.Aliases,
			s.Messages, bytesText(s.Bytes))
	})
	if err == nil && !s.Running {
		return errNotRunning
	}
	return err
}

// checkVerb is mailstead check.
type checkVerb struct {
	Quick bool `help:"Look at the index alone, do not read the messages."`
	reach
}

// errProblems is a check that found some.
var errProblems = errors.New("there are problems")

// Run is called by kong.
func (v *checkVerb) Run(std streams) (err error) {
	ctx := context.Background()
	c, end, err := v.connect(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, end()) }()
	show := progressOn(std)
	rep, err := c.Check(ctx, admin.CheckQuery{Bodies: !v.Quick}, func(p admin.CheckProgress) { show(p.Done, p.Total) })
	show(0, 0)
	if err != nil {
		return err
	}
	err = v.tell(std, rep, func(w *tabwriter.Writer) {
		for _, p := range rep.Problems {
			fmt.Fprintln(w, p)
		}
		fmt.Fprintf(w, "%d accounts, %d mailboxes, %d messages, %d bodies, %d problems\n", rep.Accounts, rep.Mailboxes, rep.Messages, rep.Bodies, len(rep.Problems))
	})
	if err == nil && len(rep.Problems) > 0 {
		return errProblems
	}
	return err
}

// progressOn gives what shows progress on a terminal, and nothing elsewhere;
// 0 of 0 wipes it away.
func progressOn(std streams) func(done, total int64) {
	f, ok := std.err.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return func(int64, int64) {}
	}
	return func(done, total int64) {
		if total == 0 {
			fmt.Fprint(f, "\r\x1b[K")
			return
		}
		fmt.Fprintf(f, "\r%d of %d (%d %%)", done, total, 100*done/total)
	}
}
