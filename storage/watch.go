package storage

import (
	"context"
	"slices"
	"sync"

	"mailstead/mail"
)

// maxNotices bounds what a watch holds for a session that does not take it.
const maxNotices = 1000

// Origin tells who makes changes apart from who is told of them: a Watch is not
// told of those that have its own.
type Origin struct{ _ byte }

type originKey struct{}

// WithOrigin gives a context whose changes are o's.
func WithOrigin(ctx context.Context, o *Origin) context.Context {
	return context.WithValue(ctx, originKey{}, o)
}

// originOf is whose the changes of a context are, nil for nobody's.
func originOf(ctx context.Context) *Origin {
	o, _ := ctx.Value(originKey{}).(*Origin)
	return o
}

// NoticeKind tells what a Notice is about.
type NoticeKind uint8

// The kinds of Notice.
const (
	NoticeMessages    NoticeKind = iota // Added, Expunged, Flags
	NoticeCreated                       // a mailbox has come: Name
	NoticeDeleted                       // it has gone: Name
	NoticeRenamed                       // it is called Name and was Was
	NoticeSubscribed                    // Name is a subscription, or is none any more
	NoticeAnnotated                     // Entries were changed
	NoticeRightsGiven                   // who may do what with a mailbox has changed
)

// Notice is what has happened to one mailbox of an account, or to the account.
type Notice struct {
	Ref
	Kind NoticeKind
	// What has become of messages.
	Added, Expunged, Flags bool
	Name, Was              string
	// User sees the annotations alone, 0: everybody does.
	User    mail.AccountID
	Entries []string // without their scope
}

// Watch gives a session what happens in whole accounts, in order. Close it.
type Watch struct {
	owner  *watches
	origin *Origin
	wake   chan struct{}

	ids []mail.AccountID // watches.mu

	mu       sync.Mutex
	list     []Notice
	overflow bool
}

// watches are all of a store.
type watches struct {
	mu sync.Mutex
	by map[mail.AccountID]map[*Watch]bool
}

// Watch begins to tell what happens in accounts, 0 for what is the server's, but
// for what o does.
func (s *Store) Watch(o *Origin, ids ...mail.AccountID) *Watch {
	w := &Watch{owner: &s.watches, origin: o, wake: make(chan struct{}, 1)}
	w.Accounts(ids...)
	return w
}

// Accounts changes which accounts are watched.
func (w *Watch) Accounts(ids ...mail.AccountID) {
	w.owner.mu.Lock()
	defer w.owner.mu.Unlock()
	w.owner.leave(w)
	w.ids = slices.Clone(ids)
	for _, id := range w.ids {
		if w.owner.by == nil {
			w.owner.by = map[mail.AccountID]map[*Watch]bool{}
		}
		if w.owner.by[id] == nil {
			w.owner.by[id] = map[*Watch]bool{}
		}
		w.owner.by[id][w] = true
	}
}

// leave takes a watch off all its accounts; mu is held.
func (ws *watches) leave(w *Watch) {
	for _, id := range w.ids {
		if delete(ws.by[id], w); len(ws.by[id]) == 0 {
			delete(ws.by, id)
		}
	}
	w.ids = nil
}

// Close ends the watch. It may be called more than once.
func (w *Watch) Close() { w.Accounts() }

// Wake is sent to when there is something to Take; it holds one signal.
func (w *Watch) Wake() <-chan struct{} { return w.wake }

// Take returns what has happened since the last Take; overflow tells that it is
// not all.
func (w *Watch) Take() (list []Notice, overflow bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	list, overflow = w.list, w.overflow
	w.list, w.overflow = nil, false
	return list, overflow
}

// publish tells those who watch what a record has come to. It never waits for a
// session.
func (ws *watches) publish(by *Origin, out *outcome) {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	if len(ws.by) == 0 {
		return
	}
	for i := range out.events {
		if n, ok := noticeOf(&out.events[i]); ok {
			ws.tell(by, n)
		}
	}
	for _, n := range out.notices {
		ws.tell(by, n)
	}
}

// noticeOf is what an event is to those who watch the account; what is about the
// mailbox as a whole has a notice of its own.
func noticeOf(e *addressed) (Notice, bool) {
	n := Notice{Ref: e.Ref}
	switch e.Kind {
	case EventAdded:
		n.Added = true
	case EventExpunged:
		n.Expunged = true
	case EventFlags:
		n.Flags = true
	case EventRights:
		n.Kind = NoticeRightsGiven
	default:
		return n, false
	}
	return n, true
}

// tell gives a notice to those who watch its account. What users may do concerns
// all.
func (ws *watches) tell(by *Origin, n Notice) {
	if n.Kind == NoticeRightsGiven {
		told := map[*Watch]bool{}
		for _, all := range ws.by {
			for w := range all {
				if !told[w] && (by == nil || w.origin != by) {
					told[w] = true
					w.add(n)
				}
			}
		}
		return
	}
	for w := range ws.by[n.Account] {
		if by == nil || w.origin != by {
			w.add(n)
		}
	}
}

// add puts a notice on the list. What happens to the messages of one mailbox is
// one notice.
func (w *Watch) add(n Notice) {
	w.mu.Lock()
	defer w.mu.Unlock()
	select {
	case w.wake <- struct{}{}:
	default:
	}
	if w.overflow {
		return
	}
	if n.Kind == NoticeMessages {
		i := slices.IndexFunc(w.list, func(o Notice) bool { return o.Kind == NoticeMessages && o.Ref == n.Ref })
		if i >= 0 {
			o := &w.list[i]
			o.Added, o.Expunged, o.Flags = o.Added || n.Added, o.Expunged || n.Expunged, o.Flags || n.Flags
			return
		}
	}
	if len(w.list) >= maxNotices {
		w.list, w.overflow = nil, true
		return
	}
	w.list = append(w.list, n)
}

// notice adds to what a record comes to for those who watch.
func (x index) notice(n Notice) { x.state.notices = append(x.state.notices, n) }
