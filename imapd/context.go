package imapd

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/emersion/go-imap/v2"

	"mailstead/imapd/wire"
	"mailstead/internal/logkey"
	"mailstead/storage"
)

// Limits of the searches that a session keeps up to date (RFC 5267 §4.3.1). One
// of any size is always kept.
const (
	maxContexts       = 16
	maxContextResults = 1 << 20 // of all of them together
	maxTouched        = 1000    // messages looked at again one by one
	// contextAge is how old a result can be that depends on the time.
	contextAge = 10 * time.Second
)

// searchContext is a search whose result the client is kept told of.
type searchContext struct {
	tag   string
	uid   bool
	key   wire.SearchKey
	saved []storage.UID // "$" when it was asked
	by    []storage.SortCriterion
	list  []storage.UID    // the result as the client knows it, in order
	items []wire.FetchItem // told of new messages in it

	numbered bool // depends on sequence numbers
	timed    bool // depends on the time
	checked  time.Time
}

// updating tells whether a tag names a search that is kept up to date.
func (s *session) updating(tag string) bool {
	return slices.ContainsFunc(s.contexts, func(x *searchContext) bool { return x.tag == tag })
}

// keepUpdated begins to keep a search up to date, or says that it will not.
func (s *session) keepUpdated(c *wire.Command, a wire.SearchArgs, by []storage.SortCriterion, found, saved []storage.UID) {
	held := len(found)
	for _, x := range s.contexts {
		held += len(x.list)
	}
	if len(s.contexts) >= maxContexts || len(s.contexts) > 0 && held > maxContextResults {
		s.w.Status("*", kindNo, `NOUPDATE "`+c.Tag+`"`, "Too many searches to keep up to date")
		return
	}
	x := &searchContext{tag: c.Tag, uid: c.UID, key: a.Key, saved: saved, by: by, list: slices.Clone(found), items: a.Update, checked: time.Now()}
	x.depends(a.Key)
	s.contexts = append(s.contexts, x)
	s.view.watch(true)
	// What has arrived and is announced after this command was not looked at.
	for _, uid := range s.view.added {
		s.view.touch([]storage.Row{{UID: uid}})
	}
}

// depends notes what a result depends on beside the messages themselves.
func (x *searchContext) depends(k wire.SearchKey) {
	switch k.Name {
	case "YOUNGER", "OLDER":
		x.timed = true
	case "SET":
		x.numbered = x.numbered || !imap.IsSearchRes(k.Set)
	case "UID":
		if set, ok := k.Set.(imap.UIDSet); ok {
			x.numbered = x.numbered || set.Dynamic()
		}
	}
	for _, in := range k.Keys {
		x.depends(in)
	}
}

// cancelUpdate is RFC 5267 §4.3.5.
func (s *session) cancelUpdate(_ context.Context, c *wire.Command) (reply, error) {
	tags := c.Args.(wire.CancelUpdateArgs).Tags
	for _, t := range tags {
		if !s.updating(t) {
			return bad("No search with that tag is kept up to date"), nil
		}
	}
	s.contexts = slices.DeleteFunc(s.contexts, func(x *searchContext) bool { return slices.Contains(tags, x.tag) })
	s.view.watch(len(s.contexts) > 0)
	return done(), nil
}

// touched are messages that may match otherwise than before.
type touched struct {
	uids map[storage.UID]bool
	all  bool // any can
	some bool // numbers may have changed
}

// watch notes from now on what changes, or does not any more.
func (v *view) watch(on bool) {
	v.watched = on
	if !on {
		v.touched = touched{}
	}
}

// touch notes that messages have changed.
func (v *view) touch(rows []storage.Row) {
	if !v.watched {
		return
	}
	t := &v.touched
	if t.some = true; t.all {
		return
	}
	if t.uids == nil {
		t.uids = map[storage.UID]bool{}
	}
	for _, r := range rows {
		t.uids[r.UID] = true
	}
	if len(t.uids) > maxTouched {
		t.uids, t.all = nil, true
	}
}

// set gives the messages to look at again.
func (t touched) set(v *view) storage.UIDSet {
	if t.all {
		return v.span()
	}
	list := make([]storage.UID, 0, len(t.uids))
	for u := range t.uids {
		list = append(list, u)
	}
	return storage.UIDs(list...)
}

// forgetExpunged takes messages that are about to be announced as expunged out
// of the results: their numbers must still hold (RFC 5267 §4.3.4).
func (s *session) forgetExpunged() {
	for _, x := range s.contexts {
		s.writeUpdate(x, x.remove(func(u storage.UID) bool { return s.view.expunged[u] }), nil)
	}
	if len(s.contexts) > 0 {
		s.view.touched.some = true
	}
}

