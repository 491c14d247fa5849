package mail

import (
	"io"
	"strings"
	"testing"
	"unicode/utf8"

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"
	"pgregory.net/rapid"
)

// foldReference says what FoldCase is.
func foldReference(s string) string {
	return strings.Join(strings.Fields(cases.Fold().String(norm.NFKC.String(s))), " ")
}

func TestFoldCaseIsWhatTheTablesSay(t *testing.T) {
	t.Parallel()
	piece := rapid.OneOf(rapid.SampledFrom([]string{"e\u0301", "\u0301", "ß", "ǅ", "\u00a0", " ", "\r\n", "\x85", "\xff", "\xc3", "ﬁ", "Å", "K", "İ", "日本", "ｶﾞ", "A\u030a\u0323", "\u1100\u1161", "Σ"}),
		rapid.StringN(0, 20, -1), rapid.StringMatching("[ A-Za-z0-9.]{0,30}"))
	rapid.Check(t, func(rt *rapid.T) {
		s := strings.Join(rapid.SliceOfN(piece, 0, 12).Draw(rt, "pieces"), "")
		if got, want := FoldCase(s), foldReference(s); got != want {
			rt.Fatalf("FoldCase(%q): got %q, want %q", s, got, want)
		}
	})
}

func FuzzFoldCase(f *testing.F) {
	for _, s := range []string{"", " A  b ", "Straße\u00a0x", "a\u0301\u0300", "\xff\xfe A"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if got, want := FoldCase(s), foldReference(s); got != want {
			t.Fatalf("FoldCase(%q): got %q, want %q", s, got, want)
		}
	})
}

func textOf(t *testing.T, typ, sub, charset, body string) string {
	t.Helper()
	p := &Part{Type: typ, Subtype: sub, Encoding: "8bit", End: int64(len(body))}
	if charset != "" {
		p.Params = []Param{{"charset", charset}}
	}
	b, err := io.ReadAll(TextReader(p, strings.NewReader(body)))
	if err != nil {
		t.Fatal(err)
	}
	return FoldCase(string(b))
}

func TestTextOfHTML(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, in, want string }{
		{"tags", "<p>One<br>two <b>th</b>ree</p><p>four", "one two three four"},
		{"cells", "<table><tr><td>a</td><td>b</td></tr></table>", "a b"},
		{"entities", "x&amp;y &lt;b&gt; caf&eacute; &#x20AC; &nbsp; z", "x&y <b> café € z"},
		{"script and style", "a<style>p{b}</style>c<script>var d='<p>'</script>e", "a c e"},
		{"comment", "a<!-- b -->c", "ac"},
		{"attributes", `<a href="http://hidden.test/">shown</a>`, "shown"},
		{"title", "<html><head><title>T</title></head><body>b</body></html>", "t b"},
		{"open tag", "a<b", "a"},
		{"no HTML", "1 < 2 and 3", "1 < 2 and 3"},
		{"style not closed", "a<style>b", "a"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := textOf(t, "text", "html", "utf-8", tt.in); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestTextOfHTMLHasALimit(t *testing.T) {
	t.Parallel()
	tag := func(n int) string { return "a<img src='" + strings.Repeat("x", n-len("<img src=''>")) + "'>b" }
	// One byte of look-ahead counts.
	if got := textOf(t, "text", "html", "", tag(maxHTMLToken-1)); got != "a b" {
		t.Errorf("longest token: got %q", got)
	}
	if got := textOf(t, "text", "html", "", tag(maxHTMLToken+1)); got != "a" {
		t.Errorf("token too long: got %q", got)
	}
}

func TestTextWithoutCharsetIsGuessed(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ charset, in, want string }{
		{"", "caf\xe9", "café"},
		{"us-ascii", "ünd \x80", "ünd €"},
		{"x-none", "\xe9t\xc3\xa9", "été"},
		{"utf-8", "a\xc3", "aã"},
		{"iso-8859-1", "\xe9", "é"},
	} {
		if got := textOf(t, "text", "plain", tt.charset, tt.in); got != tt.want {
			t.Errorf("%q in %q: got %q, want %q", tt.in, tt.charset, got, tt.want)
		}
	}
	long := strings.Repeat("é\xe9a", 5000) // across the reader's buffers
	if got, want := textOf(t, "text", "plain", "", long), strings.Repeat("ééa", 5000); got != want {
		t.Errorf("long text: got %d bytes, want %d", len(got), len(want))
	}
}

func FuzzTextReader(f *testing.F) {
	f.Add("<p>x&amp;<script>", "utf-8", true)
	f.Add("\xff\xfea\x00", "utf-16le", false)
	f.Fuzz(func(t *testing.T, body, charset string, html bool) {
		p := &Part{Type: "text", Subtype: "plain", Encoding: "8bit", End: int64(len(body)), Params: []Param{{"charset", charset}}}
		if html {
			p.Subtype = "html"
		}
		b, err := io.ReadAll(TextReader(p, strings.NewReader(body)))
		if err == nil && !utf8.Valid(b) && charset == "" {
			t.Errorf("%q: got %q, want UTF-8", body, b)
		}
	})
}

func BenchmarkFoldCase(b *testing.B) {
	for name, s := range map[string]string{"ascii": strings.Repeat("Some words of a message,\r\nand more\r\n", 800), "german": strings.Repeat("Größere Übung für müde Vögel\r\n", 1000), "russian": strings.Repeat("Съешь же ещё этих мягких булок\r\n", 600)} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(s)))
			for b.Loop() {
				FoldCase(s)
			}
		})
	}
}
