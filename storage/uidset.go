package storage

import (
	"cmp"
	"iter"
	"slices"
)

// UIDs makes a set of single UIDs in any order.
func UIDs(list ...UID) UIDSet {
	if !slices.IsSorted(list) {
		list = slices.Sorted(slices.Values(list))
	}
	var s UIDSet
	for _, u := range list {
		s.add(u)
	}
	return s
}

// add puts in a UID that is not below the last one.
func (s *UIDSet) add(u UID) {
	if n := len(*s); n > 0 && u <= (*s)[n-1].Last+1 && (*s)[n-1].Last != 1<<32-1 {
		(*s)[n-1].Last = max(u, (*s)[n-1].Last)
		return
	}
	*s = append(*s, UIDRange{u, u})
}

// joined makes a set of ranges in any order.
func (s UIDSet) joined() (out UIDSet) {
	slices.SortFunc(s, func(a, b UIDRange) int { return cmp.Compare(a.First, b.First) })
	for _, r := range s {
		if n := len(out); n > 0 && r.First-1 <= out[n-1].Last {
			out[n-1].Last = max(out[n-1].Last, r.Last)
			continue
		}
		out = append(out, r)
	}
	return out
}

// Contains tells whether u is in the set.
func (s UIDSet) Contains(u UID) bool {
	_, ok := slices.BinarySearchFunc(s, u, func(r UIDRange, u UID) int {
		switch {
		case r.Last < u:
			return -1
		case r.First > u:
			return 1
		}
		return 0
	})
	return ok
}

// All walks the UIDs of the set, which may be many more than there are
// messages.
func (s UIDSet) All() iter.Seq[UID] {
	return func(yield func(UID) bool) {
		for _, r := range s {
			for u := r.First; ; u++ {
				if !yield(u) {
					return
				}
				if u == r.Last {
					break
				}
			}
		}
	}
}

// below gives the part of the set, or with all of every UID, that is below
// end.
func (s UIDSet) below(end UID, all bool) (out UIDSet) {
	if all {
		s = UIDSet{{1, 1<<32 - 1}}
	}
	for _, r := range s {
		if r.First < end {
			out = append(out, UIDRange{r.First, min(r.Last, end-1)})
		}
	}
	return out
}

// valid tells whether the set is as its type promises.
func (s UIDSet) valid() bool {
	last := UID(0)
	for i, r := range s {
		if r.First == 0 || r.First > r.Last || i > 0 && r.First <= last {
			return false
		}
		last = r.Last
	}
	return true
}

// and gives what is in both sets.
func (s UIDSet) and(t UIDSet) (out UIDSet) {
	for len(s) > 0 && len(t) > 0 {
		if first, last := max(s[0].First, t[0].First), min(s[0].Last, t[0].Last); first <= last {
			out = append(out, UIDRange{first, last})
		}
		if s[0].Last < t[0].Last {
			s = s[1:]
		} else {
			t = t[1:]
		}
	}
	return out
}

// few tells whether the set has n UIDs at most.
func (s UIDSet) few(n int) bool {
	for _, r := range s {
		if n -= int(r.Last-r.First) + 1; n < 0 {
			return false
		}
	}
	return true
}
