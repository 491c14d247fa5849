package storage_test

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"mailstead/storage"
	"mailstead/storage/storagetest"
)

// plainMessage is a message as a test has made it.
type plainMessage struct {
	id, subject, base string
	refs              []string
	from              string
	sent, arrival     time.Time
	reply             bool
}

func drawMessages(t *rapid.T) []plainMessage {
	ids := []string{"a", "b", "c", "d", "e", "f", "g", "h", "i"}
	bases := []string{"", "apple", "Apple", "banana", "[x]"}
	n := rapid.IntRange(1, 12).Draw(t, "messages")
	list := make([]plainMessage, n)
	for i := range list {
		m := &list[i]
		m.id = rapid.SampledFrom(append(ids, "")).Draw(t, "id")
		m.refs = rapid.SliceOfN(rapid.SampledFrom(ids), 0, 3).Draw(t, "refs")
		m.base = rapid.SampledFrom(bases).Draw(t, "base")
		m.reply = rapid.Bool().Draw(t, "reply")
		m.subject = m.base
		if m.reply {
			m.subject = "Re: " + m.base
		}
		m.from = rapid.SampledFrom([]string{"amy", "Bob", "zoe"}).Draw(t, "from")
		m.sent = time.Date(2022, 2, rapid.IntRange(1, 5).Draw(t, "day"), 12, 0, 0, 0, time.UTC)
		m.arrival = time.Date(2023, 2, rapid.IntRange(1, 5).Draw(t, "arrived"), 12, 0, 0, 0, time.UTC)
	}
	return list
}

func (m plainMessage) text() string {
	var b strings.Builder
	fmt.Fprintf(&b, "From: %s@example.test\r\nSubject: %s\r\nDate: %s\r\n", m.from, m.subject, m.sent.Format(time.RFC1123Z))
	if m.id != "" {
		fmt.Fprintf(&b, "Message-ID: <%s@x>\r\n", m.id)
	}
	if len(m.refs) > 0 {
		fmt.Fprintf(&b, "References: <%s@x>\r\n", strings.Join(m.refs, "@x> <"))
	}
	return b.String() + "\r\nx\r\n"
}

// TestSortAndThreadAsThePlainWay compares with the algorithms of RFC 5256 §3 as
// they stand there.
func TestSortAndThreadAsThePlainWay(t *testing.T) {
	t.Parallel()
	s := storagetest.Open(t, storage.Options{})
	if err := s.CreateAccount(t.Context(), 1, "alice@example.test"); err != nil {
		t.Fatal(err)
	}
	boxes := 0
	rapid.Check(t, func(rt *rapid.T) {
		list := drawMessages(rt)
		boxes++
		box, err := s.CreateMailbox(t.Context(), 1, fmt.Sprintf("box%d", boxes), "")
		if err != nil {
			rt.Fatal(err)
		}
		ref := storage.Ref{Account: 1, Mailbox: box.ID}
		var batch []storage.Incoming
		for _, m := range list {
			batch = append(batch, storage.Incoming{Body: storagetest.Body(m.text()), Targets: []storage.Target{{Ref: ref, InternalDate: m.arrival}}})
		}
		if _, err := s.AppendAll(t.Context(), batch); err != nil {
			rt.Fatal(err)
		}
		found := matches(t, s, ref)
		for name, alg := range map[string]storage.ThreadAlgorithm{"references": storage.References, "refs": storage.Refs, "orderedsubject": storage.OrderedSubject} {
			threads, err := s.ThreadFound(ref, found, alg)
			if err != nil {
				rt.Fatal(err)
			}
			if got, want := shape(threads, threads.Root), plainThreads(list, alg); got != want {
				rt.Fatalf("%s: got %s, want %s of %+v", name, got, want, list)
			}
		}
		by := []storage.SortCriterion{
			{Field: rapid.SampledFrom([]storage.SortField{storage.BySubject, storage.ByFrom, storage.ByDate, storage.ByArrival}).Draw(rt, "by"), Reverse: rapid.Bool().Draw(rt, "reverse")},
			{Field: rapid.SampledFrom([]storage.SortField{storage.BySubject, storage.ByFrom, storage.ByDate, storage.BySize}).Draw(rt, "then"), Reverse: rapid.Bool().Draw(rt, "reverse")},
		}
		if err := s.Sort(ref, found, by); err != nil {
			rt.Fatal(err)
		}
		got := []int{}
		for _, m := range found {
			got = append(got, int(m.UID)-1)
		}
		if want := plainSort(list, by); !slices.Equal(got, want) {
			rt.Fatalf("by %v: got %v, want %v of %+v", by, got, want, list)
		}
	})
}

func plainSort(list []plainMessage, by []storage.SortCriterion) []int {
	order := make([]int, len(list))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(i, j int) int {
		a, b := list[i], list[j]
		for _, c := range by {
			n := 0
			switch c.Field {
			case storage.BySubject:
				n = strings.Compare(strings.ToUpper(a.base), strings.ToUpper(b.base))
			case storage.ByFrom:
				n = strings.Compare(strings.ToUpper(a.from), strings.ToUpper(b.from))
			case storage.ByDate:
				n = a.sent.Compare(b.sent)
			case storage.ByArrival:
				n = a.arrival.Compare(b.arrival)
			case storage.BySize:
				n = cmp.Compare(len(a.text()), len(b.text()))
			}
			if c.Reverse {
				n = -n
			}
			if n != 0 {
				return n
			}
		}
		return 0
	})
	return order
}

