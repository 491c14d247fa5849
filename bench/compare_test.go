package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"

	"mailstead/bench/load"
	"mailstead/bench/peer"
)

// quick runs compare with tiny counts; every workload counts what has arrived
// and fails if that is not what was sent.
func quick(t *testing.T, args ...string) []row {
	t.Helper()
	var out, talk bytes.Buffer
	// Not in t.TempDir, whose path is too long for the servers' sockets.
	args = append([]string{"compare", "--quick", "--json"}, args...)
	if err := run(t.Context(), args, streams{&out, &talk}); err != nil {
		t.Fatalf("%v\n%s", err, talk.Bytes())
	}
	var rows []row
	if err := json.Unmarshal(out.Bytes(), &rows); err != nil {
		t.Fatal(err)
	}
	return rows
}

// checkRows sees that each workload gave figures above zero for a system; only
// processor time can be too short to be seen, and a few messages can fit into
// what a file had allocated.
func checkRows(t *testing.T, rows []row, system string) {
	t.Helper()
	for _, w := range load.All() {
		at := slices.IndexFunc(rows, func(r row) bool { return r.Workload == w.Name })
		if at < 0 {
			t.Errorf("%s: no figures", w.Name)
		}
	}
	for _, r := range rows {
		if got := r.Figures[system]; len(got) != 1 || got[0] <= 0 && !strings.HasSuffix(r.Metric, "CPU") && r.Metric != "disk" {
			t.Errorf("%s, %s %s: got %v for %s, want one figure above zero", r.Workload, r.Metric, r.Unit, got, system)
		}
	}
}

func TestQuickRunOfMailstead(t *testing.T) {
	t.Parallel()
	checkRows(t, quick(t, "--systems", "mailstead"), peer.MailsteadName)
}

func TestQuickRunOfPostfixAndDovecot(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("takes some seconds")
	}
	s, err := peer.NewDebian(t.TempDir(), 1, nil)
	if errors.Is(err, peer.ErrNotHere) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	checkRows(t, quick(t, "--systems", "debian"), peer.DebianName)
}

func TestGrowthOfSomeMessages(t *testing.T) {
	t.Parallel()
	var out, talk bytes.Buffer
	if err := run(t.Context(), []string{"growth", "--messages", "50", "--accounts", "4", "--json"}, streams{&out, &talk}); err != nil {
		t.Fatalf("%v\n%s", err, talk.Bytes())
	}
	var points []load.Point
	if err := json.Unmarshal(out.Bytes(), &points); err != nil {
		t.Fatal(err)
	}
	if len(points) != 1 || points[0].Messages != 50 || points[0].Disk < points[0].Bodies || points[0].Rate <= 0 {
		t.Errorf("got %+v, want one point at 50 messages with all of them on disk", points)
	}
}

func TestCurveOfSmallMailboxes(t *testing.T) {
	t.Parallel()
	var out, talk bytes.Buffer
	if err := run(t.Context(), []string{"curve", "--sizes", "100,200", "--repeat", "2", "--json"}, streams{&out, &talk}); err != nil {
		t.Fatalf("%v\n%s", err, talk.Bytes())
	}
	var costs []load.Cost
	if err := json.Unmarshal(out.Bytes(), &costs); err != nil {
		t.Fatal(err)
	}
	got := map[string]int{}
	for _, c := range costs {
		if c.Wall <= 0 {
			t.Errorf("%s of %d messages: got %v ms, want more than none", c.Operation, c.Messages, c.Wall)
		}
		got[c.Operation]++
	}
	for _, name := range []string{"SELECT", "NOOP", "STATUS"} {
		if got[name] != 2 {
			t.Errorf("%s: got %d costs, want 2", name, got[name])
		}
	}
}

func TestGrowthIsMeasuredAtPowersOfTen(t *testing.T) {
	t.Parallel()
	for n, want := range map[int][]int{50: {50}, 1000: {1000}, 25000: {1000, 10000, 25000}} {
		if got := load.Points(n); !slices.Equal(got, want) {
			t.Errorf("%d: got %v, want %v", n, got, want)
		}
	}
}

