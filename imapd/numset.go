package imapd

import (
	"slices"

	"github.com/emersion/go-imap/v2"

	"mailstead/storage"
)

// resolve turns the messages a command names into UIDs of the view (RFC 9051
// §9, sequence-set). The ranges hold no message that the client does not know.
func (v *view) resolve(set imap.NumSet, saved []storage.UID) (storage.UIDSet, error) {
	if imap.IsSearchRes(set) {
		return v.savedSet(saved), nil
	}
	switch set := set.(type) {
	case imap.SeqSet:
		return v.resolveSeqs(set, true)
	case imap.UIDSet:
		return v.resolveUIDs(set), nil
	}
	return nil, protocolError{bad("Not a set of messages")}
}

// savedSet gives "$" (RFC 5182 §2.1) without what was expunged since.
func (v *view) savedSet(saved []storage.UID) storage.UIDSet {
	return storage.UIDs(slices.DeleteFunc(slices.Clone(saved), func(uid storage.UID) bool { return v.seq(uid) == 0 })...)
}

// resolveSeqs maps sequence numbers. RFC 9051 §9: a number greater than the
// number of messages is BAD; with strict unset it names nothing.
func (v *view) resolveSeqs(set imap.SeqSet, strict bool) (storage.UIDSet, error) {
	n := v.size()
	var out storage.UIDSet
	for _, r := range set {
		first, last := bounds(r.Start, r.Stop, n)
		if first == 0 || last > n {
			if strict {
				return nil, protocolError{bad("There is no message with that number")}
			}
			if last = min(last, n); first == 0 || first > last {
				continue
			}
		}
		out = append(out, storage.UIDRange{First: v.at(first), Last: v.at(last)})
	}
	return merge(out), nil
}

// resolveUIDs cuts a set of UIDs to those the client knows.
func (v *view) resolveUIDs(set imap.UIDSet) storage.UIDSet {
	if v.size() == 0 {
		return nil
	}
	low, high := v.at(1), v.at(v.size())
	var out storage.UIDSet
	for _, r := range set {
		first, last := bounds(uint32(r.Start), uint32(r.Stop), uint32(high))
		from, to := max(storage.UID(first), low), min(storage.UID(last), high)
		if from <= to {
			out = append(out, storage.UIDRange{First: from, Last: to})
		}
	}
	return merge(out)
}

// bounds puts the highest number in place of "*", which is 0.
func bounds(start, stop, highest uint32) (first, last uint32) {
	if start == 0 {
		start = highest
	}
	if stop == 0 {
		stop = highest
	}
	return min(start, stop), max(start, stop)
}

// merge makes ranges ascending and without overlaps.
func merge(set storage.UIDSet) storage.UIDSet {
	slices.SortFunc(set, func(a, b storage.UIDRange) int {
		if a.First < b.First {
			return -1
		}
		if a.First > b.First {
			return 1
		}
		return 0
	})
	var out storage.UIDSet
	for _, r := range set {
		if n := len(out); n > 0 && (r.First <= out[n-1].Last || r.First-1 == out[n-1].Last) {
			out[n-1].Last = max(out[n-1].Last, r.Last)
			continue
		}
		out = append(out, r)
	}
	return out
}

// count gives the number of messages of the view in a set.
func (v *view) count(set storage.UIDSet) int { return v.uids.Count(set) }
