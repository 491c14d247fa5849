package imapd

import (
	"errors"
	"maps"
	"slices"

	"mailstead/storage"
)

// maxPendingFlags is how many changed messages a view remembers one by one;
// beyond that it remembers only since when there are changes.
const maxPendingFlags = 1000

// view is what the client of a session knows of the selected mailbox. Only the
// session's goroutine uses it.
type view struct {
	ref      storage.Ref
	name     string
	examined bool // EXAMINE
	readOnly bool // examined, or the user has no right to change anything
	rights   storage.Rights

	uids   storage.UIDList // as the client knows them
	recent storage.UIDList // those that are \Recent in this session
	known  map[string]bool
	feed   *storage.Feed

	base   storage.ModSeq // events up to it were in the snapshot
	modseq storage.ModSeq // the latest that was collected
	told   storage.ModSeq // the client knows of every change up to it
	own    []storage.ModSeq

	// What has happened and the client does not know yet.
	added    []storage.UID // ascending, above all of uids
	expunged map[storage.UID]bool
	flags    map[storage.UID]storage.Row
	since    storage.ModSeq // when not zero: every flag change after it, instead of flags
	renamed  bool
	deleted  bool

	watched       bool           // changes are noted for searches that are kept up to date
	touched       touched        // those that were
	fresh         storage.UIDSet // new messages that are announced right now
	rightsChanged bool           // the rights must be asked for again
}

func newView(ref storage.Ref, snap *storage.Snapshot, examined bool) *view {
	v := &view{
		ref: ref, name: snap.Mailbox.Name, examined: examined, readOnly: examined, rights: storage.AllRights,
		uids: snap.UIDs, feed: snap.Feed, known: map[string]bool{},
		base: snap.Mailbox.HighestModSeq, modseq: snap.Mailbox.HighestModSeq, told: snap.Mailbox.HighestModSeq,
		expunged: map[storage.UID]bool{}, flags: map[storage.UID]storage.Row{},
	}
	for _, k := range snap.Keywords {
		v.known[k] = true
	}
	return v
}

// close ends the feed.
func (v *view) close() { v.feed.Close() }

// size gives the number of messages the client knows.
func (v *view) size() uint32 { return uint32(v.uids.Len()) }

// at gives the message with a sequence number, which must be one of 1 to size.
func (v *view) at(seq uint32) storage.UID { return v.uids.At(int(seq - 1)) }

// span is from the first to the last message, nothing for an empty view.
func (v *view) span() storage.UIDSet {
	if v.size() == 0 {
		return nil
	}
	return storage.UIDSet{{First: v.uids.First(), Last: v.uids.Last()}}
}

// seq gives the sequence number of a message, 0 when the client does not know
// it.
func (v *view) seq(uid storage.UID) uint32 {
	i, ok := v.uids.Find(uid)
	if !ok {
		return 0
	}
	return uint32(i + 1)
}

// isRecent tells whether a message is \Recent in this session.
func (v *view) isRecent(uid storage.UID) bool {
	return v.recent.Has(uid)
}

// changes tells whether there may be something to announce.
func (v *view) changes() bool {
	return len(v.added) > 0 || len(v.expunged) > 0 || len(v.flags) > 0 || v.since != 0 || v.renamed || v.deleted
}

// collect takes in what has happened to the mailbox.
func (v *view) collect(store *storage.Store) error {
	events, overflow := v.feed.Take()
	for _, e := range events {
		v.note(e)
	}
	if overflow {
		return v.resync(store)
	}
	return nil
}

// note takes in one event.
func (v *view) note(e storage.Event) {
	switch e.Kind {
	case storage.EventDeleted:
		v.deleted = true
		return
	case storage.EventRenamed:
		v.renamed = true
		return
	case storage.EventRights:
		v.rightsChanged = true
		return
	}
	if e.ModSeq <= v.base {
		return
	}
	v.modseq = max(v.modseq, e.ModSeq)
	v.touch(e.Rows)
	switch e.Kind {
	case storage.EventAdded:
		for _, r := range e.Rows {
			v.add(r.UID)
		}
	case storage.EventExpunged:
		v.gone(e.UIDs)
	case storage.EventFlags:
		v.changed(e.Rows, v.isOwn(e.ModSeq))
	}
}

func (v *view) add(uid storage.UID) {
	if uid <= v.uids.Last() {
		return
	}
	if n := len(v.added); n > 0 && uid <= v.added[n-1] {
		return
	}
	v.added = append(v.added, uid)
}

