package load

import (
	"slices"
	"strings"
	"testing"
	"time"

	"mailstead/bench/peer"
)

func TestAnswersThatDifferAreAnError(t *testing.T) {
	t.Parallel()
	good := Answer{Count: 3, Size: 100, Hash: 7, Octets: 80000}
	for name, c := range map[string]struct {
		other Answer
		fails bool
	}{
		"same":        {good, false},
		"other tag":   {Answer{Count: 3, Size: 100, Hash: 7, Octets: 80100}, false},
		"fewer":       {Answer{Count: 2, Size: 100, Hash: 7, Octets: 80000}, true},
		"smaller":     {Answer{Count: 3, Size: 99, Hash: 7, Octets: 80000}, true},
		"other order": {Answer{Count: 3, Size: 100, Hash: 8, Octets: 80000}, true},
		"much less":   {Answer{Count: 3, Size: 100, Hash: 7, Octets: 60000}, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := &Bench{System: &peer.System{Name: "a"}, answers: map[string]Answer{"q": good, "only here": good}}
			b := &Bench{System: &peer.System{Name: "b"}, answers: map[string]Answer{"q": c.other}}
			if err := Agree([]*Bench{a, b}); (err != nil) != c.fails {
				t.Errorf("between servers: got %v, want an error: %v", err, c.fails)
			}
			if err := a.answered("q", c.other); (err != nil) != c.fails {
				t.Errorf("the second time: got %v, want an error: %v", err, c.fails)
			}
		})
	}
}

func TestNumbersOfAnAnswerAreCounted(t *testing.T) {
	t.Parallel()
	for line, want := range map[string]int{"": 0, " 2 84 882": 3, " (2)(3 6 (4 23)(44 7 96))": 8, " 5 (MODSEQ": 1} {
		if got := countNumbers([]byte(line)); got != want {
			t.Errorf("%q: got %d, want %d", line, got, want)
		}
	}
}

func TestPercentilesOfTimes(t *testing.T) {
	t.Parallel()
	var times []time.Duration
	for i := range 101 {
		times = append(times, time.Duration(100-i)*time.Millisecond)
	}
	if p50, p99, last := percentiles(times); p50 != 50 || p99 != 99 || last != 100 {
		t.Errorf("got %v, %v, %v, want 50, 99, 100", p50, p99, last)
	}
}

func TestWorkloadsHaveNamesOfTheirOwn(t *testing.T) {
	t.Parallel()
	var names []string
	for _, w := range All() {
		if w.Name == "" || w.About == "" || w.Run == nil || strings.ContainsAny(w.Name, " ,") || slices.Contains(names, w.Name) || w.Name == w.Group {
			t.Errorf("workload %q: it has no name of its own, says nothing or does nothing", w.Name)
		}
		names = append(names, w.Name)
	}
}
