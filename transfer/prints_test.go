package transfer

import (
	"slices"
	"testing"

	"mailstead/storage"
)

func TestPrintsFindsAllOfAKey(t *testing.T) {
	t.Parallel()
	var p prints
	if got := p.find(printKey(1, 1)); got != nil {
		t.Errorf("empty: got %v", got)
	}
	const many = 20000
	for i := range many { // every key twice
		p.add(printKey(int64(i/2), uint32(i/2*7)), storage.UID(i+1))
	}
	for i := range many / 2 {
		got := p.find(printKey(int64(i), uint32(i*7)))
		slices.Sort(got)
		if want := []storage.UID{storage.UID(2*i + 1), storage.UID(2*i + 2)}; !slices.Equal(got, want) {
			t.Fatalf("key %d: got %v, want %v", i, got, want)
		}
	}
	if got := p.find(printKey(many, 1)); got != nil {
		t.Errorf("no such key: got %v", got)
	}
}
