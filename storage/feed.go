package storage

import (
	"container/list"
	"sync"
)

// maxFeedRows bounds what a feed holds for a session that does not take it.
const maxFeedRows = 20000

// Feed gives a session the changes to its mailbox, in order. Close it.
type Feed struct {
	owner *feeds
	ref   Ref
	limit int // rows held, 0 for any number
	wake  chan struct{}

	mu       sync.Mutex
	events   []Event
	held     int
	overflow bool
}

// feeds are all the feeds of a store, by mailbox, and what is kept in memory of
// the mailboxes.
type feeds struct {
	mu     sync.Mutex
	by     map[Ref]map[*Feed]bool
	boxes  map[Ref]*described
	order  *list.List // of *described, the one used last in front
	weight int        // bytes of all descriptions
	room   int        // bytes they may take
}

func newFeeds() feeds {
	return feeds{by: map[Ref]map[*Feed]bool{}, boxes: map[Ref]*described{}, order: list.New(), room: describedRoom}
}

func (fs *feeds) open(ref Ref, limit int) *Feed {
	f := &Feed{owner: fs, ref: ref, limit: limit, wake: make(chan struct{}, 1)}
	fs.mu.Lock()
	defer fs.mu.Unlock()
	if fs.by[ref] == nil {
		fs.by[ref] = map[*Feed]bool{}
	}
	fs.by[ref][f] = true
	return f
}

// publish tells what a request has come to, now that it is in the index.
func (s *Store) publish(r *request) {
	for i := range r.out {
		s.feeds.publish(r.out[i].events)
		s.text.arrived(r.out[i].events)
		s.watches.publish(r.origin, &r.out[i])
		if rec := &r.items[i].rec; rec.kind == kindReserve {
			s.feeds.forget(Ref{rec.account, rec.mailbox})
		}
	}
}

// publish brings the descriptions of mailboxes forward and hands events to their
// feeds. It never waits for a session.
func (fs *feeds) publish(events []addressed) {
	if len(events) == 0 {
		return
	}
	fs.mu.Lock()
	defer fs.mu.Unlock()
	for i := range events {
		e := &events[i]
		fs.follow(e)
		for f := range fs.by[e.Ref] {
			f.add(e.Event)
		}
	}
}

func (f *Feed) add(e Event) {
	f.mu.Lock()
	if n := 1 + len(e.Rows) + len(e.UIDs); f.limit > 0 && f.held+n > f.limit {
		f.events, f.held, f.overflow = nil, 0, true
	} else if !f.overflow {
		f.events, f.held = append(f.events, e), f.held+n
	}
	f.mu.Unlock()
	select {
	case f.wake <- struct{}{}:
	default:
	}
}

// Wake is sent to when there is something to Take; it holds one signal.
func (f *Feed) Wake() <-chan struct{} { return f.wake }

// Take returns the events since the last Take. overflow tells that some were
// dropped: take a new Snapshot and compare.
func (f *Feed) Take() (events []Event, overflow bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	events, overflow = f.events, f.overflow
	f.events, f.held, f.overflow = nil, 0, false
	return events, overflow
}

// Close ends the feed. It may be called more than once.
func (f *Feed) Close() {
	f.owner.mu.Lock()
	defer f.owner.mu.Unlock()
	delete(f.owner.by[f.ref], f)
	if len(f.owner.by[f.ref]) == 0 {
		delete(f.owner.by, f.ref)
	}
}
