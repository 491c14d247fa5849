package imapd

import (
	"mailstead/imapd/wire"
	"mailstead/storage"
)

// uidRequired answers what takes sequence numbers when UIDONLY is enabled
// (RFC 9586 §3, UIDREQUIRED).
func uidRequired() reply {
	return reply{kind: kindBad, code: "UIDREQUIRED", text: "Sequence numbers are not used here; ask by UID"}
}

// usesNumbers tells whether a command names or gives messages by sequence
// numbers.
func usesNumbers(c *wire.Command) bool {
	switch a := c.Args.(type) {
	case wire.FetchArgs, wire.StoreArgs, wire.CopyArgs:
		return !c.UID
	case wire.AppendArgs:
		return a.Replaced != nil && !c.UID
	case wire.SearchArgs:
		return !c.UID || numbered(a.Key)
	case wire.SortArgs:
		return !c.UID || numbered(a.Key)
	case wire.ThreadArgs:
		return !c.UID || numbered(a.Key)
	case wire.MultiSearchArgs:
		return numbered(a.Key)
	case wire.SelectArgs:
		return a.QResync != nil && a.QResync.SeqMatch != nil // RFC 9586 §3.7
	}
	return false
}

// openFetch begins the response for one message: by its sequence number, or with
// UIDONLY by its UID (RFC 9586 §3.3).
func (s *session) openFetch(row *storage.Row) {
	s.w.Raw("* ")
	if s.uidOnly {
		s.w.Num(int64(row.UID))
		s.w.Raw(" UIDFETCH (")
		return
	}
	s.w.Num(int64(s.view.seq(row.UID)))
	s.w.Raw(" FETCH (")
}
