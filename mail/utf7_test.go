package mail

import (
	"strings"
	"testing"
	"unicode/utf8"
)

func TestTextInUTF7(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ in, want string }{
		{"A+ImIDkQ.", "A≢Α."}, {"Hi Mom -+Jjo--!", "Hi Mom -☺-!"}, {"+ZeVnLIqe-", "日本語"}, {"Item 3 is +AKM-1.", "Item 3 is £1."}, // RFC 2152
		{"1 +- 1", "1 + 1"}, {"+2D3eAA-x", "😀x"}, {"+2D0-x", "\ufffdx"}, {"+2D0AQQ-", "\ufffdA"}, {"+3gA-", "\ufffd"}, {"\xff", "\ufffd"}, {"+AOk", "é"}, {"+AOk x", "é x"}, {"+", ""},
		{strings.Repeat("+AOk-x", 3000), strings.Repeat("éx", 3000)},
	} {
		enc, ok := Charset("UTF-7")
		if !ok {
			t.Fatal("charset not known")
		}
		if got, err := enc.NewDecoder().String(tt.in); err != nil || got != tt.want {
			t.Errorf("%.40q: got %.40q, %v, want %.40q", tt.in, got, err, tt.want)
		}
	}
	if got := DecodeHeader("=?utf-7?q?Gr+APwA3w-e?="); got != "Grüße" {
		t.Errorf("got %q", got)
	}
}

func FuzzUTF7(f *testing.F) {
	f.Add("A+ImIDkQ.")
	f.Add("+2D3eAA-")
	f.Fuzz(func(t *testing.T, s string) {
		got, err := utf7{}.NewDecoder().String(s)
		if err != nil || !utf8.ValidString(got) || len(got) > 3*len(s)+3 {
			t.Errorf("%q: got %q, %v", s, got, err)
		}
	})
}
