package mail

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// outline writes the tree the way the tests compare it.
func outline(msg string, p *Part) string {
	s := fmt.Sprintf("%s/%s[%s]", p.Type, p.Subtype, msg[p.BodyStart:p.End])
	if len(p.Children) > 0 {
		var l []string
		for _, c := range p.Children {
			l = append(l, outline(msg, c))
		}
		s = fmt.Sprintf("%s/%s(%s)", p.Type, p.Subtype, strings.Join(l, " "))
	}
	return s
}

func parseString(t testing.TB, s string) *Message {
	t.Helper()
	m, err := ParseMessage(strings.NewReader(s), int64(len(s)))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

const mixed = "Content-Type: multipart/mixed; boundary=x\n\n"

func TestParseMessageStructure(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ name, in, want string }{
		{"empty", "", "text/plain[]"},
		{"header only", "Subject: x\n", "text/plain[]"},
		{"body only", "\nhello\n", "text/plain[hello\n]"},
		{"two parts", mixed + "pre\n--x\n\na\n--x\nContent-Type: text/html\n\nb\n--x--\npost\n", "multipart/mixed(text/plain[a] text/html[b])"},
		{"crlf", strings.ReplaceAll(mixed+"--x\n\na\n\n--x--\n", "\n", "\r\n"), "multipart/mixed(text/plain[a\r\n])"},
		{"no last boundary", mixed + "--x\n\na\n--x\n\nb\n", "multipart/mixed(text/plain[a] text/plain[b\n])"},
		{"no boundary parameter", "Content-Type: multipart/mixed\n\nx\n", "text/plain[x\n]"},
		{"boundary never met", mixed + "hello\n", "text/plain[hello\n]"},
		{"part without header end", mixed + "--x\nContent-Type: text/html\n--x--\n", "multipart/mixed(text/html[])"},
		{"prefix of a boundary", mixed + "--x\n\n--xy\n--x--\n", "multipart/mixed(text/plain[--xy])"},
		{"nested, inner not closed", mixed + "--x\nContent-Type: multipart/alternative; boundary=\"y z\"\n\n--y z\n\na\n--x\n\nb\n--x--\n",
			"multipart/mixed(multipart/alternative(text/plain[a]) text/plain[b])"},
		{"digest", "Content-Type: multipart/digest; boundary=x\n\n--x\n\nSubject: a\n\nb\n--x--\n", "multipart/digest(message/rfc822(text/plain[b]))"},
		{"empty embedded message", mixed + "--x\nContent-Type: message/rfc822\n\n--x--\n", "multipart/mixed(message/rfc822(text/plain[]))"},
		{"encoded embedded message", "Content-Type: message/rfc822\nContent-Transfer-Encoding: base64\n\nQQ==\n", "application/octet-stream[QQ==\n]"},
		{"bad type", "Content-Type: text\n\na", "text/plain[a]"},
		{"long line", "\n--x" + strings.Repeat("a", 70000) + "\n", "text/plain[--x" + strings.Repeat("a", 70000) + "\n]"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			m := parseString(t, tc.in)
			if got := outline(tc.in, m.Root); got != tc.want {
				t.Errorf("got %.200s, want %.200s", got, tc.want)
			}
			checkCodec(t, m)
		})
	}
}

func checkCodec(t testing.TB, m *Message) {
	t.Helper()
	b := AppendMessage(nil, m)
	back, err := DecodeMessage(b)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(m, back, cmpopts.EquateEmpty()); d != "" {
		t.Fatalf("packed and read again (-want +got):\n%s", d)
	}
	if old, err := DecodeMessage(appendPlain(nil, m)); err != nil || !cmp.Equal(back, old) {
		t.Fatalf("as older versions packed it: %v (-want +got):\n%s", err, cmp.Diff(back, old))
	}
	fields, err := DecodeSortFields(b)
	if old, oldErr := DecodeSortFields(appendPlain(nil, m)); err != nil || oldErr != nil || !cmp.Equal(fields, old) {
		t.Fatalf("sort fields: %v, of an older version: %v (-want +got):\n%s", err, oldErr, cmp.Diff(fields, old))
	}
	var d Decoder
	for want := range withAll + 1 {
		got, err := d.Decode(string(b), want)
		if err != nil {
			t.Fatal(err)
		}
		part := &Message{}
		if want == 0 || want == withAll {
			part = m
		}
		if want&WithEnvelope != 0 {
			part.Envelope = m.Envelope
		}
		if want&WithStructure != 0 {
			part.Root = m.Root
		}
		if want&WithFields != 0 {
			part.Fields, part.FieldsComplete, part.SentDate, part.SentZone = m.Fields, m.FieldsComplete, m.SentDate, m.SentZone
		}
		if d := cmp.Diff(part, got, cmpopts.EquateEmpty()); d != "" {
			t.Fatalf("sections %b (-want +got):\n%s", want, d)
		}
	}
}

