package storage

import (
	"cmp"
	"context"
	"slices"
)

// ThreadAlgorithm is how messages are made threads.
type ThreadAlgorithm uint8

// The algorithms of RFC 5256 §3, and REFS: what REFERENCES does without
// gathering by subject, threads ordered by the message that arrived last
// (draft-ietf-morg-inthread §4).
const (
	OrderedSubject ThreadAlgorithm = iota
	References
	Refs
)

// none is no node.
const none = -1

// Threads is a forest of messages, which never changes. Nodes are numbers, a
// message before those below it; Root is the first of the threads, and Child and
// Next lead on.
type Threads struct {
	Root    int32 // -1 for none
	compact []treeNode
}

// treeNode is a message, or with UID 0 one that is only referred to. Its first
// child is the node behind it.
type treeNode struct {
	uid   UID
	child int32
	next  int32
}

// UID of a node's message, 0 for one that is not among those asked for.
func (t *Threads) UID(n int32) UID { return t.compact[n].uid }

// Child is the first of a node's children, -1 for none.
func (t *Threads) Child(n int32) int32 { return t.compact[n].child }

// Next is a node's next sibling, -1 for none.
func (t *Threads) Next(n int32) int32 { return t.compact[n].next }

// threading is threads while they are made.
type threading struct {
	nodes []threadNode
	list  []Match
	keys  []*sortKey
}

// threadNode is a message, or a dummy for one that is only referred to.
type threadNode struct {
	match                     int32 // -1 for a dummy
	parent, child, next, prev int32
}

// Thread makes threads of those messages of a list that are there. Those of a
// whole mailbox are remembered until a message comes or goes. ErrNoMailbox.
func (s *Store) Thread(ctx context.Context, ref Ref, among UIDList, alg ThreadAlgorithm) (*Threads, error) {
	c, err := s.Contents(ref)
	if err != nil {
		return nil, err
	}
	if !c.UIDs.Equal(among) {
		list, err := s.matched(ctx, ref, among)
		if err != nil {
			return nil, err
		}
		return s.ThreadFound(ref, list, alg)
	}
	a := s.orders.find(arrangement{ref: ref, threads: true, program: string(rune(alg))})
	a.making.Lock()
	defer a.making.Unlock()
	if all, _, forest := s.orders.current(a); forest != nil && all.Equal(among) {
		return forest, nil
	}
	list, err := s.matched(ctx, ref, among)
	if err != nil {
		return nil, err
	}
	forest, sound, err := s.thread(ref, list, alg)
	if err == nil && sound && len(list) == among.Len() {
		s.orders.install(a, among, nil, forest)
	}
	return forest, err
}

// ThreadFound makes threads of messages, which come by ascending UID.
func (s *Store) ThreadFound(ref Ref, list []Match, alg ThreadAlgorithm) (*Threads, error) {
	t, _, err := s.thread(ref, list, alg)
	return t, err
}

// thread makes threads. They are sound when what they are made by could be read
// of all messages.
func (s *Store) thread(ref Ref, list []Match, alg ThreadAlgorithm) (forest *Threads, sound bool, err error) {
	keys, sound, err := s.sortKeysOf(ref.Account, list)
	if err != nil {
		return nil, false, err
	}
	t := &threading{list: list, keys: keys, nodes: make([]threadNode, 0, len(list)+len(list)/4+1)}
	top := t.add(none) // what holds the threads
	if alg == OrderedSubject {
		t.bySubject(top)
	} else {
		t.byReferences(top)
		t.prune(top)
		t.sortChildren(top)
		if alg == References {
			t.gather(top)
		}
		t.sortAll(top, alg)
	}
	return t.forest(top), sound, nil
}

// forest gives what was made, parents first and siblings in order.
func (t *threading) forest(top int32) *Threads {
	f := &Threads{Root: none, compact: make([]treeNode, 0, len(t.list)+len(t.list)/8)}
	places := make([]int32, len(t.nodes))
	for n := t.nodes[top].child; n != none && n != top; {
		node, at := &t.nodes[n], int32(len(f.compact))
		places[n] = at
		switch {
		case node.prev != none:
			f.compact[places[node.prev]].next = at
		case node.parent != top:
			f.compact[places[node.parent]].child = at
		default:
			f.Root = at
		}
		uid := UID(0)
		if node.match != none {
			uid = t.list[node.match].UID
		}
		f.compact = append(f.compact, treeNode{uid, none, none})
		if node.child != none {
			n = node.child
			continue
		}
		for n != top && t.nodes[n].next == none {
			n = t.nodes[n].parent
		}
		if n != top {
			n = t.nodes[n].next
		}
	}
	return f
}

