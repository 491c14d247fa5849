package storage_test

import (
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
	"testing"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/htmlindex"
	"golang.org/x/text/encoding/ianaindex"
	"pgregory.net/rapid"

	"mailstead/storage"
	"mailstead/storage/storagetest"
)

// searchWords are words of many scripts; a message has those that its charset
// can write.
var searchWords = []string{
	"report", "Lunch", "invoice", "grüße", "café", "Ærø", "łódź", "čeština", "Ελλάδα", "привет", "Москва", "שלום", "مرحبا", "日本語", "会議", "한국어", "中文", "ไทย", "türkçe", "žluťoučký", "x&y", "a<b",
}

// searchCharsets are the names of charsets that mail is written in.
var searchCharsets = []string{
	"us-ascii", "utf-8", "iso-8859-1", "iso-8859-2", "iso-8859-3", "iso-8859-4", "iso-8859-5", "iso-8859-6", "iso-8859-7", "iso-8859-8", "iso-8859-9", "iso-8859-10", "iso-8859-13", "iso-8859-14", "iso-8859-15", "iso-8859-16",
	"windows-874", "windows-1250", "windows-1251", "windows-1252", "windows-1253", "windows-1254", "windows-1255", "windows-1256", "windows-1257", "windows-1258",
	"koi8-r", "koi8-u", "ibm866", "ibm437", "ibm850", "ibm852", "ibm855", "macintosh", "x-mac-cyrillic", "big5", "euc-jp", "euc-kr", "gbk", "gb2312", "gb18030", "iso-2022-jp", "shift_jis", "utf-16le", "utf-16be",
}

// charsetOf finds an encoder, without the code under test; nil for UTF-8.
func charsetOf(name string) encoding.Encoding {
	if name == "us-ascii" || name == "utf-8" {
		return nil
	}
	if e, err := htmlindex.Get(name); err == nil {
		return e
	}
	e, err := ianaindex.MIME.Encoding(name)
	if err != nil || e == nil {
		panic("charset " + name)
	}
	return e
}

// writable gives the words that a charset can write and read back.
func writable(name string) (words []string) {
	for _, w := range searchWords {
		if b, ok := inCharset(name, w); ok && b != "" {
			words = append(words, w)
		}
	}
	return words
}

func inCharset(name, s string) (string, bool) {
	e := charsetOf(name)
	if e == nil {
		for _, r := range s {
			if name == "us-ascii" && r >= 0x80 {
				return "", false
			}
		}
		return s, true
	}
	b, err := e.NewEncoder().String(s)
	if err != nil {
		return "", false
	}
	back, err := e.NewDecoder().String(b)
	return b, err == nil && back == s
}

// said is a message as its writer knows it: what stands in it, not how.
type said struct {
	header map[string]string
	body   []string // text parts, and headers of messages within
	text   string   // the message
}

func (m *said) in(parts []string, what string) bool {
	return slices.ContainsFunc(parts, func(p string) bool { return strings.Contains(strings.ToLower(p), strings.ToLower(what)) })
}

func (m *said) heads() (list []string) {
	for k, v := range m.header {
		list = append(list, k+": "+v)
	}
	return list
}

// writer makes a message.
type writer struct {
	t       *rapid.T
	m       *said
	nesting int
}

func (w *writer) words(charset string) string {
	return strings.Join(rapid.SliceOfN(rapid.SampledFrom(writable(charset)), 1, 4).Draw(w.t, "words"), " ")
}

// encoded is a header value as RFC 2047 has it, or as it is.
func (w *writer) encoded(charset, s string) string {
	b, _ := inCharset(charset, s)
	if charset == "us-ascii" {
		return s
	}
	if rapid.Bool().Draw(w.t, "q") {
		q := ""
		for i := range len(b) {
			q += fmt.Sprintf("=%02X", b[i])
		}
		return "=?" + charset + "?Q?" + q + "?="
	}
	return "=?" + charset + "?b?" + base64.StdEncoding.EncodeToString([]byte(b)) + "?="
}

