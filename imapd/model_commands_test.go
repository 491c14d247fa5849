package imapd

import (
	"cmp"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"pgregory.net/rapid"
)

// some is a set of messages as a client names them.
type some struct {
	text    string
	uid     bool
	entries []*entry // of those the client knows
}

// live and dead divide it into what is there and what is gone.
func (s some) live(b *truth) (list []*message) {
	for _, e := range s.entries {
		if m := b.find(e.uid); m != nil && !slices.Contains(list, m) {
			list = append(list, m)
		}
	}
	slices.SortFunc(list, func(a, b *message) int { return cmp.Compare(a.uid, b.uid) })
	return list
}

func (s some) dead(b *truth) bool {
	return slices.ContainsFunc(s.entries, func(e *entry) bool { return b.find(e.uid) == nil })
}

// prefix is "UID " for a set of UIDs.
func (s some) prefix() string {
	if s.uid {
		return "UID "
	}
	return ""
}

// some draws messages whose UIDs the client knows.
func (w *world) some(c *client) (s some, ok bool) {
	var known []*entry
	for _, e := range c.list {
		if e.uid != 0 {
			known = append(known, e)
		}
	}
	switch how := pick(w, "set", "numbers", "uids", "range", "saved"); {
	case how == "saved" && c.saved != nil:
		s = some{text: "$", uid: c.uidOnly || w.one(2, "uid")}
		for _, e := range known {
			if slices.Contains(c.saved, e.uid) {
				s.entries = append(s.entries, e)
			}
		}
		return s, true
	case how == "range" && c.upto > 0:
		a := uint32(w.number(1, int(c.upto), "from"))
		z := uint32(w.number(int(a), int(c.upto), "to"))
		s = some{text: fmt.Sprintf("%d:%d", a, z), uid: true}
		for _, e := range known {
			if e.uid >= a && e.uid <= z {
				s.entries = append(s.entries, e)
			}
		}
		return s, true
	case len(known) == 0:
		return s, false
	case how == "numbers" && !c.uidOnly:
		s.entries = rapid.SliceOfN(rapid.SampledFrom(known), 1, 4).Draw(w.t, "messages")
		s.text = set(s.entries, func(e *entry) uint32 { return uint32(slices.Index(c.list, e) + 1) })
		return s, true
	}
	s.uid, s.entries = true, rapid.SliceOfN(rapid.SampledFrom(known), 1, 4).Draw(w.t, "messages")
	s.text = set(s.entries, func(e *entry) uint32 { return e.uid })
	return s, true
}

func set(list []*entry, number func(*entry) uint32) string {
	var texts []string
	for _, e := range list {
		texts = append(texts, fmt.Sprint(number(e)))
	}
	return strings.Join(texts, ",")
}

// refused ends a command that must be answered NO.
func (w *world) refused(c *client, a answer, keep bool, codes ...string) {
	if a.kind != "NO" || !slices.Contains(codes, a.code) {
		w.t.Fatalf("%s: answered %s [%s], want NO %q", c.name, a.kind, a.code, codes)
	}
	w.settle()
	c.take(a, keep)
}

// store is RFC 9051 §6.4.6 and RFC 7162 §3.1.3.
func (w *world) store(c *client) {
	s, ok := w.some(c)
	if !ok {
		return
	}
	b, op, flags := c.box, pick(w, "op", "+", "-", ""), w.flags()
	silent := w.one(2, "silent")
	since, condition := uint64(0), ""
	if w.one(3, "conditional") {
		if c.examined || len(s.entries) == 0 {
			return // it enables CONDSTORE or not
		}
		since = b.highest - uint64(w.number(0, min(8, int(b.highest)), "back"))
		condition, c.condstore = fmt.Sprintf(" (UNCHANGEDSINCE %d)", since), true
	}
	item := op + "FLAGS"
	if silent {
		item += ".SILENT"
	}
	a := c.ask("%sSTORE %s%s %s (%s)", s.prefix(), s.text, condition, item, strings.Join(flags, " "))
	if c.examined {
		w.refused(c, a, !s.uid, "READ-ONLY")
		return
	}
	left := map[uint32]bool{} // alone by the condition
	var want []*message
	dirty := map[uint32]bool{}
	for _, m := range s.live(b) {
		if condition != "" && m.modseq > since {
			left[m.uid] = true
			continue
		}
		want = append(want, m)
		dirty[m.uid] = combined(m.flags, op, flags) != m.flags
		b.flag(m, combined(m.flags, op, flags))
	}
	w.settle()
	if silent {
		for _, e := range s.entries {
			if !left[e.uid] {
				e.flags = combined(e.flags, op, flags)
			}
		}
	}
	w.checkModified(c, s, a, left)
	c.take(a, !s.uid)
	for _, m := range want {
		told := slices.ContainsFunc(c.fetched, func(f *fetchedLine) bool {
			return f.entry.uid == m.uid && (silent || f.flags) && (f.modseq || !c.condstore)
		})
		if must := !silent || c.condstore && (dirty[m.uid] || condition != ""); must && !told {
			w.t.Fatalf("%s: what became of %d is not told", c.name, m.uid)
		}
	}
}

