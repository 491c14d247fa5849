package storage

import "sync"

// maxFeedRows bounds what a feed holds for a session that does not take it.
const maxFeedRows = 20000

// Feed gives a session the changes to its mailbox, in order. Close it.
type Feed struct {
	owner *feeds
	ref   Ref
	wake  chan struct{}

	mu       sync.Mutex
	events   []Event
	held     int
	overflow bool
}

// feeds are all the feeds of a store, by mailbox.
type feeds struct {
	mu sync.Mutex
	by map[Ref]map[*Feed]bool
}

func (fs *feeds) open(ref Ref) *Feed {
	f := &Feed{owner: fs, ref: ref, wake: make(chan struct{}, 1)}
	fs.mu.Lock()
	defer fs.mu.Unlock()
	if fs.by[ref] == nil {
		fs.by[ref] = map[*Feed]bool{}
	}
	fs.by[ref][f] = true
	return f
}

// publish hands events to the feeds of their mailboxes. It never waits for a
// session.
func (fs *feeds) publish(events []addressed) {
	if len(events) == 0 {
		return
	}
	fs.mu.Lock()
	defer fs.mu.Unlock()
	for _, e := range events {
		for f := range fs.by[e.Ref] {
			f.add(e.Event)
		}
	}
}

func (f *Feed) add(e Event) {
	f.mu.Lock()
	if n := 1 + len(e.Rows) + len(e.UIDs); f.held+n > maxFeedRows {
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
