package imapd

import (
	"context"
	"fmt"
	"iter"
	"slices"

	"mailstead/storage"
)

// maxUID is the highest UID there can be.
const maxUID storage.UID = 1<<32 - 1

// downwardSlice is how many messages are held at once that are read from the
// highest UID to the lowest.
const downwardSlice = 100

// within cuts a set to the highest of its messages, as many as one command may
// work on, and gives the lowest of these; 0 when all may be (RFC 9738 §3.1).
func (s *session) within(set storage.UIDSet) (storage.UIDSet, storage.UID) {
	limit := s.srv.o.MessageLimit
	if int(s.view.size()) <= limit {
		return set, 0
	}
	there := intersect(set, s.view.uids.Set()).List()
	if there.Len() <= limit {
		return set, 0
	}
	low := there.At(there.Len() - limit)
	return intersect(set, from(low)), low
}

// from is every UID from one on.
func from(low storage.UID) storage.UIDSet { return storage.UIDSet{{First: low, Last: maxUID}} }

// limitCode is the response code MESSAGELIMIT; low is the lowest UID worked on,
// 0 when there is none (RFC 9738 §5).
func (s *session) limitCode(low storage.UID) string {
	if low == 0 {
		return fmt.Sprintf("MESSAGELIMIT %d", s.srv.o.MessageLimit)
	}
	return fmt.Sprintf("MESSAGELIMIT %d %d", s.srv.o.MessageLimit, low)
}

// overLimit answers a command that works on all its messages or on none.
func (s *session) overLimit(low storage.UID) reply {
	return no(s.limitCode(low), "More messages than one command may work on")
}

// limited tells with the answer to a command that it was cut; with one that has
// a code of its own, before it (RFC 9738 §3.1).
func (s *session) limited(answer reply, low storage.UID) reply {
	if low == 0 {
		return answer
	}
	const text = "Only the last messages were worked on; repeat it for the rest"
	if answer.kind != kindOK || answer.code != "" || answer.highest && s.condstore {
		s.w.Status("*", kindNo, s.limitCode(low), text)
		return answer
	}
	answer.code, answer.text = s.limitCode(low), text
	return answer
}

// bound keeps a search of the selected mailbox to the highest of the messages it
// has to look through, as many as may be, and gives the lowest of them; 0 when it
// looks through all. With whole set it must: what orders messages can't be cut
// (RFC 9738 §3.1, §3.3).
func (s *session) bound(q *storage.Query, whole bool) (storage.UID, error) {
	if q.None {
		return 0, nil
	}
	_, low := s.within(intersect(s.view.span(), q.Within()))
	if low == 0 {
		return 0, nil
	}
	if whole {
		return 0, protocolError{s.overLimit(0)}
	}
	q.UIDs = append(slices.Clone(q.UIDs), from(low))
	return low, nil
}

// deletedWithin is within for UID EXPUNGE, which counts messages with \Deleted
// only.
func (s *session) deletedWithin(ctx context.Context, set storage.UIDSet) (storage.UIDSet, storage.UID, error) {
	limit := s.srv.o.MessageLimit
	if s.view.count(set) <= limit {
		return set, 0, nil
	}
	var list []storage.UID
	q := storage.Query{UIDs: []storage.UIDSet{set}, Has: storage.Deleted}
	for row, err := range s.srv.o.Store.Search(ctx, s.view.ref, q, storage.All) {
		if err != nil {
			return nil, 0, err
		}
		list = append(list, row.UID)
	}
	if len(list) <= limit {
		return set, 0, nil
	}
	list = list[len(list)-limit:]
	return storage.UIDs(list...), list[0], nil
}

// rows reads messages of the selected mailbox: by ascending UID, or those of a
// command that was cut from the highest down, as RFC 9738 §3.1 has it.
func (s *session) rows(set storage.UIDSet, low storage.UID, o storage.ReadOptions) iter.Seq2[storage.Row, error] {
	if low == 0 {
		return s.srv.o.Store.Rows(s.view.ref, set, o)
	}
	o.Brief, o.Place = false, false // neither outlasts the next row
	return func(yield func(storage.Row, error) bool) {
		list := intersect(set, s.view.uids.Set()).List()
		for end := list.Len(); end > 0; end -= downwardSlice {
			part := storage.UIDSet{{First: list.At(max(end-downwardSlice, 0)), Last: list.At(end - 1)}}
			var rows []storage.Row
			for row, err := range s.srv.o.Store.Rows(s.view.ref, intersect(set, part), o) {
				if err != nil {
					yield(row, err)
					return
				}
				rows = append(rows, row)
			}
			for _, row := range slices.Backward(rows) {
				if !yield(row, nil) {
					return
				}
			}
		}
	}
}
