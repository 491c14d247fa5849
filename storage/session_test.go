package storage_test

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"mailstead/storage"
)

// session follows a mailbox while others change it, as an IMAP session does.
type session struct {
	ref  storage.Ref
	feed *storage.Feed
	last storage.ModSeq              // of the snapshot or of the last event
	told bool                        // an event has come
	rows map[storage.UID]storage.Row // one without modseq: expunged before it was read
	bad  []string
}

// newSession begins with a snapshot. Rows are read later than that: what the feed
// tells of them may be old.
func newSession(s *storage.Store, ref storage.Ref) (*session, error) {
	snap, err := s.Snapshot(ref)
	if err != nil {
		return nil, fmt.Errorf("snapshot of mailbox %d: %w", ref.Mailbox, err)
	}
	f := &session{ref: ref, feed: snap.Feed, last: snap.Mailbox.HighestModSeq, rows: map[storage.UID]storage.Row{}}
	for u := range snap.UIDs.All() {
		f.rows[u] = storage.Row{UID: u}
	}
	for r, err := range s.Rows(ref, snap.UIDs.Set(), storage.ReadOptions{}) {
		if err != nil {
			return nil, err
		}
		f.rows[r.UID] = r
	}
	return f, nil
}

// follow takes events until the end.
func (f *session) follow(done <-chan struct{}) {
	for {
		select {
		case <-f.feed.Wake():
			f.take()
		case <-done:
			f.take()
			return
		}
	}
}

func (f *session) take() {
	events, overflow := f.feed.Take()
	if overflow {
		f.bad = append(f.bad, "overflow")
	}
	for _, e := range events {
		if e.ModSeq <= f.last {
			if f.told {
				f.bad = append(f.bad, fmt.Sprintf("modseq %d after %d", e.ModSeq, f.last))
			}
			continue // was in the snapshot
		}
		f.last, f.told = e.ModSeq, true
		for _, r := range e.Rows {
			old, known := f.rows[r.UID]
			if known != (e.Kind == storage.EventFlags) {
				f.bad = append(f.bad, fmt.Sprintf("event %+v, UID %d known %v", e, r.UID, known))
			}
			if old.ModSeq < r.ModSeq {
				f.rows[r.UID] = r
			}
		}
		for u := range e.UIDs.All() {
			if _, known := f.rows[u]; !known {
				f.bad = append(f.bad, fmt.Sprintf("UID %d expunged, but not there", u))
			}
			delete(f.rows, u)
		}
	}
}

// verify compares what the session came to with the mailbox.
func (f *session) verify(t *testing.T, s *storage.Store) {
	t.Helper()
	f.feed.Close()
	for _, b := range f.bad {
		t.Errorf("follower of mailbox %d: %s", f.ref.Mailbox, b)
	}
	want := map[storage.UID]storage.Row{}
	for r, err := range s.Rows(f.ref, storage.UIDSet{{First: 1, Last: 1<<32 - 1}}, storage.ReadOptions{}) {
		if err != nil {
			t.Fatal(err)
		}
		want[r.UID] = r
	}
	if d := cmp.Diff(want, f.rows, cmpopts.IgnoreUnexported(storage.Row{})); d != "" {
		t.Errorf("follower of mailbox %d (-mailbox +follower):\n%s", f.ref.Mailbox, d)
	}
}