// shape writes siblings and what is below them.
func shape(t *storage.Threads, n int32) string {
	out := ""
	for ; n >= 0; n = t.Next(n) {
		out += fmt.Sprintf("(%d %s)", t.UID(n), shape(t, t.Child(n)))
	}
	return out
}

// plainNode is a container of the plain way: n counts from 1, 0 is a dummy.
type plainNode struct {
	n      int
	parent *plainNode
	kids   []*plainNode
}

func (p *plainNode) drop(k *plainNode) {
	p.kids = slices.DeleteFunc(p.kids, func(o *plainNode) bool { return o == k })
	k.parent = nil
}

func (p *plainNode) take(k *plainNode) {
	if k.parent != nil {
		k.parent.drop(k)
	}
	k.parent = p
	p.kids = append(p.kids, k)
}

func (p *plainNode) holds(k *plainNode) bool {
	return p == k || slices.ContainsFunc(p.kids, func(o *plainNode) bool { return o.holds(k) })
}

func (p *plainNode) shape() string {
	out := ""
	for _, k := range p.kids {
		out += fmt.Sprintf("(%d %s)", k.n, k.shape())
	}
	return out
}

func plainThreads(list []plainMessage, alg storage.ThreadAlgorithm) string {
	top := &plainNode{}
	if alg == storage.OrderedSubject {
		order := plainSort(list, []storage.SortCriterion{{Field: storage.BySubject}, {Field: storage.ByDate}})
		var last *plainNode
		for _, i := range order {
			if last == nil || !strings.EqualFold(list[last.n-1].base, list[i].base) {
				last = &plainNode{n: i + 1}
				top.take(last)
				continue
			}
			last.take(&plainNode{n: i + 1})
		}
		slices.SortStableFunc(top.kids, func(a, b *plainNode) int {
			if c := list[a.n-1].sent.Compare(list[b.n-1].sent); c != 0 {
				return c
			}
			return cmp.Compare(a.n, b.n)
		})
		return top.shape()
	}
	linkByReferences(top, list)
	pruneDummies(top, top)
	sortSiblings(top, list)
	if alg == storage.References {
		gatherSubjects(top, list)
		sortSiblings(top, list)
		return top.shape()
	}
	slices.SortStableFunc(top.kids, func(a, b *plainNode) int { return cmp.Compare(latestOf(a, list), latestOf(b, list)) })
	return top.shape()
}

// latestOf orders threads by arrival, then by number.
func latestOf(p *plainNode, list []plainMessage) (at int64) {
	if p.n > 0 {
		at = list[p.n-1].arrival.Unix()*1000 + int64(p.n)
	}
	for _, k := range p.kids {
		at = max(at, latestOf(k, list))
	}
	return at
}

func linkByReferences(top *plainNode, list []plainMessage) {
	by, own := map[string]*plainNode{}, make([]*plainNode, len(list))
	var all []*plainNode
	for i, m := range list {
		own[i] = &plainNode{n: i + 1}
		all = append(all, own[i])
		if m.id != "" && by[m.id] == nil {
			by[m.id] = own[i]
		}
	}
	for i, m := range list {
		var last *plainNode
		for _, r := range m.refs {
			if by[r] == nil {
				by[r] = &plainNode{}
				all = append(all, by[r])
			}
			if last != nil && by[r].parent == nil && !by[r].holds(last) {
				last.take(by[r])
			}
			last = by[r]
		}
		if own[i].parent != nil {
			own[i].parent.drop(own[i])
		}
		if last != nil && !own[i].holds(last) {
			last.take(own[i])
		}
	}
	for _, n := range all {
		if n.parent == nil {
			top.take(n)
		}
	}
}

func pruneDummies(p, top *plainNode) {
	for _, k := range slices.Clone(p.kids) {
		pruneDummies(k, top)
		if k.n != 0 || p == top && len(k.kids) > 1 {
			continue
		}
		for _, g := range slices.Clone(k.kids) {
			p.take(g)
		}
		p.drop(k)
	}
}

func first(p *plainNode) int {
	if p.n == 0 {
		return p.kids[0].n
	}
	return p.n
}

func sortSiblings(p *plainNode, list []plainMessage) {
	for _, k := range p.kids {
		sortSiblings(k, list)
	}
	slices.SortFunc(p.kids, func(a, b *plainNode) int {
		x, y := first(a), first(b)
		if c := list[x-1].sent.Compare(list[y-1].sent); c != 0 {
			return c
		}
		return cmp.Compare(x, y)
	})
}

func gatherSubjects(top *plainNode, list []plainMessage) {
	subject := func(p *plainNode) string { return strings.ToUpper(list[first(p)-1].base) }
	reply := func(p *plainNode) bool { return p.n != 0 && list[p.n-1].reply }
	table := map[string]*plainNode{}
	for _, k := range top.kids {
		s := subject(k)
		if s == "" {
			continue
		}
		old := table[s]
		if old == nil || old.n != 0 && (k.n == 0 || reply(old) && !reply(k)) {
			table[s] = k
		}
	}
	for _, k := range slices.Clone(top.kids) {
		s := subject(k)
		in := table[s]
		if s == "" || in == k {
			continue
		}
		switch {
		case in.n == 0 && k.n == 0:
			for _, g := range slices.Clone(k.kids) {
				in.take(g)
			}
			top.drop(k)
		case in.n == 0 || reply(k) && !reply(in):
			in.take(k)
		default:
			d := &plainNode{}
			top.take(d)
			d.take(in)
			d.take(k)
			table[s] = d
		}
	}
}