func (w *writer) subject() (charset, plain string) {
	charset = rapid.SampledFrom(searchCharsets).Draw(w.t, "charset")
	return charset, w.words(charset)
}

// part writes one part with its header.
func (w *writer) part() string {
	kind := rapid.SampledFrom([]string{"plain", "html", "data", "message", "mixed"}).Draw(w.t, "kind")
	if w.nesting++; w.nesting > 3 && kind != "html" && kind != "data" {
		kind = "plain"
	}
	switch kind {
	case "message":
		charset, s := w.subject()
		w.m.body = append(w.m.body, "Subject: "+s)
		return "Content-Type: message/rfc822\r\n\r\nSubject: " + w.encoded(charset, s) + "\r\n" + w.part()
	case "mixed":
		b := fmt.Sprintf("b%d", w.nesting)
		out := "Content-Type: multipart/mixed; boundary=" + b + "\r\n\r\n"
		for range rapid.IntRange(1, 3).Draw(w.t, "parts") {
			out += "--" + b + "\r\n" + w.part() + "\r\n"
		}
		return out + "--" + b + "--\r\n"
	}
	charset := rapid.SampledFrom(searchCharsets).Draw(w.t, "charset")
	s := w.words(charset)
	head := "Content-Type: text/" + kind + "; charset=" + charset + "\r\n"
	b, _ := inCharset(charset, s)
	switch kind {
	case "data":
		head = "Content-Type: application/octet-stream\r\n"
	case "html":
		w.m.body = append(w.m.body, s)
		b, _ = inCharset(charset, w.html(charset, s))
	default:
		w.m.body = append(w.m.body, s)
	}
	return head + w.transfer(b)
}

// html writes text as HTML: with marks within words, and entities.
func (w *writer) html(charset, s string) string {
	var b strings.Builder
	b.WriteString(`<html><head><style>p { color: secret }</style><script>var secret = "x<y"</script></head><body><p title="secret">`)
	for _, r := range s {
		switch n := rapid.IntRange(0, 5).Draw(w.t, "how"); {
		case r == '&':
			b.WriteString("&amp;")
		case r == '<':
			b.WriteString("&lt;")
		case n == 0:
			fmt.Fprintf(&b, "&#%d;", r)
		case n == 1:
			fmt.Fprintf(&b, "<b>&#x%x;</b>", r)
		default:
			b.WriteRune(r)
		}
	}
	return b.String() + "</p><!-- secret --></body></html>"
}

// transfer writes a body with an encoding, and its header's end.
func (w *writer) transfer(b string) string {
	switch rapid.SampledFrom([]string{"base64", "quoted-printable", "8bit"}).Draw(w.t, "encoding") {
	case "quoted-printable":
		q := ""
		for i := range len(b) {
			if q += fmt.Sprintf("=%02X", b[i]); i%20 == 19 {
				q += "=\r\n"
			}
		}
		return "Content-Transfer-Encoding: quoted-printable\r\n\r\n" + q + "\r\n"
	case "8bit":
		if !strings.ContainsAny(b, "\x00\r\n") {
			return "Content-Transfer-Encoding: 8bit\r\n\r\n" + b + "\r\n"
		}
	}
	e := base64.StdEncoding.EncodeToString([]byte(b))
	return "Content-Transfer-Encoding: base64\r\n\r\n" + e[:len(e)/2] + "\r\n" + e[len(e)/2:] + "\r\n"
}

func drawSaid(t *rapid.T) *said {
	w := &writer{t: t, m: &said{header: map[string]string{}}}
	charset, s := w.subject()
	w.m.header["Subject"], w.m.header["X-Odd"] = s, w.words("us-ascii")
	w.m.text = "Subject: " + w.encoded(charset, s) + "\r\nX-Odd: " + w.m.header["X-Odd"] + "\r\n"
	w.m.text += w.part()
	return w.m
}

