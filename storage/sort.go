package storage

import (
	"cmp"
	"encoding/binary"
	"slices"
)

// Match is a message that a search has found, with what ordering takes from its
// row.
type Match struct {
	UID       UID
	Relevancy uint8 // 1 to 100, how well it matches the fuzzy part of a query (RFC 6203)
	Arrival   int64 // internal date in Unix seconds
	Size      int64
	Blob      BlobID
	ModSeq    ModSeq
}

// MatchOf makes a match of a row that Search gave.
func MatchOf(r Row) Match {
	return Match{UID: r.UID, Relevancy: r.Relevancy, Arrival: r.InternalDate.Unix(), Size: r.Size, Blob: r.Blob, ModSeq: r.ModSeq}
}

// SortField is what messages are compared by.
type SortField uint8

// The sort keys of RFC 5256 §3, RFC 5957 and RFC 6203 §4.
const (
	ByArrival SortField = iota
	ByCC
	ByDate
	ByFrom
	BySize
	BySubject
	ByTo
	ByDisplayFrom
	ByDisplayTo
	ByRelevancy
)

// SortCriterion is one of the keys of a sort.
type SortCriterion struct {
	Field   SortField
	Reverse bool
}

// sorting is one message on its way. rank is the first criterion as a number,
// as far as it goes: of a text the characters behind those that all texts begin
// with. Most are told apart by it, without a look at the texts.
type sorting struct {
	rank [2]uint64
	key  *sortKey
	at   int32
}

// Sort orders messages, which come by ascending UID: by one criterion after the
// other, and what is equal in all of them by UID (RFC 5256 §3). Text is compared
// by i;unicode-casemap.
func (s *Store) Sort(ref Ref, list []Match, by []SortCriterion) error {
	relevancy := slices.ContainsFunc(list, func(m Match) bool { return m.Relevancy != 0 })
	by, _ = program(by, relevancy)
	if len(by) == 0 || len(list) < 2 {
		return nil
	}
	if !slices.ContainsFunc(by, func(c SortCriterion) bool { return c.Field == ByRelevancy }) {
		if done, err := s.sortByOrder(ref, list, by); done || err != nil {
			return err
		}
	}
	_, err := s.sortThem(ref, list, by)
	return err
}

// sortThem is Sort by the keys of the messages. It is sound when they could be
// read of all.
func (s *Store) sortThem(ref Ref, list []Match, by []SortCriterion) (sound bool, err error) {
	if len(by) == 0 || len(list) == 0 {
		return true, nil
	}
	var keys []*sortKey
	sound = true
	if slices.ContainsFunc(by, func(c SortCriterion) bool { return c.Field.fromKey() }) {
		if keys, sound, err = s.sortKeysOf(ref.Account, list); err != nil {
			return false, err
		}
	}
	items := make([]sorting, len(list))
	skip := by[0].common(keys)
	for i := range list {
		items[i].at = int32(i)
		if keys != nil {
			items[i].key = keys[i]
		}
		items[i].rank = by[0].rank(&list[i], items[i].key, skip)
	}
	rest := by
	if by[0].Field.text() < 0 {
		rest = by[1:]
	}
	slices.SortFunc(items, func(a, b sorting) int {
		if a.rank[0] != b.rank[0] {
			return cmp.Compare(a.rank[0], b.rank[0])
		}
		if a.rank[1] != b.rank[1] {
			return cmp.Compare(a.rank[1], b.rank[1])
		}
		for _, c := range rest {
			if n := c.compare(list, a, b); n != 0 {
				return n
			}
		}
		return cmp.Compare(a.at, b.at)
	})
	out := make([]Match, len(list))
	for i, it := range items {
		out[i] = list[it.at]
	}
	copy(list, out)
	return sound, nil
}

// fromKey tells whether the row does not tell it.
func (f SortField) fromKey() bool { return f == ByDate || f.text() >= 0 }

// text is the place of a field among the texts of a key, -1 for numbers.
func (f SortField) text() int {
	switch f {
	case BySubject:
		return textSubject
	case ByFrom:
		return textFrom
	case ByTo:
		return textTo
	case ByCC:
		return textCC
	case ByDisplayFrom:
		return textDisplayFrom
	case ByDisplayTo:
		return textDisplayTo
	}
	return -1
}

// common is with how many bytes all texts of the criterion begin alike.
func (c SortCriterion) common(keys []*sortKey) int {
	t := c.Field.text()
	if t < 0 || len(keys) == 0 {
		return 0
	}
	first := keys[0].at(t)
	n := len(first)
	for _, k := range keys {
		s := k.at(t)
		n = min(n, len(s))
		for i := range n {
			if s[i] != first[i] {
				n = i
				break
			}
		}
	}
	return n
}

// rank is a number that orders as the criterion does; equal ranks of texts need
// not be equal texts.
func (c SortCriterion) rank(m *Match, k *sortKey, skip int) (n [2]uint64) {
	if t := c.Field.text(); t >= 0 {
		var b [16]byte
		copy(b[:], k.at(t)[skip:])
		n[0], n[1] = binary.BigEndian.Uint64(b[:8]), binary.BigEndian.Uint64(b[8:])
	} else {
		n[0] = uint64(c.Field.number(m, k)) ^ 1<<63
	}
	if c.Reverse {
		n[0], n[1] = ^n[0], ^n[1]
	}
	return n
}

func (f SortField) number(m *Match, k *sortKey) int64 {
	switch f {
	case ByArrival:
		return m.Arrival
	case ByDate:
		return k.date(m)
	case BySize:
		return m.Size
	default: // ByRelevancy: the best first (RFC 6203 §5)
		return -int64(m.Relevancy)
	}
}

// date is the sent date, or without one the internal date (RFC 5256 §2.2).
func (k *sortKey) date(m *Match) int64 {
	if k.hasSent {
		return k.sent
	}
	return m.Arrival
}

func (c SortCriterion) compare(list []Match, a, b sorting) int {
	n := 0
	if t := c.Field.text(); t >= 0 {
		n = cmp.Compare(a.key.at(t), b.key.at(t))
	} else {
		n = cmp.Compare(c.Field.number(&list[a.at], a.key), c.Field.number(&list[b.at], b.key))
	}
	if c.Reverse {
		return -n
	}
	return n
}
