package mail

import (
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestPreview(t *testing.T) {
	t.Parallel()
	multipart := func(kind string, parts ...string) string {
		return "Content-Type: multipart/" + kind + "; boundary=b\r\n\r\n--b\r\n" + strings.Join(parts, "\r\n--b\r\n") + "\r\n--b--\r\n"
	}
	plain, rich := "Content-Type: text/plain\r\n\r\nplain  text", "Content-Type: text/html\r\n\r\n<p>rich</p>text"
	for _, tc := range []struct{ name, in, want string }{
		{"nothing", "\r\n", ""},
		{"spaces", "\r\n \t\r\n\r\n", ""},
		{"lines", "\r\none\r\n two\x00\x1b three\r\n", "one two three"},
		{"at the limit", "\r\n" + strings.Repeat("ä", 200), strings.Repeat("ä", 200)},
		{"beyond the limit", "\r\n" + strings.Repeat("ä", 201), strings.Repeat("ä", 200)},
		{"space at the limit", "\r\n" + strings.Repeat("x", 199) + " y", strings.Repeat("x", 199)},
		{"quoted-printable", "Content-Transfer-Encoding: quoted-printable\r\n\r\nso=\r\nft =C3=A9", "soft é"},
		{"base64 in latin-1", "Content-Type: text/plain; charset=iso-8859-1\r\nContent-Transfer-Encoding: base64\r\n\r\n/GJlcg==", "über"},
		{"html", rich, "rich text"},
		{"html title and style", "Content-Type: text/html\r\n\r\n<head><title>t</title><style>s</style></head>text &amp; <script>x</script>more", "text & more"},
		{"long style sheet", "Content-Type: text/html\r\n\r\n<style>" + strings.Repeat("x", 100<<10) + "</style>text", "text"},
		{"alternative", multipart("alternative", rich, plain), "plain text"},
		{"alternative without plain", multipart("alternative", rich), "rich text"},
		{"mixed", multipart("mixed", rich, plain), "rich text"},
		{"attached first", multipart("mixed", "Content-Disposition: attachment\r\n"+plain, rich), "rich text"},
		{"only other types", multipart("mixed", "Content-Type: image/png\r\n\r\nx", "Content-Type: text/calendar\r\n\r\nx"), ""},
		{"encrypted", multipart("encrypted", plain), ""},
	} {
		m, _ := ParseMessage(strings.NewReader(tc.in), int64(len(tc.in)))
		got, err := Preview(m, strings.NewReader(tc.in))
		if err != nil || got != tc.want {
			t.Errorf("%s: got %q, %v, want %q", tc.name, got, err, tc.want)
		}
	}
}

// countingReader notes how far it was read.
type countingReader struct {
	*strings.Reader
	read int64
}

func (c *countingReader) ReadAt(b []byte, at int64) (int, error) {
	n, err := c.Reader.ReadAt(b, at)
	c.read += int64(n)
	return n, err
}

func TestPreviewReadsALimitedPart(t *testing.T) {
	t.Parallel()
	for _, in := range []string{
		"\r\n" + strings.Repeat(" ", 5<<20) + "x",
		"Content-Type: text/html\r\n\r\n<!--" + strings.Repeat("x", 5<<20) + "-->y",
	} {
		m, _ := ParseMessage(strings.NewReader(in), int64(len(in)))
		r := &countingReader{Reader: strings.NewReader(in)}
		if got, err := Preview(m, r); err != nil || got != "" {
			t.Errorf("got %q, %v", got, err)
		}
		if r.read > maxPreviewRead {
			t.Errorf("read %d bytes, want %d at most", r.read, maxPreviewRead)
		}
	}
}

func FuzzPreview(f *testing.F) {
	f.Add("Content-Type: text/html\r\n\r\n<p>x</p>")
	f.Add("Content-Transfer-Encoding: base64\r\n\r\n/GJlcg==")
	f.Fuzz(func(t *testing.T, in string) {
		m, _ := ParseMessage(strings.NewReader(in), int64(len(in)))
		got, err := Preview(m, strings.NewReader(in))
		if err != nil || !utf8.ValidString(got) || utf8.RuneCountInString(got) > PreviewChars || strings.ContainsAny(got, "\r\n\t\x00") {
			t.Fatal(fmt.Sprintf("%q", got), err)
		}
	})
}
