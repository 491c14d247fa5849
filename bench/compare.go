package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"mailstead/bench/corpus"
	"mailstead/bench/load"
	"mailstead/bench/peer"
)

const (
	meanSize      = 32 << 10 // bytes of a message on average
	smallSize     = 4 << 10
	quickAccounts = 10
	quickMean     = 5000
)

// compareVerb is bench compare.
type compareVerb struct {
	Rounds   int      `default:"5" help:"Rounds of each workload on each system."`
	Only     []string `help:"Workloads or groups of them (imap-read) to run, by name; all without it." placeholder:"NAME"`
	Skip     []string `help:"Workloads to leave out." placeholder:"NAME"`
	Systems  []string `default:"mailstead,debian" enum:"mailstead,debian" help:"Servers: mailstead, debian (Postfix and Dovecot)."`
	Accounts int      `default:"200" help:"Accounts that messages are spread over; at least 8."`
	Messages int      `help:"Messages of a delivery over one connection; other workloads do a multiple (1000)." placeholder:"N"`
	Import   int      `help:"Messages of a pipelined import (10000)." placeholder:"N"`
	Archive  int      `help:"Messages of the large mailbox that IMAP workloads read (20000)." placeholder:"N"`
	Mean     int      `default:"30000" help:"Bytes of each of them on average; at least 5000."`
	Repeat   int      `help:"Times at most, in 2 s, that a command of IMAP is repeated in a round (5)." placeholder:"N"`
	Idle     int      `help:"Connections that wait for news (500); the greatest number depends on ulimit -n." placeholder:"N"`
	Quick    bool     `help:"Tiny counts, one round, few accounts: only shows that everything works."`
	JSON     bool     `name:"json" help:"Print every figure of every round as JSON."`
	where
	Postfix []string `help:"One more line of Postfix's main.cf, like in_flow_delay=0." sep:"none" placeholder:"LINE"`
}

// where says what is measured, and on which disk.
type where struct {
	Dir     string `help:"Directory for the servers' data; a temporary one without it. What is made there is removed at the end." placeholder:"DIR"`
	Keep    bool   `help:"Leave what was made there."`
	Program string `help:"Mailstead's built program; without it, it is built from this module." placeholder:"FILE"`
}

// Run is called by kong.
func (v *compareVerb) Run(ctx context.Context, std streams) (err error) {
	workloads, err := v.workloads()
	if err != nil {
		return err
	}
	work, program, err := v.open(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, v.clear(std, work)) }()
	if v.Quick {
		v.Rounds, v.Accounts, v.Mean = 1, quickAccounts, quickMean
	}
	systems, err := v.systems(std, program, work)
	if err != nil {
		return err
	}
	defer func() {
		for _, s := range systems {
			err = errors.Join(err, s.Close())
		}
	}()
	benches, err := v.setup(ctx, std, systems)
	if err != nil {
		return err
	}
	report := newReport(systems)
	for _, w := range workloads {
		if err = v.workload(ctx, std, w, benches, report); err != nil {
			err = fmt.Errorf("%s: %w", w.Name, err)
			break // what was measured until then is worth printing
		}
	}
	if v.JSON {
		return errors.Join(err, report.json(std.out))
	}
	return errors.Join(err, report.table(std.out))
}

// open makes a directory to work in, and builds the program unless it is given.
func (w where) open(ctx context.Context) (work, program string, err error) {
	if work, err = os.MkdirTemp(w.Dir, "bench-*"); err != nil {
		return "", "", err
	}
	if err := os.Chmod(work, 0o755); err != nil { // servers' own users must get through
		return "", "", errors.Join(err, os.RemoveAll(work))
	}
	if program = w.Program; program == "" {
		if program, err = peer.Build(ctx, work); err != nil {
			return "", "", errors.Join(err, os.RemoveAll(work))
		}
	}
	return work, program, nil
}

// clear removes the directory, unless it is to be kept.
func (w where) clear(std streams, work string) error {
	if w.Keep {
		_, err := fmt.Fprintf(std.err, "kept %s\n", work)
		return err
	}
	return os.RemoveAll(work)
}

