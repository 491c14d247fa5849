package imapd

import (
	"slices"
	"sync"

	"mailstead/storage"
)

// recents remembers for each mailbox up to which message a session has been
// the first to hear of it (RFC 3501 §2.3.2, \Recent). It is kept in memory: a
// mailbox that was not looked at since the server started counts as seen up to
// its first unseen message. Safe for concurrent use.
type recents struct {
	mu      sync.Mutex
	claimed map[storage.Ref]storage.UID
}

func newRecents() *recents {
	return &recents{claimed: map[storage.Ref]storage.UID{}}
}

// selected gives the messages of a snapshot that are \Recent to the session
// that has taken it, and makes them its own when claim is set.
func (r *recents) selected(ref storage.Ref, snap *storage.Snapshot, claim bool) []storage.UID {
	r.mu.Lock()
	defer r.mu.Unlock()
	upTo, ok := r.claimed[ref]
	if !ok {
		upTo = snap.Mailbox.UIDNext - 1
		if snap.FirstUnseen != 0 {
			upTo = snap.FirstUnseen - 1
		}
		r.claimed[ref] = upTo
	}
	i, _ := slices.BinarySearch(snap.UIDs, upTo+1)
	if claim {
		r.claimed[ref] = max(upTo, snap.Mailbox.UIDNext-1)
	}
	return slices.Clone(snap.UIDs[i:])
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

// since gives the last claimed message of a mailbox, if it was looked at.
func (r *recents) since(ref storage.Ref) (storage.UID, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	uid, ok := r.claimed[ref]
	return uid, ok
}
