package wire_test

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"

	"mailstead/imapd/wire"
	"mailstead/mail"
)

func reader(s string) *wire.Reader {
	return wire.NewReader(strings.NewReader(s), wire.Limits{}, func(string) error { return nil })
}

func TestReadCommand(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ in, want string }{
		{"a NOOP", "{a NOOP false <nil>}"},
		{"a noop ", "{a NOOP false <nil>}"},
		{`a LOGIN alice "pa\"ss"`, `{a LOGIN false {alice pa"ss}}`},
		{"a LOGIN {5}\r\nalice {2+}\r\npw", "{a LOGIN false {alice pw}}"},
		{"a AUTHENTICATE plain AGE=", "{a AUTHENTICATE false {PLAIN [0 97] true}}"},
		{"a AUTHENTICATE PLAIN =", "{a AUTHENTICATE false {PLAIN [] true}}"},
		{"a SELECT inbox", "{a SELECT false {INBOX false <nil>}}"},
		{"a SELECT &AOk-", "{a SELECT false {é false <nil>}}"},
		{"a EXAMINE x (CONDSTORE)", "{a EXAMINE false {x true <nil>}}"},
		{"a CREATE x (USE (\\Sent))", `{a CREATE false {x [\Sent]}}`},
		{"a CREATE x (USE (\\sent \\Junk))", `{a CREATE false {x [\sent \Junk]}}`},
		{"a CREATE x (USE ())", `{a CREATE false {x []}}`},
		{`a LIST "" %`, "{a LIST false { [%] false {false false false false} {false false false false [] []}}}"},
		{"a NOTIFY none", "{a NOTIFY false {true false []}}"},
		{"a NOTIFY SET STATUS (mailboxes (inbox b/c) (messagenew messageexpunge)) (selected-delayed NONE)",
			"{a NOTIFY false {false true [{{MAILBOXES [INBOX b/c]} [{MESSAGENEW []} {MESSAGEEXPUNGE []}]} {{SELECTED-DELAYED []} []}]}}"},
		{`a SETQUOTA {1+}` + "\r\n" + `x (storage 5 MESSAGE 9223372036854775807)`, "{a SETQUOTA false {x [{STORAGE 5} {MESSAGE 9223372036854775807}]}}"},
		{`a GETMETADATA (maxsize 5 depth INFINITY) "" /Private`, "{a GETMETADATA false { [/Private] true 5 -1}}"},
		{`a SETMETADATA inbox (/shared/a NIL "/private/b" "c")`, "{a SETMETADATA false {INBOX [{/shared/a  true} {/private/b c false}] false}}"},
		{"a SETACL INBOX -bob@x.test +lr", "{a SETACL false {INBOX -bob@x.test +lr}}"},
		{`a setacl {1+}` + "\r\n" + `x "an y" ""`, "{a SETACL false {x an y }}"},
		{"a DELETEACL inbox anyone", "{a DELETEACL false {INBOX anyone}}"},
		{`a LISTRIGHTS a/b "-bob"`, "{a LISTRIGHTS false {a/b -bob}}"},
		{"a GETACL a", "{a GETACL false {a}}"},
		{`a MYRIGHTS "a b"`, "{a MYRIGHTS false {a b}}"},
		{`a LIST "" * RETURN (MYRIGHTS)`, "{a LIST false { [*] true {false false false false} {false false false true [] []}}}"},
		{`a LIST (SUBSCRIBED RECURSIVEMATCH) "" ("a*" %) RETURN (CHILDREN STATUS (MESSAGES UNSEEN))`,
			"{a LIST false { [a* %] true {true false true false} {false true false false [MESSAGES UNSEEN] []}}}"},
		{"a UID STORE 1:3,7 +flags.silent (\\seen $x)", `{a STORE true {1:3,7 <nil> 1 true [\Seen $x]}}`},
		{"a STORE *:2 FLAGS \\Deleted", `{a STORE false {2:* <nil> 0 false [\Deleted]}}`},
		{"a UID COPY $ x", "{a COPY true {$ x}}"},
		{"a UID EXPUNGE 4", "{a EXPUNGE true {4}}"},
		{"a EXPUNGE", "{a EXPUNGE false <nil>}"},
		{"a ID NIL", "{a ID false {map[]}}"},
		{`a ID ("name" "x" "os" NIL)`, "{a ID false {map[name:x]}}"},
		{"a FETCH 1 FAST", "{a FETCH false {1 [FLAGS INTERNALDATE RFC822.SIZE]}}"},
		{"a FETCH 1 (BODY BODY[] BODY.PEEK[1.2.HEADER.FIELDS (Date To)]<5.10> BINARY[3] BINARY.SIZE[1] BODY[TEXT] BODY[4.MIME])",
			"{a FETCH false {1 [BODY BODY[] BODY[]/peek/[1 2]/HEADER/[Date To]/5.10 BINARY/[3] BINARY.SIZE/[1] BODY[]/TEXT BODY[]/[4]/MIME]}}"},
		{"a SEARCH UNSEEN (OR FROM x NOT 1:2)", "{a SEARCH false {[] (UNSEEN ((OR FROM:x (NOT SET:1:2))))}}"},
		{"a UID SEARCH RETURN () CHARSET iso-8859-1 SUBJECT {1+}\r\n\xfc SINCE 1-Feb-2024 LARGER 5", "{a SEARCH true {[ALL] (SUBJECT:ü SINCE:2024-02-01 LARGER:5)}}"},
	} {
		c, err := reader(tc.in + "\r\n").ReadCommand()
		if err != nil {
			t.Errorf("%s: %v", tc.in, err)
			continue
		}
		args := fmt.Sprint(c.Args)
		switch a := c.Args.(type) {
		case wire.FetchArgs:
			var l []string
			for _, it := range a.Items {
				l = append(l, item(it))
			}
			args = fmt.Sprintf("{%v %v}", a.Set, l)
		case wire.SearchArgs:
			args = fmt.Sprintf("{%v %s}", a.Return, key(a.Key))
		}
		if got := fmt.Sprintf("{%s %s %v %s}", c.Tag, c.Name, c.UID, args); got != tc.want {
			t.Errorf("%s\n got %s\nwant %s", tc.in, got, tc.want)
		}
	}
}