func TestWorkloadsAreChosenByName(t *testing.T) {
	t.Parallel()
	v := compareVerb{Rounds: 1, Accounts: 8, Mean: quickMean, Only: []string{"smtp-1", "smtp-8"}, Skip: []string{"smtp-8"}}
	got, err := v.workloads()
	if err != nil || len(got) != 1 || got[0].Name != "smtp-1" {
		t.Errorf("got %v, %v, want smtp-1", got, err)
	}
	v.Only = []string{"smtp-7"}
	if _, err := v.workloads(); err == nil || !strings.Contains(err.Error(), "smtp-7") {
		t.Errorf("unknown name: got %v, want an error with it", err)
	}
}

func TestWorkloadsAreChosenByGroup(t *testing.T) {
	t.Parallel()
	v := compareVerb{Rounds: 1, Accounts: 8, Mean: quickMean, Only: []string{"imap-read"}, Skip: []string{"login"}}
	got, err := v.workloads()
	if err != nil {
		t.Fatal(err)
	}
	for _, w := range got {
		if w.Group != "imap-read" || w.Name == "login" {
			t.Errorf("got %s of group %q", w.Name, w.Group)
		}
	}
	if len(got) < 10 {
		t.Errorf("got %d workloads, want 10 at least", len(got))
	}
}

func TestReportSaysWhichGoalsAreMet(t *testing.T) {
	t.Parallel()
	r := &report{systems: []string{peer.MailsteadName, "other"}, aims: map[string][]load.Goal{}}
	r.goals(load.Workload{Name: "w", Goals: []load.Goal{{Metric: "warm", Times: 4}, {Metric: "p99", AtMost: 40}}})
	less, more := load.Metric{Name: "warm", Unit: "ms"}, load.Metric{Name: "warm rate", Unit: "1/s", More: true}
	cpu, p99, none := load.Metric{Name: "warm CPU", Unit: "ms"}, load.Metric{Name: "p99", Unit: "ms"}, load.Metric{Name: "p50", Unit: "ms"}
	for _, x := range []struct {
		metric       load.Metric
		ours, theirs float64
	}{{less, 10, 41}, {more, 30, 10}, {cpu, 2, 8}, {p99, 41, 900}, {none, 1, 1}} {
		r.add("w", peer.MailsteadName, load.Value{Metric: x.metric, Figure: x.ours})
		r.add("w", "other", load.Value{Metric: x.metric, Figure: x.theirs})
	}
	r.finish()
	for i, want := range []string{"≥ 4 times: yes, 4.10", "≥ 4 times: no, 3.00", "≥ 4 times: yes, 4.00", "≤ 40: no, 41.0", ": "} {
		if got := r.rows[i].Goal + ": " + r.rows[i].Met; got != want {
			t.Errorf("%s: got %q, want %q", r.rows[i].Metric, got, want)
		}
	}
}

func TestReportHasMediansAndRatios(t *testing.T) {
	t.Parallel()
	r := &report{systems: []string{peer.MailsteadName, "other"}}
	m := load.Metric{Name: "rate", Unit: "1/s", More: true}
	for _, f := range []float64{30, 10, 20} {
		r.add("w", peer.MailsteadName, load.Value{Metric: m, Figure: f})
		r.add("w", "other", load.Value{Metric: m, Figure: f / 2})
	}
	var out strings.Builder
	if err := r.table(&out); err != nil {
		t.Fatal(err)
	}
	const want = "" +
		"| workload | metric   | better | Mailstead         | other             | ratio to other |\n" +
		"| -------- | -------- | ------ | ----------------- | ----------------- | -------------- |\n" +
		"| w        | rate 1/s | more   | 20.0 (10.0..30.0) | 10.0 (5.00..15.0) | 2.00           |\n"
	if got := out.String(); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}
