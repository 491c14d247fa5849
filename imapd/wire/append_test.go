package wire_test

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/emersion/go-imap/v2"

	"mailstead/imapd/wire"
)

func argsOf(c *wire.Command) any {
	if c == nil {
		return nil
	}
	return c.Args
}

// appendSome reads n parts of an APPEND and skips the rest. It is false when the
// reader can't go on.
func appendSome(r *wire.Reader, n int) bool {
	for range n {
		_, more, err := r.NextAppend("a")
		if _, ok := errors.AsType[*wire.SyntaxError](err); ok {
			return true
		}
		if err != nil {
			return false
		}
		if more == nil {
			return true
		}
	}
	return r.SkipAppend() == nil
}

// readAppend gives all that an APPEND has, "|" between messages and "+" between
// parts.
func readAppend(r *wire.Reader, a wire.AppendArgs) (string, error) {
	out := fmt.Sprint(a.First.Flags)
	part := a.First.Part
	for {
		switch {
		case part.URL != "":
			out += "<" + part.URL + ">"
		default:
			l, err := r.Literal()
			if err != nil {
				return out, err
			}
			b, err := io.ReadAll(l)
			if err != nil {
				return out, err
			}
			out += string(b)
		}
		m, more, err := r.NextAppend("a")
		switch {
		case err != nil:
			return out, err
		case more == nil:
			return out, nil
		case m != nil:
			out += fmt.Sprint("|", m.Flags)
		default:
			out += "+"
		}
		part = *more
	}
}

func TestAppendIsStreamed(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ in, want string }{
		{"x {5}\r\nhello", "[]hello"},
		{"x (\\Seen) \" 1-Feb-2024 10:00:00 +0100\" {5+}\r\nhello ", "[\\Seen]hello"},
		{"x UTF8 (~{2+}\r\nhi)", "[]hi"},
		{"x {1+}\r\na (\\Seen) ~{1+}\r\nb \" 1-Feb-2024 10:00:00 +0100\" {1+}\r\nc", "[]a|[\\Seen]b|[]c"},
		{"x CATENATE (URL /a/;UID=1)", "[]</a/;UID=1>"},
		{"x catenate (URL {2+}\r\n/a text {1+}\r\nx UTF8 (~{1+}\r\ny) URL \"b\")", "[]</a>+x+y+<b>"},
		{"x CATENATE (TEXT {0+}\r\n) (\\Seen) {1+}\r\nb CATENATE (URL c)", "[]|[\\Seen]b|[]<c>"},
	} {
		r := reader("a APPEND " + tc.in + "\r\nb NOOP\r\n")
		c, err := r.ReadCommand()
		if err != nil {
			t.Errorf("%q: %v", tc.in, err)
			continue
		}
		if got, err := readAppend(r, c.Args.(wire.AppendArgs)); err != nil || got != tc.want {
			t.Errorf("%q: got %q, %v, want %q", tc.in, got, err, tc.want)
		}
		if c, err = r.ReadCommand(); err != nil || c.Tag != "b" {
			t.Errorf("%q: the next command: got %v, %v", tc.in, c, err)
		}
	}
}

// Whatever was read of a command that is refused, the next one is found.
func TestSkipAppend(t *testing.T) {
	t.Parallel()
	for _, in := range []string{
		"x {1+}\r\na", "x {1+}\r\na {3+}\r\nbcd", "x {1+}\r\na CATENATE (URL b TEXT {2+}\r\nc\n URL d)", "x CATENATE (URL b TEXT {2+}\r\n\r\n)", "x {7}",
		"x CATENATE (URL b TEXT {99}",
	} {
		for n := range 4 {
			r := reader("a APPEND " + in + "\r\nb NOOP\r\n")
			if _, err := r.ReadCommand(); err != nil {
				t.Fatalf("%q: %v", in, err)
			}
			if strings.HasSuffix(in, "}") {
				n = min(n, 1) // the client waits
			}
			if in == "x {7}" {
				n = 0
			}
			if !appendSome(r, n) {
				t.Errorf("%q: not skipped after %d", in, n)
			}
			if c, err := r.ReadCommand(); err != nil || c.Tag != "b" {
				t.Errorf("%q after %d: the next command: got %v, %v", in, n, c, err)
			}
		}
	}
}

func TestAppendSyntax(t *testing.T) {
	t.Parallel()
	for _, in := range []string{
		"APPEND x {1+}\r\na b", "APPEND x CATENATE (URL b", "APPEND x CATENATE ()", "APPEND x CATENATE (FOO b)", "APPEND x CATENATE (URL \"\")", "APPEND x UTF8 ({1+}\r\na)",
		"APPEND x UTF8 (~{1+}\r\na", "APPEND x CATENATE (URL b){1+}\r\na", "REPLACE 1 x {1+}\r\na {1+}\r\nb", "UID REPLACE * x {1+}\r\na", "REPLACE 1:2 x {1+}\r\na", "REPLACE 0 x {1+}\r\na",
		"APPEND x CATENATE (" + strings.Repeat("URL b ", 1000) + "URL b)",
	} {
		r := reader("a " + in + "\r\nb NOOP\r\n")
		c, err := r.ReadCommand()
		if err == nil {
			_, err = readAppend(r, c.Args.(wire.AppendArgs))
		}
		if _, ok := errors.AsType[*wire.SyntaxError](err); !ok {
			t.Errorf("%.40q: got %v, want a syntax error", in, err)
		}
		if c, err = r.ReadCommand(); err != nil || c.Tag != "b" {
			t.Errorf("%.40q: the next command: got %v, %v", in, c, err)
		}
	}
	r := reader("a APPEND x CATENATE (" + strings.Repeat("URL b ", 999) + "URL b)\r\n")
	c, err := r.ReadCommand()
	if err == nil {
		_, err = readAppend(r, c.Args.(wire.AppendArgs))
	}
	if err != nil {
		t.Errorf("1000 parts: %v", err)
	}
}

