package storage_test

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"mailstead/storage"
	"mailstead/storage/storagetest"
)

// orderModel is two mailboxes of one account and what is in them.
type orderModel struct {
	s     *storage.Store
	refs  [2]storage.Ref
	names [2]string
	in    [2]map[storage.UID]plainMessage
	gone  map[storage.UID]plainMessage // of the first, by the UID it had
}

// list gives the messages of a mailbox, or those with some UIDs, in its order.
func (m *orderModel) list(box int, of func(storage.UID) bool) (list []plainMessage, uids []storage.UID) {
	for u := range m.in[box] {
		if of(u) {
			uids = append(uids, u)
		}
	}
	slices.Sort(uids)
	for _, u := range uids {
		list = append(list, m.in[box][u])
	}
	return list, uids
}

func (m *orderModel) add(t *rapid.T) {
	box, list := rapid.IntRange(0, 1).Draw(t, "box"), drawMessages(t)
	var batch []storage.Incoming
	for _, one := range list {
		batch = append(batch, storage.Incoming{Body: storagetest.Body(one.text()), Targets: []storage.Target{{Ref: m.refs[box], InternalDate: one.arrival}}})
	}
	out, err := m.s.AppendAll(t.Context(), batch)
	if err != nil {
		t.Fatal(err)
	}
	for i, one := range out {
		m.in[box][one[0].UID] = list[i]
	}
}

// some draws UIDs of a mailbox.
func (m *orderModel) some(t *rapid.T, box int) storage.UIDSet {
	_, uids := m.list(box, func(storage.UID) bool { return true })
	if len(uids) == 0 {
		return nil
	}
	return storage.UIDs(rapid.SliceOfNDistinct(rapid.SampledFrom(uids), 1, max(1, len(uids)/2), func(u storage.UID) storage.UID { return u }).Draw(t, "uids")...)
}

func (m *orderModel) expunge(t *rapid.T) {
	set := m.some(t, 0)
	if set == nil {
		return
	}
	if _, _, err := m.s.Expunge(t.Context(), m.refs[0], set, false); err != nil {
		t.Fatal(err)
	}
	for u := range set.All() {
		m.gone[u] = m.in[0][u]
		delete(m.in[0], u)
	}
}

func (m *orderModel) move(t *rapid.T) {
	from := rapid.IntRange(0, 1).Draw(t, "from")
	set := m.some(t, from)
	if set == nil {
		return
	}
	res, err := m.s.Move(t.Context(), m.refs[from], set, m.refs[1-from])
	if err != nil {
		t.Fatal(err)
	}
	for i, old := range res.Src {
		m.in[1-from][res.Dst[i]] = m.in[from][old]
		delete(m.in[from], old)
	}
}

func (m *orderModel) undelete(t *rapid.T) {
	var list []storage.Expunged
	err := m.s.Expunged(1, func(e storage.Expunged) bool {
		if _, ok := m.gone[e.UID]; ok && e.Mailbox == m.names[0] {
			list = append(list, e)
		}
		return true
	})
	if err != nil {
		t.Fatal(err)
	}
	out, err := m.s.Undelete(t.Context(), 1, "", list)
	if err != nil {
		t.Fatal(err)
	}
	for i, o := range out {
		m.in[0][o.UID] = m.gone[list[i].UID]
		delete(m.gone, list[i].UID)
	}
}

func (m *orderModel) adopt(t *rapid.T) {
	box, err := m.s.MailboxByID(m.refs[0])
	if err == nil {
		_, err = m.s.AdoptUIDs(t.Context(), m.refs[0], storage.Mailbox{UIDNext: box.UIDNext + 7})
	}
	if err != nil {
		t.Fatal(err)
	}
}

func (m *orderModel) flag(t *rapid.T) {
	if set := m.some(t, 0); set != nil {
		if _, err := m.s.SetFlags(t.Context(), m.refs[0], set, storage.FlagChange{Flags: storage.Seen}); err != nil {
			t.Fatal(err)
		}
	}
}

// check compares with the plain way what orders and threads, warm or not, give of
// a whole mailbox and of a part.
func (m *orderModel) check(t *rapid.T) {
	fields := rapid.SampledFrom([]storage.SortField{storage.BySubject, storage.ByFrom, storage.ByDate, storage.ByArrival, storage.BySize})
	var by []storage.SortCriterion
	for range rapid.IntRange(1, 2).Draw(t, "criteria") {
		by = append(by, storage.SortCriterion{Field: fields.Draw(t, "by"), Reverse: rapid.Bool().Draw(t, "reverse")})
	}
	part := rapid.Uint32Range(1, 3).Draw(t, "part")
	for box, ref := range m.refs {
		list, uids := m.list(box, func(u storage.UID) bool { return uint32(u)%part == 0 })
		var want []storage.UID
		for _, i := range plainSort(list, by) {
			want = append(want, uids[i])
		}
		got, err := m.s.Arrange(t.Context(), ref, storage.UIDs(uids...).List(), by)
		if err != nil || !slices.Equal(got, want) {
			t.Fatalf("arranged by %v: got %v, %v, want %v of %+v", by, got, err, want, list)
		}
		var found []storage.Match
		for r, err := range m.s.Rows(ref, storage.UIDs(uids...), storage.ReadOptions{}) {
			if err != nil {
				t.Fatal(err)
			}
			found = append(found, storage.MatchOf(r))
		}
		sorted := slices.Clone(found)
		if err := m.s.Sort(ref, sorted, by); err != nil {
			t.Fatal(err)
		}
		if !slices.EqualFunc(sorted, want, func(m storage.Match, u storage.UID) bool { return m.UID == u }) {
			t.Fatalf("sorted by %v: got %+v, want %v of %+v", by, sorted, want, list)
		}
		for _, alg := range []storage.ThreadAlgorithm{storage.OrderedSubject, storage.References, storage.Refs} {
			number := map[storage.UID]int{}
			for i, u := range uids {
				number[u] = i + 1
			}
			want := plainThreads(list, alg)
			f, err := m.s.Thread(t.Context(), ref, storage.UIDs(uids...).List(), alg)
			if err != nil {
				t.Fatal(err)
			}
			if got := shapeOf(f, f.Root, number); got != want {
				t.Fatalf("algorithm %d: got %s, want %s of %+v", alg, got, want, list)
			}
		}
	}
}

