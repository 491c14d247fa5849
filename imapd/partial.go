package imapd

import (
	"mailstead/imapd/wire"
	"mailstead/storage"
)

// partOf gives the messages of a set that PARTIAL of UID FETCH names, counted
// from the lowest UID or with negative numbers from the highest, of those that
// were changed since a modseq (RFC 9394 §3.3).
func (s *session) partOf(set storage.UIDSet, since storage.ModSeq, p wire.Partial) (storage.UIDSet, error) {
	there := intersect(set, s.view.uids.Set())
	if since != 0 {
		var changed []storage.UID
		for row, err := range s.srv.o.Store.Rows(s.view.ref, there, storage.ReadOptions{ChangedSince: since}) {
			if err != nil {
				return nil, err
			}
			changed = append(changed, row.UID)
		}
		there = intersect(storage.UIDs(changed...), there)
	}
	list := there.List()
	from, to := p.Of(list.Len())
	if from >= to {
		return nil, nil
	}
	return intersect(there, storage.UIDSet{{First: list.At(from), Last: list.At(to - 1)}}), nil
}