func item(it wire.FetchItem) string {
	s := string(it.Kind)
	if it.Peek {
		s += "/peek"
	}
	if it.Part != nil {
		s += fmt.Sprintf("/%v", it.Part)
	}
	if it.Text != "" {
		s += "/" + string(it.Text)
	}
	if it.Fields != nil {
		s += fmt.Sprintf("/%v", it.Fields)
	}
	if it.Partial != nil {
		s += fmt.Sprintf("/%d.%d", it.Partial.Offset, it.Partial.Size)
	}
	return s
}

func key(k wire.SearchKey) string {
	if k.Keys != nil {
		s := "("
		if k.Name != "AND" {
			s += k.Name + " "
		}
		for i, sub := range k.Keys {
			if i > 0 {
				s += " "
			}
			s += key(sub)
		}
		return s + ")"
	}
	s := k.Name
	if k.Set != nil {
		s += ":" + k.Set.String()
	}
	if k.Value != "" {
		s += ":" + k.Value
	}
	if !k.Date.IsZero() {
		s += ":" + k.Date.Format("2006-01-02")
	}
	if k.N != 0 {
		s += fmt.Sprintf(":%d", k.N)
	}
	return s
}

// What is not understood is answered, and the next command is read.
func TestSyntaxErrorKeepsInStep(t *testing.T) {
	t.Parallel()
	for _, in := range []string{
		"a", "a ", "a FOO", "a UID NOOP", "a LOGIN x", "a LOGIN x y z", `a LOGIN "x y`, "a SELECT", "a FETCH 0 FLAGS", "a FETCH 1 NOSUCH", "a FETCH 1 ()",
		"a FETCH 1 BODY[0]", "a FETCH 1 BODY[MIME]", "a FETCH 1 BODY[]<0.0>", "a FETCH 1 FLAGS[]", "a STORE 1 FLAGS (\\Recent)", "a SEARCH FOO", "a SEARCH (", "a SEARCH " + strings.Repeat("NOT ", 40) + "ALL",
		"a SEARCH CHARSET nosuch TEXT x", "a FOO {3+}\r\nx\r\n {1+}\r\ny", "a LOGIN {3+}\r\na\x00b x", "a LOGIN {99999999}", "a LIST (NOSUCH) \"\" %", "a LIST (RECURSIVEMATCH) \"\" %",
		"a APPEND x {5", "a SEARCH SINCE 31-Foo-2020", "a CREATE x (USE (Sent))", "a CREATE x (USE)", "a LOGIN \"\xff\" x", "a EXPUNGE 1", "\"a\" NOOP",
		"a SELECT x (", "a SELECT x (QRESYNC)", "a SELECT x (QRESYNC (1 2) QRESYNC (1 2))", "a SELECT x (QRESYNC (1 2 1:* ))", "a SELECT x (QRESYNC (1 2 (1:2)))", "a SELECT x (QRESYNC (1 2 $))",
		"a STORE 1 () FLAGS x", "a STORE 1 (UNCHANGEDSINCE -1) FLAGS x", "a FETCH 1 UID ()", "a FETCH 1 UID (CHANGEDSINCE 1 CHANGEDSINCE 2)", "a SEARCH MODSEQ", "a SEARCH MODSEQ \"x\" 1",
	} {
		r := reader(in + "\r\nb NOOP\r\n")
		c, err := r.ReadCommand()
		_, syntax := errors.AsType[*wire.SyntaxError](err)
		_, charset := errors.AsType[*wire.BadCharsetError](err)
		if !syntax && !charset {
			t.Errorf("%q: got %v, %v, want a syntax error", in, c, err)
			continue
		}
		if c, err = r.ReadCommand(); err != nil || c.Tag != "b" {
			t.Errorf("%q: the next command: got %v, %v", in, c, err)
		}
	}
}

