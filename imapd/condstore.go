package imapd

import (
	"strconv"

	"mailstead/imapd/wire"
	"mailstead/storage"
)

// watchModSeqs makes the session one that is told modseqs (RFC 7162 §3.1: a
// CONDSTORE enabling command was given). A mailbox that is selected already gets
// its HIGHESTMODSEQ now.
func (s *session) watchModSeqs() {
	if s.condstore {
		return
	}
	s.condstore = true
	if s.view != nil {
		s.w.Status("*", kindOK, highestModSeq(s.view.told), "Highest")
	}
}

// highestModSeq is the response code of RFC 7162 §3.1.2.1.
func highestModSeq(m storage.ModSeq) string {
	return "HIGHESTMODSEQ " + strconv.FormatUint(uint64(m), 10)
}

func (s *session) writeModSeqItem(row *storage.Row) {
	s.w.Raw("MODSEQ (")
	s.w.Num(int64(row.ModSeq)) // RFC 7162 §3.1: 63 bits
	s.w.Raw(")")
}

// writeModSeq writes the modseq of one message as a FETCH response.
func (s *session) writeModSeq(row storage.Row, uid bool) {
	if s.view.seq(row.UID) == 0 {
		return
	}
	s.openFetch(&row)
	s.writeModSeqItem(&row)
	if (uid || s.qresync) && !s.uidOnly {
		s.writeUIDItem(&row)
	}
	s.w.Raw(")")
	s.w.End()
}

// asksModSeq tells whether a search has the key MODSEQ in it.
func asksModSeq(k wire.SearchKey) bool {
	if k.Name == "MODSEQ" {
		return true
	}
	for _, inner := range k.Keys {
		if asksModSeq(inner) {
			return true
		}
	}
	return false
}

// modified is the response code of a conditional STORE with the messages that
// it has left alone (RFC 7162 §3.1.3).
func (s *session) modified(set storage.UIDSet, uid bool) string {
	list := make([]storage.UID, 0, len(set))
	for u := range set.All() {
		list = append(list, u)
	}
	if uid {
		return "MODIFIED " + uidSetText(list)
	}
	var seqs []storage.UID
	for _, u := range list {
		if n := s.view.seq(u); n != 0 {
			seqs = append(seqs, storage.UID(n))
		}
	}
	return "MODIFIED " + uidSetText(seqs)
}

// addModSeq tells whether a response gets a modseq that was not asked for: with
// flags, and where only changed messages were asked for (RFC 7162 §3.1, §3.1.4.1).
func (f *fetching) addModSeq() bool {
	return !f.needs.modseq && (f.since != 0 || f.s.condstore && f.needs.flags)
}

// incomplete tells whether messages that the client counts are missing in a
// FETCH. With CHANGEDSINCE those may be missing that were not changed, so the
// view is asked what was expunged.
func (f *fetching) incomplete(set storage.UIDSet) bool {
	v := f.s.view
	if f.since == 0 {
		return f.found < v.count(set)
	}
	if err := v.collect(f.s.srv.o.Store); err != nil {
		return true
	}
	for uid := range v.expunged {
		if set.Contains(uid) {
			return true
		}
	}
	return false
}