func (t *threading) add(match int32) int32 {
	t.nodes = append(t.nodes, threadNode{match, none, none, none, none})
	return int32(len(t.nodes) - 1)
}

// link makes child the first of parent's children.
func (t *threading) link(parent, child int32) {
	t.unlink(child)
	c, p := &t.nodes[child], &t.nodes[parent]
	c.parent, c.next = parent, p.child
	if p.child != none {
		t.nodes[p.child].prev = child
	}
	p.child = child
}

func (t *threading) unlink(n int32) {
	c := &t.nodes[n]
	switch {
	case c.parent == none:
		return
	case c.prev != none:
		t.nodes[c.prev].next = c.next
	default:
		t.nodes[c.parent].child = c.next
	}
	if c.next != none {
		t.nodes[c.next].prev = c.prev
	}
	c.parent, c.prev, c.next = none, none, none
}

// children lists a node's.
func (t *threading) children(n int32) (list []int32) {
	for c := t.nodes[n].child; c != none; c = t.nodes[c].next {
		list = append(list, c)
	}
	return list
}

// within tells whether n is above or is of.
func (t *threading) within(n, of int32) bool {
	for ; of != none; of = t.nodes[of].parent {
		if of == n {
			return true
		}
	}
	return false
}

// forest remembers which nodes were ever linked together: where they were not,
// no loop can come of a link, and the way up need not be walked.
type forest []int32

func (f *forest) root(n int32) int32 {
	for int(n) >= len(*f) {
		*f = append(*f, int32(len(*f)))
	}
	for (*f)[n] != n {
		(*f)[n] = (*f)[(*f)[n]]
		n = (*f)[n]
	}
	return n
}

// join tells whether the two were together before.
func (f *forest) join(a, b int32) bool {
	a, b = f.root(a), f.root(b)
	(*f)[a] = b
	return a == b
}

// byReferences is steps 1 and 2 of REFERENCES (RFC 5256 §3).
func (t *threading) byReferences(top int32) {
	by := make(map[uint64]int32, len(t.list)+len(t.list)/4)
	taken := make([]int32, len(t.list)) // the node of each message
	for i := range t.list {
		// Of messages with the same Message-ID the first has it.
		n, id := t.add(int32(i)), t.keys[i].id
		if _, twice := by[id]; id != 0 && !twice {
			by[id] = n
		}
		taken[i] = n
	}
	var together forest
	for i := range t.list {
		last := int32(none)
		for _, p := range t.keys[i].parents {
			n, known := by[p]
			if !known {
				n = t.add(none)
				by[p] = n
			}
			if last != none && t.nodes[n].parent == none && (!together.join(last, n) || !t.within(n, last)) {
				t.link(last, n)
			}
			last = n
		}
		// What the message itself says counts more than what others say of it.
		t.unlink(taken[i])
		if last != none && (!together.join(last, taken[i]) || !t.within(taken[i], last)) {
			t.link(last, taken[i])
		}
	}
	for n := int32(len(t.nodes) - 1); n > top; n-- {
		if t.nodes[n].parent == none {
			t.link(top, n)
		}
	}
}

// prune is step 3: dummies go, and their children take their place; at the top
// only when there is one. Nodes below go first.
func (t *threading) prune(top int32) {
	for _, n := range slices.Backward(t.all(top)) {
		if n == top || t.nodes[n].match != none {
			continue
		}
		kids, parent := t.children(n), t.nodes[n].parent
		if len(kids) > 1 && parent == top {
			continue
		}
		for _, k := range kids {
			t.link(parent, k)
		}
		t.unlink(n)
	}
}

// all lists a node and everything below it, parents first.
func (t *threading) all(top int32) []int32 {
	list := make([]int32, 1, len(t.nodes))
	list[0] = top
	for i := 0; i < len(list); i++ {
		for c := t.nodes[list[i]].child; c != none; c = t.nodes[c].next {
			list = append(list, c)
		}
	}
	return list
}

// place is what siblings are ordered by: a date, then the order of the mailbox.
type place struct {
	date  int64
	match int32
	node  int32
}

