package transfer

import (
	"bufio"
	"bytes"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"mailstead/storage"
)

// read gives all messages of an mbox.
func read(t testing.TB, text string, lengths bool) (texts []string, msgs []*mboxMessage) {
	t.Helper()
	r := newMboxReader(strings.NewReader(text), int64(len(text)), lengths)
	for {
		m, err := r.next()
		if err == io.EOF {
			return texts, msgs
		}
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(io.NewSectionReader(m.body, 0, m.body.Size()))
		if err != nil {
			t.Fatal(err)
		}
		if err := m.body.Close(); err != nil {
			t.Fatal(err)
		}
		texts, msgs = append(texts, string(b)), append(msgs, m)
	}
}

const from = "From alice@example.org Tue Nov 14 22:13:20 2023\n"

func TestMboxMessages(t *testing.T) {
	t.Parallel()
	crlf := func(s string) string { return strings.ReplaceAll(s, "\n", "\r\n") }
	long := strings.Repeat("x", mboxBuffer) + "\n"
	for _, tt := range []struct {
		name, in string
		lengths  bool
		want     []string
	}{
		{"two", from + "A: 1\n\na\n\n" + from + "A: 2\n\nb\n\n", false, []string{"A: 1\r\n\r\na\r\n", "A: 2\r\n\r\nb\r\n"}},
		{"CRLF", crlf(from + "A: 1\n\na\n\n" + from + "A: 2\n\nb\n\n"), false, []string{"A: 1\r\n\r\na\r\n", "A: 2\r\n\r\nb\r\n"}},
		{"empty file", "", false, nil},
		{"empty lines first", "\n\n" + from + "A: 1\n\n\n", false, []string{"A: 1\r\n\r\n"}},
		{"no empty line at the end", from + "A: 1\n\na", false, []string{"A: 1\r\n\r\na"}},
		{"empty lines of its own", from + "A: 1\n\na\n\n\n\n" + from + "A: 2\n\n\n", false, []string{"A: 1\r\n\r\na\r\n\r\n\r\n", "A: 2\r\n\r\n"}},
		{"header only", from + "A: 1\n\n" + from + "A: 2\n\n\n" + from + "A: 3\n", false, []string{"A: 1\r\n", "A: 2\r\n\r\n", "A: 3\r\n"}},
		{"quoted", from + "A: 1\n\n>From here\n>>From there\n> From\n>Fromage\n\n", false, []string{"A: 1\r\n\r\nFrom here\r\n>From there\r\n> From\r\n>Fromage\r\n"}},
		{"text that begins with From", from + "A: 1\n\nFrom the start\nx\n\nFrom me to you\n\n", false, []string{"A: 1\r\n\r\nFrom the start\r\nx\r\n\r\nFrom me to you\r\n"}},
		{"From without an empty line before", from + "A: 1\n\nx\n" + from + "y\n\n", false, []string{"A: 1\r\n\r\nx\r\n" + crlf(from) + "y\r\n"}},
		{"Thunderbird's From", "From \nA: 1\n\na\n\nFrom - Tue Nov 14 22:13:20 2023\nA: 2\n\nb\n", false, []string{"A: 1\r\n\r\na\r\n", "A: 2\r\n\r\nb\r\n"}},
		{"fields taken out", from + "Status: RO\n folded\nA: 1\n b\nX-Status: A\nX-UID: 7\nX-Keywords: k\nStatus-Quo: kept\n\nStatus: RO\n", false,
			[]string{"A: 1\r\n b\r\nStatus-Quo: kept\r\n\r\nStatus: RO\r\n"}},
		{"long line", from + "A: 1\n\n" + long + long + "\n", false, []string{"A: 1\r\n\r\n" + crlf(long+long)}},
		{"long field", from + "X-Keywords: " + long + "A: 1\n\n", false, []string{"A: 1\r\n"}},
		{"length", from + "Content-Length: 57\n\n>From x\n\n" + from + "\n" + from + "A: 2\n\n\n", true, []string{"Content-Length: 57\r\n\r\n>From x\r\n\r\n" + crlf(from), "A: 2\r\n\r\n"}},
		{"length that leads nowhere", from + "Content-Length: 5\n\n>From x\n\n" + from + "A: 2\n\n\n", true, []string{"Content-Length: 5\r\n\r\nFrom x\r\n", "A: 2\r\n\r\n"}},
		{"length not asked for", from + "Content-Length: 8\n\n>From x\n\n", false, []string{"Content-Length: 8\r\n\r\nFrom x\r\n"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, _ := read(t, tt.in, tt.lengths)
			if d := cmp.Diff(tt.want, got); d != "" {
				t.Errorf("(-want +got)\n%s", d)
			}
		})
	}
}

