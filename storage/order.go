package storage

import (
	"container/list"
	"context"
	"errors"
	"slices"
	"sync"
)

// Limits of the orders and threads of whole mailboxes in memory.
const (
	// ordersRoom bounds them, in bytes. A message takes 4 in each order and some 15
	// in each forest.
	ordersRoom = 32 << 20
	// leastOrder is how many messages a mailbox has whose order is worth to be
	// brought forward: smaller ones are sorted anew.
	leastOrder = 256
	// fewNew is how many times more messages an order has than may have come for
	// them to be put in one by one.
	fewNew = 64
	// partOrdered is how much of a mailbox is sorted by its order: a search that
	// finds less than one in so many is sorted for itself.
	partOrdered = 8
)

// arrangement names something kept of a whole mailbox: an order, or threads.
type arrangement struct {
	ref     Ref
	threads bool
	program string // the criteria, or the algorithm
}

// arranged is such a thing. What a message is sorted and threaded by never
// changes, and its UID never comes again: what was made of some messages is
// right for as long as they are there.
type arranged struct {
	name   arrangement
	making sync.Mutex // held while it is made

	// What follows is guarded by the mu of orders.
	all     UIDList // of these messages; both are never written to
	uids    []UID   // in order
	forest  *Threads
	element *list.Element
	weight  int
}

// orders remembers the orders and threads of whole mailboxes, those used last.
type orders struct {
	least int // leastOrder

	mu     sync.Mutex
	by     map[arrangement]*arranged
	used   *list.List // of *arranged, the one used last in front
	weight int
	room   int
}

func newOrders() *orders {
	return &orders{least: leastOrder, by: map[arrangement]*arranged{}, used: list.New(), room: ordersRoom}
}

// find gives the place of something, ready or not.
func (o *orders) find(name arrangement) *arranged {
	o.mu.Lock()
	defer o.mu.Unlock()
	a := o.by[name]
	if a == nil {
		a = &arranged{name: name}
		a.element = o.used.PushFront(a)
		o.by[name] = a
		o.weigh(a)
	}
	o.used.MoveToFront(a.element)
	return a
}

// current gives what is there.
func (o *orders) current(a *arranged) (UIDList, []UID, *Threads) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return a.all, a.uids, a.forest
}

// install puts in what was made, unless its place was given up meanwhile.
func (o *orders) install(a *arranged, all UIDList, uids []UID, forest *Threads) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.by[a.name] == a {
		a.all, a.uids, a.forest = all, uids, forest
		o.weigh(a)
	}
}

// weigh notes what something takes.
func (o *orders) weigh(a *arranged) {
	const entry, run, node = 256, 12, 12
	o.weight -= a.weight
	a.weight = entry + run*a.all.runs() + 4*cap(a.uids)
	if a.forest != nil {
		a.weight += node * cap(a.forest.compact)
	}
	o.weight += a.weight
	o.trim()
}

// trim forgets what was not used for longest while everything takes too much.
func (o *orders) trim() {
	for o.weight > o.room && o.used.Len() > 0 {
		o.drop(o.used.Back().Value.(*arranged))
	}
}

func (o *orders) drop(a *arranged) {
	o.used.Remove(a.element)
	delete(o.by, a.name)
	o.weight -= a.weight
	a.weight, a.all, a.uids, a.forest = 0, UIDList{}, nil, nil
}

// program writes criteria down without those that decide nothing: a field that
// stands there already, and unless it is among them the relevancy, which all
// have alike.
func program(by []SortCriterion, relevancy bool) (clean []SortCriterion, name string) {
	var b []byte
	for _, c := range by {
		if c.Field == ByRelevancy && !relevancy || slices.ContainsFunc(clean, func(o SortCriterion) bool { return o.Field == c.Field }) {
			continue
		}
		clean, b = append(clean, c), append(b, byte(c.Field))
		if c.Reverse {
			b = append(b, '-')
		}
	}
	return clean, string(b)
}