// gone notes expunged messages. The set's ranges are walked along the UIDs the
// client has, because they may span many more.
func (v *view) gone(set storage.UIDSet) {
	for _, r := range set {
		i, _ := v.uids.Find(r.First)
		for ; i < v.uids.Len() && v.uids.At(i) <= r.Last; i++ {
			v.expunged[v.uids.At(i)] = true
		}
		i, _ = slices.BinarySearch(v.added, r.First)
		for ; i < len(v.added) && v.added[i] <= r.Last; i++ {
			v.expunged[v.added[i]] = true
		}
	}
}

// changed notes new flags. A change of the session's own is known to the client
// already, unless one of somebody else waits to be told: then both are.
func (v *view) changed(rows []storage.Row, own bool) {
	if v.since != 0 {
		return
	}
	for _, r := range rows {
		if _, waits := v.flags[r.UID]; own && !waits {
			continue
		}
		v.flags[r.UID] = r
	}
	if len(v.flags) > maxPendingFlags {
		for _, r := range v.flags {
			if v.since == 0 || r.ModSeq-1 < v.since {
				v.since = r.ModSeq - 1
			}
		}
		clear(v.flags)
	}
}

// claim marks a change as made by this session, and announced by it.
func (v *view) claim(m storage.ModSeq) {
	if m != 0 {
		v.own = append(v.own, m)
	}
}

func (v *view) isOwn(m storage.ModSeq) bool {
	i := slices.Index(v.own, m)
	if i < 0 {
		return false
	}
	v.own = slices.Delete(v.own, 0, i+1) // events come in order
	return true
}

// resync finds out what a feed that overflowed has dropped.
func (v *view) resync(store *storage.Store) error {
	snap, err := store.Snapshot(v.ref)
	if errors.Is(err, storage.ErrNoMailbox) || errors.Is(err, storage.ErrNoAccount) {
		v.deleted = true
		return nil
	}
	if err != nil {
		return err
	}
	v.feed.Close()
	v.feed = snap.Feed
	for uid := range v.uids.Without(snap.UIDs.Set()).All() {
		v.expunged[uid] = true
	}
	for _, uid := range v.added {
		if !snap.UIDs.Has(uid) {
			v.expunged[uid] = true
		}
	}
	for uid := range snap.UIDs.Above(v.uids.Last()).All() {
		v.add(uid)
	}
	if v.since == 0 {
		v.since = v.modseq
	}
	for _, r := range v.flags {
		v.since = min(v.since, r.ModSeq-1)
	}
	clear(v.flags)
	v.own = nil
	v.renamed = v.renamed || snap.Mailbox.Name != v.name
	v.touched = touched{all: v.watched, some: v.watched}
	v.rightsChanged = true
	v.base, v.modseq = snap.Mailbox.HighestModSeq, snap.Mailbox.HighestModSeq
	return nil
}

// applyExpunged takes the expunged messages out of the view and gives their
// sequence numbers, highest first, so that each is right when it is announced.
func (v *view) applyExpunged() []uint32 {
	if len(v.expunged) == 0 {
		return nil
	}
	var nums []uint32
	gone := slices.Sorted(maps.Keys(v.expunged))
	for _, uid := range slices.Backward(gone) {
		if n := v.seq(uid); n != 0 {
			nums = append(nums, n)
		}
	}
	set := storage.UIDs(gone...)
	v.uids, v.recent = v.uids.Without(set), v.recent.Without(set)
	v.dropAddedAndGone()
	for uid := range v.expunged {
		delete(v.flags, uid)
	}
	clear(v.expunged)
	return nums
}

// dropAddedAndGone forgets messages that came and went before the client heard
// of them.
func (v *view) dropAddedAndGone() {
	v.added = slices.DeleteFunc(v.added, func(uid storage.UID) bool {
		if !v.expunged[uid] {
			return false
		}
		delete(v.expunged, uid)
		return true
	})
}

// applyAdded takes the new messages into the view and gives them.
func (v *view) applyAdded() []storage.UID {
	v.dropAddedAndGone()
	added := v.added
	v.uids = v.uids.With(storage.UIDs(added...))
	v.added = nil
	for _, uid := range added {
		delete(v.flags, uid) // the client will ask for all of a new message
	}
	return added
}

// newKeywords tells whether rows have keywords that the client has not been
// told of, and notes them.
func (v *view) newKeywords(rows ...storage.Row) bool {
	found := false
	for _, r := range rows {
		for _, k := range r.Keywords {
			if !v.known[k] {
				v.known[k] = true
				found = true
			}
		}
	}
	return found
}

// keywords are those of the FLAGS response, sorted.
func (v *view) keywords() []string {
	list := make([]string, 0, len(v.known))
	for k := range v.known {
		list = append(list, k)
	}
	slices.Sort(list)
	return list
}
