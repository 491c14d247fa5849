package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"text/tabwriter"
	"time"

	"mailstead/admin"
	"mailstead/cmd/mailstead/internal/config"
	"mailstead/storage"
)

// stopped gives the configuration, when no server runs; work on the files
// themselves needs that.
func (r reach) stopped(ctx context.Context) (*config.Config, error) {
	conf, err := r.where()
	if err != nil {
		return nil, err
	}
	c, err := admin.Dial(ctx, conf.Socket())
	if errors.Is(err, admin.ErrNotRunning) {
		return conf, nil
	}
	if err != nil {
		return nil, err
	}
	var st admin.Status
	if err := errors.Join(c.Ask(ctx, "status", struct{}{}, &st), c.Close()); err != nil {
		return nil, err
	}
	return nil, &hinted{errors.New("a server is running and has the data open"),
		fmt.Sprintf("stop it, then say this again: kill -TERM %d, or whatever stops the service here; a start by itself makes a damaged index again too", st.PID)}
}

// openWatched opens the files and shows how far that is. read tells how many
// records or rows were read.
func (r reach) openWatched(std streams, conf *config.Config, acceptLoss bool) (c *admin.Client, end func() error, read int64, err error) {
	show, start := newProgress(std), time.Now()
	last := storage.Progress{}
	earlier := int64(0) // of files before this one's kind
	c, end, err = r.openFiles(conf, func(o *storage.Options) {
		o.Salvage, o.Housekeeping = acceptLoss, -1
		o.Progress = func(p storage.Progress) {
			if p.Records < last.Records {
				earlier += last.Records
			}
			last = p
			show.show(func() string {
				n := earlier + p.Records
				return fmt.Sprintf("reading %s: %d %%, %d records (%.0f a second)", p.File, percent(p.Done, p.Total), n, float64(n)/time.Since(start).Seconds())
			})
		}
	})
	show.end()
	return c, end, earlier + last.Records, err
}

// rebuilt is what making the index again came to.
type rebuilt struct {
	Records   int64    `json:"records"` // read, of the log and of a checkpoint
	Seconds   float64  `json:"seconds"`
	Accounts  int64    `json:"accounts"`
	Mailboxes int64    `json:"mailboxes"`
	Messages  int64    `json:"messages"`
	Problems  []string `json:"problems"` // that remain; what the log has lost is among them
}

// reindexVerb is mailstead reindex.
type reindexVerb struct {
	AcceptLoss bool `help:"Also when whole files of the log are missing: give up what they held."`
	reach
}

// Run is called by kong.
func (v *reindexVerb) Run(std streams) error {
	ctx := context.Background() // a signal ends the process: nothing is lost, it begins again
	conf, err := v.stopped(ctx)
	if err != nil {
		return err
	}
	var res rebuilt
	err = v.reindex(ctx, std, conf, v.AcceptLoss, func(c *admin.Client, read int64, took time.Duration) error {
		rep, err := c.Check(ctx, admin.CheckQuery{}, func(admin.CheckProgress) {})
		res = rebuilt{read, took.Seconds(), rep.Accounts, rep.Mailboxes, rep.Messages, rep.Problems}
		return err
	})
	if err != nil {
		return err
	}
	err = v.tell(std, res, func(w *tabwriter.Writer) {
		fmt.Fprintf(w, "index made again: %s read in %.1f s (%.0f a second)\n", count(res.Records, "record"), res.Seconds, float64(res.Records)/max(res.Seconds, 0.001))
		fmt.Fprintf(w, "it has %d accounts, %d mailboxes, %d messages; the old one is kept as index.db.old\n", res.Accounts, res.Mailboxes, res.Messages)
		for _, p := range res.Problems {
			fmt.Fprintln(w, p)
		}
	})
	if err == nil && len(res.Problems) > 0 {
		return &hinted{errProblems, "mailstead check reads every message too"}
	}
	return err
}

// reindex makes the index again and a checkpoint of it, and calls then with
// what was read while it is open: what the log has lost is known only there.
func (r reach) reindex(ctx context.Context, std streams, conf *config.Config, acceptLoss bool, then func(c *admin.Client, read int64, took time.Duration) error) (err error) {
	if err := storage.Reindex(conf.DataDir); err != nil {
		return muted(err, storage.ErrLocked)
	}
	start := time.Now()
	c, end, read, err := r.openWatched(std, conf, acceptLoss)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, end()) }()
	took := time.Since(start)
	if err := c.Ask(ctx, "mend", struct{}{}, &admin.Space{}); err != nil {
		return err
	}
	return then(c, read, took)
}

// repaired is what check --repair came to.
type repaired struct {
	Before   admin.CheckReport `json:"before"`
	Repaired []string          `json:"repaired"` // problems that are gone
	After    admin.CheckReport `json:"after"`
}

// repair checks, makes again what can be made again, and checks.
func (v *checkVerb) repair(std streams) error {
	ctx := context.Background() // a signal ends the process: nothing is lost, it begins again
	conf, err := v.stopped(ctx)
	if err != nil {
		return err
	}
	res := repaired{Repaired: []string{}}
	note := storage.DamageNote(conf.DataDir)
	if res.Before, err = v.checkFiles(ctx, std, conf); err != nil {
		return err
	}
	if note != "" { // opening has done it
		res.Repaired = append(res.Repaired, "index: "+note)
	}
	res.After = res.Before
	if len(res.Before.Problems) > len(res.Before.Damaged) {
		err := v.reindex(ctx, std, conf, false, func(c *admin.Client, _ int64, _ time.Duration) (err error) {
			res.After, err = v.watch(ctx, std, c)
			return err
		})
		if err != nil {
			return err
		}
	}
	for _, p := range res.Before.Problems {
		if !slices.Contains(res.After.Problems, p) {
			res.Repaired = append(res.Repaired, p)
		}
	}
	if err := v.tell(std, res, res.print); err != nil {
		return err
	}
	if len(res.After.Problems) > 0 {
		return errProblems
	}
	return nil
}

// checkFiles opens the files for one check.
func (v *checkVerb) checkFiles(ctx context.Context, std streams, conf *config.Config) (rep admin.CheckReport, err error) {
	c, end, _, err := v.openWatched(std, conf, false)
	if err != nil {
		return rep, err
	}
	defer func() { err = errors.Join(err, end()) }()
	return v.watch(ctx, std, c)
}

func (r *repaired) print(w *tabwriter.Writer) {
	for _, p := range r.Repaired {
		fmt.Fprintln(w, "repaired: "+p)
	}
	for _, p := range r.After.Problems {
		fmt.Fprintln(w, "remains: "+p)
	}
	if n := r.After.Messages - r.Before.Messages; n > 0 {
		fmt.Fprintf(w, "%s came back\n", count(n, "message"))
	} else if n < 0 {
		fmt.Fprintf(w, "%s fewer than before\n", count(-n, "message"))
	}
	tellCheck(w, r.After)
}