func TestParseMessageURL(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ in, want string }{
		{"/Drafts;UIDVALIDITY=385759045/;UID=20/;section=HEADER", "/Drafts 385759045 20 BODY[]/peek/HEADER"},
		{"/Drafts/;UID=3002", "/Drafts 0 3002 BODY[]/peek"},
		{"/a%2Fb/c%20%C3%BC/;uid=1/;Section=1.2.MIME/;PARTIAL=5.10", "/a/b/c ü 0 1 BODY[]/peek/[1 2]/MIME/5.10"},
		{"/x/;UID=1/;PARTIAL=7", "/x 0 1 BODY[]/peek/7.9223372036854775807"},
		{"/x/;UID=1/;SECTION=HEADER.FIELDS%20(Date%20To)", "/x 0 1 BODY[]/peek/HEADER/[Date To]"},
		{";UID=4/;SECTION=TEXT", " 0 4 BODY[]/peek/TEXT"},
		{"b;UIDVALIDITY=7/;UID=4", "b 7 4 BODY[]/peek"},
		{"imap://user@host/x/;UID=1", ""}, {"//host/x/;UID=1", ""}, {"/x", ""}, {"/;UID=1", ""}, {"/x/;UID=0", ""}, {"/x/;UID=4294967296", ""}, {"/x/;UID=*", ""}, {"/x/;UID=1:2", ""},
		{"/x;UID=1", ""}, {"/x/;UID=1/;SECTION=", ""}, {"/x/;UID=1/;SECTION=FOO", ""}, {"/x/;UID=1/;SECTION=1%5D%3C0.5", ""}, {"/x/;UID=1/;PARTIAL=1.0", ""}, {"/x/;UID=1/;PARTIAL=-1", ""},
		{"/x/;UID=1;URLAUTH=anonymous", ""}, {"/x/;UID=1/;SECTION=1;EXPIRE=2030-01-01T00:00:00Z", ""}, {"/x y/;UID=1", ""}, {"/\xfc/;UID=1", ""}, {"/%zz/;UID=1", ""}, {"/%ff/;UID=1", ""},
		{"/x?SUBJECT%20a", ""}, {";UIDVALIDITY=1/;UID=1", ""}, {"/x;UIDVALIDITY=0/;UID=1", ""}, {"/x;FOO=1/;UID=1", ""}, {"/x/;UID=1/;SECTION=%7B3%2B%7D%0D%0Aabc", ""},
	} {
		u, ok := wire.ParseMessageURL(tc.in)
		got := ""
		if ok {
			got = fmt.Sprintf("%s %d %d %s", u.Mailbox, u.UIDValidity, u.UID, item(u.Section))
			if u.Absolute {
				got = "/" + got
			}
		}
		if got != tc.want {
			t.Errorf("%q: got %q, want %q", tc.in, got, tc.want)
		}
	}
}

func FuzzParseMessageURL(f *testing.F) {
	f.Add("/Drafts;UIDVALIDITY=385759045/;UID=20/;section=1.2.HEADER/;PARTIAL=1.2")
	f.Add(";UID=1/;SECTION=HEADER.FIELDS%20(%22a%22)")
	f.Fuzz(func(t *testing.T, s string) {
		u, ok := wire.ParseMessageURL(s)
		if !ok {
			return
		}
		if u.UID == 0 || u.Absolute && u.Mailbox == "" {
			t.Errorf("%q: got %+v", s, u)
		}
		if p := u.Section.Partial; p != nil && (p.Offset < 0 || p.Size <= 0) {
			t.Errorf("%q: got partial %+v", s, p)
		}
	})
}

func TestReplaceArgs(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]imap.NumSet{
		"a REPLACE 4 Drafts {1+}\r\nx":         imap.SeqSet{{Start: 4, Stop: 4}},
		"a REPLACE * Drafts {1+}\r\nx":         imap.SeqSet{{}},
		"a UID REPLACE 2000 Drafts {1+}\r\nx":  imap.UIDSetNum(2000),
		"a UID REPLACE 2000 Drafts ~{1+}\r\nx": imap.UIDSetNum(2000),
	} {
		r := reader(in + "\r\n")
		c, err := r.ReadCommand()
		if err != nil {
			t.Errorf("%q: %v", in, err)
			continue
		}
		if a := c.Args.(wire.AppendArgs); fmt.Sprint(a.Replaced) != fmt.Sprint(want) || a.Mailbox != "Drafts" {
			t.Errorf("%q: got %+v", in, a)
		}
	}
}