func shapeOf(t *storage.Threads, n int32, number map[storage.UID]int) string {
	out := ""
	for ; n >= 0; n = t.Next(n) {
		out += fmt.Sprintf("(%d %s)", number[t.UID(n)], shapeOf(t, t.Child(n), number))
	}
	return out
}

// TestOrdersFollowTheirMailbox has orders and threads kept while messages come,
// go, move and come back, some of them forgotten for want of room.
func TestOrdersFollowTheirMailbox(t *testing.T) {
	t.Parallel()
	s := storagetest.Open(t, storage.Options{KeepExpunged: time.Hour})
	s.OrdersOfSmall()
	if err := s.CreateAccount(t.Context(), 1, "alice@example.test"); err != nil {
		t.Fatal(err)
	}
	boxes := 0
	rapid.Check(t, func(rt *rapid.T) {
		m := &orderModel{s: s, gone: map[storage.UID]plainMessage{}}
		for i := range m.refs {
			boxes++
			m.names[i] = fmt.Sprintf("box%d", boxes)
			box, err := s.CreateMailbox(t.Context(), 1, m.names[i], "")
			if err != nil {
				rt.Fatal(err)
			}
			m.refs[i], m.in[i] = storage.Ref{Account: 1, Mailbox: box.ID}, map[storage.UID]plainMessage{}
		}
		s.OrdersRoom(rapid.SampledFrom([]int{0, 1000, 1 << 20}).Draw(rt, "room"))
		rt.Repeat(map[string]func(*rapid.T){
			"add": m.add, "expunge": m.expunge, "move": m.move, "undelete": m.undelete, "adopt": m.adopt, "flag": m.flag, "": m.check,
			"forget": func(*rapid.T) { s.ForgetDescriptions() },
		})
		if weight, _ := s.Orders(); weight < 0 {
			rt.Fatal("what orders take does not add up")
		}
	})
}

// TestOrdersAreBounded keeps within the room there is, and uses it.
func TestOrdersAreBounded(t *testing.T) {
	t.Parallel()
	s, ref := sortable(t, 1000)
	c, err := s.Contents(ref)
	if err != nil {
		t.Fatal(err)
	}
	fields := []storage.SortField{storage.ByArrival, storage.ByDate, storage.ByFrom, storage.BySubject, storage.BySize}
	arrange := func() (weight, n int) {
		for _, f := range fields {
			if got, err := s.Arrange(t.Context(), ref, c.UIDs, []storage.SortCriterion{{Field: f}}); err != nil || len(got) != 1000 {
				t.Fatalf("got %d messages, %v", len(got), err)
			}
		}
		return s.Orders()
	}
	const one = 256 + 12 + 4*1000
	for _, row := range []struct{ room, want int }{{one - 1, 0}, {one, 1}, {3*one - 1, 2}, {3 * one, 3}, {9 * one, 5}} {
		s.OrdersRoom(row.room)
		if weight, n := arrange(); n != row.want || weight > row.room {
			t.Errorf("room for %d bytes: got %d orders of %d bytes, want %d", row.room, n, weight, row.want)
		}
	}
}

// TestOrdersAtTheSameTime has several sort and thread while messages come and go.
func TestOrdersAtTheSameTime(t *testing.T) {
	t.Parallel()
	s, ref := sortable(t, 600)
	s.OrdersOfSmall()
	c, err := s.Contents(ref)
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for n := range 4 {
		wg.Go(func() {
			for i := range 30 {
				by := []storage.SortCriterion{{Field: storage.SortField(i % 3 * 2), Reverse: n%2 == 0}}
				got, err := s.Arrange(t.Context(), ref, c.UIDs, by)
				if err != nil || len(got) > 600 || len(got) < 500 {
					t.Errorf("got %d messages, %v", len(got), err)
				}
				now, err := s.Contents(ref)
				if err != nil {
					t.Error(err)
				}
				if _, err := s.Thread(t.Context(), ref, now.UIDs, storage.References); err != nil {
					t.Error(err)
				}
			}
		})
	}
	for i := range 50 {
		if _, _, err := s.Expunge(t.Context(), ref, storage.UIDs(storage.UID(7*i+1)), false); err != nil {
			t.Error(err)
		}
		if _, err := s.Append(t.Context(), storagetest.Body(fmt.Sprintf("Subject: %d\r\n\r\n", i)), storage.Target{Ref: ref}); err != nil {
			t.Error(err)
		}
	}
	wg.Wait()
	now, err := s.Contents(ref)
	if err != nil {
		t.Fatal(err)
	}
	by := []storage.SortCriterion{{Field: storage.ByFrom}, {Field: storage.ByDate}}
	got, err := s.Arrange(t.Context(), ref, now.UIDs, by)
	if err != nil {
		t.Fatal(err)
	}
	s.OrdersRoom(0)
	want, err := s.Arrange(t.Context(), ref, now.UIDs, by)
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("got %v, want %v, %v", got, want, err)
	}
}
