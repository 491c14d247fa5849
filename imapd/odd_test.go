package imapd

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"mailstead/internal/mailtest"
	"mailstead/storage"
	"mailstead/storage/storagetest"
)

// atom is a word of a response that stands in no quotes; NIL is nil.
type atom string

// fetchItems runs a FETCH of one message and gives its items by their labels.
// Strings come as string, lists as []any.
func (sc *script) fetchItems(uid storage.UID, items string) map[string]any {
	sc.t.Helper()
	sc.n++
	tag := fmt.Sprintf("t%d", sc.n)
	sc.send(fmt.Sprintf("%s UID FETCH %d (%s)\r\n", tag, uid, items))
	got := map[string]any{}
	for {
		word := sc.word(" ")
		sc.byte()
		if word == tag {
			if l := sc.line(); !strings.HasPrefix(l, "OK") {
				sc.t.Fatalf("FETCH %s: got %q, want OK", items, l)
			}
			return got
		}
		if sc.word(" "); sc.byte() != ' ' || sc.word(" ") != "FETCH" {
			sc.t.Fatalf("FETCH %s: got %q, want FETCH", items, sc.line())
		}
		for sc.byte(); sc.peek() != ')'; {
			if sc.peek() == '(' || sc.peek() == ' ' {
				sc.byte()
			}
			label := sc.label()
			sc.byte()
			got[label] = sc.value()
		}
		if l := sc.line(); l != ")" {
			sc.t.Fatalf("FETCH %s: got %q, want the end of the line", items, l)
		}
	}
}

func (sc *script) peek() byte {
	b, err := sc.r.Peek(1)
	if err != nil {
		sc.t.Fatal(err)
	}
	return b[0]
}

func (sc *script) byte() byte {
	b := sc.peek()
	_, _ = sc.r.ReadByte() // it is there
	return b
}

// word reads up to a stop byte.
func (sc *script) word(stops string) string {
	var b strings.Builder
	for !strings.ContainsRune(stops, rune(sc.peek())) {
		b.WriteByte(sc.byte())
	}
	return b.String()
}

// label reads the name of an item with its section.
func (sc *script) label() string {
	var b strings.Builder
	for depth := 0; depth > 0 || sc.peek() != ' '; {
		c := sc.byte()
		switch c {
		case '[':
			depth++
		case ']':
			depth--
		}
		b.WriteByte(c)
	}
	return b.String()
}

func (sc *script) value() any {
	switch sc.peek() {
	case '(':
		l := []any{}
		for sc.byte(); sc.peek() != ')'; {
			if sc.peek() == ' ' {
				sc.byte()
				continue
			}
			l = append(l, sc.value())
		}
		sc.byte()
		return l
	case '"':
		return sc.quoted()
	case '{', '~':
		size, err := strconv.Atoi(strings.Trim(strings.TrimSuffix(sc.line(), "}"), "~{"))
		if err != nil {
			sc.t.Fatal(err)
		}
		b := make([]byte, size)
		if _, err := io.ReadFull(sc.r, b); err != nil {
			sc.t.Fatal(err)
		}
		return string(b)
	}
	w := sc.word(" )\r")
	if w == "NIL" {
		return nil
	}
	return atom(w)
}

func (sc *script) quoted() string {
	var b strings.Builder
	for sc.byte(); sc.peek() != '"'; {
		c := sc.byte()
		if c == '\\' {
			c = sc.byte()
		}
		if c == '\r' || c == '\n' || c == 0 {
			sc.t.Fatalf("got %q in a quoted string", c)
		}
		b.WriteByte(c)
	}
	sc.byte()
	return b.String()
}

// seenPart is what a client learns of one part.
type seenPart struct {
	number     string // "" for the message
	typ        string // with its subtype
	params     map[string]string
	encoding   string
	size       int
	lines      int
	envelope   []any
	children   []*seenPart
	mime, body string
	decoded    string
}