// checkModified looks at the end of a STORE: the code MODIFIED has all that the
// condition has left alone.
func (w *world) checkModified(c *client, s some, a answer, left map[uint32]bool) {
	dead := s.dead(c.box)
	if a.kind != "OK" && (a.kind != "NO" || s.uid || !dead) {
		w.t.Fatalf("%s: answered %s [%s]", c.name, a.kind, a.code)
	}
	text, ok := strings.CutPrefix(a.code, "MODIFIED ")
	if !ok {
		if len(left) > 0 || a.kind == "NO" && a.code != "EXPUNGEISSUED" {
			w.t.Fatalf("%s: answered %s [%s], left alone were %v", c.name, a.kind, a.code, left)
		}
		return
	}
	got := map[uint32]bool{}
	for _, n := range numbers(text) {
		if !s.uid {
			n = c.list[n-1].uid
		}
		got[n] = true
	}
	if !maps.Equal(got, left) {
		w.t.Fatalf("%s: MODIFIED %s, left alone were %v", c.name, text, left)
	}
}

// fetch is RFC 9051 §6.4.5, RFC 7162 §3.1.4 and §3.2.6.
func (w *world) fetch(c *client) {
	b := c.box
	items := pick(w, "items", "FLAGS", "(UID FLAGS)", "UID", "(UID FLAGS MODSEQ)", "MODSEQ", "(FLAGS BODY.PEEK[HEADER.FIELDS (Subject)])", "BODY[TEXT]")
	s, ok := w.some(c)
	seen := items == "BODY[TEXT]" && !c.examined
	everything := !seen && len(c.list) > 0 && w.one(3, "everything")
	if everything {
		s = some{text: "1:*", uid: c.uidOnly || w.one(2, "uid")}
		for _, e := range c.list {
			if e.uid != 0 {
				s.entries = append(s.entries, e)
			}
		}
	} else if !ok {
		return
	}
	var modifier string
	since, vanished := uint64(0), false
	if w.one(3, "changed") {
		since = max(1, b.highest-uint64(w.number(0, min(8, int(b.highest)), "back")))
		if vanished = c.qresync && s.uid && s.text != "$" && w.one(2, "vanished"); vanished {
			modifier = " VANISHED"
		}
		modifier = fmt.Sprintf(" (CHANGEDSINCE %d%s)", since, modifier)
	}
	if strings.Contains(items, "MODSEQ") || since != 0 {
		if len(s.entries) == 0 {
			return // it enables or not
		}
		c.condstore = true
	}
	a := c.ask("%sFETCH %s %s%s", s.prefix(), s.text, items, modifier)
	var want []uint32
	for _, m := range s.live(b) {
		if m.modseq <= since {
			continue
		}
		want = append(want, m.uid)
		if seen {
			b.flag(m, combined(m.flags, "+", []string{`\Seen`}))
		}
	}
	w.settle()
	unknown := everything && slices.ContainsFunc(c.list, func(e *entry) bool { return e.uid == 0 })
	if a.kind != "OK" && (a.kind != "NO" || a.code != "EXPUNGEISSUED" || s.uid || !s.dead(b) && !unknown) {
		w.t.Fatalf("%s: answered %s [%s]", c.name, a.kind, a.code)
	}
	c.take(a, !s.uid)
	for _, u := range want {
		told := slices.ContainsFunc(c.fetched, func(f *fetchedLine) bool {
			return f.entry.uid == u && f.body == strings.Contains(items, "BODY") && (f.flags || !strings.Contains(items, "FLAGS")) &&
				(f.uid || c.uidOnly || !s.uid && !strings.Contains(items, "UID")) && (f.modseq || since == 0 && !strings.Contains(items, "MODSEQ"))
		})
		if !told {
			w.t.Fatalf("%s: message %d is not told", c.name, u)
		}
	}
	if vanished {
		for _, u := range c.vanished {
			if b.find(u) != nil {
				w.t.Fatalf("%s: VANISHED (EARLIER) %d, which is there", c.name, u)
			}
		}
	}
}

