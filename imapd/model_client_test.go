package imapd

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// client is a careful client: it knows of a mailbox what the responses say and
// no more, and minds every rule they must keep.
type client struct {
	name string
	c    net.Conn
	r    *bufio.Reader
	n    int
	fail func(string, ...any)
	logf func(string, ...any)
	now  func(uid uint32) *message // what is true now of a message, nil when not known

	rev2, condstore, qresync, uidOnly bool

	box      *truth // selected
	examined bool
	list     []*entry // by sequence number
	upto     uint32   // every message up to this UID is known
	sync     uint64   // HIGHESTMODSEQ as last told
	latest   uint64   // the greatest modseq of a message that was told
	keywords map[string]bool
	saved    []uint32
	contexts []*kept
	idling   string // the tag of an IDLE

	// Of the command at hand.
	keep      bool // sequence numbers must hold
	selecting bool
	before    []entry // what was known before a SELECT that resumes
	fetched   []*fetchedLine
	vanished  []uint32 // (EARLIER)
	found     *foundLine
}

// entry is one message. uid is 0 as long as the client was not told, flags count
// when known is set, modseq when it is not 0.
type entry struct {
	uid    uint32
	flags  string
	known  bool
	modseq uint64
}

// fetchedLine is a FETCH response.
type fetchedLine struct {
	*entry
	flags, modseq, uid, body bool
}

// answer is what a command was answered.
type answer struct {
	lines      []string
	kind, code string
	tag        string
}

func dialClient(addr, name string, fail, logf func(string, ...any)) *client {
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		fail("%v", err)
	}
	c := &client{name: name, c: conn, r: bufio.NewReader(conn), fail: fail, logf: logf}
	_ = conn.SetDeadline(time.Now().Add(time.Minute))
	c.line()
	c.ok(`LOGIN alice@example.test "` + password + `"`)
	return c
}

var literal = regexp.MustCompile(`\{(\d+)\}$`)

// line reads a response, with "<>" in place of literals.
func (c *client) line() string {
	text := ""
	for {
		l, err := c.r.ReadString('\n')
		if err != nil {
			c.fail("%s: read: %v after %q", c.name, err, text+l)
		}
		text += strings.TrimSuffix(l, "\r\n")
		m := literal.FindStringSubmatch(text)
		if m == nil {
			c.logf("%s < %s", c.name, text)
			return text
		}
		n, _ := strconv.Atoi(m[1])
		if _, err := io.CopyN(io.Discard, c.r, int64(n)); err != nil {
			c.fail("%s: read: %v", c.name, err)
		}
		text = strings.TrimSuffix(text, m[0]) + "<>"
	}
}

func (c *client) send(text string) {
	c.logf("%s > %s", c.name, strings.TrimSuffix(text, "\r\n"))
	if _, err := io.WriteString(c.c, text); err != nil {
		c.fail("%s: write: %v", c.name, err)
	}
}

// ask sends a command and reads its answer, which is not looked at yet.
func (c *client) ask(format string, args ...any) answer {
	c.n++
	tag := fmt.Sprintf("%s%d", c.name, c.n)
	c.send(tag + " " + fmt.Sprintf(format, args...) + "\r\n")
	return c.until(tag)
}

var tagged = regexp.MustCompile(`^(OK|NO|BAD) (?:\[([^\]]*)\] )?`)

func (c *client) until(tag string) answer {
	a := answer{tag: tag}
	for {
		l := c.line()
		if rest, ok := strings.CutPrefix(l, tag+" "); ok {
			m := tagged.FindStringSubmatch(rest)
			if m == nil {
				c.fail("%s: not an answer: %q", c.name, l)
			}
			a.kind, a.code = m[1], m[2]
			return a
		}
		a.lines = append(a.lines, l)
	}
}

// ok is a command that gives nothing of interest.
func (c *client) ok(format string, args ...any) {
	if a := c.ask(format, args...); a.kind != "OK" {
		c.fail("%s: %s: answered %s", c.name, fmt.Sprintf(format, args...), a.kind)
	}
}

// take takes in the answer to a command. keep: sequence numbers must hold while
// it runs (RFC 9051 §7.5.1).
func (c *client) take(a answer, keep bool) {
	c.keep, c.fetched, c.vanished, c.found = keep, nil, nil, nil
	for _, l := range a.lines {
		c.takeLine(l)
	}
	c.takeCode(a.code)
	c.keep = false
}