// Known gives the messages that a query finds, without reading any, when it asks
// for nothing but UIDs and \Seen; ok tells whether that is so. ErrNoMailbox.
func (s *Store) Known(ref Ref, q *Query) (all UIDList, ok bool, err error) {
	if !q.onlyUIDs() {
		return all, false, nil
	}
	bounds := q.Within()
	if len(bounds) == 0 {
		return all, true, nil
	}
	c, err := s.describe(ref)
	if err != nil {
		return all, false, err
	}
	if _, sound := s.feeds.current(s.feeds.described(ref)); !sound {
		return all, false, nil
	}
	all = c.UIDs
	switch {
	case q.Has == Seen:
		all = all.Without(c.Unseen.Set())
	case q.HasNot == Seen:
		all = c.Unseen
	}
	return all.Within(bounds), true, nil
}

// onlyUIDs tells whether a query asks for nothing but UIDs and \Seen.
func (q *Query) onlyUIDs() bool {
	return (q.Has|q.HasNot)&^Seen == 0 && q.Has&q.HasNot == 0 && len(q.Keyword)+len(q.NoKeyword) == 0 &&
		q.Since.IsZero() && q.Before.IsZero() && q.On.IsZero() && q.SavedSince.IsZero() && q.SavedBefore.IsZero() && q.SavedOn.IsZero() &&
		q.Larger == nil && q.Smaller == nil && q.Younger == 0 && q.Older == 0 && q.ModSeq == 0 && q.Blob == 0 && q.Thread == 0 &&
		len(q.Not)+len(q.Or) == 0 && q.plain()
}

// Arrange gives the messages of a list in the order of Sort, without those that
// are gone. The result is shared and not to be changed. ErrNoMailbox.
func (s *Store) Arrange(ctx context.Context, ref Ref, among UIDList, by []SortCriterion) ([]UID, error) {
	if by, _ = program(by, false); len(by) == 0 {
		c, err := s.Contents(ref)
		return among.Within(c.UIDs.Set()).List(), err
	}
	all, order, err := s.ordered(ctx, ref, by)
	if err != nil || all.Equal(among) {
		return order, err
	}
	return pick(order, among), nil
}

// pick gives those of some UIDs that are in a list.
func pick(uids []UID, in UIDList) []UID {
	out := make([]UID, 0, min(len(uids), in.Len()))
	has := in.membership()
	for _, u := range uids {
		if has(u) {
			out = append(out, u)
		}
	}
	return out
}

// ordered gives the order of all messages of a mailbox, and which those are.
func (s *Store) ordered(ctx context.Context, ref Ref, by []SortCriterion) (all UIDList, order []UID, err error) {
	by, name := program(by, false)
	a := s.orders.find(arrangement{ref: ref, program: name})
	a.making.Lock()
	defer a.making.Unlock()
	now, err := s.Contents(ref)
	if err != nil {
		return all, nil, err
	}
	all, order, _ = s.orders.current(a)
	if all.Equal(now.UIDs) {
		return all, order, nil
	}
	order, err = s.forward(ctx, ref, by, all, order, now.UIDs)
	all = now.UIDs
	sound := err == nil
	if errors.Is(err, errSortAnew) {
		all, order, sound, err = s.orderAnew(ctx, ref, by, now.UIDs)
	}
	if err == nil && sound {
		s.orders.install(a, all, order, nil)
	}
	return all, order, err
}

// errSortAnew says that an order is not brought forward.
var errSortAnew = errors.New("order is to be made anew")

// orderAnew sorts messages; all are those that were there. It is sound when what
// they are sorted by could be read of all.
func (s *Store) orderAnew(ctx context.Context, ref Ref, by []SortCriterion, uids UIDList) (all UIDList, order []UID, sound bool, err error) {
	list, err := s.matched(ctx, ref, uids)
	if err != nil {
		return all, nil, false, err
	}
	for i := range list {
		all.extend(list[i].UID, list[i].UID)
	}
	sound, err = s.sortThem(ref, list, by)
	order = make([]UID, len(list))
	for i := range list {
		order[i] = list[i].UID
	}
	return all, order, sound, err
}

