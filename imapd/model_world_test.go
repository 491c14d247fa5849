package imapd

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"pgregory.net/rapid"

	"mailstead/storage"
	"mailstead/storage/storagetest"
)

// world is what two mailboxes hold by the rules of the RFCs alone, and the
// clients that look at them. It knows nothing of how the server does it.
type world struct {
	t     *rapid.T
	s     *suite
	boxes [2]*truth
	// clients are sessions over the wire; states is what clients remembered of a
	// mailbox at some time, to resume from.
	clients []*client
	states  []*remembered
}

// truth is one mailbox.
type truth struct {
	w        *world
	name     string
	ref      storage.Ref
	validity uint32
	messages []*message // ascending
	next     uint32     // no UID below it is given out any more
	highest  uint64
	gone     map[uint32]uint64 // modseqs of what was expunged
	graves   int               // ranges of UIDs that were expunged
	touched  map[uint32]bool   // changed by the operation at hand
	expunged []uint32          // by the operation at hand
}

// message is one message; flags are those that words makes.
type message struct {
	uid    uint32
	flags  string
	modseq uint64
}

// remembered is what a client knows of a mailbox at a modseq: every message up
// to upto, by UID.
type remembered struct {
	box    *truth
	list   []entry // ascending
	upto   uint32
	modseq uint64
}

// words makes a set of flags one string, in one order.
func words(list []string) string {
	list = slices.DeleteFunc(slices.Clone(list), func(f string) bool { return f == `\Recent` })
	slices.Sort(list)
	return strings.Join(slices.Compact(list), " ")
}

// combined gives flags after a STORE.
func combined(flags, op string, by []string) string {
	has := strings.Fields(flags)
	switch op {
	case "+":
		return words(append(has, by...))
	case "-":
		return words(slices.DeleteFunc(has, func(f string) bool { return slices.Contains(by, f) }))
	}
	return words(by)
}

func newWorld(t *rapid.T, s *suite, n int) *world {
	w := &world{t: t, s: s}
	for i := range w.boxes {
		name := fmt.Sprintf("model%d-%d", n, i)
		box, err := s.store.CreateMailbox(context.Background(), alice, name, "")
		if err != nil {
			t.Fatal(err)
		}
		w.boxes[i] = &truth{
			w: w, name: name, ref: storage.Ref{Account: alice, Mailbox: box.ID}, validity: box.UIDValidity,
			next: 1, highest: uint64(box.HighestModSeq), gone: map[uint32]uint64{}, touched: map[uint32]bool{},
		}
	}
	return w
}

// find gives the message with a UID, nil when there is none.
func (b *truth) find(uid uint32) *message {
	i, ok := slices.BinarySearchFunc(b.messages, uid, func(m *message, u uint32) int { return cmp.Compare(m.uid, u) })
	if !ok {
		return nil
	}
	return b.messages[i]
}

// add puts a new message in, whose UID must be a new one.
func (b *truth) add(uid uint32, flags string) {
	if uid < b.next {
		b.w.t.Fatalf("%s: UID %d for a new message, after %d", b.name, uid, b.next-1)
	}
	b.messages, b.next = append(b.messages, &message{uid: uid, flags: flags}), uid+1
	b.touched[uid] = true
}

// flag gives a message other flags.
func (b *truth) flag(m *message, flags string) {
	if m.flags != flags {
		m.flags, b.touched[m.uid] = flags, true
	}
}

// expunge takes messages out.
func (b *truth) expunge(is func(*message) bool) (n int) {
	last := uint32(0)
	b.messages = slices.DeleteFunc(b.messages, func(m *message) bool {
		if !is(m) {
			return false
		}
		if n++; len(b.expunged) == 0 || m.uid != last+1 {
			b.graves++
		}
		last = m.uid
		b.expunged = append(b.expunged, m.uid)
		return true
	})
	return n
}

// settle compares both mailboxes with what is stored and learns the modseqs that
// the changes got: they must be above all before (RFC 7162 §3.1).
func (w *world) settle() {
	for _, b := range w.boxes {
		b.settle()
	}
}