func TestParseMessageLines(t *testing.T) {
	t.Parallel()
	m := parseString(t, mixed+"--x\n\na\nb\n--x\nContent-Type: message/rfc822\n\nSubject: s\n\nc\n\n--x--\n")
	if got := m.Root.Children[0].Lines; got != 1 {
		t.Errorf("text: got %d line breaks, want 1", got)
	}
	if got := m.Root.Children[1].Lines; got != 3 {
		t.Errorf("embedded message: got %d line breaks, want 3", got)
	}
	if got := m.Root.Children[1].Envelope.Subject; got != "s" {
		t.Errorf("embedded subject: got %q, want %q", got, "s")
	}
}

func TestPartsLieInTheirParents(t *testing.T) {
	t.Parallel()
	message := mixed + "--x\nContent-Type: message/rfc822\n\n"
	for _, tc := range []struct{ name, in string }{
		{"header of a message runs into the boundary", message + "Subject: s\n--x--\n"},
		{"message has no body", message + "Subject: s\n\n--x--\n"},
		{"message in a message has no body", message + "Content-Type: message/rfc822\n\nSubject: s\n--x--\n"},
		{"boundary of a message runs into the outer one", message + "Content-Type: multipart/mixed; boundary=y\n\n--y\n--x--\n"},
	} {
		m := parseString(t, tc.in)
		checkParts(t, m.Root, 0, int64(len(tc.in)))
		if t.Failed() {
			t.Fatal(tc.name)
		}
		checkCodec(t, m)
	}
}

// checkParts checks that parts lie in their parents, one behind the other.
func checkParts(t testing.TB, p *Part, from, to int64) {
	t.Helper()
	if p.HeaderStart < from || p.BodyStart < p.HeaderStart || p.End < p.BodyStart || p.End > to || p.Lines < 0 {
		t.Errorf("part %d %d %d lies outside of %d–%d", p.HeaderStart, p.BodyStart, p.End, from, to)
	}
	from = p.BodyStart
	for _, c := range p.Children {
		checkParts(t, c, from, p.End)
		from = c.End
	}
}

func TestParseEnvelopeAddresses(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		in   string
		want []Mailbox
	}{
		{"a@b.c", []Mailbox{{"", "", "a", "b.c"}}},
		{`"Doe, Jane" <jane@b.c>, Bob Roe <bob@x.y>`, []Mailbox{{"Doe, Jane", "", "jane", "b.c"}, {"Bob Roe", "", "bob", "x.y"}}},
		{"joe@x.y (Joe (the first))", []Mailbox{{"Joe (the first)", "", "joe", "x.y"}}},
		{"Team: a@b.c, d@e.f;, z@z.z", []Mailbox{{"", "", "Team", ""}, {"", "", "a", "b.c"}, {"", "", "d", "e.f"}, {}, {"", "", "z", "z.z"}}},
		{"undisclosed-recipients:;", []Mailbox{{"", "", "undisclosed-recipients", ""}, {}}},
		{"<@r.s,@t.u:a@b.c>", []Mailbox{{"", "@r.s,@t.u", "a", "b.c"}}},
		{"=?utf-8?q?J=C3=B6rg?= <j@b.c>", []Mailbox{{"=?utf-8?q?J=C3=B6rg?=", "", "j", "b.c"}}},
		{"a@b.c <a@b.c>", []Mailbox{{"a@b.c", "", "a", "b.c"}}},
		{`"quoted local"@b.c`, []Mailbox{{"", "", "quoted local", "b.c"}}},
		{"a@[1.2.3.4]", []Mailbox{{"", "", "a", "[1.2.3.4]"}}},
		{"just a name", []Mailbox{{"", "", "just a name", ""}}},
		{"<>", []Mailbox{{}}},
	} {
		if d := cmp.Diff(tc.want, parseAddressList(tc.in)); d != "" {
			t.Errorf("%s (-want +got):\n%s", tc.in, d)
		}
	}
}

