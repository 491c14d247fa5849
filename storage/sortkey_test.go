package storage

import "testing"

func TestSortKeysAreBounded(t *testing.T) {
	t.Parallel()
	k := &sortKey{text: "subject"}
	const room = 1000
	c := newSortKeys(room * k.cost())
	ask := func(n int) (missing int) {
		list := make([]Match, n)
		for i := range list {
			list[i].Blob = BlobID(i + 1)
		}
		lost := c.find(1, list, make([]*sortKey, n))
		for _, i := range lost {
			c.add(blobOf{1, list[i].Blob}, k)
			if held := len(c.by) * k.cost(); c.bytes != held || held > c.limit {
				t.Fatalf("keeps %d bytes, counts %d, may keep %d", held, c.bytes, c.limit)
			}
		}
		return len(lost)
	}
	if n := ask(room); n != room {
		t.Fatalf("%d were missing at first, want %d", n, room)
	}
	if n := ask(room); n != 0 {
		t.Errorf("%d of what there is room for were forgotten", n)
	}
	// One more than there is room for must not cost all of them, each time.
	for range 5 {
		if n := ask(room + 1); n > room/2 {
			t.Errorf("%d of %d were forgotten", n, room+1)
		}
	}
	// Another account's are others.
	if n := len(c.find(2, []Match{{Blob: 1}}, make([]*sortKey, 1))); n != 1 {
		t.Error("a key of another account was given")
	}
}
