package imapd

import (
	"fmt"
	"slices"

	"mailstead/imapd/wire"
	"mailstead/storage"
)

// hits is what a search has found.
type hits struct {
	uids []storage.UID // in order; may be shared, not to be changed
	// relevancy is of each, 1 to 100; nil when nothing was to be like a text.
	relevancy []uint8
	highest   storage.ModSeq // as far as it was looked at
}

func hitsOf(list []storage.Match) (h hits) {
	h.uids = make([]storage.UID, len(list))
	for i := range list {
		m := &list[i]
		h.uids[i], h.highest = m.UID, max(h.highest, m.ModSeq)
		if m.Relevancy != 0 && h.relevancy == nil {
			h.relevancy = make([]uint8, len(list))
		}
		if h.relevancy != nil {
			h.relevancy[i] = m.Relevancy
		}
	}
	return h
}

// result is what a searching command has found.
type result struct {
	hits
	sorted bool // by SORT
	number func(storage.UID) uint32
	// source is where it was found, as ESEARCH tells it; nil for the selected
	// mailbox.
	source *storage.Mailbox
}

// told is the modseq that a search by MODSEQ gives with its result, else 0 (RFC
// 7162 §3.1.5, §3.1.10).
func (h hits) told(key wire.SearchKey) storage.ModSeq {
	if asksModSeq(key) {
		return h.highest
	}
	return 0
}

// numbers gives how messages of the selected mailbox are named.
func (s *session) numbers(uid bool) func(storage.UID) uint32 {
	if uid {
		return func(u storage.UID) uint32 { return uint32(u) }
	}
	return s.view.seq
}

// writeFound writes the result of a search: SEARCH or SORT, or ESEARCH when
// RETURN was given, or for a SEARCH when IMAP4rev2 is enabled (RFC 9051 §7.3.4,
// RFC 5267 §3).
func (s *session) writeFound(c *wire.Command, a wire.SearchArgs, r result) {
	if a.Return == nil && (r.sorted || !s.rev2) && r.source == nil {
		s.w.Raw("* " + c.Name)
		for _, u := range r.uids {
			s.w.Raw(" ")
			s.w.Num(int64(r.number(u)))
		}
		if highest := r.told(a.Key); highest != 0 {
			fmt.Fprintf(raw{s.w}, " (MODSEQ %d)", highest)
		}
		s.w.End()
		return
	}
	if a.Return == nil {
		a.Return = []string{"ALL"}
	}
	if len(a.Return) == 1 && a.Return[0] == "SAVE" {
		return // RFC 5182 §2.1: nothing is returned
	}
	s.beginESearch(c.Tag, c.UID, r.source)
	s.writeReturned(a, r)
	if highest := r.told(a.Key); highest != 0 {
		fmt.Fprintf(raw{s.w}, " MODSEQ %d", highest)
	}
	s.w.End()
}

// beginESearch writes an ESEARCH response up to its data (RFC 4466 §2.6.2, RFC
// 7377 §2.1).
func (s *session) beginESearch(tag string, uid bool, source *storage.Mailbox) {
	s.w.Raw("* ESEARCH (TAG ")
	s.w.String(tag)
	if source != nil {
		s.w.Raw(" MAILBOX ")
		s.w.Mailbox(source.Name)
		fmt.Fprintf(raw{s.w}, " UIDVALIDITY %d", source.UIDValidity)
	}
	s.w.Raw(")")
	if uid {
		s.w.Raw(" UID")
	}
}

// writeReturned writes the data that RETURN asks for.
func (s *session) writeReturned(a wire.SearchArgs, r result) {
	asked := func(o string) bool { return slices.Contains(a.Return, o) }
	n := len(r.uids)
	if asked("MIN") && n > 0 {
		fmt.Fprintf(raw{s.w}, " MIN %d", r.number(r.uids[0]))
	}
	if asked("MAX") && n > 0 {
		fmt.Fprintf(raw{s.w}, " MAX %d", r.number(r.uids[n-1]))
	}
	if asked("COUNT") {
		fmt.Fprintf(raw{s.w}, " COUNT %d", n)
	}
	listed, relevancy := r.uids, r.relevancy
	if asked("ALL") && n > 0 {
		s.w.Raw(" ALL ")
		s.writeNumbers(listed, r.number)
	}
	if a.Partial != nil {
		from, to := a.Partial.Of(n)
		listed = listed[from:to]
		if relevancy != nil {
			relevancy = relevancy[from:to]
		}
		fmt.Fprintf(raw{s.w}, " PARTIAL (%s ", a.Partial)
		if len(listed) == 0 {
			s.w.Raw("NIL")
		} else {
			s.writeNumbers(listed, r.number)
		}
		s.w.Raw(")")
	}
	if asked("RELEVANCY") && len(listed) > 0 {
		for i := range listed {
			sep := " "
			if i == 0 {
				sep = " RELEVANCY ("
			}
			n := uint8(100)
			if relevancy != nil {
				n = relevancy[i]
			}
			fmt.Fprintf(raw{s.w}, "%s%d", sep, n)
		}
		s.w.Raw(")")
	}
}

// writeNumbers writes messages as a set, in the order they come in: a range is
// only what ascends by one (RFC 5267 §3.1).
func (s *session) writeNumbers(list []storage.UID, number func(storage.UID) uint32) {
	for i := 0; i < len(list); {
		first := number(list[i])
		last := first
		j := i + 1
		for ; j < len(list) && number(list[j]) == last+1; j++ {
			last++
		}
		if i > 0 {
			s.w.Raw(",")
		}
		s.w.Num(int64(first))
		if last > first {
			s.w.Raw(":")
			s.w.Num(int64(last))
		}
		i = j
	}
}