var copyCode = regexp.MustCompile(`COPYUID (\d+) ([\d:,]+) ([\d:,]+)`)

// transfer is COPY, RFC 9051 §6.4.7, and MOVE, §6.4.8.
func (w *world) transfer(c *client) {
	s, ok := w.some(c)
	if !ok {
		return
	}
	b, to, command := c.box, w.box(), pick(w, "transfer", "COPY", "MOVE")
	a := c.ask("%s%s %s %s", s.prefix(), command, s.text, to.name)
	switch {
	case command == "MOVE" && c.examined:
		w.refused(c, a, false, "READ-ONLY")
		return
	case !s.uid && s.dead(b) && a.kind == "NO":
		w.refused(c, a, false, "EXPUNGEISSUED")
		return
	case a.kind != "OK":
		w.t.Fatalf("%s: answered %s [%s]", c.name, a.kind, a.code)
	}
	live := s.live(b)
	code, at, gone := "", -1, -1
	for i, l := range append(slices.Clone(a.lines), "["+a.code+"]") {
		if m := copyCode.FindString(l); m != "" {
			code, at = m, i
		} else if gone < 0 && (strings.HasSuffix(l, " EXPUNGE") || strings.HasPrefix(l, "* VANISHED")) {
			gone = i
		}
	}
	if command == "MOVE" && code != "" && gone < at { // its own EXPUNGE comes later
		w.t.Fatalf("%s: COPYUID comes after the messages are gone", c.name)
	}
	w.copied(b, to, live, code)
	if command == "MOVE" {
		b.expunge(func(m *message) bool { return slices.Contains(live, m) })
	}
	w.settle()
	c.take(a, false)
	w.checkGone(c, live, command == "MOVE", a)
}

// copied takes in what COPYUID says (RFC 4315 §3).
func (w *world) copied(from, to *truth, live []*message, code string) {
	m := copyCode.FindStringSubmatch(code)
	if m == nil {
		if len(live) > 0 {
			w.t.Fatalf("no COPYUID for %s", listed(live))
		}
		return
	}
	src, dst := numbers(m[2]), numbers(m[3])
	if atoi(m[1]) != to.validity || len(src) != len(live) || len(dst) != len(live) {
		w.t.Fatalf("%s for %s", code, listed(live))
	}
	for i, u := range src {
		old := from.find(u)
		if !slices.Contains(live, old) {
			w.t.Fatalf("%s for %s", code, listed(live))
		}
		to.add(dst[i], old.flags)
	}
}

// checkGone looks at the end of a command that takes messages out: they are
// announced, and with CONDSTORE the modseq is told (RFC 7162 §3.2.7).
func (w *world) checkGone(c *client, gone []*message, taken bool, a answer) {
	if !taken || len(gone) == 0 {
		return
	}
	for _, e := range c.list {
		if e.uid != 0 && c.box.find(e.uid) == nil {
			w.t.Fatalf("%s: message %d is gone and not announced", c.name, e.uid)
		}
	}
	if c.qresync && !strings.HasPrefix(a.code, "HIGHESTMODSEQ ") {
		w.t.Fatalf("%s: no HIGHESTMODSEQ, but [%s]", c.name, a.code)
	}
}

