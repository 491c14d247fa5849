package imapd

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// resumed puts what the client remembered, without what has vanished, at the
// beginning of the list: all else that is there is new (RFC 7162 §3.2.5).
func (c *client) resumed() {
	if len(c.before) > len(c.list) {
		c.fail("%s: %d messages are there, of those that were remembered %d", c.name, len(c.list), len(c.before))
	}
	for i := range c.before {
		e := c.before[i]
		c.list[i] = &e
	}
	c.before = nil
}

// select opens a mailbox anew, or with what was remembered of it.
func (w *world) open(c *client, b *truth) {
	command := pick(w, "open", "SELECT", "SELECT", "SELECT", "EXAMINE")
	var from *remembered
	param, matched := "", false
	if c.qresync && !w.one(4, "afresh") {
		if from = w.recall(b); from != nil {
			param, matched = w.resume(c, from)
		}
	}
	if param == "" && w.one(4, "condstore") {
		param, c.condstore = " (CONDSTORE)", true
	}
	c.list, c.upto, c.sync, c.latest, c.saved, c.contexts = nil, 0, 0, 0, nil, nil
	c.box, c.examined, c.keywords = b, command == "EXAMINE", nil
	c.now = b.find
	if c.before = nil; from != nil {
		c.before, c.upto = slices.Clone(from.list), from.upto
	}
	a := c.ask("%s %s%s", command, b.name, param)
	if a.kind != "OK" {
		w.t.Fatalf("%s: select: %s [%s]", c.name, a.kind, a.code)
	}
	c.selecting = true
	c.take(a, true)
	c.resumed()
	c.selecting = false
	switch {
	case c.sync != b.highest:
		w.t.Fatalf("%s: HIGHESTMODSEQ %d, it is %d", c.name, c.sync, b.highest)
	case len(c.list) != len(b.messages):
		w.t.Fatalf("%s: %d EXISTS, there are %d", c.name, len(c.list), len(b.messages))
	case from != nil:
		w.checkResync(c, from, matched, strings.Contains(param, " 1:"))
	case len(c.fetched)+len(c.vanished) > 0:
		w.t.Fatalf("%s: what was not asked for is told", c.name)
	}
}

// resume words the parameter QRESYNC (RFC 7162 §3.2.5); matched tells that it has
// samples.
func (w *world) resume(c *client, from *remembered) (param string, matched bool) {
	if from.modseq == 0 {
		return "", false
	}
	param = fmt.Sprintf(" (QRESYNC (%d %d", from.box.validity, from.modseq)
	if from.upto > 0 && w.one(2, "known") {
		param += fmt.Sprintf(" 1:%d", from.upto)
	}
	if len(from.list) > 0 && !c.uidOnly && !w.one(3, "no samples") {
		var seqs, uids []string
		for i, e := range from.list {
			if w.one(2, "sample") {
				seqs, uids = append(seqs, fmt.Sprint(i+1)), append(uids, fmt.Sprint(e.uid))
			}
		}
		if matched = len(seqs) > 0; matched {
			param += fmt.Sprintf(" (%s %s)", strings.Join(seqs, ","), strings.Join(uids, ","))
		}
	}
	return param + "))", matched
}

// checkResync: exactly what has changed since is told, as long as the server
// remembers it; else more is allowed, but nothing that is there (RFC 7162
// §3.2.5.2).
func (w *world) checkResync(c *client, from *remembered, matched, known bool) {
	b := from.box
	limit := uint32(1<<32 - 1)
	if known {
		limit = from.upto
	}
	w.checkVanished(c, b, from.modseq, limit, matched, from)
	for _, m := range b.messages {
		told := slices.ContainsFunc(c.fetched, func(f *fetchedLine) bool { return f.entry.uid == m.uid && f.flags && f.modseq })
		if told != (m.modseq > from.modseq && m.uid <= limit) {
			w.t.Fatalf("%s: message %d of modseq %d told: %t, asked for since %d", c.name, m.uid, m.modseq, told, from.modseq)
		}
	}
}

