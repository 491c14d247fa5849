package storage

import (
	"strings"
	"testing"

	"mailstead/mail"
)

func TestResemblance(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, text, value string
		want              int
	}{
		{"the same", "quarterly report", "Report", 100},
		{"the same words together", "the quarterly report is here", "quarterly report", 100},
		{"words apart", "report of the quarterly kind", "quarterly report", 90},
		{"another form", "reporting of meetings", "meeting", wordForm},
		{"a longer form is asked for", "report", "reporting", wordForm},
		{"begins", "mailboxes everywhere", "mai", wordBegins},
		{"within", "submailboxed", "mailbox", wordWithin},
		{"one letter wrong", "invoicw", "invioce", 0},
		{"swapped letters", "adress recieved", "received", oneTypo},
		{"a letter too few", "the qarterly", "quarterly", oneTypo},
		{"two letters wrong", "kommitee", "committee", twoTypos},
		{"short words are exact", "cat", "car", 0},
		{"without marks", "Grüße aus Köln", "koln", 100},
		{"with marks", "cafe", "café", 100},
		{"Greek marks", "Αθήνα", "αθηνα", 100},
		{"no spaces between words", "今日は会議があります", "会議", wordBegins},
		{"signs", "a => b", "=>", 100},
		{"signs that are not there", "a b", "=>", 0},
		{"one word is missing", "quarterly numbers", "quarterly cat", 0},
		{"nothing is asked for", "x", "", 100},
		{"very long words", strings.Repeat("x", 80), strings.Repeat("x", 79), 70},
	}
	for _, tt := range tests {
		if got := resemblance(t.Context(), mail.FoldCase(tt.text), tt.value); got != tt.want {
			t.Errorf("%s: %q in %q: got %d, want %d", tt.name, tt.value, tt.text, got, tt.want)
		}
	}
}

func TestTypos(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		a, b string
		want int
	}{{"", "", 0}, {"", "abc", 3}, {"abc", "", 3}, {"abc", "abc", 0}, {"abc", "acb", 1}, {"abcd", "acbd", 1}, {"kitten", "sitting", 3}, {"ca", "abc", 3}, {"größe", "grösse", 2}} {
		if got := typos(tt.a, tt.b); got != tt.want {
			t.Errorf("%q, %q: got %d, want %d", tt.a, tt.b, got, tt.want)
		}
		if got := typos(tt.b, tt.a); got != tt.want {
			t.Errorf("%q, %q: got %d, want %d", tt.b, tt.a, got, tt.want)
		}
	}
}

// FuzzResemblance finds whatever is in the text as it stands.
func FuzzResemblance(f *testing.F) {
	f.Add("the quarterly report", "report")
	f.Add("Grüße", "gru")
	f.Add(strings.Repeat("ä", 70), "=>")
	f.Fuzz(func(t *testing.T, text, value string) {
		text = mail.FoldCase(text)
		n := resemblance(t.Context(), text, value)
		if n < 0 || n > 100 {
			t.Fatalf("got %d", n)
		}
		if n == 0 && strings.Contains(bare(text), bare(mail.FoldCase(value))) {
			t.Fatalf("%q is in %q, but was not found", value, text)
		}
	})
}