var (
	numberLine   = regexp.MustCompile(`^\* (\d+) (EXISTS|EXPUNGE|RECENT)$`)
	fetchLine    = regexp.MustCompile(`^\* (\d+) (FETCH|UIDFETCH) \((.*)\)$`)
	vanishedLine = regexp.MustCompile(`^\* VANISHED (\(EARLIER\) )?([\d:,]+)$`)
	flagsLine    = regexp.MustCompile(`^\* FLAGS \(([^)]*)\)$`)
	okLine       = regexp.MustCompile(`^\* OK \[([^\]]*)\]`)
	flagsItem    = regexp.MustCompile(`(?:^| )FLAGS \(([^)]*)\)`)
	uidItem      = regexp.MustCompile(`(?:^| )UID (\d+)`)
	modseqItem   = regexp.MustCompile(`(?:^| )MODSEQ \((\d+)\)`)
	highestItem  = regexp.MustCompile(`^HIGHESTMODSEQ (\d+)$`)
)

func (c *client) takeLine(l string) {
	if m := numberLine.FindStringSubmatch(l); m != nil {
		c.takeNumber(atoi(m[1]), m[2])
		return
	}
	if m := fetchLine.FindStringSubmatch(l); m != nil {
		c.takeFetch(atoi(m[1]), m[2], m[3])
		return
	}
	if m := vanishedLine.FindStringSubmatch(l); m != nil {
		c.takeVanished(numbers(m[2]), m[1] != "")
		return
	}
	if m := flagsLine.FindStringSubmatch(l); m != nil {
		c.keywords = map[string]bool{}
		for f := range strings.FieldsSeq(m[1]) {
			c.keywords[f] = true
		}
		return
	}
	if m := okLine.FindStringSubmatch(l); m != nil {
		c.takeCode(m[1])
		return
	}
	if strings.HasPrefix(l, "* SEARCH") || strings.HasPrefix(l, "* ESEARCH ") {
		c.takeSearch(l)
		return
	}
	if c.selecting && c.rev2 && strings.HasPrefix(l, "* LIST ") {
		return
	}
	c.fail("%s: not expected: %q", c.name, l)
}

func atoi(s string) uint32 {
	n, _ := strconv.ParseUint(s, 10, 32)
	return uint32(n)
}

// numbers gives the numbers of a set in the order they are written.
func numbers(set string) (list []uint32) {
	for r := range strings.SplitSeq(set, ",") {
		first, last, ok := strings.Cut(r, ":")
		if !ok {
			last = first
		}
		for n := atoi(first); n <= atoi(last); n++ {
			list = append(list, n)
		}
	}
	return list
}

func (c *client) takeCode(code string) {
	m := highestItem.FindStringSubmatch(code)
	if m == nil {
		return
	}
	n, _ := strconv.ParseUint(m[1], 10, 64)
	if n < c.sync {
		c.fail("%s: HIGHESTMODSEQ goes back from %d to %d", c.name, c.sync, n)
	}
	c.sync = n
}

func (c *client) takeNumber(n uint32, what string) {
	switch what {
	case "EXISTS":
		if int(n) < len(c.list) {
			c.fail("%s: EXISTS goes from %d to %d", c.name, len(c.list), n)
		}
		for len(c.list) < int(n) {
			c.list = append(c.list, &entry{})
		}
	case "RECENT":
		if c.rev2 {
			c.fail("%s: RECENT with IMAP4rev2", c.name)
		}
		if int(n) > len(c.list) {
			c.fail("%s: %d RECENT of %d", c.name, n, len(c.list))
		}
	case "EXPUNGE":
		if c.keep || c.qresync || c.uidOnly || n == 0 || int(n) > len(c.list) {
			c.fail("%s: EXPUNGE %d of %d is not allowed here", c.name, n, len(c.list))
		}
		c.drop(int(n - 1))
	}
}

// drop forgets a message that is gone. What was found by a search that is kept
// up to date was taken out of its result before (RFC 5267 §4.3.4).
func (c *client) drop(i int) {
	e := c.list[i]
	for _, k := range c.contexts {
		if k.members[e] || k.uids[e.uid] {
			c.fail("%s: message %d is gone and still in the result of %s", c.name, i+1, k.tag)
		}
	}
	c.list = slices.Delete(c.list, i, i+1)
}

func (c *client) takeVanished(uids []uint32, earlier bool) {
	if !c.qresync && (earlier || !c.uidOnly) {
		c.fail("%s: VANISHED was not asked for", c.name)
	}
	if earlier {
		c.vanished = append(c.vanished, uids...)
		c.before = slices.DeleteFunc(c.before, func(e entry) bool { return slices.Contains(uids, e.uid) })
		return
	}
	if c.keep || c.selecting {
		c.fail("%s: VANISHED %v is not allowed here", c.name, uids)
	}
	for _, u := range uids {
		i := slices.IndexFunc(c.list, func(e *entry) bool { return e.uid == u })
		if i < 0 && u > c.upto {
			i = c.unknown(u)
		}
		if i < 0 {
			c.fail("%s: VANISHED %d, which was not there", c.name, u)
		}
		c.drop(i)
	}
}

