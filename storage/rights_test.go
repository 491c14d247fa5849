package storage

import "testing"

func TestRightsReadAndWritten(t *testing.T) {
	t.Parallel()
	tests := []struct{ in, letters, text string }{
		{"", "", ""},
		{"lr", "lr", "lr"},
		{"rl", "lr", "lr"},
		{"aetxkpiwsrl", "lrswipkxtea", "lrswipkxteacd"},
		{"c", "kx", "kxc"},
		{"d", "te", "ted"},
		{"cd", "kxte", "kxtecd"},
		{"k", "k", "kc"},
		{"e", "e", "ed"},
		{"ll", "l", "l"},
	}
	for _, tt := range tests {
		t.Run(tt.in, func(t *testing.T) {
			t.Parallel()
			r, err := ParseRights(tt.in)
			if err != nil || r.Letters() != tt.letters || r.String() != tt.text {
				t.Errorf("got %q, %q, %v, want %q, %q", r.Letters(), r.String(), err, tt.letters, tt.text)
			}
		})
	}
	for _, bad := range []string{"q", "L", "lrA", "0", "l r", "é", "\x00"} {
		if r, err := ParseRights(bad); err == nil {
			t.Errorf("%q: got %q, want an error", bad, r)
		}
	}
	if r, _ := ParseRights(rightLetters); r != AllRights {
		t.Errorf("got %b, want all rights %b", r, AllRights)
	}
}
