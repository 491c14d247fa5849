package imapd

import (
	"maps"
	"slices"
	"sync"

	"mailstead/storage"
)

// recents remembers for each mailbox up to which message a session has been
// the first to hear of it (RFC 3501 §2.3.2, \Recent). It is kept in memory, and
// outlives the server in a file. A mailbox that was not looked at before counts
// as seen up to its first unseen message. Safe for concurrent use.
type recents struct {
	mu      sync.Mutex
	claimed map[storage.Ref]storage.UID
	before  map[storage.Ref]storage.UID // claimed before this start
}

// all gives what is claimed, now or before this start.
func (r *recents) all() map[storage.Ref]storage.UID {
	r.mu.Lock()
	defer r.mu.Unlock()
	all := maps.Clone(r.claimed)
	for ref, uid := range r.before {
		if _, ok := all[ref]; !ok {
			all[ref] = uid
		}
	}
	return all
}

func newRecents() *recents {
	return &recents{claimed: map[storage.Ref]storage.UID{}}
}

// selected gives the messages of a snapshot that are \Recent to the session
// that has taken it, and makes them its own when claim is set.
func (r *recents) selected(ref storage.Ref, snap *storage.Snapshot, claim bool) storage.UIDList {
	r.mu.Lock()
	defer r.mu.Unlock()
	list := r.above(ref, snap.Mailbox.UIDNext, snap.UIDs, snap.Unseen)
	if claim {
		r.claimed[ref] = max(r.claimed[ref], snap.Mailbox.UIDNext-1)
	}
	return list
}

// unclaimed gives the messages that no session has been told of.
func (r *recents) unclaimed(ref storage.Ref, box storage.Mailbox, c storage.Contents) storage.UIDList {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.above(ref, box.UIDNext, c.UIDs, c.Unseen)
}

// above gives the messages that nobody has claimed. Called with mu held.
func (r *recents) above(ref storage.Ref, next storage.UID, uids, unseen storage.UIDList) storage.UIDList {
	upTo, ok := r.claimed[ref]
	if !ok {
		upTo = next - 1
		if first := unseen.First(); first != 0 {
			upTo = first - 1
		}
		if was := r.before[ref]; was < next { // else the mailbox is from before that
			upTo = max(upTo, was)
		}
		r.claimed[ref] = upTo
	}
	return uids.Above(upTo)
}

// arrived gives those of new messages that are \Recent to a session that hears
// of them, and makes them its own when claim is set.
func (r *recents) arrived(ref storage.Ref, added []storage.UID, claim bool) []storage.UID {
	if len(added) == 0 {
		return nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	i, _ := slices.BinarySearch(added, r.claimed[ref]+1)
	if claim {
		r.claimed[ref] = max(r.claimed[ref], added[len(added)-1])
	}
	return added[i:]
}
