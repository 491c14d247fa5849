package main

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"mailstead/bench/load"
	"mailstead/bench/peer"
)

// row is one metric of one workload.
type row struct {
	Workload string `json:"workload"`
	Metric   string `json:"metric"`
	Unit     string `json:"unit"`
	Better   string `json:"better"` // "more" or "less"
	// Figures has one figure per round, by system.
	Figures map[string][]float64 `json:"figures"`
	// Medians has the median of the rounds, by system.
	Medians map[string]float64 `json:"medians"`
	// Ratios has Mailstead's median divided by that of each other system.
	Ratios map[string]float64 `json:"ratios,omitempty"`
	// Goal is what is to be reached, empty without, and Met says whether it is.
	Goal string `json:"goal,omitempty"`
	Met  string `json:"met,omitempty"`

	goal load.Goal
}

// report gathers figures in the order in which their metrics first came.
type report struct {
	systems []string
	rows    []*row
	aims    map[string][]load.Goal // of workloads
	notes   []string
}

func newReport(systems []*peer.System) *report {
	r := &report{aims: map[string][]load.Goal{}}
	for _, s := range systems {
		r.systems = append(r.systems, s.Name)
	}
	return r
}

func (r *report) add(workload, system string, v load.Value) {
	at := slices.IndexFunc(r.rows, func(x *row) bool {
		return x.Workload == workload && x.Metric == v.Metric.Name && x.Unit == v.Metric.Unit
	})
	if at < 0 {
		better := "less"
		if v.Metric.More {
			better = "more"
		}
		at = len(r.rows)
		r.rows = append(r.rows, &row{Workload: workload, Metric: v.Metric.Name, Unit: v.Metric.Unit, Better: better, Figures: map[string][]float64{}, goal: r.goal(workload, v.Metric)})
	}
	r.rows[at].Figures[system] = append(r.rows[at].Figures[system], v.Figure)
}

// finish computes medians and ratios.
func (r *report) finish() {
	for _, x := range r.rows {
		x.Medians, x.Ratios = map[string]float64{}, map[string]float64{}
		for system, figures := range x.Figures {
			x.Medians[system] = median(figures)
		}
		ours, ok := x.Medians[peer.MailsteadName]
		for system, m := range x.Medians {
			if ok && m != 0 && system != peer.MailsteadName {
				x.Ratios[system] = ours / m
			}
		}
		x.judge()
	}
}

// median of figures; of an even number, the mean of the middle two.
func median(figures []float64) float64 {
	s := slices.Sorted(slices.Values(figures))
	if len(s) == 0 {
		return 0
	}
	return (s[(len(s)-1)/2] + s[len(s)/2]) / 2
}

func (r *report) json(w io.Writer) error {
	r.finish()
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(r.rows)
}

// table prints Markdown whose columns line up.
func (r *report) table(w io.Writer) error {
	r.finish()
	head := append([]string{"workload", "metric", "better"}, r.systems...)
	for _, s := range r.systems {
		if s != peer.MailsteadName {
			head = append(head, "ratio to "+s)
		}
	}
	goals := slices.ContainsFunc(r.rows, func(x *row) bool { return x.Goal != "" })
	if goals {
		head = append(head, "goal", "reached")
	}
	lines := [][]string{head}
	for _, x := range r.rows {
		line := []string{x.Workload, x.Metric + " " + x.Unit, x.Better}
		for _, s := range r.systems {
			line = append(line, spread(x.Figures[s]))
		}
		for _, s := range r.systems {
			if s == peer.MailsteadName {
				continue
			}
			ratio := "-"
			if q, ok := x.Ratios[s]; ok {
				ratio = fmt.Sprintf("%.2f", q)
			}
			line = append(line, ratio)
		}
		if goals {
			line = append(line, x.Goal, x.Met)
		}
		lines = append(lines, line)
	}
	if err := markdown(w, lines); err != nil {
		return err
	}
	for _, note := range r.notes {
		if _, err := fmt.Fprintf(w, "\n%s\n", note); err != nil {
			return err
		}
	}
	return nil
}

// spread is the median with the least and the greatest figure.
func spread(figures []float64) string {
	if len(figures) == 0 {
		return "-"
	}
	if len(figures) == 1 {
		return short(figures[0])
	}
	return fmt.Sprintf("%s (%s..%s)", short(median(figures)), short(slices.Min(figures)), short(slices.Max(figures)))
}

// short writes three digits that matter.
func short(f float64) string {
	switch {
	case f >= 100 || f == 0:
		return fmt.Sprintf("%.0f", f)
	case f >= 10:
		return fmt.Sprintf("%.1f", f)
	case f >= 0.1 || f < 0:
		return fmt.Sprintf("%.2f", f)
	default:
		return fmt.Sprintf("%.3f", f)
	}
}

// markdown prints lines as a table; the first is its head.
func markdown(w io.Writer, lines [][]string) error {
	widths := make([]int, len(lines[0]))
	for _, line := range lines {
		for i, cell := range line {
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	rule := make([]string, len(widths))
	for i, n := range widths {
		rule[i] = strings.Repeat("-", n)
	}
	for i, line := range slices.Insert(slices.Clone(lines), 1, rule) {
		var b strings.Builder
		for k, cell := range line {
			fmt.Fprintf(&b, "| %-*s ", widths[k], cell)
		}
		if _, err := fmt.Fprintf(w, "%s|\n", b.String()); err != nil {
			return fmt.Errorf("print line %d: %w", i, err)
		}
	}
	return nil
}