func TestLimits(t *testing.T) {
	t.Parallel()
	read := func(s string) error {
		_, err := wire.NewReader(strings.NewReader(s+"\r\n"), wire.Limits{Line: 100, Literal: 10}, func(string) error { return nil }).ReadCommand()
		return err
	}
	if err := read("a SELECT " + strings.Repeat("x", 91)); err != nil {
		t.Errorf("at the limit of a line: %v", err)
	}
	if err := read("a SELECT " + strings.Repeat("x", 92)); !errors.Is(err, wire.ErrTooLong) {
		t.Errorf("beyond it: %v", err)
	}
	if err := read("a SELECT {10+}\r\n0123456789"); err != nil {
		t.Errorf("at the limit of literals: %v", err)
	}
	if err := read("a SELECT {11+}\r\n01234567890"); !errors.Is(err, wire.ErrTooLong) {
		t.Errorf("beyond it: %v", err)
	}
}

func TestMatchPattern(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		pattern, name string
		want          bool
	}{
		{"*", "a/b", true}, {"%", "a/b", false}, {"%", "a", true}, {"a/%", "a/b", true}, {"a*c", "a/b/c", true}, {"a%c", "a/c", false},
		{"", "", true}, {"", "a", false}, {"%/%", "a/b", true}, {"%b", "ab", true}, {"*b%", "a/bc", true}, {"ab", "abc", false},
		{strings.Repeat("*a", 500), strings.Repeat("a", 999) + "b", false},
	} {
		if got, _ := wire.NewPattern(tc.pattern, '/').Match(tc.name); got != tc.want {
			t.Errorf("%.20s for %.20s: got %v", tc.pattern, tc.name, got)
		}
	}
}