// updateContexts tells the client how results have changed (RFC 5267 §4.3.2).
// New messages were announced already (§4.3.3).
func (s *session) updateContexts() {
	if len(s.contexts) == 0 {
		return
	}
	v := s.view
	t := v.touched
	v.touched = touched{}
	for _, x := range s.contexts {
		set := t.set(v)
		old := x.timed && time.Since(x.checked) >= contextAge
		if old || x.numbered && t.some {
			set = v.span()
		}
		if len(set) == 0 {
			continue
		}
		if err := s.update(x, set); err != nil {
			if s.ctx.Err() != nil {
				return // the session ends
			}
			s.log.Error("search not brought up to date", logkey.Mailbox, v.name, logkey.Err, err)
			v.touched.all, v.touched.some = true, true // at the next command again
		}
	}
}

// update looks at messages again, and tells what has changed of a result.
func (s *session) update(x *searchContext, set storage.UIDSet) error {
	v := s.view
	q, err := v.query(x.key, x.saved)
	if err != nil {
		return err
	}
	q.UIDs = append(slices.Clone(q.UIDs), set)
	found, err := s.hits(s.ctx, v, q, seeking{want: []storage.Order{storage.All}})
	if err != nil {
		return err
	}
	match := make(map[storage.UID]bool, len(found.uids))
	for _, u := range found.uids {
		match[u] = true
	}
	x.checked = time.Now()
	gone := x.remove(func(u storage.UID) bool { return set.Contains(u) && !match[u] })
	for _, u := range x.list {
		delete(match, u)
	}
	lost, added, err := s.insert(x, match)
	if err == nil {
		err = s.fetchFresh(x.items, added)
	}
	s.writeUpdate(x, append(gone, lost...), added)
	return err
}

// change is some neighbours put into a result or taken out, at a position from
// 1; 0 for the order of the mailbox.
type change struct {
	at   int
	uids []storage.UID
}

// remove takes messages out of a result.
func (x *searchContext) remove(is func(storage.UID) bool) (out []change) {
	kept := x.list[:0]
	for _, u := range x.list {
		if !is(u) {
			kept = append(kept, u)
			continue
		}
		out = x.put(out, len(kept)+1, u, 0)
	}
	x.list = kept
	return out
}

// put adds a message to changes: to the last one when it is its neighbour. step
// is how far positions of neighbours are apart.
func (x *searchContext) put(list []change, at int, u storage.UID, step int) []change {
	if x.by == nil {
		at, step = 0, 0
	}
	if n := len(list); n > 0 && at == list[n-1].at+step*len(list[n-1].uids) {
		list[n-1].uids = append(list[n-1].uids, u)
		return list
	}
	return append(list, change{at, []storage.UID{u}})
}

// insert puts messages into a result, where they belong. lost are those that
// have left the mailbox meanwhile.
func (s *session) insert(x *searchContext, match map[storage.UID]bool) (lost, added []change, err error) {
	if len(match) == 0 {
		return nil, nil, nil
	}
	list := slices.Clone(x.list)
	for u := range match {
		list = append(list, u)
	}
	slices.Sort(list)
	if x.by != nil {
		if list, err = s.sorted(x, list); err != nil {
			return nil, nil, err
		}
		there := make(map[storage.UID]bool, len(list))
		for _, u := range list {
			there[u] = true
		}
		lost = x.remove(func(u storage.UID) bool { return !there[u] })
	}
	x.list = list
	for i, u := range list {
		if match[u] {
			added = x.put(added, i+1, u, 1)
		}
	}
	return lost, added, nil
}

// sorted orders messages of the selected mailbox by a context's keys.
func (s *session) sorted(x *searchContext, uids []storage.UID) ([]storage.UID, error) {
	q := storage.Query{UIDs: []storage.UIDSet{storage.UIDs(uids...)}}
	if slices.ContainsFunc(x.by, func(c storage.SortCriterion) bool { return c.Field == storage.ByRelevancy }) {
		// The relevancy is the search's own.
		own, err := s.view.query(x.key, x.saved)
		if err != nil {
			return nil, err
		}
		own.UIDs = append(slices.Clone(own.UIDs), q.UIDs...)
		q = own
	}
	list, err := s.hits(s.ctx, s.view, q, seeking{want: []storage.Order{storage.All}, by: x.by})
	return slices.Clone(list.uids), err
}

// writeUpdate tells of changes to a result.
func (s *session) writeUpdate(x *searchContext, gone, added []change) {
	if len(gone)+len(added) == 0 {
		return
	}
	s.beginESearch(x.tag, x.uid, nil)
	s.writeChanges("REMOVEFROM", x.uid, gone)
	s.writeChanges("ADDTO", x.uid, added)
	s.w.End()
}

func (s *session) writeChanges(word string, uid bool, list []change) {
	for i, c := range list {
		sep := " "
		if i == 0 {
			sep = " " + word + " ("
		}
		fmt.Fprintf(raw{s.w}, "%s%d ", sep, c.at)
		s.writeNumbers(c.uids, s.numbers(uid))
	}
	if len(list) > 0 {
		s.w.Raw(")")
	}
}
