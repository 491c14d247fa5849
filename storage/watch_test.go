package storage_test

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"mailstead/storage"
	"mailstead/storage/storagetest"
)

// taken gives what a watch has been told.
func taken(w *storage.Watch) (list []string) {
	notices, overflow := w.Take()
	for _, n := range notices {
		switch n.Kind {
		case storage.NoticeMessages:
			list = append(list, fmt.Sprintf("messages of %d: added %v expunged %v flags %v", n.Mailbox, n.Added, n.Expunged, n.Flags))
		case storage.NoticeAnnotated:
			list = append(list, fmt.Sprintf("annotated %d of %d for %d: %q", n.Mailbox, n.Account, n.User, n.Entries))
		default:
			list = append(list, fmt.Sprintf("kind %d of %d: %s %s", n.Kind, n.Account, n.Name, n.Was))
		}
	}
	if overflow {
		list = append(list, "overflow")
	}
	return list
}

func TestWatchTellsWhatOthersDo(t *testing.T) {
	t.Parallel()
	s := storagetest.Open(t, storage.Options{})
	inbox := newAccount(t, s, 1)
	newAccount(t, s, 2)
	own, other := new(storage.Origin), new(storage.Origin)
	w, deaf := s.Watch(own, 1, 0), s.Watch(own, 2)
	defer w.Close()
	defer deaf.Close()
	ctx, mine := storage.WithOrigin(t.Context(), other), storage.WithOrigin(t.Context(), own)
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	// One's own changes are not told.
	_, err := s.CreateMailbox(mine, 1, "own", "")
	must(err)
	_, err = s.Append(mine, storagetest.Body("Subject: own\r\n\r\n"), storage.Target{Ref: inbox})
	must(err)
	if got := taken(w); got != nil {
		t.Errorf("told of own changes: %q", got)
	}
	for range 2 {
		_, err = s.Append(ctx, storagetest.Body("Subject: x\r\n\r\n"), storage.Target{Ref: inbox})
		must(err)
	}
	_, err = s.SetFlags(ctx, inbox, storage.UIDs(1), storage.FlagChange{Flags: storage.Seen})
	must(err)
	_, err = s.CreateMailbox(ctx, 1, "a/b", "")
	must(err)
	_, _, err = s.Expunge(t.Context(), inbox, storage.UIDs(2), false)
	must(err)
	must(s.RenameMailbox(ctx, 1, "a", "c"))
	must(s.Subscribe(ctx, 1, "x", true))
	must(s.Subscribe(ctx, 1, "x", true)) // no change
	must(s.Subscribe(ctx, 1, "x", false))
	must(s.DeleteMailbox(ctx, 1, "c/b"))
	must(s.Annotate(ctx, storage.AnnotationSet{Ref: inbox, User: 1, List: []storage.Annotation{{Entry: "/comment"}}}))
	must(s.Annotate(ctx, storage.AnnotationSet{List: []storage.Annotation{{Entry: "/motd"}}}))
	select {
	case <-w.Wake():
	default:
		t.Error("not woken")
	}
	want := []string{
		"messages of 1: added true expunged true flags true",
		"kind 1 of 1: a ", "kind 1 of 1: a/b ", "kind 3 of 1: c a", "kind 3 of 1: c/b a/b",
		"kind 4 of 1: x ", "kind 4 of 1: x ", "kind 2 of 1: c/b ",
		`annotated 1 of 1 for 1: ["/comment"]`, `annotated 0 of 0 for 0: ["/motd"]`,
	}
	if d := cmp.Diff(want, taken(w)); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	if got := taken(deaf); got != nil {
		t.Errorf("told of another account: %q", got)
	}
}

// TestWatchIsBounded lets a watch overflow; it is told so once, and goes on.
func TestWatchIsBounded(t *testing.T) {
	t.Parallel()
	const room = 1000
	s := storagetest.Open(t, storage.Options{})
	newAccount(t, s, 1)
	w := s.Watch(nil, 1)
	on := false
	subscribe := func(n int) {
		t.Helper()
		for range n {
			on = !on
			if err := s.Subscribe(t.Context(), 1, "x", on); err != nil {
				t.Fatal(err)
			}
		}
	}
	subscribe(room)
	if got := taken(w); len(got) != room || got[room-1] == "overflow" {
		t.Errorf("got %d notices, want %d", len(got), room)
	}
	subscribe(room + 1)
	if got := taken(w); len(got) != 1 || got[0] != "overflow" {
		t.Errorf("got %d notices, want an overflow alone", len(got))
	}
	subscribe(2)
	if got := taken(w); len(got) != 2 {
		t.Errorf("after the overflow: got %q", got)
	}
	w.Close()
	w.Close()
	subscribe(2)
	if got := taken(w); got != nil {
		t.Errorf("closed: got %q", got)
	}
}
