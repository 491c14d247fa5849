package imapd

import (
	"context"
	"slices"

	"mailstead/imapd/wire"
	"mailstead/storage"
)

// search is RFC 9051 §6.4.4, with the results of ESEARCH (RFC 4731) and
// SEARCHRES (RFC 5182).
func (s *session) search(ctx context.Context, c *wire.Command) (reply, error) {
	a := c.Args.(wire.SearchArgs)
	v := s.view
	save := slices.Contains(a.Return, "SAVE")
	modseqs := asksModSeq(a.Key)
	if modseqs {
		s.watchModSeqs()
	}
	query, err := v.query(a.Key, s.saved)
	if err != nil {
		return reply{}, err
	}
	found, highest, err := s.find(ctx, query, orders(a.Return))
	if err != nil {
		if save {
			s.saved = nil // RFC 5182 §2.1: NO empties it
		}
		return reply{}, err
	}
	if save {
		s.saved = toSave(a.Return, found)
	}
	if !modseqs {
		highest = 0
	}
	s.writeFound(c, a.Return, found, highest)
	if !c.UID && len(v.expunged) > 0 {
		return okCode("EXPUNGEISSUED", "SEARCH completed"), nil
	}
	return done(), nil
}

// orders tells which searches give what is asked for: MIN or MAX alone stop at
// the first message they find.
func orders(options []string) []storage.Order {
	least, greatest, all := wants(options)
	switch {
	case all:
		return []storage.Order{storage.All}
	case least && greatest:
		return []storage.Order{storage.First, storage.Last}
	case least:
		return []storage.Order{storage.First}
	}
	return []storage.Order{storage.Last}
}

// wants tells which ends of the result are asked for, and whether all of it is
// needed.
func wants(options []string) (least, greatest, all bool) {
	least, greatest = slices.Contains(options, "MIN"), slices.Contains(options, "MAX")
	all = slices.Contains(options, "ALL") || slices.Contains(options, "COUNT") || !least && !greatest
	return least, greatest, all
}

// find gives the messages that match, ascending, of those the client knows, and
// the highest modseq among them.
func (s *session) find(ctx context.Context, q storage.Query, orders []storage.Order) (found []storage.UID, highest storage.ModSeq, err error) {
	v := s.view
	if v.size() == 0 {
		return nil, 0, nil
	}
	// What has arrived since has no sequence number yet.
	q.UIDs = append(slices.Clone(q.UIDs), v.span())
	for _, o := range orders {
		for row, err := range s.srv.o.Store.Search(ctx, v.ref, q, o) {
			if err != nil {
				return nil, 0, err
			}
			if v.seq(row.UID) != 0 {
				highest = max(highest, row.ModSeq)
				found = append(found, row.UID)
			}
		}
	}
	return slices.Compact(found), highest, nil
}

// toSave gives what "$" is after a search: RFC 5182 §2.4 has MIN and MAX save
// what they return, unless ALL or COUNT ask for more.
func toSave(options []string, found []storage.UID) []storage.UID {
	least, greatest, all := wants(options)
	switch {
	case len(found) == 0 || all:
		return found
	case least && greatest:
		return slices.Compact([]storage.UID{found[0], found[len(found)-1]})
	case least:
		return found[:1]
	}
	return found[len(found)-1:]
}
