package imapd

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// kept is a search that the server keeps up to date (RFC 5267 §4).
type kept struct {
	tag     string
	uid     bool
	matches criterion
	members map[*entry]bool // by number
	uids    map[uint32]bool // by UID
}

// criterion tells whether a message is found, by its number and as it is.
type criterion func(seq int, m *message) bool

// foundLine is a SEARCH or ESEARCH response.
type foundLine struct {
	extended, uid, noAll bool
	tag                  string
	all                  []uint32
	min, max, count      int64 // -1: not given
	modseq               uint64
}

var (
	searchLine  = regexp.MustCompile(`^\* SEARCH((?: \d+)*)(?: \(MODSEQ (\d+)\))?$`)
	esearchLine = regexp.MustCompile(`^\* ESEARCH \(TAG "([^"]+)"\)( UID)?((?: .*)?)$`)
	esearchItem = regexp.MustCompile(` (MIN|MAX|COUNT|MODSEQ|ALL) ([\d:,]+)`)
	changeItem  = regexp.MustCompile(` (REMOVEFROM|ADDTO) \(0 ([\d:,]+)\)`)
)

func (c *client) takeSearch(l string) {
	if m := searchLine.FindStringSubmatch(l); m != nil {
		f := &foundLine{min: -1, max: -1, count: -1}
		for n := range strings.FieldsSeq(m[1]) {
			f.all = append(f.all, atoi(n))
		}
		f.modseq, _ = strconv.ParseUint(m[2], 10, 64)
		c.found = f
		return
	}
	m := esearchLine.FindStringSubmatch(l)
	if m == nil {
		c.fail("%s: not understood: %q", c.name, l)
	}
	if strings.Contains(m[3], "REMOVEFROM") || strings.Contains(m[3], "ADDTO") {
		c.takeUpdate(m[1], m[2] != "", m[3])
		return
	}
	f := &foundLine{extended: true, tag: m[1], uid: m[2] != "", min: -1, max: -1, count: -1, noAll: true}
	rest := m[3]
	for _, i := range esearchItem.FindAllStringSubmatch(rest, -1) {
		rest = strings.Replace(rest, i[0], "", 1)
		n, _ := strconv.ParseInt(i[2], 10, 64)
		switch i[1] {
		case "MIN":
			f.min = n
		case "MAX":
			f.max = n
		case "COUNT":
			f.count = n
		case "MODSEQ":
			f.modseq = uint64(n)
		case "ALL":
			f.all, f.noAll = numbers(i[2]), false
		}
	}
	if rest != "" || c.found != nil {
		c.fail("%s: not understood: %q", c.name, l)
	}
	c.found = f
}

// takeUpdate is RFC 5267 §4.3: REMOVEFROM what was in the result, ADDTO what was
// not.
func (c *client) takeUpdate(tag string, uid bool, text string) {
	i := slices.IndexFunc(c.contexts, func(k *kept) bool { return k.tag == tag })
	if i < 0 || c.contexts[i].uid != uid {
		c.fail("%s: nothing was asked with the tag %s", c.name, tag)
	}
	k := c.contexts[i]
	for _, m := range changeItem.FindAllStringSubmatch(text, -1) {
		for _, n := range numbers(m[2]) {
			if !uid && (n == 0 || int(n) > len(c.list)) {
				c.fail("%s: %s %d of %d", c.name, m[1], n, len(c.list))
			}
			had := uid && k.uids[n] || !uid && k.members[c.list[n-1]]
			if had != (m[1] == "REMOVEFROM") {
				c.fail("%s: %s %d, which was in the result: %t", c.name, m[1], n, had)
			}
			if uid {
				k.uids[n] = !had
			} else {
				k.members[c.list[n-1]] = !had
			}
		}
	}
}

