package transfer

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"mailstead/storage"
)

func TestMaildirFlags(t *testing.T) {
	t.Parallel()
	words := []string{"a", "", "c"}
	for _, tt := range []struct {
		name, base string
		flags      storage.Flags
		keywords   []string
	}{
		{"1.h:2,", "1.h", 0, nil},
		{"1.h", "1.h", 0, nil},
		{"1.h,S=3:2,DFRST", "1.h,S=3", storage.Draft | storage.Flagged | storage.Answered | storage.Seen | storage.Deleted, nil},
		{"1.h;2,S", "1.h", storage.Seen, nil},
		{"1.h:2,PSabcd", "1.h", storage.Seen, []string{forwarded, "a", "c"}},
		{"1.h:2,S,x", "1.h", storage.Seen, nil},
		{"1.h:1,S", "1.h", 0, nil},
	} {
		base, letters := splitFlags(tt.name)
		flags, keywords := readFlags(letters, words)
		if base != tt.base || flags != tt.flags || !slices.Equal(keywords, tt.keywords) {
			t.Errorf("%q: got %q, %v, %q", tt.name, base, flags, keywords)
		}
	}
}

func TestFolderNames(t *testing.T) {
	t.Parallel()
	for dir, want := range map[string]string{".A.B": "A/B", ".Entw&APw-rfe": "Entwürfe", ".Grüße.x": "Grüße/x", ".a&AC4-b": "a.b", ".INBOX.x": "INBOX/x", ".&bad": "&bad", ".a&AC8-b": "a_b", ".\xff": "_",
		"A": "", ".": "", "..": "", "..x": ""} {
		if got, ok := decodeFolder(dir); got != want || ok != (want != "") {
			t.Errorf("%q: got %q, want %q", dir, got, want)
		}
	}
}

func FuzzFolderName(f *testing.F) {
	f.Add("A/B.c/&/ü")
	f.Add("~/..")
	f.Fuzz(func(t *testing.T, name string) {
		clean, err := storage.CleanName(name)
		if err != nil {
			return
		}
		dir := encodeFolder(clean)
		if strings.ContainsAny(dir, "/\x00") {
			t.Fatalf("%q becomes %q", clean, dir)
		}
		if got, ok := decodeFolder(dir); got != clean || !ok {
			t.Fatalf("%q: got %q by way of %q", clean, got, dir)
		}
	})
}

func FuzzMaildirName(f *testing.F) {
	for _, s := range []string{"1700000000.M1P2.h,S=5:2,FSa", ";2,", "99999999999", "1700000000_1"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, name string) {
		base, letters := splitFlags(name)
		if !strings.HasPrefix(name, base) {
			t.Fatalf("%q: base %q", name, base)
		}
		flags, keywords := readFlags(letters, []string{"zero", "one"})
		again, left := writeFlags(flags, keywords, []string{"zero", "one"})
		if f2, _ := readFlags(again, []string{"zero", "one"}); f2 != flags || len(left) > 0 {
			t.Fatalf("%q: %v becomes %q, %v", letters, flags, again, left)
		}
		ageOf(base)
		if n, ok := decodeFolder(name); ok && (!utf8.ValidString(n)) {
			t.Fatalf("%q: mailbox %q", name, n)
		}
	})
}

func TestUIDList(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, in, want string
	}{
		{"version 3", "3 V9 N7 Gx\n1 :a\n3 W5 S4 :b:2,S\nx\n\n0 :z\n5 Z-90 Kx Ky  :c\n", "9 7 [{1 a 0 false []} {3 b 0 false []} {5 c -90 true [x y]}]"},
		{"version 1", "1 9 7\n1 a\n2 b\n", "9 7 [{1 a 0 false []} {2 b 0 false []}]"},
		{"no such version", "2 V9 N7\n", "error"},
		{"empty", "", "error"},
		{"a path", "3 V9 N7\n1 :../x\n", "9 7 []"},
		{"cut short", "3 V9 N7\n1", "9 7 []"},
	} {
		got := "error"
		if l, err := newUIDList(strings.NewReader(tt.in)); err == nil {
			got = fmt.Sprint(l.validity, l.next, slices.Collect(l.entries()))
		}
		if got != tt.want {
			t.Errorf("%s: got %s, want %s", tt.name, got, tt.want)
		}
	}
}

func FuzzUIDList(f *testing.F) {
	f.Add("3 V9 N7 Gx\n1 :a\n3 W5 S4 :b:2,S\n5 Z-90 Kx Ky  :c\n")
	f.Add("1 9 7\n1 a\n2 b\n")
	f.Fuzz(func(t *testing.T, s string) {
		l, err := newUIDList(strings.NewReader(s))
		if err != nil {
			return
		}
		for e := range l.entries() {
			if e.uid == 0 || e.base == "" || strings.ContainsAny(e.base, "/\n") {
				t.Fatalf("got %+v", e)
			}
		}
	})
}

func FuzzKeywords(f *testing.F) {
	f.Add("0 $Work\n1 later\n25 last\n26 none\n-1 x\n")
	f.Fuzz(func(t *testing.T, s string) {
		words := readKeywords(strings.NewReader(s))
		if len(words) > keywordLetters {
			t.Fatalf("got %d", len(words))
		}
		again := readKeywords(strings.NewReader(writeKeywords(words)))
		for i, w := range words {
			if w != "" && strings.TrimSpace(w) == w && !strings.ContainsAny(w, "\r\n") && again[i] != w {
				t.Fatalf("%d: got %q, want %q", i, again[i], w)
			}
		}
	})
}