// checkVanished compares VANISHED (EARLIER) with what was expunged since.
func (w *world) checkVanished(c *client, b *truth, since uint64, limit uint32, matched bool, from *remembered) {
	told := map[uint32]bool{}
	for _, u := range c.vanished {
		if told[u] || b.find(u) != nil || u > limit {
			w.t.Fatalf("%s: VANISHED (EARLIER) %d, which is there, not asked for or told twice", c.name, u)
		}
		told[u] = true
	}
	for u, at := range b.gone {
		held := from == nil || slices.ContainsFunc(from.list, func(e entry) bool { return e.uid == u })
		counted := from == nil && slices.ContainsFunc(c.list, func(e *entry) bool { return e.uid == u || e.uid == 0 })
		if at > since && u <= limit && !told[u] && (!matched || held) && !counted {
			w.t.Fatalf("%s: %d was expunged at %d, and is not told since %d", c.name, u, at, since)
		}
		if at <= since && told[u] && b.graves <= modelHistory {
			w.t.Fatalf("%s: %d was expunged at %d, and is told since %d", c.name, u, at, since)
		}
	}
	if b.graves > modelHistory {
		return
	}
	for u := range told {
		if _, was := b.gone[u]; !was {
			w.t.Fatalf("%s: VANISHED (EARLIER) %d, which never was", c.name, u)
		}
	}
}

// learn asks for all the client has no idea of.
func (w *world) learn(c *client) {
	for range 10 {
		from := uint32(0)
		for _, e := range c.list {
			if e.uid == 0 && from == 0 {
				from = c.upto + 1
			}
			if e.uid != 0 && !e.known {
				from = 1
			}
		}
		if from == 0 {
			slices.SortFunc(c.list, func(a, b *entry) int { return cmp.Compare(a.uid, b.uid) })
			if n := len(c.list); n > 0 {
				c.upto = max(c.upto, c.list[n-1].uid)
			}
			return
		}
		a := c.ask("UID FETCH %d:* (UID FLAGS)", from)
		if a.kind != "OK" {
			w.t.Fatalf("%s: fetch: %s", c.name, a.kind)
		}
		c.take(a, false)
	}
	w.t.Fatalf("%s: UIDs of messages can't be had", c.name)
}

// compare has a client be told all there is to know: it must end with the truth.
func (w *world) compare(c *client) {
	if c.box == nil || c.idling != "" {
		return
	}
	a := c.ask("NOOP")
	if a.kind != "OK" {
		w.t.Fatalf("%s: noop: %s", c.name, a.kind)
	}
	c.take(a, false)
	w.compareNow(c)
	w.learn(c)
	w.compareNow(c)
	w.compareContexts(c)
	if c.sync > c.box.highest {
		w.t.Fatalf("%s: HIGHESTMODSEQ %d, it is %d", c.name, c.sync, c.box.highest)
	}
	if w.one(2, "remember") {
		w.remember(c, max(c.sync, c.latest))
	}
}

// compareNow compares what the client knows with the truth.
func (w *world) compareNow(c *client) {
	b := c.box
	if len(c.list) != len(b.messages) {
		w.t.Fatalf("%s counts %d messages, there are %d", c.name, len(c.list), len(b.messages))
	}
	at := map[uint32]*entry{}
	for _, e := range c.list {
		if e.uid != 0 {
			at[e.uid] = e
		}
	}
	for i, m := range b.messages {
		e := at[m.uid]
		if e == nil && m.uid <= c.upto {
			w.t.Fatalf("%s does not know of message %d", c.name, m.uid)
		}
		if e == nil {
			continue
		}
		delete(at, m.uid)
		if !c.uidOnly && c.list[i] != e {
			w.t.Fatalf("%s has UID %d as another message than %d", c.name, m.uid, i+1)
		}
		if e.known && e.flags != m.flags {
			w.t.Fatalf("%s has (%s) for message %d, it has (%s)", c.name, e.flags, m.uid, m.flags)
		}
		if c.condstore && e.modseq != 0 && e.modseq != m.modseq {
			w.t.Fatalf("%s has modseq %d for message %d, it has %d", c.name, e.modseq, m.uid, m.modseq)
		}
	}
	for u := range maps.Keys(at) {
		w.t.Fatalf("%s has message %d, which is gone", c.name, u)
	}
}

