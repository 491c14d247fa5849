package imapd

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/emersion/go-imap/v2"

	"mailstead/storage"
)

const multipart = `From: Carol <carol@example.test>
To: alice@example.test
Subject: parts
Message-ID: <parts@example.test>
Date: Mon, 7 Feb 2022 21:52:25 +0100
X-Odd: one
MIME-Version: 1.0
Content-Type: multipart/mixed; boundary=b

preamble
--b
Content-Type: text/plain; charset=utf-8
Content-Transfer-Encoding: quoted-printable

caf=C3=A9
--b
Content-Type: application/octet-stream
Content-Transfer-Encoding: base64
Content-Disposition: attachment; filename=x.bin

AAEC/w==
--b
Content-Type: message/rfc822

Subject: inner
Content-Type: text/plain

inner text
--b
Content-Type: text/plain
Content-Transfer-Encoding: x-strange

???
--b--
`

// literal reads the response to a command that gives one literal.
func (sc *script) literal(command string) string {
	sc.t.Helper()
	sc.n++
	tag := fmt.Sprintf("t%d", sc.n)
	sc.send(tag + " " + command + "\r\n")
	l := sc.line()
	i := strings.LastIndexByte(l, '{')
	if i < 0 {
		sc.t.Fatalf("%s: got %q, want a literal", command, l)
	}
	var size int
	if _, err := fmt.Sscanf(l[i:], "{%d}", &size); err != nil {
		sc.t.Fatalf("%s: got %q: %v", command, l, err)
	}
	b := make([]byte, size)
	if _, err := io.ReadFull(sc.r, b); err != nil {
		sc.t.Fatal(err)
	}
	sc.until(tag)
	return string(b)
}