func (b *truth) settle() {
	t := b.w.t
	box, err := b.w.s.store.MailboxByID(b.ref)
	if err != nil {
		t.Fatal(err)
	}
	highest, left := uint64(box.HighestModSeq), b.messages
	for row, err := range b.w.s.store.Rows(b.ref, storage.UIDSet{{First: 1, Last: anyUID}}, storage.ReadOptions{}) {
		if err != nil {
			t.Fatal(err)
		}
		flags, modseq := flagsOf(row), uint64(row.ModSeq)
		if len(left) == 0 || left[0].uid != uint32(row.UID) || left[0].flags != flags {
			t.Fatalf("%s holds %d (%s), expected %s", b.name, row.UID, flags, listed(left))
		}
		m := left[0]
		left = left[1:]
		switch {
		case b.touched[m.uid] && modseq <= b.highest:
			t.Fatalf("%s: message %d was changed, its modseq is %d, HIGHESTMODSEQ was %d", b.name, m.uid, modseq, b.highest)
		case !b.touched[m.uid] && modseq != m.modseq:
			t.Fatalf("%s: message %d was not changed, its modseq went from %d to %d", b.name, m.uid, m.modseq, modseq)
		case modseq > highest:
			t.Fatalf("%s: message %d has modseq %d above HIGHESTMODSEQ %d", b.name, m.uid, modseq, highest)
		}
		m.modseq = modseq
	}
	if len(left) > 0 {
		t.Fatalf("%s lacks %s", b.name, listed(left))
	}
	if changed := len(b.touched)+len(b.expunged) > 0; highest < b.highest || changed && highest == b.highest {
		t.Fatalf("%s: HIGHESTMODSEQ went from %d to %d", b.name, b.highest, highest)
	}
	b.highest = highest
	for _, u := range b.expunged {
		b.gone[u] = highest
	}
	b.expunged = nil
	clear(b.touched)
}

func flagsOf(row storage.Row) string {
	list := slices.Clone(row.Keywords)
	for _, f := range systemFlagBits {
		if row.Flags&f.bit != 0 {
			list = append(list, string(f.name))
		}
	}
	return words(list)
}

func listed(list []*message) string {
	var b strings.Builder
	for _, m := range list {
		fmt.Fprintf(&b, "%d (%s) ", m.uid, m.flags)
	}
	return b.String()
}

// deliver puts a message in without a session.
func (w *world) deliver() {
	b := w.box()
	flags := w.flags()
	bits, keywords := storage.Flags(0), []string{}
	for _, f := range flags {
		known := false
		for _, s := range systemFlagBits {
			if string(s.name) == f {
				bits, known = bits|s.bit, true
			}
		}
		if !known {
			keywords = append(keywords, f)
		}
	}
	out, err := w.s.store.Append(context.Background(), storagetest.Body("Subject: x\r\n\r\ny\r\n"), storage.Target{Ref: b.ref, Flags: bits, Keywords: keywords})
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Logf("delivered %d (%s) to %s", out[0].UID, words(flags), b.name)
	b.add(uint32(out[0].UID), words(flags))
	w.settle()
}

// box draws a mailbox, mostly the first.
func (w *world) box() *truth {
	if w.one(5, "other mailbox") {
		return w.boxes[1]
	}
	return w.boxes[0]
}

// flags draws some flags.
func (w *world) flags() []string {
	all := []string{`\Seen`, `\Answered`, `\Flagged`, `\Deleted`, `\Deleted`, `\Draft`, "$a", "$b", "$c"}
	return strings.Fields(words(rapid.SliceOfN(rapid.SampledFrom(all), 0, 3).Draw(w.t, "flags")))
}

// one is true once in n times.
func (w *world) one(n int, label string) bool {
	return w.number(0, n-1, label) == n-1
}

func (w *world) number(from, to int, label string) int {
	return evenly(to-from+1).Draw(w.t, label) + from
}

// evenly gives the numbers below n alike, where rapid's own prefer small ones.
func evenly(n int) *rapid.Generator[int] {
	return rapid.Custom(func(t *rapid.T) int {
		v := 0
		for i := 1; i < 8*n; i *= 2 {
			if v *= 2; rapid.Bool().Draw(t, "bit") {
				v++
			}
		}
		return v % n
	})
}

// pick draws from a list.
func pick[T any](w *world, label string, list ...T) T {
	return list[w.number(0, len(list)-1, label)]
}
