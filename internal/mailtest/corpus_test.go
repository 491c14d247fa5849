package mailtest

import (
	"slices"
	"testing"
)

func TestCorpusIsLargeAndDoesNotChange(t *testing.T) {
	t.Parallel()
	l := Corpus()
	if len(l) < 150 {
		t.Errorf("got %d messages, want 150 or more", len(l))
	}
	names := map[string]bool{}
	for _, m := range l {
		if names[m.Name] {
			t.Errorf("two messages are called %q", m.Name)
		}
		names[m.Name] = true
	}
	if !slices.Equal(l, Corpus()) {
		t.Error("got another corpus, want the same")
	}
}