func TestFetchSections(t *testing.T) {
	t.Parallel()
	s := newSuite(t)
	s.deliver("INBOX", multipart, storage.Seen)
	sc := s.login()
	sc.ok("SELECT INBOX")
	whole := crlf(multipart)
	header := whole[:strings.Index(whole, "\r\n\r\n")+4]
	tests := []struct{ item, want string }{
		{"BODY[]", whole},
		{"RFC822", whole},
		{"BODY[]<5.10>", whole[5:15]},
		{"BODY[HEADER]", header},
		{"RFC822.HEADER", header},
		{"BODY[TEXT]", whole[len(header):]},
		{"RFC822.TEXT", whole[len(header):]},
		{"BODY[HEADER.FIELDS (SUBJECT message-id)]", "Subject: parts\r\nMessage-ID: <parts@example.test>\r\n\r\n"},
		{"BODY[HEADER.FIELDS (X-ODD)]", "X-Odd: one\r\n\r\n"},
		{"BODY[HEADER.FIELDS (X-ODD)]<2.3>", "Odd"},
		{"BODY[HEADER.FIELDS.NOT (FROM TO SUBJECT DATE MESSAGE-ID MIME-VERSION CONTENT-TYPE)]", "X-Odd: one\r\n\r\n"},
		{"BODY[1]", "caf=C3=A9"},
		{"BODY[1.MIME]", "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"},
		{"BODY[2]", "AAEC/w=="},
		{"BODY[3]", "Subject: inner\r\nContent-Type: text/plain\r\n\r\ninner text"},
		{"BODY[3.HEADER]", "Subject: inner\r\nContent-Type: text/plain\r\n\r\n"},
		{"BODY[3.TEXT]", "inner text"},
		{"BODY[3.1]", "inner text"},
		{"BODY[3.HEADER.FIELDS (Subject)]", "Subject: inner\r\n\r\n"},
		{"BINARY[1]", "café"},
		{"BINARY[2]", "\x00\x01\x02\xff"},
		{"BINARY[2]<1.2>", "\x01\x02"},
	}
	for _, tt := range tests {
		t.Run(tt.item, func(t *testing.T) {
			sc.t = t
			if got := sc.literal("FETCH 1 " + tt.item); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
	sc.t = t
	sc.says("FETCH 1 BINARY.SIZE[2]", "* 1 FETCH (BINARY.SIZE[2] 4)")
	sc.says("FETCH 1 BODY[9]", "* 1 FETCH (BODY[9] NIL)")
	sc.answers("FETCH 1 BINARY[4]", "NO [UNKNOWN-CTE]")
	sc.answers("FETCH 2 FLAGS", "BAD")
	sc.answers("FETCH 1 NONSENSE", "BAD")
	sc.says("UID FETCH 99 FLAGS")
	sc.says("UID FETCH 5:* FLAGS", `* 1 FETCH (FLAGS (\Seen) UID 1)`)
}

func TestFetchSetsSeenOnce(t *testing.T) {
	t.Parallel()
	s := newSuite(t)
	s.fill("INBOX", 2)
	a, b := s.login(), s.login()
	a.ok("SELECT INBOX")
	b.ok("SELECT INBOX")
	got := strings.Join(a.ok("FETCH 1 BODY[TEXT]"), "|")
	if want := `* 1 FETCH (BODY[TEXT] {20}|Text of message 1.| FLAGS (\Seen \Recent))`; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	a.says("NOOP")
	b.says("NOOP", `* 1 FETCH (FLAGS (\Seen) UID 1)`)
	a.ok("FETCH 2 BODY.PEEK[]")
	b.says("NOOP")
	b.ok("EXAMINE INBOX")
	b.ok("FETCH 2 BODY[]")
	a.says("NOOP")
}

func TestFetchOfAnExpungedMessage(t *testing.T) {
	t.Parallel()
	s := newSuite(t)
	s.fill("INBOX", 3)
	a, b := s.login(), s.login()
	a.ok("SELECT INBOX")
	b.ok("SELECT INBOX")
	b.ok("STORE 2 +FLAGS.SILENT (\\Deleted)")
	b.says("EXPUNGE", "* 2 EXPUNGE")
	if got := a.answers("FETCH 1:3 UID", "NO [EXPUNGEISSUED]"); strings.Join(got, "|") != `* 1 FETCH (UID 1)|* 3 FETCH (UID 3)|* 2 FETCH (FLAGS (\Deleted \Recent) UID 2)` {
		t.Errorf("got %q", got)
	}
	a.answers("STORE 1:3 +FLAGS (\\Flagged)", "NO [EXPUNGEISSUED]")
	a.answers("COPY 1:3 Trash", "NO [EXPUNGEISSUED]")
	a.says("FETCH 2 UID", "* 2 FETCH (UID 3)") // COPY could tell of the EXPUNGE
}

func TestFetchNULBytes(t *testing.T) {
	t.Parallel()
	s := newSuite(t)
	s.deliver("INBOX", "Subject: nul\nContent-Transfer-Encoding: binary\n\na\x00b\n", 0)
	sc := s.login()
	sc.ok("SELECT INBOX")
	if got := sc.literal("FETCH 1 BODY.PEEK[TEXT]"); got != "a\x80b\r\n" {
		t.Errorf("BODY: got %q", got)
	}
	if got := sc.literal("FETCH 1 BINARY.PEEK[1]"); got != "a\x00b\r\n" {
		t.Errorf("BINARY: got %q", got)
	}
}

func TestFetchWithClient(t *testing.T) {
	t.Parallel()
	s := newSuite(t)
	s.deliver("INBOX", multipart, storage.Flagged, "$Label1")
	c := s.client(nil)
	if _, err := c.Select("INBOX", nil).Wait(); err != nil {
		t.Fatal(err)
	}
	msgs, err := c.Fetch(imap.SeqSetNum(1), &imap.FetchOptions{
		Envelope: true, Flags: true, InternalDate: true, RFC822Size: true, UID: true,
		BodyStructure: &imap.FetchItemBodyStructure{Extended: true},
		BodySection:   []*imap.FetchItemBodySection{{Peek: true}},
	}).Collect()
	if err != nil || len(msgs) != 1 {
		t.Fatalf("got %d messages, %v", len(msgs), err)
	}
	m := msgs[0]
	if m.Envelope.Subject != "parts" || m.Envelope.MessageID != "parts@example.test" || m.Envelope.From[0].Addr() != "carol@example.test" {
		t.Errorf("envelope: got %+v", m.Envelope)
	}
	if bs, ok := m.BodyStructure.(*imap.BodyStructureMultiPart); !ok || len(bs.Children) != 4 {
		t.Errorf("structure: got %+v", m.BodyStructure)
	}
	if m.UID != 1 || m.RFC822Size != int64(len(crlf(multipart))) || m.InternalDate.IsZero() || fmt.Sprint(m.Flags) != `[\Flagged $Label1 \Recent]` {
		t.Errorf("got uid %d, size %d, date %v, flags %v", m.UID, m.RFC822Size, m.InternalDate, m.Flags)
	}
	if !bytes.Equal(m.BodySection[0].Bytes, []byte(crlf(multipart))) {
		t.Errorf("body: got %q", m.BodySection[0].Bytes)
	}
}

func TestFetchMacros(t *testing.T) {
	t.Parallel()
	s := newSuite(t)
	s.fill("INBOX", 1)
	sc := s.login()
	sc.ok("SELECT INBOX")
	for macro, items := range map[string][]string{
		"FAST": {"FLAGS", "INTERNALDATE", "RFC822.SIZE"},
		"ALL":  {"FLAGS", "INTERNALDATE", "RFC822.SIZE", "ENVELOPE"},
		"FULL": {"FLAGS", "INTERNALDATE", "RFC822.SIZE", "ENVELOPE", "BODY ("},
	} {
		got := strings.Join(sc.ok("FETCH 1 "+macro), "")
		for _, i := range items {
			if !strings.Contains(got, i) {
				t.Errorf("%s: got %q, want %s in it", macro, got, i)
			}
		}
	}
}

// TestFetchHoldsLittleOfBigHeaders asks for the same fields of a great header again
// and again: what is picked out is in memory until it is written, so there is an end
// to it.
func TestFetchHoldsLittleOfBigHeaders(t *testing.T) {
	t.Parallel()
	s := newSuite(t)
	const field = 100_000
	s.deliver("INBOX", "X-Long: "+strings.Repeat("x", field)+"\n\nbody\n", 0)
	c := s.login()
	c.ok("SELECT INBOX")
	fetch := func(n int) string {
		return "FETCH 1 (" + strings.Repeat("BODY.PEEK[HEADER.FIELDS (X-Long)] ", n) + "UID)"
	}
	most := maxPicked / (field + len("X-Long: \r\n\r\n"))
	if lines := c.ok(fetch(most)); len(lines) != 3*most+1 {
		t.Errorf("%d times: got %d lines", most, len(lines))
	}
	c.answers(fetch(most+1), "NO [LIMIT]")
	c.says("FETCH 1 UID", "* 1 FETCH (UID 1)")
}