// ask is a query with the answer that a message gives to it.
type ask struct {
	query   storage.Query
	matches func(*said) bool
}

func drawAsk(t *rapid.T, depth int) ask {
	word := rapid.SampledFrom(append([]string{"secret", "nothing", "REPORT", "ПРИВЕТ", "GRÜ", "Gr", "語"}, searchWords...)).Draw(t, "word")
	kinds := []string{"body", "text", "subject", "odd", "not", "or", "and"}
	if depth > 2 {
		kinds = kinds[:4]
	}
	switch rapid.SampledFrom(kinds).Draw(t, "ask") {
	case "text":
		return ask{storage.Query{Text: []string{word}}, func(m *said) bool { return m.in(m.heads(), word) || m.in(m.body, word) }}
	case "subject":
		return ask{storage.Query{Header: []storage.HeaderMatch{{Field: "Subject", Value: word}}}, func(m *said) bool { return m.in([]string{m.header["Subject"]}, word) }}
	case "odd":
		return ask{storage.Query{Header: []storage.HeaderMatch{{Field: "x-odd", Value: word}}}, func(m *said) bool { return m.in([]string{m.header["X-Odd"]}, word) }}
	case "not":
		a := drawAsk(t, depth+1)
		return ask{storage.Query{Not: []storage.Query{a.query}}, func(m *said) bool { return !a.matches(m) }}
	case "or":
		a, b := drawAsk(t, depth+1), drawAsk(t, depth+1)
		return ask{storage.Query{Or: [][2]storage.Query{{a.query, b.query}}}, func(m *said) bool { return a.matches(m) || b.matches(m) }}
	case "and":
		a, b := drawAsk(t, depth+1), drawAsk(t, depth+1)
		return ask{storage.Query{Not: []storage.Query{{Not: []storage.Query{a.query}}, {Not: []storage.Query{b.query}}}}, func(m *said) bool { return a.matches(m) && b.matches(m) }}
	}
	return ask{storage.Query{Body: []string{word}}, func(m *said) bool { return m.in(m.body, word) }}
}

// TestSearchFindsWhatWasWritten searches messages in every charset, with every
// transfer encoding, as HTML and within others, for what their writer knows to
// be in them.
func TestSearchFindsWhatWasWritten(t *testing.T) {
	t.Parallel()
	s := storagetest.Open(t, storage.Options{})
	if err := s.CreateAccount(t.Context(), 1, "alice@example.test"); err != nil {
		t.Fatal(err)
	}
	boxes := 0
	rapid.Check(t, func(rt *rapid.T) {
		boxes++
		box, err := s.CreateMailbox(t.Context(), 1, fmt.Sprintf("box%d", boxes), "")
		if err != nil {
			rt.Fatal(err)
		}
		ref := storage.Ref{Account: 1, Mailbox: box.ID}
		var list []*said
		var batch []storage.Incoming
		for range rapid.IntRange(1, 4).Draw(rt, "messages") {
			m := drawSaid(rt)
			list = append(list, m)
			batch = append(batch, storage.Incoming{Body: storagetest.Body(m.text), Targets: []storage.Target{{Ref: ref}}})
		}
		if _, err := s.AppendAll(t.Context(), batch); err != nil {
			rt.Fatal(err)
		}
		for range 12 {
			a := drawAsk(rt, 0)
			var got, want []storage.UID
			for r, err := range s.Search(t.Context(), ref, a.query, storage.All) {
				if err != nil {
					rt.Fatal(err)
				}
				got = append(got, r.UID)
			}
			for i, m := range list {
				if a.matches(m) {
					want = append(want, storage.UID(i+1))
				}
			}
			if !slices.Equal(got, want) {
				rt.Fatalf("%+v: got %v, want %v of\n%s", a.query, got, want, texts(list))
			}
		}
	})
}

func texts(list []*said) (out string) {
	for _, m := range list {
		out += fmt.Sprintf("%q\n%q\n", m.text, m.body)
	}
	return out
}