func TestWriterStrings(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ in, plain, wide string }{
		{"a", `"a"`, `"a"`}, {`a"\`, `"a\"\\"`, `"a\"\\"`}, {"ü", "{2}\r\nü", `"ü"`}, {"\xff", "{1}\r\n\xff", "{1}\r\n\xff"}, {"a\r\nb", "{4}\r\na\r\nb", "{4}\r\na\r\nb"}, {"a\x00", `"a "`, `"a "`},
	} {
		for _, wide := range []bool{false, true} {
			var b bytes.Buffer
			w := wire.NewWriter(&b)
			w.SetUTF8(wide)
			w.String(tc.in)
			if err := w.Flush(); err != nil {
				t.Fatal(err)
			}
			want := tc.plain
			if wide {
				want = tc.wide
			}
			if b.String() != want {
				t.Errorf("%q: got %q, want %q", tc.in, b.String(), want)
			}
		}
	}
}

func TestWriteStructure(t *testing.T) {
	t.Parallel()
	msg := "From: A <a@b.c>\r\nContent-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\n\r\nhi\r\n--x\r\nContent-Type: message/rfc822\r\nContent-Disposition: attachment; filename=f\r\n\r\nSubject: s\r\n\r\nt\r\n--x--\r\n"
	m, err := mail.ParseMessage(strings.NewReader(msg), int64(len(msg)))
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	w := wire.NewWriter(&b)
	w.Envelope(m.Envelope)
	w.End()
	w.BodyStructure(m.Root, true)
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	want := `(NIL NIL (("A" NIL "a" "b.c")) (("A" NIL "a" "b.c")) (("A" NIL "a" "b.c")) NIL NIL NIL NIL NIL)` + "\r\n" +
		`(("text" "plain" NIL NIL NIL "7bit" 2 0 NIL NIL NIL NIL)` +
		`("message" "rfc822" NIL NIL NIL "7bit" 15 (NIL "s" NIL NIL NIL NIL NIL NIL NIL NIL) ("text" "plain" NIL NIL NIL "7bit" 1 0 NIL NIL NIL NIL) 2 NIL ("attachment" ("filename" "f")) NIL NIL)` +
		` "mixed" ("boundary" "x") NIL NIL NIL)`
	if b.String() != want {
		t.Errorf("got\n%s\nwant\n%s", b.String(), want)
	}
}

func FuzzReadCommand(f *testing.F) {
	f.Add("a APPEND x {1+}\r\nx (\\Seen) {1+}\r\ny\r\n")
	f.Add("a REPLACE 1 x CATENATE (URL /x/;UID=1 TEXT {1+}\r\nx UTF8 (~{1+}\r\ny))\r\n")
	for _, s := range []string{"a NOOP\r\n", "a LOGIN {1+}\r\nx y\r\n", "a SEARCH OR 1 (NOT 2)\r\n", "a FETCH 1:* (BODY[1.HEADER.FIELDS (X)]<1.2>)\r\n", "a APPEND x {1}\r\n", "a LIST () \"\" (\"%\") RETURN (STATUS (SIZE))\r\n",
		"a UIDBATCHES 500 1:2\r\n", "a UID FETCH 1 PREVIEW (LAZY) (PARTIAL 1:2)\r\n", "a FETCH 1 (PREVIEW (LAZY) SAVEDATE)\r\n",
		"a SELECT x (CONDSTORE QRESYNC (1 2 3:4 (5:6 7:8)))\r\n", "a STORE 1 (UNCHANGEDSINCE 5) FLAGS x\r\n", "a UID FETCH 1 (MODSEQ) (CHANGEDSINCE 4 VANISHED)\r\n", "a SEARCH MODSEQ \"/flags/x\" all 5\r\n",
		"a GETMETADATA (MAXSIZE 5 DEPTH infinity) x (/private/a)\r\n", "a SETMETADATA x (/private/a {1+}\r\ny /shared/b NIL)\r\n", "a SETMETADATA x (/private/a ~{65537}\r\n", "a SETQUOTA \"\" (STORAGE 1)\r\n",
		"a NOTIFY SET STATUS (SELECTED (MessageNew (UID BODY.PEEK[1]) MessageExpunge)) (SUBTREE (a b) NONE)\r\n", "a SEARCH RETURN (UPDATE (UID)) ALL\r\n"} {
		f.Add(s)
	}
	for _, s := range []string{"a SORT RETURN (PARTIAL -1:-2 UPDATE) (REVERSE DATE) UTF-8 FUZZY (YOUNGER 1)\r\n", "a UID THREAD REFS UTF-8 OLDER 2\r\n",
		"a ESEARCH IN (subtree-one (a \"\") selected) RETURN (RELEVANCY) FUZZY TEXT x\r\n", "a CANCELUPDATE \"x\" \"y\"\r\n", "a UID FETCH 1 UID (PARTIAL 1:2)\r\n"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		r := reader(s)
		for range 100 {
			c, err := r.ReadCommand()
			_, syntax := errors.AsType[*wire.SyntaxError](err)
			_, charset := errors.AsType[*wire.BadCharsetError](err)
			if err != nil && !syntax && !charset {
				return
			}
			if _, ok := argsOf(c).(wire.AppendArgs); ok && !appendSome(r, len(s)%3) {
				return
			}
		}
	})
}

func FuzzMUTF7(f *testing.F) {
	f.Add("a&b")
	f.Add("日本語/ü😀")
	f.Fuzz(func(t *testing.T, s string) {
		if strings.ToValidUTF8(s, "") != s || strings.ContainsRune(s, '\ufffd') {
			return
		}
		if got, ok := mail.DecodeMUTF7(mail.EncodeMUTF7(s)); !ok || got != s {
			t.Errorf("%q: got %q, %v", s, got, ok)
		}
	})
}