// unknown finds a message that can be the one with a UID that was not told: the
// last where the order allows it that is in no result.
func (c *client) unknown(uid uint32) int {
	for i, e := range slices.Backward(c.list) {
		if !c.uidOnly && e.uid != 0 && e.uid < uid {
			break
		}
		later := slices.ContainsFunc(c.list[:i], func(e *entry) bool { return e.uid > uid })
		found := slices.ContainsFunc(c.contexts, func(k *kept) bool { return k.members[e] })
		if e.uid == 0 && !found && (c.uidOnly || !later) {
			return i
		}
	}
	return -1
}

// takeFetch is RFC 9051 §7.5.2, and UIDFETCH of RFC 9586 §3.3.
func (c *client) takeFetch(n uint32, word, items string) {
	if (word == "UIDFETCH") != c.uidOnly {
		c.fail("%s: %s is not what was asked for", c.name, word)
	}
	c.resumed()
	f := &fetchedLine{body: strings.Contains(items, "<>")}
	uid := uint32(0)
	if m := uidItem.FindStringSubmatch(items); m != nil {
		uid, f.uid = atoi(m[1]), true
	}
	if c.uidOnly {
		if f.uid && uid != n {
			c.fail("%s: UIDFETCH %d has UID %d", c.name, n, uid)
		}
		f.entry = c.byUID(n)
	} else {
		f.entry = c.bySeq(n, uid)
	}
	if m := modseqItem.FindStringSubmatch(items); m != nil {
		c.takeModSeq(f, m[1])
	} else if c.condstore && flagsItem.MatchString(items) {
		c.fail("%s: flags of message %d without a modseq", c.name, n) // RFC 7162 §3.1
	}
	if m := flagsItem.FindStringSubmatch(items); m != nil {
		c.takeFlags(f, strings.Fields(m[1]))
	}
	c.fetched = append(c.fetched, f)
}

func (c *client) bySeq(n, uid uint32) *entry {
	if n == 0 || int(n) > len(c.list) {
		c.fail("%s: FETCH %d of %d", c.name, n, len(c.list))
	}
	e := c.list[n-1]
	if uid == 0 {
		return e
	}
	if e.uid != 0 && e.uid != uid {
		c.fail("%s: message %d has UID %d and now %d", c.name, n, e.uid, uid)
	}
	for i, other := range c.list {
		if other.uid != 0 && i != int(n-1) && (i < int(n-1)) != (other.uid < uid) {
			c.fail("%s: message %d has UID %d, message %d has %d", c.name, i+1, other.uid, n, uid)
		}
	}
	e.uid = uid
	return e
}

func (c *client) byUID(uid uint32) *entry {
	for _, e := range c.list {
		if e.uid == uid {
			return e
		}
	}
	if i := slices.IndexFunc(c.list, func(e *entry) bool { return e.uid == 0 }); i >= 0 {
		c.list[i].uid = uid
		return c.list[i]
	}
	c.fail("%s: UIDFETCH %d, which was not there", c.name, uid)
	return nil
}

func (c *client) takeModSeq(f *fetchedLine, text string) {
	n, _ := strconv.ParseUint(text, 10, 64)
	if !c.condstore {
		c.fail("%s: MODSEQ was not asked for", c.name)
	}
	if n < f.entry.modseq {
		c.fail("%s: modseq of %d goes back from %d to %d", c.name, f.entry.uid, f.entry.modseq, n)
	}
	f.entry.modseq, f.modseq = n, true
	c.latest = max(c.latest, n)
}

func (c *client) takeFlags(f *fetchedLine, list []string) {
	for _, w := range list {
		if w == `\Recent` {
			if c.rev2 {
				c.fail(`%s: \Recent with IMAP4rev2`, c.name)
			}
			continue
		}
		if !c.keywords[w] {
			c.fail("%s: FLAGS did not tell of %s", c.name, w) // RFC 9051 §7.3.5
		}
	}
	f.entry.flags, f.entry.known, f.flags = words(list), true, true
	if c.idling != "" || c.now == nil || f.entry.uid == 0 {
		return
	}
	if m := c.now(f.entry.uid); m != nil && m.flags != f.entry.flags {
		c.fail("%s: flags of %d are told as (%s), they are (%s)", c.name, m.uid, f.entry.flags, m.flags)
	}
}
