package mail

import (
	"bytes"
	"slices"
	"strings"
	"testing"
	"unicode"
)

// FuzzPick picks what HeaderFields finds, also into the header itself.
func FuzzPick(f *testing.F) {
	f.Add([]byte("From: a\r\nsubject: b\r\n c\r\nno field\r\nTo : d\n\r\nbody"), "SUBJECT,to", false)
	f.Add([]byte("a:b"), "A", true)
	f.Add([]byte(strings.Repeat("n", 70)+": x\r\n"+strings.Repeat("N", 64)+":y\r\n"), strings.Repeat("n", 70)+","+strings.Repeat("n", 64), false)
	f.Add([]byte("a: 1\r\nb: 2\r\nno field\r\nA: 3\r\nc: 4\r\n b: 5\r\nA: 6\r\n"), "a,b"+strings.Repeat(",z", fewNames), false)
	f.Add([]byte("a: 1\r\nb: 2\r\nc: 4\r\nA: 6\r\n"), "a,b", false)
	f.Add([]byte("@: 1\r\n`: 2\r\n[: 4\r\n{: 6\r\n"), "`,[", false)
	f.Fuzz(func(t *testing.T, header []byte, list string, not bool) {
		names := strings.Split(list, ",")
		var want []byte
		for f := range HeaderFields(header) {
			in := slices.ContainsFunc(names, func(n string) bool { return lower(n) == lower(f.Name) })
			if in != not {
				want = append(want, f.Raw...)
			}
		}
		set := NewFieldNames(names)
		if got := set.Pick([]byte("before"), header, not); string(got) != "before"+string(want) {
			t.Errorf("got %q, want %q", got, want)
		}
		header = bytes.Clone(header)
		if got := set.Pick(header[:0], header, not); !bytes.Equal(got, want) {
			t.Errorf("in place: got %q, want %q", got, want)
		}
	})
}

// lower is ToLower for ASCII alone.
func lower(s string) string {
	b := []byte(s)
	for i, c := range b {
		if c < 0x80 {
			b[i] = byte(unicode.ToLower(rune(c)))
		}
	}
	return string(b)
}
