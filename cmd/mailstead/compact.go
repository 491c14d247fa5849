package main

import (
	"context"
	"fmt"
	"text/tabwriter"
	"time"

	"mailstead/admin"
	"mailstead/cmd/mailstead/internal/config"
)

// compactVerb is mailstead compact.
type compactVerb struct {
	All    bool        `help:"Give back every dead byte, not only where it is worth it: what was purged is then on this disk no more."`
	Rate   config.Size `help:"Copy no faster than this, a second." placeholder:"SIZE"`
	DryRun bool        `help:"Only say how much there is to give back."`
	reach
}

// Run is called by kong.
func (v *compactVerb) Run(std streams) error {
	if v.DryRun {
		var sp admin.Space
		if err := v.ask("space", struct{}{}, &sp); err != nil {
			return err
		}
		return v.tell(std, sp, func(w *tabwriter.Writer) {
			tellSpace(w, sp)
			fmt.Fprintf(w, "compact would give back\t%s, with --all %s\n", bytesText(sp.Reclaimable), bytesText(sp.Dead))
		})
	}
	return v.long(func(ctx context.Context, c *admin.Client) error {
		show := newProgress(std)
		rep, err := admin.Follow[any, admin.CompactReport](ctx, c, "compact", admin.CompactQuery{All: v.All, Rate: int64(v.Rate)}, admin.Listener[any]{Progress: func(p admin.Progress) {
			show.show(func() string {
				return fmt.Sprintf("compacting: %s of %s (%d %%)", bytesText(p.Done), bytesText(p.Total), percent(p.Done, p.Total))
			})
		}})
		show.end()
		if err != nil {
			return err
		}
		return v.tell(std, rep, func(w *tabwriter.Writer) {
			fmt.Fprintf(w, "segments removed\t%d\nfreed\t%s, %s copied for it\nindex\t%s smaller\n", rep.Segments, bytesText(rep.Freed), bytesText(rep.Moved), bytesText(rep.Index))
			if rep.Kept > 0 {
				fmt.Fprintf(w, "segments kept\t%d, a message in each is damaged: mailstead check names them\n", rep.Kept)
			}
			tellSpace(w, rep.Space)
		})
	})
}

// tellSpace prints what the store takes.
func tellSpace(w *tabwriter.Writer, sp admin.Space) {
	fmt.Fprintf(w, "log\t%s in %s, %s of it dead\n", bytesText(sp.Log), count(int64(sp.Segments), "segment"), bytesText(sp.Dead))
	if sp.BigFiles > 0 {
		fmt.Fprintf(w, "big messages\t%s in %s\n", bytesText(sp.BigBytes), count(int64(sp.BigFiles), "file"))
	}
	fmt.Fprintf(w, "index\t%s, %s of it free\nsearch index\t%s\nexpunged, kept\t%s, %s\ncheckpoint\t%s\n", bytesText(sp.Index), bytesText(sp.IndexFree), bytesText(sp.Text), count(sp.Expunged, "message"), bytesText(sp.ExpungedIn),
		ageText(sp.Checkpoint))
}

// ageText is how long ago something was.
func ageText(t time.Time) string {
	if t.IsZero() {
		return "none yet"
	}
	age := time.Since(t)
	if age >= 48*time.Hour {
		return fmt.Sprintf("%d days ago", int(age.Hours()/24))
	}
	return config.Duration(age.Round(time.Second)).String() + " ago"
}

// count is a number of things for people.
func count(n int64, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
