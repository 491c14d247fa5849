package imapd

import (
	"mailstead/imapd/wire"
	"mailstead/storage"
)

// partOf gives the messages of a set that PARTIAL of UID FETCH names, counted
// from the lowest UID or with negative numbers from the highest (RFC 9394 §3.3).
// CHANGEDSINCE chooses among them, not before them (§3.4).
func (s *session) partOf(set storage.UIDSet, p wire.Partial) storage.UIDSet {
	there := intersect(set, s.view.uids.Set())
	list := there.List()
	from, to := p.Of(list.Len())
	if from >= to {
		return nil
	}
	return intersect(there, storage.UIDSet{{First: list.At(from), Last: list.At(to - 1)}})
}