// compareContexts: what the client holds of each search is what the search would
// find now.
func (w *world) compareContexts(c *client) {
	for _, k := range c.contexts {
		for i, e := range c.list {
			m := c.box.find(e.uid)
			has := k.uid && k.uids[e.uid] || !k.uid && k.members[e]
			if want := k.matches(i+1, m); has != want {
				w.t.Fatalf("%s: message %d in the result of %s: %t, it is to be found: %t", c.name, e.uid, k.tag, has, want)
			}
		}
		for u, has := range k.uids {
			if has && c.box.find(u) == nil {
				w.t.Fatalf("%s: message %d in the result of %s is gone", c.name, u, k.tag)
			}
		}
	}
}

// key draws a search key.
func (w *world) key(c *client, depth int) (text string, is criterion, modseq bool) {
	kinds := []string{"flag", "flag", "flag", "keyword", "uid", "modseq", "all", "seq", "not", "or", "and"}
	switch kind := pick(w, "key", kinds...); {
	case kind == "keyword":
		k := pick(w, "keyword", "$a", "$b", "$c")
		return "KEYWORD " + k, func(_ int, m *message) bool { return slices.Contains(strings.Fields(m.flags), k) }, false
	case kind == "uid":
		a := uint32(w.number(1, 12, "from"))
		b := a + uint32(w.number(0, 5, "more"))
		return fmt.Sprintf("UID %d:%d", a, b), func(_ int, m *message) bool { return m.uid >= a && m.uid <= b }, false
	case kind == "seq" && !c.uidOnly:
		a := w.number(1, 4, "from")
		b := a + w.number(0, 2, "more")
		return fmt.Sprintf("%d:%d", a, b), func(seq int, _ *message) bool { return seq >= a && seq <= b }, false
	case kind == "modseq":
		n := c.box.highest - uint64(w.number(0, min(20, int(c.box.highest)-1), "back"))
		return fmt.Sprintf("MODSEQ %d", n), func(_ int, m *message) bool { return m.modseq >= n }, true
	case kind == "not" && depth > 0:
		text, inner, modseq := w.key(c, depth-1)
		return "NOT " + paren(text), func(seq int, m *message) bool { return !inner(seq, m) }, modseq
	case (kind == "or" || kind == "and") && depth > 0:
		t1, one, m1 := w.key(c, depth-1)
		t2, two, m2 := w.key(c, depth-1)
		if kind == "or" {
			return "OR " + paren(t1) + " " + paren(t2), func(seq int, m *message) bool { return one(seq, m) || two(seq, m) }, m1 || m2
		}
		return t1 + " " + t2, func(seq int, m *message) bool { return one(seq, m) && two(seq, m) }, m1 || m2
	case kind == "all":
		return "ALL", func(int, *message) bool { return true }, false
	}
	f := pick(w, "flag", "Seen", "Deleted", "Flagged", "Answered", "Draft")
	has := func(_ int, m *message) bool { return slices.Contains(strings.Fields(m.flags), `\`+f) }
	if w.one(2, "un") {
		return "UN" + strings.ToUpper(f), func(seq int, m *message) bool { return !has(seq, m) }, false
	}
	return strings.ToUpper(f), has, false
}

func paren(text string) string { return "(" + text + ")" }

// search is RFC 9051 §6.4.4 with RFC 4731, RFC 5182, RFC 7162 §3.1.5 and RFC 5267.
func (w *world) search(c *client) {
	w.learn(c)
	text, is, modseq := w.key(c, 2)
	uid := c.uidOnly || w.one(2, "uid")
	options := pick(w, "return", "-", "-", "", "ALL", "COUNT", "MIN", "MAX", "MIN MAX", "SAVE", "SAVE ALL", "SAVE MIN", "SAVE MAX", "SAVE COUNT MIN", "MIN MAX COUNT ALL", "UPDATE", "UPDATE ALL", "UPDATE COUNT")
	if strings.HasPrefix(options, "UPDATE") && len(c.contexts) >= 3 {
		options = "COUNT"
	}
	command := "SEARCH "
	if uid {
		command = "UID SEARCH "
	}
	if options != "-" {
		command += "RETURN (" + options + ") "
	}
	c.condstore = c.condstore || modseq
	var hits []*entry
	for i, e := range c.list {
		if m := c.box.find(e.uid); m != nil && is(i+1, m) {
			hits = append(hits, e)
		}
	}
	position := maps.Collect(func(yield func(*entry, uint32) bool) {
		for i, e := range c.list {
			if uid && !yield(e, e.uid) || !uid && !yield(e, uint32(i+1)) {
				return
			}
		}
	})
	a := c.ask("%s%s", command, text)
	if a.kind != "OK" {
		w.t.Fatalf("%s: search: %s [%s]", c.name, a.kind, a.code)
	}
	if strings.HasPrefix(options, "UPDATE") {
		k := &kept{tag: a.tag, uid: uid, matches: is, members: map[*entry]bool{}, uids: map[uint32]bool{}}
		for _, e := range hits {
			if uid {
				k.uids[e.uid] = true
			} else {
				k.members[e] = true
			}
		}
		c.contexts = append(c.contexts, k)
	}
	c.take(a, !uid)
	w.checkFound(c, a, options, uid, modseq, hits, position)
	if strings.HasPrefix(options, "SAVE") {
		c.saved = saves(options, hits)
	}
}

// saves gives what "$" is afterwards (RFC 5182 §2.4).
func saves(options string, hits []*entry) []uint32 {
	list := []uint32{}
	has := func(o string) bool { return slices.Contains(strings.Fields(options), o) }
	for i, e := range hits {
		first, last := i == 0 && has("MIN"), i == len(hits)-1 && has("MAX")
		if first || last || has("ALL") || has("COUNT") || !has("MIN") && !has("MAX") {
			list = append(list, e.uid)
		}
	}
	return list
}

// checkFound compares an answer to SEARCH with what there is to find.
func (w *world) checkFound(c *client, a answer, options string, uid, modseq bool, hits []*entry, position map[*entry]uint32) {
	f := c.found
	if options == "SAVE" {
		if f != nil {
			w.t.Fatalf("%s: a result that was not asked for", c.name)
		}
		return
	}
	if f == nil || f.extended != (options != "-" || c.rev2) || f.extended && (f.uid != uid || f.tag != a.tag) {
		w.t.Fatalf("%s: not the result that was asked for", c.name)
	}
	has := func(o string) bool { return slices.Contains(strings.Fields(options), o) }
	var want []uint32
	highest := uint64(0)
	for i, e := range hits {
		want = append(want, position[e])
		only := !has("COUNT") && !has("ALL") && !has("UPDATE") && (has("MIN") || has("MAX"))
		if !only || i == 0 && has("MIN") || i == len(hits)-1 && has("MAX") {
			highest = max(highest, c.box.find(e.uid).modseq)
		}
	}
	if all := options == "-" || options == "" || has("ALL"); all != !f.noAll && len(want) > 0 || all && !slices.Equal(f.all, want) {
		w.t.Fatalf("%s: found %v, there is %v", c.name, f.all, want)
	}
	number := func(o string, got int64, want uint32) {
		if there := has(o) && (o == "COUNT" || len(hits) > 0); there != (got >= 0) || there && got != int64(want) {
			w.t.Fatalf("%s: %s is %d, want %d", c.name, o, got, want)
		}
	}
	number("COUNT", f.count, uint32(len(want)))
	if len(want) > 0 {
		number("MIN", f.min, want[0])
		number("MAX", f.max, want[len(want)-1])
	}
	if modseq && f.modseq != highest || !modseq && f.modseq != 0 {
		w.t.Fatalf("%s: MODSEQ %d, want %d", c.name, f.modseq, highest)
	}
}

// cancel ends some searches (RFC 5267 §4.3.5).
func (w *world) cancel(c *client) {
	if len(c.contexts) == 0 {
		return
	}
	k := pick(w, "context", c.contexts...)
	c.contexts = slices.DeleteFunc(c.contexts, func(other *kept) bool { return other == k })
	a := c.ask(`CANCELUPDATE "%s"`, k.tag)
	if a.kind != "OK" {
		w.t.Fatalf("%s: cancel: %s", c.name, a.kind)
	}
	c.take(a, false)
}