// expunge is RFC 9051 §6.4.3 and §6.4.9.
func (w *world) expunge(c *client) {
	b := c.box
	is := func(m *message) bool { return slices.Contains(strings.Fields(m.flags), `\Deleted`) }
	command := "EXPUNGE"
	if w.one(2, "by uid") {
		s, ok := w.some(c)
		if !ok || !s.uid {
			return
		}
		live := s.live(b)
		command += " " + s.text
		all := is
		is = func(m *message) bool { return all(m) && slices.Contains(live, m) }
		command = "UID " + command
	}
	a := c.ask("%s", command)
	if c.examined {
		w.refused(c, a, false, "READ-ONLY")
		return
	}
	if a.kind != "OK" {
		w.t.Fatalf("%s: answered %s [%s]", c.name, a.kind, a.code)
	}
	var gone []*message
	for _, m := range b.messages {
		if is(m) {
			gone = append(gone, m)
		}
	}
	b.expunge(is)
	w.settle()
	c.take(a, false)
	w.checkGone(c, gone, true, a)
}

var appendCode = regexp.MustCompile(`^APPENDUID (\d+) ([\d:,]+)$`)

// appendMessages is RFC 9051 §6.3.12 and RFC 3502.
func (w *world) appendMessages(c *client) {
	b := w.box()
	command := "APPEND " + b.name
	var flags []string
	for range w.number(1, 2, "messages") {
		list := w.flags()
		flags = append(flags, words(list))
		command += fmt.Sprintf(" (%s) {17+}\r\nSubject: x\r\n\r\ny\r\n", strings.Join(list, " "))
	}
	a := c.ask("%s", command)
	m := appendCode.FindStringSubmatch(a.code)
	if a.kind != "OK" || m == nil || atoi(m[1]) != b.validity {
		w.t.Fatalf("%s: answered %s [%s]", c.name, a.kind, a.code)
	}
	w.added(b, flags, numbers(m[2]))
	w.settle()
	c.take(a, false)
}

func (w *world) added(b *truth, flags []string, uids []uint32) {
	if len(uids) != len(flags) {
		w.t.Fatalf("UIDs %v for %d messages", uids, len(flags))
	}
	for i, u := range uids {
		b.add(u, flags[i])
	}
}

// replace is RFC 8508.
func (w *world) replace(c *client) {
	s, ok := w.some(c)
	if !ok || s.text == "$" || len(s.entries) != 1 || strings.Contains(s.text, ":") {
		return
	}
	b, to, flags := c.box, w.box(), w.flags()
	a := c.ask("%sREPLACE %s %s (%s) {17+}\r\nSubject: x\r\n\r\nz\r\n", s.prefix(), s.text, to.name, strings.Join(flags, " "))
	switch {
	case c.examined:
		w.refused(c, a, false, "READ-ONLY")
		return
	case s.dead(b):
		w.refused(c, a, false, "", "EXPUNGEISSUED")
		return
	case a.kind != "OK":
		w.t.Fatalf("%s: answered %s [%s]", c.name, a.kind, a.code)
	}
	var uids []uint32
	for _, l := range a.lines {
		if m := okLine.FindStringSubmatch(l); m != nil && appendCode.MatchString(m[1]) {
			code := appendCode.FindStringSubmatch(m[1])
			if uids = numbers(code[2]); atoi(code[1]) != to.validity {
				w.t.Fatalf("%s: %s of another mailbox", c.name, m[1])
			}
		}
	}
	live := s.live(b)
	w.added(to, []string{words(flags)}, uids)
	b.expunge(func(m *message) bool { return m == live[0] })
	w.settle()
	c.take(a, false)
	w.checkGone(c, live, true, a)
}

// leave is UNSELECT or CLOSE (RFC 9051 §6.4.1, §6.4.2).
func (w *world) leave(c *client) {
	b, command := c.box, pick(w, "leave", "UNSELECT", "CLOSE")
	if w.one(2, "remember") {
		w.remember(c, c.sync)
	}
	a := c.ask("%s", command)
	if a.kind != "OK" {
		w.t.Fatalf("%s: answered %s [%s]", c.name, a.kind, a.code)
	}
	deleted := func(flags string) bool { return slices.Contains(strings.Fields(flags), `\Deleted`) }
	if command == "CLOSE" && !c.examined {
		b.expunge(func(m *message) bool { return deleted(m.flags) })
	}
	w.settle()
	c.now = nil // it may have seen other flags than are there after it
	c.take(a, false)
	if highestItem.MatchString(a.code) {
		c.list = slices.DeleteFunc(c.list, func(e *entry) bool { return e.known && deleted(e.flags) })
		w.remember(c, c.sync)
	}
	c.box, c.list, c.contexts = nil, nil, nil
}
