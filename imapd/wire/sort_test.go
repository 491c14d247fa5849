package wire_test

import (
	"strings"
	"testing"

	"mailstead/imapd/wire"
)

func TestPartialOf(t *testing.T) {
	t.Parallel()
	tests := []struct {
		p        wire.Partial
		n        int
		from, to int
	}{
		{wire.Partial{1, 2}, 5, 0, 2},
		{wire.Partial{2, 1}, 5, 0, 2},
		{wire.Partial{4, 9}, 5, 3, 5},
		{wire.Partial{5, 5}, 5, 4, 5},
		{wire.Partial{6, 9}, 5, 0, 0},
		{wire.Partial{-1, -1}, 5, 4, 5},
		{wire.Partial{-1, -3}, 5, 2, 5},
		{wire.Partial{-3, -1}, 5, 2, 5},
		{wire.Partial{-5, -9}, 5, 0, 1},
		{wire.Partial{-6, -9}, 5, 0, 0},
		{wire.Partial{1, 1<<32 - 1}, 5, 0, 5},
		{wire.Partial{-1, -(1<<32 - 1)}, 5, 0, 5},
		{wire.Partial{1, 1}, 0, 0, 0},
		{wire.Partial{-1, -1}, 0, 0, 0},
	}
	for _, tt := range tests {
		if from, to := tt.p.Of(tt.n); from != tt.from || to != tt.to {
			t.Errorf("%v of %d: got %d to %d, want %d to %d", tt.p, tt.n, from, to, tt.from, tt.to)
		}
	}
}

func TestLimitsOfSearching(t *testing.T) {
	t.Parallel()
	const listed = 1000
	tests := []struct {
		name string
		most int
		text func(n int) string
	}{
		{"sort keys", 32, func(n int) string { return "SORT (" + strings.TrimSpace(strings.Repeat("DATE ", n)) + ") UTF-8 ALL" }},
		{"sources", listed, func(n int) string {
			return "ESEARCH IN (" + strings.TrimSpace(strings.Repeat("personal ", n)) + ") ALL"
		}},
		{"mailboxes", listed, func(n int) string {
			return "ESEARCH IN (mailboxes (" + strings.TrimSpace(strings.Repeat("x ", n)) + ")) ALL"
		}},
		{"tags", listed, func(n int) string { return "CANCELUPDATE" + strings.Repeat(` "x"`, n) }},
		{"keys", listed, func(n int) string { return "THREAD REFS UTF-8" + strings.Repeat(" SEEN", n) }},
		{"depth of FUZZY", 31, func(n int) string { return "SEARCH" + strings.Repeat(" FUZZY", n) + " SEEN" }},
	}
	for _, tt := range tests {
		for n, want := range map[int]bool{tt.most: true, tt.most + 1: false} {
			if _, err := reader("a " + tt.text(n) + "\r\n").ReadCommand(); (err == nil) != want {
				t.Errorf("%d %s: got %v", n, tt.name, err)
			}
		}
	}
}
