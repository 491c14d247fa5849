package wire

import (
	"slices"
	"strconv"

	"golang.org/x/text/encoding"
)

// SortKey is one key of a SORT (RFC 5256 §3, RFC 5957 §3, RFC 6203 §5).
type SortKey struct {
	Name    string // ARRIVAL, CC, DATE, FROM, SIZE, SUBJECT, TO, DISPLAYFROM, DISPLAYTO, RELEVANCY
	Reverse bool
}

// SortArgs of SORT.
type SortArgs struct {
	By []SortKey
	SearchArgs
}

// ThreadArgs of THREAD; Algorithm is ORDEREDSUBJECT, REFERENCES or REFS.
type ThreadArgs struct {
	Algorithm string
	SearchArgs
}

// CancelUpdateArgs of CANCELUPDATE (RFC 5267 §4.3.5).
type CancelUpdateArgs struct{ Tags []string }

// Partial is a range of results: 1 is the first, -1 the last (RFC 9394 §3.1).
// First and Last are as they were written.
type Partial struct{ First, Last int64 }

// String is the range as it was written.
func (p Partial) String() string {
	return strconv.FormatInt(p.First, 10) + ":" + strconv.FormatInt(p.Last, 10)
}

// Of gives the part of n results that the range names: those from the place
// from on, before the place to, both from 0.
func (p Partial) Of(n int) (from, to int) {
	first, last := min(p.First, p.Last), max(p.First, p.Last)
	if first < 0 {
		first, last = int64(n)+first+1, int64(n)+last+1
	}
	first, last = max(first, 1), min(last, int64(n))
	if first > last {
		return 0, 0
	}
	return int(first - 1), int(last)
}

// maxSortKeys bounds the keys of a SORT.
const maxSortKeys = 32

// searchReturn reads the options of RETURN.
func (r *Reader) searchReturn(a *SearchArgs) {
	a.Return = []string{}
	r.list(func() {
		o := r.keyword()
		switch o {
		case "PARTIAL":
			r.need(' ')
			p := r.partialRange()
			if a.Partial != nil {
				r.fail("PARTIAL can be given once")
			}
			a.Partial = &p
		case "UPDATE":
			if r.opens() { // RFC 5465 §7
				r.take(' ')
				r.list(func() { a.Update = append(a.Update, r.fetchItem()) })
				if len(a.Update) == 0 {
					r.fail("a data item is missing")
				}
			}
		case "MIN", "MAX", "ALL", "COUNT", "SAVE", "CONTEXT", "RELEVANCY":
		default:
			r.fail("SEARCH return option %q is not known", o)
		}
		a.Return = append(a.Return, o)
	})
	if a.Partial != nil && slices.Contains(a.Return, "ALL") {
		r.fail("PARTIAL and ALL exclude each other") // RFC 9394 §3.1
	}
	if len(a.Return) == 0 {
		a.Return = []string{"ALL"}
	}
}

// partialRange is RFC 9394 §4 partial-range.
func (r *Reader) partialRange() (p Partial) {
	part := func() (n int64, neg bool) {
		neg = r.take('-')
		if n = int64(r.number()); n == 0 {
			r.fail("0 in a range")
		}
		if neg {
			n = -n
		}
		return n, neg
	}
	var a, b bool
	p.First, a = part()
	r.need(':')
	p.Last, b = part()
	if a != b {
		r.fail("a range begins and ends on the same side")
	}
	return p
}

// HasFuzzy tells whether FUZZY stands before the key or one within it.
func (k *SearchKey) HasFuzzy() bool {
	return k.Fuzzy || slices.ContainsFunc(k.Keys, func(in SearchKey) bool { return in.HasFuzzy() })
}

func (k *SearchKey) setFuzzy() {
	k.Fuzzy = true
	for i := range k.Keys {
		k.Keys[i].setFuzzy()
	}
}

func (r *Reader) sort() (a SortArgs) {
	r.need(' ')
	if r.peek() != '(' {
		if r.keyword() != "RETURN" {
			r.fail("SORT needs keys to sort by")
		}
		r.need(' ')
		r.searchReturn(&a.SearchArgs)
		r.need(' ')
	}
	r.list(func() {
		var k SortKey
		for k.Name = r.keyword(); k.Name == "REVERSE"; k.Name = r.keyword() {
			if k.Reverse {
				r.fail("REVERSE stands once before a key")
			}
			k.Reverse = true
			r.need(' ')
		}
		switch k.Name {
		case "ARRIVAL", "CC", "DATE", "FROM", "SIZE", "SUBJECT", "TO", "DISPLAYFROM", "DISPLAYTO", "RELEVANCY":
		default:
			r.fail("sort key %q is not known", k.Name)
		}
		if a.By = append(a.By, k); len(a.By) > maxSortKeys {
			r.fail("too many sort keys")
		}
	})
	if len(a.By) == 0 {
		r.fail("SORT needs keys to sort by")
	}
	r.charsetAndKeys(&a.SearchArgs)
	if slices.ContainsFunc(a.By, func(k SortKey) bool { return k.Name == "RELEVANCY" }) && !a.Key.HasFuzzy() {
		r.fail("RELEVANCY needs a FUZZY search key") // RFC 6203 §5
	}
	return a
}

func (r *Reader) thread() (a ThreadArgs) {
	switch a.Algorithm = upper(r.arg(r.atom)); a.Algorithm {
	case "ORDEREDSUBJECT", "REFERENCES", "REFS":
	default:
		r.fail("threading algorithm %q is not known", a.Algorithm)
	}
	r.charsetAndKeys(&a.SearchArgs)
	return a
}

// charsetAndKeys reads what SORT and THREAD end with (RFC 5256 §5,
// search-criteria).
func (r *Reader) charsetAndKeys(a *SearchArgs) {
	var dec *encoding.Decoder
	if name := r.arg(r.astring); r.err == nil {
		dec = r.charset(name)
	}
	r.need(' ')
	r.searchProgram(a, r.searchWord(), dec)
}

func (r *Reader) cancelUpdate() (a CancelUpdateArgs) {
	r.need(' ')
	for r.err == nil {
		if a.Tags = append(a.Tags, r.quoted()); len(a.Tags) > maxListed {
			r.fail("list too long")
		}
		if !r.take(' ') || r.peek() == '\n' {
			break
		}
	}
	return a
}