// structureOf reads a BODYSTRUCTURE, checking its grammar (RFC 9051 §9).
func structureOf(t testing.TB, number string, v any, extended bool) *seenPart {
	t.Helper()
	l := v.([]any)
	p := &seenPart{number: number, params: map[string]string{}}
	if _, multi := l[0].([]any); multi {
		n := 0
		for ; n < len(l); n++ {
			child, ok := l[n].([]any)
			if !ok {
				break
			}
			p.children = append(p.children, structureOf(t, join(number, n+1), child, extended))
		}
		p.typ = "multipart/" + l[n].(string)
		if want := map[bool]int{true: n + 5, false: n + 1}[extended]; len(l) != want {
			t.Fatalf("%s: got %d fields, want %d", p.typ, len(l), want)
		}
		if extended {
			p.params = pairs(t, l[n+1])
		}
		return p
	}
	if number == "" || strings.HasSuffix(number, ".") {
		p.number = number + "1"
	}
	p.typ, p.params, p.encoding = l[0].(string)+"/"+l[1].(string), pairs(t, l[2]), l[5].(string)
	p.size = count(t, l[6])
	want := 7
	switch {
	case p.typ == "message/rfc822" || p.typ == "message/global":
		p.envelope = l[7].([]any)
		if len(p.envelope) != 10 {
			t.Fatalf("got %d fields of an envelope, want 10", len(p.envelope))
		}
		inner := structureOf(t, p.number+".", l[8], extended)
		inner.number = strings.TrimSuffix(inner.number, ".")
		p.children = []*seenPart{inner}
		p.lines, want = count(t, l[9]), 10
	case l[0] == "text":
		p.lines, want = count(t, l[7]), 8
	}
	if extended {
		want += 4
	}
	if len(l) != want {
		t.Fatalf("%s: got %d fields, want %d: %.200q", p.typ, len(l), want, l)
	}
	return p
}

func join(number string, n int) string {
	if number == "" || strings.HasSuffix(number, ".") {
		return number + strconv.Itoa(n)
	}
	return number + "." + strconv.Itoa(n)
}