// workloads are those asked for.
func (v *compareVerb) workloads() ([]load.Workload, error) {
	if v.Rounds < 1 || v.Accounts < 8 || v.Mean < quickMean {
		return nil, fmt.Errorf("at least 1 round, 8 accounts and a mean of %d bytes are needed", quickMean)
	}
	all := load.All()
	named := func(w load.Workload, names []string) bool {
		return slices.ContainsFunc(names, func(name string) bool { return name != "" && (name == w.Name || name == w.Group) })
	}
	for _, name := range slices.Concat(v.Only, v.Skip) {
		if !slices.ContainsFunc(all, func(w load.Workload) bool { return named(w, []string{name}) }) {
			return nil, fmt.Errorf("no workload is called %q; bench list has them all", name)
		}
	}
	return slices.DeleteFunc(all, func(w load.Workload) bool {
		return named(w, v.Skip) || len(v.Only) > 0 && !named(w, v.Only)
	}), nil
}

// systems makes those asked for, without those that cannot be run here.
func (v *compareVerb) systems(std streams, program, work string) ([]*peer.System, error) {
	var out []*peer.System
	for _, name := range v.Systems {
		var s *peer.System
		var err error
		switch name {
		case "mailstead":
			s, err = peer.NewMailstead(program, work, v.Accounts)
		default:
			s, err = peer.NewDebian(work, v.Accounts, v.Postfix)
		}
		if errors.Is(err, peer.ErrNotHere) {
			fmt.Fprintf(std.err, "left out: %v\n", err)
			continue
		}
		if err != nil {
			for _, made := range out {
				err = errors.Join(err, made.Close())
			}
			return nil, err
		}
		out = append(out, s)
	}
	return out, nil
}

// setup starts and fills the systems.
func (v *compareVerb) setup(ctx context.Context, std streams, systems []*peer.System) ([]*load.Bench, error) {
	counts := v.counts()
	mean, small, old := corpus.New(meanSize), corpus.Fixed(smallSize), corpus.NewArchive(v.Mean)
	var out []*load.Bench
	for _, s := range systems {
		fmt.Fprintf(std.err, "setting up %s\n", s.Name)
		if err := s.Setup(ctx); err != nil {
			return nil, err
		}
		out = append(out, &load.Bench{System: s, Counts: counts, Corpus: mean, Small: small, Old: old, Talk: std.err})
	}
	return out, nil
}

// counts are how much to do, as the command line says.
func (v *compareVerb) counts() load.Counts {
	counts := load.Full()
	if v.Quick {
		counts = load.Quick()
	}
	for _, x := range []struct {
		from int
		to   *int
	}{{v.Messages, &counts.Messages}, {v.Import, &counts.Import}, {v.Archive, &counts.Archive}, {v.Repeat, &counts.Repeat}, {v.Idle, &counts.Idle}} {
		if x.from > 0 {
			*x.to = x.from
		}
	}
	return counts
}

// workload runs the rounds of one workload, each with another system first.
func (v *compareVerb) workload(ctx context.Context, std streams, w load.Workload, benches []*load.Bench, report *report) (err error) {
	defer func() {
		for _, b := range benches {
			err = errors.Join(err, b.End())
		}
	}()
	report.goals(w)
	if benches, err = v.begin(ctx, std, w, benches, report); err != nil {
		return err
	}
	rounds := v.Rounds
	if w.MaxRounds > 0 {
		rounds = min(rounds, w.MaxRounds)
	}
	for round := range rounds {
		for i := range benches {
			b := benches[(i+round)%len(benches)]
			values, err := b.Round(ctx, w)
			if err != nil {
				return fmt.Errorf("%s: %w", b.System.Name, err)
			}
			var talk []string
			for _, value := range values {
				report.add(w.Name, b.System.Name, value)
				talk = append(talk, fmt.Sprintf("%s %.4g %s", value.Metric.Name, value.Figure, value.Metric.Unit))
			}
			fmt.Fprintf(std.err, "%s %d/%d %s: %s\n", w.Name, round+1, rounds, b.System.Name, strings.Join(talk, ", "))
		}
	}
	return load.Agree(benches)
}

// begin prepares the systems, and gives those that have the commands for it.
func (v *compareVerb) begin(ctx context.Context, std streams, w load.Workload, benches []*load.Bench, report *report) ([]*load.Bench, error) {
	var able []*load.Bench
	for _, b := range benches {
		err := b.Begin(ctx, w)
		if errors.Is(err, load.ErrNotOffered) {
			fmt.Fprintf(std.err, "%s left out: %v\n", w.Name, err)
			report.note(w.Name + ": " + err.Error())
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", b.System.Name, err)
		}
		able = append(able, b)
	}
	return able, nil
}

// listVerb is bench list.
type listVerb struct{}

// Run is called by kong.
func (listVerb) Run(std streams) error {
	for _, w := range load.All() {
		if _, err := fmt.Fprintf(std.out, "%-22s %s\n", w.Name, w.About); err != nil {
			return err
		}
	}
	return nil
}