func (p place) compare(q place) int {
	if p.date != q.date {
		return cmp.Compare(p.date, q.date)
	}
	return cmp.Compare(p.match, q.match)
}

// placeOf gives a node's; a dummy's is that of its first child, whose children
// are sorted.
func (t *threading) placeOf(n int32) place {
	m := t.nodes[n].match
	if m == none {
		m = t.nodes[t.nodes[n].child].match
	}
	return place{t.keys[m].date(&t.list[m]), m, n}
}

// order puts children in an order.
func (t *threading) order(parent int32, list []place) {
	slices.SortFunc(list, place.compare)
	for _, p := range slices.Backward(list) {
		t.link(parent, p.node)
	}
}

// sortChildren orders a node's children by sent date; those of dummies among
// them first, whose place depends on it.
func (t *threading) sortChildren(n int32) {
	first := t.nodes[n].child
	if first == none {
		return
	}
	var list []place
	for c := first; c != none; c = t.nodes[c].next {
		if t.nodes[c].match == none {
			t.sortChildren(c)
		}
		list = append(list, t.placeOf(c))
	}
	if len(list) > 1 {
		t.order(n, list)
	}
}

// gather is step 5: threads with the same base subject become one.
func (t *threading) gather(top int32) {
	roots := t.children(top)
	table := make(map[string]int32, len(roots))
	for _, n := range roots {
		s := t.subject(n)
		if s == "" {
			continue
		}
		in, known := table[s]
		if !known || !t.dummy(in) && (t.dummy(n) || t.isReply(in) && !t.isReply(n)) {
			table[s] = n
		}
	}
	for _, n := range roots {
		s := t.subject(n)
		in, known := table[s]
		if s == "" || !known || in == n {
			continue
		}
		switch {
		case t.dummy(in) && t.dummy(n):
			for _, k := range t.children(n) {
				t.link(in, k)
			}
			t.unlink(n)
		case t.dummy(in), t.isReply(n) && !t.isReply(in):
			t.link(in, n)
		default:
			d := t.add(none)
			t.link(top, d)
			t.link(d, in)
			t.link(d, n)
			table[s] = d
		}
	}
}

func (t *threading) dummy(n int32) bool { return t.nodes[n].match == none }

// subject is a thread's base subject: that of its first message.
func (t *threading) subject(n int32) string { return t.keys[t.placeOf(n).match].at(textSubject) }

func (t *threading) isReply(n int32) bool {
	m := t.nodes[n].match
	return m != none && t.keys[m].reply
}

// sortAll is step 6: siblings by sent date everywhere. REFS orders threads by
// the latest arrival in each.
func (t *threading) sortAll(top int32, alg ThreadAlgorithm) {
	nodes := t.all(top)
	for _, n := range slices.Backward(nodes) {
		if n == top && alg == Refs {
			break
		}
		if c := t.nodes[n].child; c != none && t.nodes[c].next != none {
			t.sortChildren(n)
		}
	}
	if alg != Refs {
		return
	}
	latest := make([]place, len(t.nodes))
	for i := range latest {
		latest[i] = place{date: -1 << 63, match: none}
	}
	for _, n := range slices.Backward(nodes) {
		if m := t.nodes[n].match; m != none {
			latest[n] = later(latest[n], place{date: t.list[m].Arrival, match: m})
		}
		if p := t.nodes[n].parent; p != none {
			latest[p] = later(latest[p], latest[n])
		}
	}
	var list []place
	for _, n := range t.children(top) {
		latest[n].node = n
		list = append(list, latest[n])
	}
	t.order(top, list)
}

func later(a, b place) place {
	if a.compare(b) < 0 {
		return b
	}
	return a
}

// bySubject is ORDEREDSUBJECT: threads of one base subject by the date of their
// first message, and all others below that.
func (t *threading) bySubject(top int32) {
	threads := make(map[string][]place, len(t.list))
	for i := range t.list {
		s := t.keys[i].at(textSubject)
		threads[s] = append(threads[s], place{t.keys[i].date(&t.list[i]), int32(i), none})
	}
	firsts := make([]place, 0, len(threads))
	for _, list := range threads {
		slices.SortFunc(list, place.compare)
		n := t.add(list[0].match)
		for _, p := range slices.Backward(list[1:]) {
			t.link(n, t.add(p.match))
		}
		list[0].node = n
		firsts = append(firsts, list[0])
	}
	t.order(top, firsts)
}
