package main

import (
	"fmt"
	"strconv"
	"strings"

	"mailstead/bench/load"
	"mailstead/bench/peer"
)

// goals notes what a workload is to reach.
func (r *report) goals(w load.Workload) { r.aims[w.Name] = w.Goals }

// note is printed below the table.
func (r *report) note(text string) { r.notes = append(r.notes, text) }

// goal finds that of a metric.
func (r *report) goal(workload string, m load.Metric) load.Goal {
	for _, g := range r.aims[workload] {
		if strings.HasPrefix(m.Name, g.Metric) {
			return g
		}
	}
	return load.Goal{}
}

// judge says what was to be reached and what was: how many times better
// Mailstead is than the other server that does best, or its figure.
func (x *row) judge() {
	ours, measured := x.Medians[peer.MailsteadName]
	switch {
	case x.goal.AtMost > 0:
		x.Goal = "≤ " + strconv.FormatFloat(x.goal.AtMost, 'f', -1, 64)
		if measured {
			x.Met = verdict(ours <= x.goal.AtMost, ours)
		}
	case x.goal.Times > 0:
		x.Goal = fmt.Sprintf("≥ %s times", strconv.FormatFloat(x.goal.Times, 'f', -1, 64))
		if times, ok := x.times(); ok {
			x.Met = verdict(times >= x.goal.Times, times)
		}
	}
}

// times is how many times better Mailstead is than the best of the others.
func (x *row) times() (float64, bool) {
	least, found := 0.0, false
	for _, ratio := range x.Ratios {
		times := ratio
		if x.Better == "less" {
			if ratio == 0 {
				continue // too short to be measured
			}
			times = 1 / ratio
		}
		if !found || times < least {
			least, found = times, true
		}
	}
	return least, found
}

func verdict(met bool, figure float64) string {
	if met {
		return "yes, " + short(figure)
	}
	return "no, " + short(figure)
}