// matched reads messages.
func (s *Store) matched(ctx context.Context, ref Ref, uids UIDList) ([]Match, error) {
	list, place := make([]Match, 0, uids.Len()), placeOf(ctx)
	for r, err := range s.Rows(ref, uids.Set(), ReadOptions{}) {
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return nil, err
		}
		place.come(r.UID)
		list = append(list, MatchOf(r))
	}
	return list, nil
}

// forward takes out of an order what is gone and puts in what has come.
// errSortAnew when that is not worth it, or not possible.
func (s *Store) forward(ctx context.Context, ref Ref, by []SortCriterion, was UIDList, order []UID, now UIDList) ([]UID, error) {
	added := now.Without(was.Set())
	if n := added.Len(); now.Len() < s.orders.least || n*fewNew > now.Len() && s.orders.least > 0 || len(order) == 0 {
		return nil, errSortAnew
	}
	if was.Len()+added.Len() != now.Len() {
		order = pick(order, now)
	}
	if added.Len() == 0 {
		return order, nil
	}
	list, err := s.matched(ctx, ref, added)
	if err != nil {
		return nil, err
	}
	if sound, err := s.sortThem(ref, list, by); err != nil || !sound || len(list) != added.Len() {
		return nil, errors.Join(err, errSortAnew)
	}
	return s.putIn(ref, by, order, list)
}

// putIn puts messages, which are in order, where they belong.
func (s *Store) putIn(ref Ref, by []SortCriterion, order []UID, added []Match) ([]UID, error) {
	p := probe{s: s, ref: ref, by: by, met: map[UID]keyed{}}
	out := make([]UID, 0, len(order)+len(added))
	from := 0
	for _, m := range added {
		here, err := p.of(m.UID)
		if err != nil {
			return nil, err
		}
		at, end := from, len(order) // the first that comes after it
		for at < end {
			mid := at + (end-at)/2
			other, err := p.of(order[mid])
			if err != nil {
				return nil, err
			}
			if p.compare(other, here) < 0 {
				at = mid + 1
			} else {
				end = mid
			}
		}
		out = append(append(out, order[from:at]...), m.UID)
		from = at
	}
	return append(out, order[from:]...), nil
}

// keyed is a message with what it is sorted by.
type keyed struct {
	match Match
	key   *sortKey
}

// probe reads single messages of an order.
type probe struct {
	s   *Store
	ref Ref
	by  []SortCriterion
	met map[UID]keyed
}

// of reads one; errSortAnew when it is gone or can't be read.
func (p *probe) of(u UID) (keyed, error) {
	if k, ok := p.met[u]; ok {
		return k, nil
	}
	list, err := p.s.matched(context.Background(), p.ref, UIDs(u).List())
	if err != nil || len(list) == 0 {
		return keyed{}, errors.Join(err, errSortAnew)
	}
	keys, sound, err := p.s.sortKeysOf(p.ref.Account, list)
	if err != nil || !sound {
		return keyed{}, errors.Join(err, errSortAnew)
	}
	p.met[u] = keyed{list[0], keys[0]}
	return p.met[u], nil
}

func (p *probe) compare(a, b keyed) int {
	list := [2]Match{a.match, b.match}
	for _, c := range p.by {
		if n := c.compare(list[:], sorting{key: a.key}, sorting{key: b.key, at: 1}); n != 0 {
			return n
		}
	}
	return int(int64(a.match.UID) - int64(b.match.UID))
}

// sortByOrder sorts by the order of the whole mailbox, unless few were found, or
// not all are in it.
func (s *Store) sortByOrder(ref Ref, list []Match, by []SortCriterion) (done bool, err error) {
	c, err := s.Contents(ref)
	if err != nil || len(list)*partOrdered < c.UIDs.Len() {
		return false, err
	}
	_, order, err := s.ordered(context.Background(), ref, by)
	if err != nil {
		return false, err
	}
	var found UIDList
	for i := range list {
		found.extend(list[i].UID, list[i].UID)
	}
	order = pick(order, found)
	if len(order) != len(list) {
		return false, nil
	}
	out := make([]Match, len(list))
	for i, u := range order {
		at, _ := found.Find(u)
		out[i] = list[at]
	}
	copy(list, out)
	return true, nil
}
