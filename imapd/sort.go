package imapd

import (
	"context"

	"mailstead/imapd/wire"
	"mailstead/storage"
)

// sortFields are the sort keys of RFC 5256 §3, RFC 5957 §3 and RFC 6203 §5.
var sortFields = map[string]storage.SortField{
	"ARRIVAL": storage.ByArrival, "CC": storage.ByCC, "DATE": storage.ByDate, "FROM": storage.ByFrom, "SIZE": storage.BySize,
	"SUBJECT": storage.BySubject, "TO": storage.ByTo, "DISPLAYFROM": storage.ByDisplayFrom, "DISPLAYTO": storage.ByDisplayTo,
	"RELEVANCY": storage.ByRelevancy,
}

// algorithms are those of THREAD.
var algorithms = map[string]storage.ThreadAlgorithm{
	"ORDEREDSUBJECT": storage.OrderedSubject, "REFERENCES": storage.References, "REFS": storage.Refs,
}

// sort is RFC 5256 §3 SORT, with the results of ESORT (RFC 5267 §3).
func (s *session) sort(ctx context.Context, c *wire.Command) (reply, error) {
	a := c.Args.(wire.SortArgs)
	by := make([]storage.SortCriterion, len(a.By))
	for i, k := range a.By {
		by[i] = storage.SortCriterion{Field: sortFields[k.Name], Reverse: k.Reverse}
	}
	return s.searching(ctx, c, a.SearchArgs, by)
}

// thread is RFC 5256 §3 THREAD.
func (s *session) thread(ctx context.Context, c *wire.Command) (reply, error) {
	a := c.Args.(wire.ThreadArgs)
	query, err := s.queryOf(a.SearchArgs)
	if err == nil {
		_, err = s.bound(&query, true)
	}
	if err != nil {
		return reply{}, err
	}
	t, err := s.threads(ctx, query, algorithms[a.Algorithm])
	if err != nil {
		return reply{}, err
	}
	s.w.Raw("* THREAD")
	if t.Root >= 0 {
		s.w.Raw(" ")
		s.writeThreads(t, t.Root, s.numbers(c.UID))
	}
	s.w.End()
	if !c.UID && len(s.view.expunged) > 0 {
		return okCode("EXPUNGEISSUED", "THREAD completed"), nil
	}
	return done(), nil
}

// threads gives what a query finds, in threads.
func (s *session) threads(ctx context.Context, q storage.Query, by storage.ThreadAlgorithm) (t *storage.Threads, err error) {
	v := s.view
	list, known, err := s.knownOf(v, q)
	switch {
	case err != nil:
		return nil, err
	case known:
		err = s.patiently(ctx, &progress{there: list}, func(ctx context.Context) (err error) {
			t, err = s.srv.o.Store.Thread(ctx, v.ref, list, by)
			return err
		})
		return t, err
	}
	thread := func(found []storage.Match) (err error) {
		t, err = s.srv.o.Store.ThreadFound(v.ref, found, by)
		return err
	}
	_, err = s.find(ctx, v, q, []storage.Order{storage.All}, thread)
	return t, err
}

// writeThreads writes siblings, each in parentheses (RFC 5256 §4): an only
// child follows its parent without.
func (s *session) writeThreads(t *storage.Threads, n int32, number func(storage.UID) uint32) {
	for ; n >= 0; n = t.Next(n) {
		s.w.Raw("(")
		for at, sep := n, ""; at >= 0; at = t.Child(at) {
			if uid := t.UID(at); uid != 0 {
				s.w.Raw(sep)
				s.w.Num(int64(number(uid)))
				sep = " "
			}
			if kid := t.Child(at); kid >= 0 && t.Next(kid) >= 0 {
				s.w.Raw(sep)
				s.writeThreads(t, kid, number)
				break
			}
		}
		s.w.Raw(")")
	}
}
