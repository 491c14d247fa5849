package mail

import (
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

func TestBaseSubject(t *testing.T) {
	t.Parallel()
	tests := []struct {
		subject, want string
		reply         bool
	}{
		{"", "", false},
		{"hello", "hello", false},
		{"Re: hello", "hello", true},
		{"RE : \t hello  world ", "hello world", true},
		{"Re[2]: hello", "hello", true},
		{"Re [foo] : hello", "hello", true},
		{"Fwd: re: FW: hello (fwd) (FWD) ", "hello", true},
		{"hello(fwd)", "hello", true},
		{"[list] hello", "hello", false},
		{"[list]", "[list]", false},
		{"[a] [b]", "[b]", false},
		{"[a][b] re: [c] hello", "hello", true},
		{"[a] re: [b]", "[b]", true},
		{"[fwd: hello]", "hello", true},
		{"[Fwd: Re: [list] hello (fwd)]", "hello", true},
		{"[fwd: [fwd: x]]", "[fwd: x]", false}, // a blob holds no "[": see below
		{"re: [fwd:]", "", true},
		{"re:", "", true},
		{"(fwd)", "", true},
		{"re hello", "re hello", false},
		{"reply: hello", "reply: hello", false},
		{"fwdd: x", "fwdd: x", false},
		{"re[a[b]: x", "re[a[b]: x", false},
		{"[a x", "[a x", false},
		{"=?utf-8?q?Re:_gr=C3=BC=C3=9Fe?=", "grüße", true},
		{"Re:\r\n =?iso-8859-1?q?caf=E9?=\r\n\tmenu", "café menu", true},
		{"[größe] re: x", "x", true},
	}
	for _, tt := range tests {
		if tt.subject == "[fwd: [fwd: x]]" {
			tt.want, tt.reply = "x", true
		}
		base, reply := BaseSubject(tt.subject)
		if base != tt.want || reply != tt.reply {
			t.Errorf("%q: got %q, %v, want %q, %v", tt.subject, base, reply, tt.want, tt.reply)
		}
	}
}

// TestBaseSubjectOfManyMarks takes as long as it is long, not longer.
func TestBaseSubjectOfManyMarks(t *testing.T) {
	t.Parallel()
	for _, mark := range []string{"[a]", "re:", "[fwd:", "re[", "[a] re: ", "(fwd)", "[fwd: re: [a]", "fw "} {
		start := time.Now()
		BaseSubject(strings.Repeat(mark, 256<<10/len(mark)))
		if d := time.Since(start); d > 2*time.Second {
			t.Errorf("%q again and again: took %v", mark, d)
		}
	}
}

func FuzzBaseSubject(f *testing.F) {
	for _, s := range []string{"Re: [x] y (fwd)", "[fwd: re: z]", "=?utf-8?q?Re:?= a", "[[a]re[b]:"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		base, _ := BaseSubject(s)
		if !utf8.ValidString(base) {
			t.Fatalf("%q: got %q, not UTF-8", s, base)
		}
		if strings.Contains(base, "=?") {
			return // would be decoded once more
		}
		if again, reply := BaseSubject(base); again != base || reply {
			t.Fatalf("%q: base of %q is %q, %v", s, base, again, reply)
		}
	})
}

func TestSortFieldsAreThoseOfTheMessage(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"plain":     "From: \"Carol C\" <carol@example.test>, x@y\r\nTo: a@b, c@d\r\nCc: e@f\r\nBcc: g@h\r\nSubject: s\r\nDate: Mon, 7 Feb 2022 21:52:25 +0100\r\nMessage-ID: <1@x>\r\nReferences: <a@x> <b@x>\r\nIn-Reply-To: <c@x>\r\n\r\nbody\r\n",
		"nested":    "Subject: out\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: message/rfc822\r\n\r\nSubject: in\r\nFrom: z@z\r\n\r\ntext\r\n--b\r\n\r\nx\r\n--b--\r\n",
		"reply":     "In-Reply-To: <c@x> <d@x>\r\n\r\n",
		"no header": "\r\nx",
	} {
		m, err := ParseMessage(strings.NewReader(text), int64(len(text)))
		if err != nil {
			t.Fatal(err)
		}
		f, err := DecodeSortFields(AppendMessage(nil, m))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if f.Subject != m.Envelope.Subject || f.SentDate != m.SentDate || f.ID() != m.ID() || strings.Join(f.References, " ") != strings.Join(m.References, " ") {
			t.Errorf("%s: got %+v of %+v", name, f, m)
		}
		for _, p := range []struct {
			got  Mailbox
			want []Mailbox
		}{{f.From, m.Envelope.From}, {f.To, m.Envelope.To}, {f.Cc, m.Envelope.Cc}} {
			if len(p.want) > 0 && p.got != p.want[0] || len(p.want) == 0 && p.got != (Mailbox{}) {
				t.Errorf("%s: got address %v, want the first of %v", name, p.got, p.want)
			}
		}
		want := map[string]string{"plain": "a@x b@x", "reply": "c@x"}[name]
		if got := strings.Join(f.Parents(), " "); got != want {
			t.Errorf("%s: answers %q, want %q", name, got, want)
		}
	}
}

func TestSentOfOddDates(t *testing.T) {
	t.Parallel()
	at := func(s string) int64 {
		d, err := time.Parse(time.RFC3339, s)
		if err != nil {
			t.Fatal(err)
		}
		return d.Unix()
	}
	tests := []struct {
		date string
		want int64
		ok   bool
	}{
		{"Mon, 7 Feb 2022 21:52:25 GARBAGE", at("2022-02-07T21:52:25Z"), true},
		{"7 Feb 2022 21:52", at("2022-02-07T21:52:00Z"), true},
		{"7 Feb 2022 99:99:99 +0100", at("2022-02-07T00:00:00Z"), true},
		{"7 Feb 22", at("2022-02-07T00:00:00Z"), true},
		{"yesterday", 0, false},
		{"", 0, false},
	}
	for _, tt := range tests {
		f := SortFields{Date: tt.date}
		if got, ok := f.Sent(); got != tt.want || ok != tt.ok {
			t.Errorf("%q: got %v, %v, want %v, %v", tt.date, got, ok, tt.want, tt.ok)
		}
	}
}

func FuzzDecodeSortFields(f *testing.F) {
	text := "From: a@b\r\nSubject: s\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: message/rfc822\r\n\r\nSubject: in\r\n\r\n--b--\r\n"
	m, err := ParseMessage(strings.NewReader(text), int64(len(text)))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(AppendMessage(nil, m))
	f.Fuzz(func(t *testing.T, b []byte) {
		got, err := DecodeSortFields(b)
		m, whole := DecodeMessage(b)
		if whole == nil && err != nil {
			t.Fatalf("whole message has no sort fields: %v", err)
		}
		if whole == nil && m.Envelope != nil && got.Subject != m.Envelope.Subject {
			t.Fatalf("got subject %q, want %q", got.Subject, m.Envelope.Subject)
		}
	})
}
