package storage_test

import (
	"fmt"
	"maps"
	"slices"

	"github.com/anishathalye/porcupine"

	"mailstead/storage"
)

// callKind is what a client called.
type callKind int

const (
	callAppend callKind = iota
	callFlags
	callTransfer
	callExpunge
	callRead
)

// call is one call of a client, and what it was told. Which fields count depends
// on the kind.
type call struct {
	kind    callKind
	box     int // the mailbox, or the source
	dst     int
	set     storage.UIDSet
	change  storage.FlagChange
	onlyDel bool
	move    bool
}

type answer struct {
	uids   []storage.UID // Append's, Transfer's new ones
	src    []storage.UID
	gone   storage.UIDSet
	modseq storage.ModSeq
	flags  storage.FlagResult
	rows   []storage.Row // Read: the whole mailbox
	box    storage.Mailbox
}

// seen is one message as the specification knows it. A modseq of zero is not
// known yet: the answer to a copy does not tell it.
type seen struct {
	flags  storage.Flags
	modseq storage.ModSeq
	after  storage.ModSeq // the modseq is above it
}

// boxState is a mailbox between two calls.
type boxState struct {
	next     storage.UID
	highest  storage.ModSeq
	messages map[storage.UID]seen
}

// state is one account between two calls. A step makes a new one.
type state struct {
	modseq storage.ModSeq // the highest that was told or must have been given
	boxes  [2]boxState
}

func (s state) clone() state {
	for i := range s.boxes {
		s.boxes[i].messages = maps.Clone(s.boxes[i].messages)
	}
	return s
}

func sameState(a, b any) bool {
	x, y := a.(state), b.(state)
	for i := range x.boxes {
		if x.boxes[i].next != y.boxes[i].next || x.boxes[i].highest != y.boxes[i].highest || !maps.Equal(x.boxes[i].messages, y.boxes[i].messages) {
			return false
		}
	}
	return x.modseq == y.modseq
}

// sequential is the specification of one account that is used by one client at a
// time: UIDs and modseqs only grow, a change finds what the changes before it
// have left, and nothing that was expunged is met again.
func sequential(start state) porcupine.Model {
	return porcupine.Model{
		Init:  func() any { return start },
		Equal: sameState,
		Step: func(st, in, out any) (bool, any) {
			s := st.(state).clone()
			return s.step(in.(call), out.(answer)), s
		},
		DescribeOperation: func(in, out any) string { return fmt.Sprintf("%+v -> %+v", in, out) },
		DescribeState:     func(st any) string { return fmt.Sprintf("%+v", st) },
	}
}

func (s *state) step(c call, a answer) bool {
	b := &s.boxes[c.box]
	switch c.kind {
	case callAppend:
		return s.add(b, a.uids[0], seen{flags: c.change.Flags, modseq: a.modseq})
	case callFlags:
		return s.store(b, c, a.flags)
	case callTransfer:
		return s.transfer(b, &s.boxes[c.dst], c, a)
	case callExpunge:
		list := b.in(c.set)
		if c.onlyDel {
			list = slices.DeleteFunc(list, func(u storage.UID) bool { return b.messages[u].flags&storage.Deleted == 0 })
		}
		return slices.Equal(storage.UIDs(list...), a.gone) && (len(list) == 0 || s.bump(b, a.modseq)) && b.remove(list)
	}
	return s.read(b, a)
}

// bump notes the modseq of a change.
func (s *state) bump(b *boxState, modseq storage.ModSeq) bool {
	if modseq <= s.modseq {
		return false
	}
	s.modseq, b.highest = modseq, modseq
	return true
}

func (s *state) add(b *boxState, uid storage.UID, m seen) bool {
	if uid != b.next || m.modseq != 0 && !s.bump(b, m.modseq) {
		return false
	}
	b.next++
	b.messages[uid] = m
	return true
}

func (b *boxState) in(set storage.UIDSet) (list []storage.UID) {
	for u := range b.messages {
		if set == nil || set.Contains(u) {
			list = append(list, u)
		}
	}
	slices.Sort(list)
	return list
}

func (b *boxState) remove(list []storage.UID) bool {
	for _, u := range list {
		delete(b.messages, u)
	}
	return true
}

// store is STORE: exactly the messages whose flags became other are told.
func (s *state) store(b *boxState, c call, got storage.FlagResult) bool {
	told := got.Changed
	for u := range got.Modified.All() {
		if _, ok := b.messages[u]; !ok || !c.set.Contains(u) || c.change.UnchangedSince == nil {
			return false
		}
	}
	for _, u := range b.in(c.set) {
		m := b.messages[u]
		if c.change.UnchangedSince != nil && got.Modified.Contains(u) {
			if m.modseq != 0 && m.modseq <= *c.change.UnchangedSince {
				return false
			}
			continue
		}
		if c.change.UnchangedSince != nil && max(m.modseq, m.after+1) > *c.change.UnchangedSince {
			return false
		}
		flags := map[storage.FlagOp]storage.Flags{storage.AddFlags: m.flags | c.change.Flags, storage.RemoveFlags: m.flags &^ c.change.Flags,
			storage.ReplaceFlags: c.change.Flags}[c.change.Op]
		if flags == m.flags {
			continue
		}
		if len(told) == 0 || told[0].UID != u || told[0].Flags != flags || told[0].ModSeq != got.ModSeq {
			return false
		}
		told = told[1:]
		b.messages[u] = seen{flags: flags, modseq: got.ModSeq}
	}
	if len(told) > 0 {
		return false // of a message that is not there, or did not change
	}
	return len(got.Changed) == 0 || s.bump(b, got.ModSeq)
}

// transfer is COPY and MOVE. Their answers tell no modseqs: those of the new
// messages are above what was before, and the next read tells them.
func (s *state) transfer(from, to *boxState, c call, a answer) bool {
	list := from.in(c.set)
	if !slices.Equal(list, a.src) || len(a.uids) != len(list) {
		return false
	}
	for i, u := range list {
		if !s.add(to, a.uids[i], seen{flags: from.messages[u].flags, after: s.modseq}) {
			return false
		}
	}
	if c.move {
		from.remove(list)
	}
	if len(list) > 0 {
		s.modseq++ // at least
	}
	return true
}

// read compares a whole mailbox, and learns what transfers did not tell.
func (s *state) read(b *boxState, a answer) bool {
	if len(a.rows) != len(b.messages) || a.box.UIDNext != b.next || a.box.HighestModSeq < b.highest || int(a.box.Messages) != len(a.rows) {
		return false
	}
	unseen := uint32(0)
	for _, r := range a.rows {
		m, ok := b.messages[r.UID]
		if !ok || r.Flags != m.flags || m.modseq != 0 && r.ModSeq != m.modseq || r.ModSeq <= m.after || r.ModSeq > a.box.HighestModSeq {
			return false
		}
		b.messages[r.UID] = seen{flags: m.flags, modseq: r.ModSeq}
		if r.Flags&storage.Seen == 0 {
			unseen++
		}
	}
	b.highest = a.box.HighestModSeq
	s.modseq = max(s.modseq, b.highest)
	return unseen == a.box.Unseen
}
