package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"text/tabwriter"
	"time"

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
		tellSpace(w, s.Space)
		for _, d := range s.Damage {
			fmt.Fprintf(w, "damage\t%s\n", d)
		}
	})
	if err == nil && !s.Running {
		return errNotRunning
	}
	return err
}

// checkVerb is mailstead check.
type checkVerb struct {
	Quick  bool `help:"Look at the index alone, do not read the messages."`
	Repair bool `help:"Make again what can be made again, the index above all, and say what is lost. No server may run."`
	reach
}

// errProblems is a check that found some.
var errProblems = errors.New("there are problems")

// Run is called by kong.
func (v *checkVerb) Run(std streams) error {
	if v.Repair {
		return v.repair(std)
	}
	return v.long(func(ctx context.Context, c *admin.Client) error {
		rep, err := v.watch(ctx, std, c)
		if err != nil {
			return err
		}
		err = v.tell(std, rep, func(w *tabwriter.Writer) {
			for _, p := range rep.Problems {
				fmt.Fprintln(w, p)
			}
			tellCheck(w, rep)
		})
		if err == nil && len(rep.Problems) > 0 {
			return errProblems
		}
		return err
	})
}

// watch runs a check and shows how far it is.
func (v *checkVerb) watch(ctx context.Context, std streams, c *admin.Client) (admin.CheckReport, error) {
	show := newProgress(std)
	defer show.end()
	return c.Check(ctx, admin.CheckQuery{Bodies: !v.Quick}, func(p admin.CheckProgress) {
		show.show(func() string {
			return fmt.Sprintf("%d of %d messages read (%d %%)", p.Done, p.Total, percent(p.Done, p.Total))
		})
	})
}

// tellCheck prints the sums of a check.
func tellCheck(w *tabwriter.Writer, rep admin.CheckReport) {
	fmt.Fprintf(w, "%d accounts, %d mailboxes, %d messages, %d bodies, %d problems\n", rep.Accounts, rep.Mailboxes, rep.Messages, rep.Bodies, len(rep.Problems))
}