func TestParamsRFC2231(t *testing.T) {
	t.Parallel()
	_, got := parseParams("attachment; filename*0*=iso-8859-1'de'Gr%FC; filename*1=\"n.txt\"; size=3; filename=x; a=\"b;\\\"c\" (note)")
	want := []Param{{"size", "3"}, {"filename", "Grün.txt"}, {"a", `b;"c`}}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

func TestDecodeHeader(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ in, want string }{
		{"plain", "plain"},
		{"=?ISO-2022-JP?B?GyRCRnxLXBsoQg==?=", "日本"},
		{"=?koi8-r?q?=F0=D2=C9?= =?utf-8?q?_x?=", "При x"},
		{"raw \xfc", "raw ü"},
		{"raw ü =?utf-8?b?w7w=?=", "raw ü ü"},
		{"=?nosuch?q?a=FC?=", "aü"},
	} {
		if got := DecodeHeader(tc.in); got != tc.want {
			t.Errorf("%q: got %q, want %q", tc.in, got, tc.want)
		}
	}
}

func FuzzParseMessage(f *testing.F) {
	f.Add(mixed + "--x\n\na\n--x--\n")
	f.Add("From: a@b\r\nContent-Type: message/rfc822\r\n\r\nSubject: x\r\n\r\ny")
	f.Fuzz(func(t *testing.T, s string) {
		m := parseString(t, s)
		checkParts(t, m.Root, 0, int64(len(s)))
		if m.Root.End != int64(len(s)) {
			t.Fatalf("root ends at %d of %d", m.Root.End, len(s))
		}
		checkCodec(t, m)
	})
}

// appendPlain packs a message as version 1 of the codec did.
func appendPlain(b []byte, m *Message) []byte {
	w := packer{append(b, codecPlain)}
	w.envelope(m.Envelope)
	w.part(m.Root, 0)
	w.int(m.SentDate)
	w.int(int64(m.SentZone))
	w.strs(m.References)
	w.str(string(m.Fields))
	w.bool(m.FieldsComplete)
	return w.b
}

// Lengths of sections that are not those of what stands there are damage.
func TestLengthsOfSectionsAreChecked(t *testing.T) {
	t.Parallel()
	m, _ := ParseMessage(strings.NewReader("From: a@b\r\n\r\nx"), 18) // can't fail: no I/O
	good := AppendMessage(nil, m)
	if _, err := DecodeMessage(good); err != nil {
		t.Fatal(err)
	}
	for at := 1; at <= 2; at++ {
		for n := range 128 {
			b := bytes.Clone(good)
			if b[at] = byte(n); byte(n) == good[at] {
				continue
			}
			if _, err := DecodeMessage(b); err == nil {
				t.Errorf("length %d at %d instead of %d is believed", n, at, good[at])
			}
			if _, err := new(Decoder).Decode(string(b), WithEnvelope); at == 1 && err == nil {
				t.Errorf("envelope alone: length %d instead of %d is believed", n, good[at])
			}
		}
	}
}

func FuzzDecodeMessage(f *testing.F) {
	m, _ := ParseMessage(strings.NewReader(mixed), int64(len(mixed))) // can't fail: no I/O
	f.Add(AppendMessage(nil, m))
	f.Add(appendPlain(nil, m))
	f.Fuzz(func(t *testing.T, b []byte) {
		_, _ = DecodeSortFields(b)
		for want := range withAll + 1 {
			_, _ = new(Decoder).Decode(string(b), want) // must not panic
		}
		if m, err := DecodeMessage(b); err == nil {
			checkCodec(t, m)
		}
	})
}