// remember keeps what a client knows, as of a modseq.
func (w *world) remember(c *client, modseq uint64) {
	r := &remembered{box: c.box, upto: c.upto, modseq: modseq}
	for _, e := range c.list {
		if e.uid != 0 && e.uid <= c.upto {
			r.list = append(r.list, entry{uid: e.uid, flags: e.flags, known: e.known})
		}
	}
	slices.SortFunc(r.list, func(a, b entry) int { return cmp.Compare(a.uid, b.uid) })
	w.states = append(w.states, r)
}

// recall draws something that was remembered of a mailbox, nil when there is
// nothing.
func (w *world) recall(b *truth) *remembered {
	list := slices.DeleteFunc(slices.Clone(w.states), func(r *remembered) bool { return r.box != b || r.modseq == 0 })
	if len(list) == 0 {
		return nil
	}
	return pick(w, "remembered", list...)
}

// catchUp brings what was remembered forward by UID FETCH with CHANGEDSINCE and
// VANISHED (RFC 7162 §3.2.6), without leaving the mailbox: it must be the truth.
func (w *world) catchUp(c *client) {
	if !c.qresync || c.idling != "" || c.box == nil {
		return
	}
	from := w.recall(c.box)
	if from == nil {
		return
	}
	w.compare(c)
	a := c.ask("UID FETCH 1:* (FLAGS) (CHANGEDSINCE %d VANISHED)", from.modseq)
	if a.kind != "OK" {
		w.t.Fatalf("%s: fetch: %s", c.name, a.kind)
	}
	c.take(a, false)
	w.checkVanished(c, c.box, from.modseq, 1<<32-1, false, nil)
	state := map[uint32]string{}
	for _, e := range from.list {
		if e.known {
			state[e.uid] = e.flags
		}
	}
	for _, u := range c.vanished {
		delete(state, u)
	}
	for _, f := range c.fetched {
		state[f.entry.uid] = f.entry.flags
	}
	want := map[uint32]string{}
	for _, m := range c.box.messages {
		want[m.uid] = m.flags
		if _, told := state[m.uid]; !told && (m.uid > from.upto || from.lacks(m.uid)) {
			state[m.uid] = m.flags // a client would ask for it
		}
	}
	if !maps.Equal(state, want) {
		w.t.Fatalf("%s: what was remembered at %d comes to %v, there is %v", c.name, from.modseq, state, want)
	}
}

// lacks tells whether the flags of a message were not known.
func (r *remembered) lacks(uid uint32) bool {
	return slices.ContainsFunc(r.list, func(e entry) bool { return e.uid == uid && !e.known })
}

// idle begins IDLE.
func (w *world) idle(c *client) {
	c.n++
	tag := fmt.Sprintf("%s%d", c.name, c.n)
	c.send(tag + " IDLE\r\n")
	if l := c.line(); !strings.HasPrefix(l, "+ ") {
		w.t.Fatalf("%s: idle: %q", c.name, l)
	}
	c.idling = tag
}

// done ends IDLE, at times only when the client was told all there is.
func (w *world) done(c *client) {
	if c.box != nil && w.one(2, "wait") {
		_ = c.c.SetReadDeadline(time.Now().Add(10 * time.Second))
		for !c.current() {
			c.take(answer{lines: []string{c.line()}}, false)
		}
		_ = c.c.SetReadDeadline(time.Now().Add(time.Minute))
	}
	c.send("DONE\r\n")
	a := c.until(c.idling)
	if a.kind != "OK" {
		w.t.Fatalf("%s: idle: %s", c.name, a.kind)
	}
	c.take(a, false)
	c.idling = ""
}

// current tells whether what the client knows is the truth.
func (c *client) current() bool {
	if len(c.list) != len(c.box.messages) {
		return false
	}
	for _, e := range c.list {
		m := c.box.find(e.uid)
		if e.uid != 0 && (m == nil || e.known && m.flags != e.flags) {
			return false
		}
	}
	return true
}
