package storage

import (
	"iter"
	"slices"
	"sort"
)

// UIDList is the messages of a mailbox, ascending, kept as runs: what it costs
// grows with the gaps, not with the messages. It is a value that never changes
// and may be shared; the zero value is empty. The message at index i has
// sequence number i+1.
type UIDList struct {
	head []run // all runs but the last
	tail run   // the last; its first is zero when the list is empty
}

// run is first..last without a gap; before is how many UIDs are in the runs
// before it.
type run struct {
	first, last UID
	before      uint32
}

// List is the UIDs of the set.
func (s UIDSet) List() UIDList {
	var l UIDList
	for _, r := range s {
		l.extend(r.First, r.Last)
	}
	return l
}

func (l *UIDList) runs() int {
	if l.tail.first == 0 {
		return 0
	}
	return len(l.head) + 1
}

func (l *UIDList) run(i int) run {
	if i < len(l.head) {
		return l.head[i]
	}
	return l.tail
}

// extend puts UIDs behind all others.
func (l *UIDList) extend(first, last UID) {
	switch {
	case l.tail.first == 0:
		l.tail = run{first: first, last: last}
	case l.tail.last+1 == first:
		l.tail.last = last
	default:
		before := uint32(l.Len())
		l.head = append(l.head, l.tail)
		l.tail = run{first, last, before}
	}
}

// Share gives the list to somebody else: from then on both may be extended.
func (l UIDList) Share() UIDList {
	l.head = slices.Clip(l.head)
	return l
}

// Len is the number of UIDs.
func (l UIDList) Len() int {
	if l.tail.first == 0 {
		return 0
	}
	return int(l.tail.before) + int(l.tail.last-l.tail.first) + 1
}

// At gives the UID at an index, which must be in 0..Len()-1.
func (l UIDList) At(i int) UID {
	if i < 0 || i >= l.Len() {
		panic("storage: index beyond the list of UIDs")
	}
	n := sort.Search(l.runs(), func(n int) bool { return int(l.run(n).before) > i })
	r := l.run(n - 1)
	return r.first + UID(i) - UID(r.before)
}

// Find gives the index of a UID, or where it would be, and whether it is there.
func (l UIDList) Find(u UID) (int, bool) {
	n := sort.Search(l.runs(), func(n int) bool { return l.run(n).last >= u })
	if n == l.runs() {
		return l.Len(), false
	}
	r := l.run(n)
	if u < r.first {
		return int(r.before), false
	}
	return int(r.before) + int(u-r.first), true
}

// Has tells whether a UID is in the list.
func (l UIDList) Has(u UID) bool {
	_, ok := l.Find(u)
	return ok
}

// First gives the lowest UID, zero of an empty list.
func (l UIDList) First() UID {
	if l.runs() == 0 {
		return 0
	}
	return l.run(0).first
}

// Last gives the highest UID, zero of an empty list.
func (l UIDList) Last() UID { return l.tail.last }

// All walks the UIDs.
func (l UIDList) All() iter.Seq[UID] { return l.Set().All() }

// Set gives the list as a set.
func (l UIDList) Set() UIDSet {
	if l.runs() == 0 {
		return nil
	}
	s := make(UIDSet, l.runs())
	for i := range s {
		r := l.run(i)
		s[i] = UIDRange{r.first, r.last}
	}
	return s
}

// Count gives how many UIDs of the list are in the set.
func (l UIDList) Count(s UIDSet) int {
	n := 0
	for _, r := range s {
		i, _ := l.Find(r.First)
		j, ok := l.Find(r.Last)
		if ok {
			j++
		}
		n += j - i
	}
	return n
}

// Equal tells whether two lists hold the same. Lists that share their memory are
// compared at once.
func (l UIDList) Equal(o UIDList) bool {
	if l.tail != o.tail || len(l.head) != len(o.head) {
		return false
	}
	return len(l.head) == 0 || &l.head[0] == &o.head[0] || slices.Equal(l.head, o.head)
}

// Within gives those UIDs of the list that are in a set.
func (l UIDList) Within(s UIDSet) UIDList {
	if len(s) == 1 && s[0].First <= l.First() && s[0].Last >= l.Last() {
		return l
	}
	return l.Set().and(s).List()
}

// List gives the UIDs one by one.
func (l UIDList) List() []UID {
	list := make([]UID, 0, l.Len())
	for i := range l.runs() {
		for r := l.run(i); r.first <= r.last; r.first++ {
			if list = append(list, r.first); r.first == r.last {
				break // it may be the greatest there is
			}
		}
	}
	return list
}

// membership tells quickly whether a UID is in the list, for whoever asks of very
// many.
func (l UIDList) membership() func(UID) bool {
	first, last := l.First(), l.Last()
	if l.runs() < 2 {
		return func(u UID) bool { return u >= first && u <= last && last != 0 }
	}
	if int(last-first)/64 > l.Len() {
		return l.Has
	}
	bits := make([]uint64, (last-first)/64+1)
	for i := range l.runs() {
		for r := l.run(i); r.first <= r.last; r.first++ {
			bits[(r.first-first)/64] |= 1 << ((r.first - first) % 64)
			if r.first == r.last {
				break
			}
		}
	}
	return func(u UID) bool {
		return u >= first && u <= last && bits[(u-first)/64]&(1<<((u-first)%64)) != 0
	}
}

// Append gives the list with one more UID, which must be above all others.
func (l UIDList) Append(u UID) UIDList {
	l.extend(u, u)
	return l
}

// Without gives the list without the UIDs of a set.
func (l UIDList) Without(s UIDSet) UIDList {
	if l.Count(s) == 0 {
		return l
	}
	var out UIDList
	for i := range l.runs() {
		r := l.run(i)
		at, ended := r.first, false
		for len(s) > 0 && s[0].Last < r.first {
			s = s[1:]
		}
		for _, cut := range s {
			if cut.First > r.last {
				break
			}
			if cut.First > at {
				out.extend(at, cut.First-1)
			}
			if ended = cut.Last >= r.last; ended {
				break
			}
			at = cut.Last + 1
		}
		if !ended {
			out.extend(at, r.last)
		}
	}
	return out
}

// Above gives the UIDs that are greater than one.
func (l UIDList) Above(u UID) UIDList {
	if u == 0 {
		return l
	}
	return l.Without(UIDSet{{1, u}})
}

// With gives the list with the UIDs of a set.
func (l UIDList) With(s UIDSet) UIDList {
	if len(s) == 0 {
		return l
	}
	if s[0].First > l.Last() {
		for _, r := range s {
			l.extend(r.First, r.Last)
		}
		return l
	}
	var out UIDList
	set := l.Set()
	for len(s) > 0 || len(set) > 0 {
		from := &s
		if len(s) == 0 || len(set) > 0 && set[0].First <= s[0].First {
			from = &set
		}
		r := (*from)[0]
		*from = (*from)[1:]
		if last := out.Last(); r.First <= last {
			if r.Last <= last {
				continue
			}
			r.First = last + 1
		}
		out.extend(r.First, r.Last)
	}
	return out
}
