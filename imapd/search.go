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
	return s.searching(ctx, c, c.Args.(wire.SearchArgs), nil)
}

// searching answers SEARCH, or with an order SORT.
func (s *session) searching(ctx context.Context, c *wire.Command, a wire.SearchArgs, by []storage.SortCriterion) (reply, error) {
	v := s.view
	update := slices.Contains(a.Return, "UPDATE")
	if update && s.updating(c.Tag) {
		return bad("Tag is in use by another search with UPDATE"), nil // RFC 5267 §4.3
	}
	save := slices.Contains(a.Return, "SAVE")
	var found hits
	var low storage.UID
	query, err := s.queryOf(a)
	if err == nil {
		low, err = s.bound(&query, by != nil)
	}
	if err == nil {
		found, err = s.matching(ctx, query, a, by)
	}
	if err != nil {
		if save {
			s.saved = nil // RFC 5182 §2.1: NO empties it
		}
		return reply{}, err
	}
	before := s.saved
	if save {
		s.saved = toSave(a, found.uids)
	}
	s.writeFound(c, a, result{hits: found, sorted: by != nil, number: s.numbers(c.UID)})
	switch {
	case update && low != 0: // what has become of the rest would not be told
		s.w.Status("*", kindNo, `NOUPDATE "`+c.Tag+`"`, "The search does not look through all messages")
	case update:
		s.keepUpdated(c, a, by, found.uids, before)
	}
	if !c.UID && len(v.expunged) > 0 {
		return s.limited(okCode("EXPUNGEISSUED", c.Name+" completed"), low), nil
	}
	return s.limited(done(), low), nil
}

// found gives what a search of the selected mailbox finds, in order.
func (s *session) found(ctx context.Context, a wire.SearchArgs, by []storage.SortCriterion) (hits, error) {
	query, err := s.queryOf(a)
	if err != nil {
		return hits{}, err
	}
	return s.matching(ctx, query, a, by)
}

// queryOf gives what a search asks of the selected mailbox.
func (s *session) queryOf(a wire.SearchArgs) (storage.Query, error) {
	if asksModSeq(a.Key) {
		s.watchModSeqs()
	}
	return s.view.query(a.Key, s.saved)
}

// matching gives what a query finds of the selected mailbox, in order.
func (s *session) matching(ctx context.Context, query storage.Query, a wire.SearchArgs, by []storage.SortCriterion) (hits, error) {
	want := []storage.Order{storage.All}
	if by == nil {
		want = orders(a.Return)
	}
	return s.hits(ctx, s.view, query, seeking{want: want, by: by, modseq: asksModSeq(a.Key)})
}

// seeking says what is wanted of a search.
type seeking struct {
	want   []storage.Order
	by     []storage.SortCriterion // nil for the order of the mailbox
	modseq bool                    // the modseqs of what it finds
}

// hits gives what a search finds, in order. What needs no look at the messages
// does without.
func (s *session) hits(ctx context.Context, v *view, q storage.Query, o seeking) (h hits, err error) {
	list, known, err := s.knownOf(v, q)
	if err != nil {
		return h, err
	}
	if !known || o.modseq {
		found, err := s.find(ctx, v, q, o.want, func(found []storage.Match) error {
			return s.srv.o.Store.Sort(v.ref, found, o.by)
		})
		return hitsOf(found), err
	}
	switch {
	case list.Len() == 0:
	case o.by != nil:
		err = s.patiently(ctx, &progress{there: list}, func(ctx context.Context) (err error) {
			h.uids, err = s.srv.o.Store.Arrange(ctx, v.ref, list, o.by)
			return err
		})
	case slices.Equal(o.want, []storage.Order{storage.All}):
		h.uids = list.List()
	default: // the ends of it
		for _, end := range o.want {
			uid := list.First()
			if end == storage.Last {
				uid = list.Last()
			}
			h.uids = append(h.uids, uid)
		}
		h.uids = slices.Compact(h.uids)
	}
	return h, err
}

// knownOf gives what a search finds of those messages that a view has, as far as
// the store knows without a look at them.
func (s *session) knownOf(v *view, q storage.Query) (list storage.UIDList, ok bool, err error) {
	if v.size() == 0 {
		return list, true, nil
	}
	list, ok, err = s.srv.o.Store.Known(v.ref, &q)
	if err != nil || !ok || list.Equal(v.uids) {
		return list, ok, err
	}
	return list.Within(v.uids.Set()), true, nil
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
	for _, o := range options {
		switch o {
		case "MIN":
			least = true
		case "MAX":
			greatest = true
		case "ALL", "COUNT", "PARTIAL", "RELEVANCY", "UPDATE":
			all = true
		}
	}
	return least, greatest, all || !least && !greatest
}

// find gives the messages that match, ascending, of those that a view has. What
// else takes long with them is done by then, which may be nil.
func (s *session) find(ctx context.Context, v *view, q storage.Query, orders []storage.Order, then func([]storage.Match) error) ([]storage.Match, error) {
	if v.size() == 0 {
		return nil, nil
	}
	// What has arrived since has no sequence number yet.
	q.UIDs = append(slices.Clone(q.UIDs), v.span())
	var found []storage.Match
	search := func(ctx context.Context) error {
		for _, o := range orders {
			for row, err := range s.srv.o.Store.Search(ctx, v.ref, q, o) {
				if err != nil {
					return err
				}
				if v.seq(row.UID) != 0 {
					found = append(found, storage.MatchOf(row))
				}
			}
		}
		found = slices.CompactFunc(found, func(a, b storage.Match) bool { return a.UID == b.UID })
		if then == nil {
			return nil
		}
		return then(found)
	}
	if err := s.patiently(ctx, v.through(q.Within()), search); err != nil {
		return nil, err
	}
	return found, nil
}

// toSave gives what "$" is after a search. RFC 5182 §2.4: MIN and MAX save what
// they return, unless ALL or COUNT ask for more; RFC 9394 §3.2 has PARTIAL do
// the same.
func toSave(a wire.SearchArgs, found []storage.UID) []storage.UID {
	least, greatest, _ := wants(a.Return)
	all := slices.Contains(a.Return, "ALL") || slices.Contains(a.Return, "COUNT") || !least && !greatest && a.Partial == nil
	if len(found) == 0 || all {
		return slices.Clone(found)
	}
	var some []storage.UID
	if a.Partial != nil {
		from, to := a.Partial.Of(len(found))
		some = append(some, found[from:to]...)
	}
	if least {
		some = append(some, found[0])
	}
	if greatest {
		some = append(some, found[len(found)-1])
	}
	slices.Sort(some)
	return slices.Compact(some)
}