func TestMboxStatus(t *testing.T) {
	t.Parallel()
	_, msgs := read(t, from+"X-IMAPbase: 1700000000 41 a b\nX-UID: 12\nStatus: RO\nX-Status: AFTD\nX-Keywords: one two   \n\n\n"+from+"Subject: DON'T DELETE THIS MESSAGE -- FOLDER INTERNAL DATA\nX-IMAP: 1 2\n\n", false)
	m := msgs[0]
	if m.flags != storage.Seen|storage.Answered|storage.Flagged|storage.Draft|storage.Deleted || !slices.Equal(m.keywords, []string{"one", "two"}) || m.uid != 12 || m.validity != 1700000000 || m.next != 42 {
		t.Errorf("got %+v", m.state)
	}
	if !msgs[1].internal {
		t.Error("the internal message is taken for one")
	}
	r := newMboxReader(strings.NewReader("Subject: x\n"), 11, false)
	if _, err := r.next(); err != errNoMbox {
		t.Errorf("got %v", err)
	}
}

func TestFromLines(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		line, date string
		begins     bool
	}{
		{"From a@b Tue Nov 14 22:13:20 2023", "2023-11-14T22:13:20Z", true},
		{"From a@b  Tue Nov  4 02:13:20 2023", "2023-11-04T02:13:20Z", true},
		{"From a b c Tue Nov 14 22:13 2023", "2023-11-14T22:13:00Z", true},
		{"From a@b Tue Nov 14 22:13:20 2023 +0100", "2023-11-14T22:13:20+01:00", true},
		{"From a@b Tue Nov 14 22:13:20 +0100 2023", "2023-11-14T22:13:20+01:00", true},
		{"From a@b Tue, 14 Nov 2023 22:13:20 +0100", "", false},
		{"From a@b Tue 14 Nov 2023 22:13:20 +0100", "2023-11-14T22:13:20+01:00", true},
		{"From - Tue Nov 14 22:13:20 2023", "2023-11-14T22:13:20Z", true},
		{"From ", "", true}, {"From -", "", true}, {"From a@b", "", true},
		{"From here on", "", false}, {"From Tue on", "", false}, {"from a@b", "", false}, {"From", "", false},
	} {
		got := ""
		if d, ok := fromDate(tt.line); ok {
			got = d.Format(time.RFC3339)
		}
		if begins := isFromLine([]byte(tt.line)); begins != tt.begins || got != tt.date {
			t.Errorf("%q: got %v, %q, want %v, %q", tt.line, begins, got, tt.begins, tt.date)
		}
	}
}

// FuzzMboxRoundTrip writes any two messages and reads them back.
func FuzzMboxRoundTrip(f *testing.F) {
	for _, s := range []string{"", "\r", "\n", "\r\n\r\n", "x", "a\r\r\n", "From a@b Tue Nov 14 22:13:20 2023\r\n", ">From \n\nx\r", "A: b\r\n\r\nFrom x\r\n\r\nFrom \r\n", strings.Repeat("x", mboxBuffer-1) + "\r\ny"} {
		f.Add([]byte(s), []byte("Subject: x\r\n\r\n"), uint8(31), "a b")
		f.Add([]byte("Subject: x\r\n\r\n"), []byte(s), uint8(0), "")
	}
	f.Fuzz(func(t *testing.T, one, two []byte, flags uint8, words string) {
		want := Message{UID: 7, Flags: storage.Flags(flags) & 31, Date: time.Unix(1700000000, 0).In(time.FixedZone("", 3600))}
		for _, w := range strings.Fields(words) {
			if validKeyword(w) {
				want.Keywords = append(want.Keywords, w)
			}
		}
		var out bytes.Buffer
		x := mboxExport{w: bufio.NewWriter(&out), first: true, box: Mailbox{UIDValidity: 5, UIDNext: 8}}
		for _, b := range [][]byte{one, two} {
			o, err := x.survey(bytes.NewReader(b))
			if err == nil {
				err = x.message(want, o, bytes.NewReader(b))
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		if err := x.w.Flush(); err != nil {
			t.Fatal(err)
		}
		texts, msgs := read(t, out.String(), false)
		if !slices.Equal(texts, []string{string(one), string(two)}) {
			t.Fatalf("got %q, want %q, %q by way of %q", texts, one, two, out.String())
		}
		for _, m := range msgs {
			if m.uid != 7 || m.flags != want.Flags || !slices.Equal(m.keywords, want.Keywords) || m.own.date.Format(time.RFC3339) != want.Date.Format(time.RFC3339) {
				t.Fatalf("got %+v, want %+v", m, want)
			}
		}
	})
}

func FuzzMbox(f *testing.F) {
	for _, s := range []string{from + "A: 1\n\na\n\n" + from + "Content-Length: 2\n\nb\n\n", from + ownField + ": lines=kept; end=none; date=2023-11-14T22:13:20+0000; fields=1\nX-UID: 1\nx\r\n\n", ">From ", "From \n\n\nFrom \n"} {
		f.Add([]byte(s), true)
	}
	f.Fuzz(func(t *testing.T, b []byte, lengths bool) {
		r := newMboxReader(bytes.NewReader(b), int64(len(b)), lengths)
		total, last := int64(0), int64(-1)
		for {
			m, err := r.next()
			if err == errNoMbox || err == io.EOF {
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if m.at <= last {
				t.Fatalf("message at %d after one at %d", m.at, last)
			}
			last = m.at
			if total += m.body.Size(); total > 2*int64(len(b)) {
				t.Fatalf("%d bytes of messages from %d", total, len(b))
			}
			if err := m.body.Close(); err != nil {
				t.Fatal(err)
			}
		}
	})
}