func count(t testing.TB, v any) int {
	t.Helper()
	n, err := strconv.Atoi(string(v.(atom)))
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func pairs(t testing.TB, v any) map[string]string {
	t.Helper()
	m := map[string]string{}
	if v == nil {
		return m
	}
	l := v.([]any)
	if len(l) == 0 || len(l)%2 != 0 {
		t.Fatalf("got %q as parameters", l)
	}
	for i := 0; i < len(l); i += 2 {
		m[l[i].(string)] = l[i+1].(string)
	}
	return m
}

func text(v any) string {
	s, _ := v.(string)
	return s
}

// reading is one message of the corpus as the server shows it.
type reading struct {
	sc   *script
	uid  storage.UID
	raw  string // the message as literals can give it
	root *seenPart
	env  []any
	left int // parts to look at
}

// maxLook bounds the parts of one message that are looked at.
const maxLook = 40

// TestOddMessagesOverTheWire reads every message of the corpus and proves that
// what FETCH says of it holds together: sections are slices of the message,
// their sizes those announced, partials slices of sections.
func TestOddMessagesOverTheWire(t *testing.T) {
	t.Parallel()
	s, uids := newOddSuite(t)
	sc := s.login()
	sc.r = bufio.NewReaderSize(sc.c, 64<<10)
	sc.ok("SELECT INBOX")
	used := map[int]bool{}
	for i, m := range mailtest.Corpus() {
		t.Run(m.Name, func(t *testing.T) {
			sc.t = t
			r := &reading{sc: sc, uid: uids[i], raw: strings.ReplaceAll(m.Text, "\x00", "\x80"), left: maxLook}
			r.message(t, m.Text)
			r.part(t, r.root)
			agree(t, m, r, used)
		})
	}
	for i, d := range differs {
		if !used[i] {
			t.Errorf("%s, %s: go-message reads it the same, want no line for it", d.name, d.what)
		}
	}
}

// newOddSuite is a suite whose INBOX holds the corpus.
func newOddSuite(t testing.TB) (*suite, []storage.UID) {
	t.Helper()
	s := newSuite(t)
	box, err := s.store.Mailbox(alice, "INBOX")
	if err != nil {
		t.Fatal(err)
	}
	var uids []storage.UID
	for _, m := range mailtest.Corpus() {
		out, err := s.store.Append(context.Background(), storagetest.Body(m.Text), storage.Target{Ref: storage.Ref{Account: alice, Mailbox: box.ID}})
		if err != nil {
			t.Fatalf("%s: %v", m.Name, err)
		}
		uids = append(uids, out[0].UID)
	}
	return s, uids
}

// message looks at the message as a whole.
func (r *reading) message(t *testing.T, raw string) {
	got := r.sc.fetchItems(r.uid, "RFC822.SIZE ENVELOPE BODY BODYSTRUCTURE BODY.PEEK[] BODY.PEEK[HEADER] BODY.PEEK[TEXT] BINARY.PEEK[] BINARY.SIZE[] RFC822.HEADER BODY.PEEK[HEADER.FIELDS (Subject fRom)] BODY.PEEK[HEADER.FIELDS.NOT (Subject From)]")
	same(t, "BODY[]", text(got["BODY[]"]), r.raw)
	same(t, "BINARY[]", text(got["BINARY[]"]), raw)
	same(t, "HEADER and TEXT", text(got["BODY[HEADER]"])+text(got["BODY[TEXT]"]), r.raw)
	same(t, "RFC822.HEADER", text(got["RFC822.HEADER"]), text(got["BODY[HEADER]"]))
	for _, size := range []string{"RFC822.SIZE", "BINARY.SIZE[]"} {
		if n := count(t, got[size]); n != len(raw) {
			t.Errorf("%s: got %d, want %d", size, n, len(raw))
		}
	}
	fieldsAdd(t, text(got["BODY[HEADER]"]), text(got["BODY[HEADER.FIELDS (Subject fRom)]"]), text(got["BODY[HEADER.FIELDS.NOT (Subject From)]"]))
	r.env, r.root = got["ENVELOPE"].([]any), structureOf(t, "", got["BODYSTRUCTURE"], true)
	if brief := outline(structureOf(t, "", got["BODY"], false)); brief != outline(r.root) {
		t.Errorf("BODY: got %.500s, want %.500s as in BODYSTRUCTURE", brief, outline(r.root))
	}
	r.root.mime, r.root.body = text(got["BODY[HEADER]"]), text(got["BODY[TEXT]"])
	r.partials(t, "", r.raw, "BODY")
	r.partials(t, "HEADER", r.root.mime, "BODY")
	r.partials(t, "TEXT", r.root.body, "BODY")
}

// fieldsAdd proves that HEADER.FIELDS and HEADER.FIELDS.NOT share the fields of
// a header between them (RFC 9051 §6.4.5.1).
func fieldsAdd(t *testing.T, header, these, others string) {
	t.Helper()
	lines := func(s string) map[string]int {
		m := map[string]int{}
		for l := range strings.SplitSeq(strings.ReplaceAll(s, "\r\n", "\n"), "\n") {
			m[l]++
		}
		return m
	}
	all, sum := lines(header), lines(these)
	for l, n := range lines(others) {
		sum[l] += n
	}
	for l, n := range sum {
		if l != "" && all[l] != n {
			t.Errorf("field %.100q: got %d times, want %d", l, n, all[l])
		}
	}
	for l := range all {
		if strings.Contains(l, ":") && l[0] > ' ' && sum[l] == 0 && isFieldName(strings.TrimRight(strings.SplitN(l, ":", 2)[0], " \t")) && len(header) < maxHeader {
			t.Errorf("field %.100q is in neither", l)
		}
	}
	if !strings.HasSuffix(these, "\r\n") || !strings.HasSuffix(others, "\r\n") {
		t.Errorf("got %.100q and %.100q, want an empty line at the end", these, others)
	}
}

// part looks at one part and those in it.
func (r *reading) part(t *testing.T, p *seenPart) {
	if r.left--; r.left < 0 {
		return
	}
	if p != r.root || len(p.children) == 0 || p.typ == "message/rfc822" {
		r.look(t, p)
	}
	switch {
	case strings.HasPrefix(p.typ, "multipart/"):
		for _, c := range p.children {
			r.part(t, c)
		}
		r.delimited(t, p)
	case len(p.children) > 0:
		inner := p.children[0]
		n := p.number
		got := r.sc.fetchItems(r.uid, fmt.Sprintf("BODY.PEEK[%s.HEADER] BODY.PEEK[%s.TEXT] BODY.PEEK[%s.HEADER.FIELDS (Subject)] BODY.PEEK[%s.HEADER.FIELDS.NOT (Subject)]", n, n, n, n))
		inner.mime, inner.body = text(got["BODY["+n+".HEADER]"]), text(got["BODY["+n+".TEXT]"])
		same(t, n+".HEADER and TEXT", inner.mime+inner.body, p.body)
		fieldsAdd(t, inner.mime, text(got["BODY["+n+".HEADER.FIELDS (Subject)]"]), text(got["BODY["+n+".HEADER.FIELDS.NOT (Subject)]"]))
		r.part(t, inner)
	}
}

// look fetches what there is of one part.
func (r *reading) look(t *testing.T, p *seenPart) {
	n := p.number
	items := fmt.Sprintf("BODY.PEEK[%s] BODY.PEEK[%s.MIME]", n, n)
	if decodable(p.encoding) {
		items += fmt.Sprintf(" BINARY.PEEK[%s] BINARY.SIZE[%s]", n, n)
	}
	got := r.sc.fetchItems(r.uid, items)
	body, mime := text(got["BODY["+n+"]"]), text(got["BODY["+n+".MIME]"])
	if p.mime != "" && !strings.HasPrefix(p.typ, "multipart/") {
		same(t, n+".MIME", mime, p.mime)
	}
	p.mime, p.body = mime, body
	if len(p.children) == 0 || p.envelope != nil {
		if p.size != len(body) {
			t.Errorf("%s: got %d octets in BODYSTRUCTURE, want %d", n, p.size, len(body))
		}
	}
	if p.lines > 0 || strings.HasPrefix(p.typ, "text/") {
		if lines := strings.Count(body, "\n"); p.lines != lines {
			t.Errorf("%s: got %d lines in BODYSTRUCTURE, want %d", n, p.lines, lines)
		}
	}
	r.partials(t, n, body, "BODY")
	if !decodable(p.encoding) {
		r.sc.answers(fmt.Sprintf("UID FETCH %d BINARY.SIZE[%s]", r.uid, n), "NO [UNKNOWN-CTE]")
		return
	}
	p.decoded = text(got["BINARY["+n+"]"])
	if size := count(t, got["BINARY.SIZE["+n+"]"]); size != len(p.decoded) {
		t.Errorf("%s: got BINARY.SIZE %d, want %d", n, size, len(p.decoded))
	}
	r.partials(t, n, p.decoded, "BINARY")
}

// partials fetches slices of a section (RFC 9051 §6.4.5).
func (r *reading) partials(t *testing.T, section, whole, kind string) {
	if r.left < maxLook-6 {
		return
	}
	size := len(whole)
	var items []string
	want := map[string]string{}
	for _, p := range [][2]int{{0, 1}, {1, size + 10}, {size / 2, 7}, {max(size-3, 0), 3}, {size, 5}, {size + 100, 5}} {
		label := fmt.Sprintf("%s[%s]<%d>", kind, section, p[0])
		if _, twice := want[label]; !twice {
			want[label] = whole[min(p[0], size):min(p[0]+p[1], size)]
			items = append(items, fmt.Sprintf("%s.PEEK[%s]<%d.%d>", kind, section, p[0], p[1]))
		}
	}
	got := r.sc.fetchItems(r.uid, strings.Join(items, " "))
	for label, w := range want {
		if v, ok := got[label].(string); !ok || v != w {
			t.Errorf("%s: got %.100q, want %.100q", label, got[label], w)
		}
	}
}

// delimited proves that the parts of a multipart stand in it between its
// delimiters, without a gap (RFC 2046 §5.1.1).
func (r *reading) delimited(t *testing.T, p *seenPart) {
	if r.left < 0 {
		return
	}
	b := regexp.QuoteMeta(strings.TrimRight(p.params["boundary"], " \t"))
	first := regexp.MustCompile(`(?:\A|\n)--` + b + `[ \t]*(?:\r?\n|\z)`)
	next := regexp.MustCompile(`\A(?:\r?\n)?--` + b + `[ \t]*(?:\r?\n|\z)`)
	last := regexp.MustCompile(`\A(?:\r?\n)?--` + b + `--[ \t]*(?:\r?\n|\z)`)
	rest := p.body
	for i, c := range p.children {
		at := next.FindStringIndex(rest)
		if i == 0 {
			at = first.FindStringIndex(rest)
		}
		if at == nil || !strings.HasPrefix(rest[at[1]:], c.mime+c.body) {
			t.Fatalf("part %s does not stand at %.100q", c.number, rest)
		}
		rest = rest[at[1]+len(c.mime+c.body):]
	}
	if rest != "" && !last.MatchString(rest) {
		t.Errorf("got %.100q behind the last part of %s, want its closing delimiter", rest, p.typ)
	}
}

// outline writes a structure in one line.
func outline(p *seenPart) string {
	var l []string
	for _, c := range p.children {
		l = append(l, outline(c))
	}
	if len(l) == 0 {
		return fmt.Sprintf("%s:%d", p.typ, p.size)
	}
	return p.typ + "(" + strings.Join(l, " ") + ")"
}

func same(t *testing.T, what, got, want string) {
	t.Helper()
	if got != want {
		t.Errorf("%s: got %d bytes %.200q, want %d bytes %.200q", what, len(got), got, len(want), want)
	}
}
