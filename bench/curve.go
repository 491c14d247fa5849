package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"mailstead/bench/corpus"
	"mailstead/bench/load"
	"mailstead/bench/peer"
)

// curveVerb is bench curve.
type curveVerb struct {
	Sizes  []int `default:"2000,20000,200000" help:"Messages of the mailboxes."`
	Size   int   `default:"2048" help:"Bytes of each message; at least 1000."`
	Repeat int   `default:"200" help:"Times that each operation is done."`
	JSON   bool  `name:"json" help:"Print the costs as JSON."`
	where
}

// Run is called by kong.
func (v *curveVerb) Run(ctx context.Context, std streams) (err error) {
	if len(v.Sizes) == 0 || slices.Min(v.Sizes) < 100 || v.Size < 1000 || v.Repeat < 1 {
		return errors.New("at least one size, 100 messages of 1000 bytes and one repetition are needed")
	}
	work, program, err := v.open(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, v.clear(std, work)) }()
	s, err := peer.NewMailstead(program, work, len(v.Sizes))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	if err := s.Setup(ctx); err != nil {
		return err
	}
	b := &load.Bench{System: s, Small: corpus.Fixed(v.Size), Old: corpus.NewArchive(quickMean), Counts: load.Counts{Repeat: v.Repeat}, Talk: std.err}
	var costs []load.Cost
	if err := load.Curve(ctx, b, v.Sizes, func(c load.Cost) { costs = append(costs, c) }); err != nil {
		return err
	}
	if v.JSON {
		e := json.NewEncoder(std.out)
		e.SetIndent("", "  ")
		return e.Encode(costs)
	}
	return curveTable(std, v.Sizes, costs)
}

// curveTable has a line for each operation, and how much more it costs on the
// last mailbox than on the first.
func curveTable(std streams, sizes []int, costs []load.Cost) error {
	head := []string{"operation"}
	for _, n := range sizes {
		head = append(head, "ms at "+strconv.Itoa(n))
	}
	head = append(head, "ratio")
	for _, n := range sizes {
		head = append(head, "CPU ms at "+strconv.Itoa(n))
	}
	lines := [][]string{append(head, "ratio of CPU")}
	var names []string
	walls, cpus := map[string][]float64{}, map[string][]float64{}
	for _, c := range costs {
		if !slices.Contains(names, c.Operation) {
			names = append(names, c.Operation)
		}
		walls[c.Operation] = append(walls[c.Operation], c.Wall)
		cpus[c.Operation] = append(cpus[c.Operation], c.CPU)
	}
	for _, name := range names {
		lines = append(lines, slices.Concat([]string{name}, curveCells(walls[name]), curveCells(cpus[name])))
	}
	return markdown(std.out, lines)
}

// curveCells are figures and the ratio of the last to the first.
func curveCells(figures []float64) []string {
	var out []string
	for _, f := range figures {
		out = append(out, fmt.Sprintf("%.3f", f))
	}
	ratio := "-"
	if figures[0] > 0 {
		ratio = short(figures[len(figures)-1] / figures[0])
	}
	return append(out, ratio)
}
