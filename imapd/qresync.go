package imapd

import (
	"maps"
	"slices"
	"strconv"

	"github.com/emersion/go-imap/v2"

	"mailstead/imapd/wire"
	"mailstead/internal/logkey"
	"mailstead/storage"
)

// maxVanishedLine is about how long a VANISHED response gets before another one
// is begun, in bytes (RFC 7162 §4 has clients expect 8192).
const maxVanishedLine = 8000

// anyUID is every UID there can be.
const anyUID = storage.UID(1<<32 - 1)

// needQResync answers what takes ENABLE QRESYNC first (RFC 7162 §3.2.5, §3.2.6).
func needQResync() reply { return bad("ENABLE QRESYNC first") }

// writeVanished writes VANISHED responses (RFC 7162 §3.2.10).
func (s *session) writeVanished(set storage.UIDSet, earlier bool) {
	open := "* VANISHED "
	if earlier {
		open += "(EARLIER) "
	}
	size := 0
	for i, r := range set {
		if size > maxVanishedLine {
			s.w.End()
			size = 0
		}
		if text := rangeText(r); size == 0 {
			s.w.Raw(open + text)
			size = len(open) + len(text)
		} else {
			s.w.Raw("," + text)
			size += 1 + len(text)
		}
		if i == len(set)-1 {
			s.w.End()
		}
	}
}

func rangeText(r storage.UIDRange) string {
	text := strconv.FormatUint(uint64(r.First), 10)
	if r.Last > r.First {
		text += ":" + strconv.FormatUint(uint64(r.Last), 10)
	}
	return text
}

// announceVanished tells of expunged messages by their UIDs.
func (s *session) announceVanished() {
	v := s.view
	var gone []storage.UID
	for _, uid := range slices.Sorted(maps.Keys(v.expunged)) {
		if v.seq(uid) != 0 {
			gone = append(gone, uid)
		}
	}
	v.applyExpunged()
	s.writeVanished(storage.UIDs(gone...), false)
}

// resyncSelected tells a client that selects a mailbox what has happened in it
// since it was there last (RFC 7162 §3.2.5.1).
func (s *session) resyncSelected(q *wire.QResync, box storage.Mailbox) error {
	if q.UIDValidity != box.UIDValidity {
		return nil // §3.2.5: the rest is ignored
	}
	since := storage.ModSeq(q.ModSeq)
	known := storage.UIDSet{{First: 1, Last: anyUID}}
	if q.Known != nil {
		known = openSet(q.Known)
	}
	vanished, err := s.vanishedSince(since, known, s.view.matchPoint(q))
	if err != nil {
		return err
	}
	s.writeVanished(vanished, true)
	for row, err := range s.srv.o.Store.Rows(s.view.ref, intersect(known, s.view.span()), storage.ReadOptions{ChangedSince: since}) {
		if err != nil {
			s.log.Error("changes not read", logkey.Mailbox, s.view.name, logkey.Err, err)
			return err
		}
		s.writeFlags(row, true)
	}
	return nil
}

// vanishedSince gives those of a set of UIDs that were expunged after a modseq
// and that the client does not count any more. Where the store does not remember
// so far back, it is all that are not there (RFC 7162 §3.2.5.2 allows it), but
// for those up to matched, which the client is known to have right.
func (s *session) vanishedSince(since storage.ModSeq, known storage.UIDSet, matched storage.UID) (storage.UIDSet, error) {
	gone, complete, err := s.srv.o.Store.Vanished(s.view.ref, since)
	if err != nil {
		return nil, err
	}
	if !complete {
		box, err := s.srv.o.Store.MailboxByID(s.view.ref)
		if err != nil {
			return nil, err
		}
		// After UIDNEXT: what comes in between is not looked at.
		now, err := s.srv.o.Store.Contents(s.view.ref)
		if err != nil {
			return nil, err
		}
		if matched+1 < box.UIDNext {
			all := storage.UIDSet{{First: matched + 1, Last: box.UIDNext - 1}}
			// The view may lack what has arrived and is not announced yet.
			gone = union(gone, all.List().Without(now.UIDs.Set()).Set())
		}
	}
	return s.view.without(intersect(gone, known)), nil
}

// matchPoint gives the greatest UID of the client's samples that still has the
// sequence number the client knows it by: nothing before it was expunged
// (RFC 7162 §3.2.5.2). It is 0 when there is none.
func (v *view) matchPoint(q *wire.QResync) storage.UID {
	var uids []storage.UID
	for _, r := range q.UIDMatch {
		for u := r.Start; ; u++ {
			if uids = append(uids, storage.UID(u)); u == r.Stop || len(uids) > int(v.size()) {
				break
			}
		}
	}
	best, i := storage.UID(0), 0
	for _, r := range q.SeqMatch {
		for n := r.Start; i < len(uids); n++ {
			if n <= v.size() && v.at(n) == uids[i] {
				best = max(best, uids[i])
			}
			if i++; n == r.Stop {
				break
			}
		}
	}
	return best
}

// openSet gives a set as the client wrote it, cut to nothing; "*" is all that
// can come.
func openSet(set imap.UIDSet) storage.UIDSet {
	var out storage.UIDSet
	for _, r := range set {
		first, last := bounds(uint32(r.Start), uint32(r.Stop), uint32(anyUID))
		out = append(out, storage.UIDRange{First: storage.UID(first), Last: storage.UID(last)})
	}
	return merge(out)
}

// without gives the UIDs of a set that are not in the view.
func (v *view) without(set storage.UIDSet) storage.UIDSet {
	return set.List().Without(v.uids.Set()).Set()
}

// intersect gives what two ascending sets share.
func intersect(a, b storage.UIDSet) (out storage.UIDSet) {
	for i, j := 0, 0; i < len(a) && j < len(b); {
		first, last := max(a[i].First, b[j].First), min(a[i].Last, b[j].Last)
		if first <= last {
			out = append(out, storage.UIDRange{First: first, Last: last})
		}
		if a[i].Last < b[j].Last {
			i++
		} else {
			j++
		}
	}
	return out
}

func union(a, b storage.UIDSet) storage.UIDSet { return merge(slices.Concat(a, b)) }

// fetchVanished answers the modifier VANISHED of UID FETCH, before the messages
// (RFC 7162 §3.2.6). A message that this session still counts is left to the
// announcement at the end of the command.
func (s *session) fetchVanished(c *wire.Command, a wire.FetchArgs) (reply, error) {
	uids, ok := a.Set.(imap.UIDSet)
	switch {
	case !s.qresync:
		return needQResync(), nil
	case !c.UID || a.ChangedSince == 0 || !ok:
		return bad("VANISHED goes with UID FETCH of UIDs and CHANGEDSINCE"), nil
	}
	gone, err := s.vanishedSince(storage.ModSeq(a.ChangedSince), openSet(uids), 0)
	if err != nil {
		return reply{}, err
	}
	s.writeVanished(gone, true)
	return reply{}, nil
}
