package mail

import (
	"errors"
	"strings"
	"testing"
)

func TestParseAddress(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ name, in, want, key string }{
		{"plain", "alice@example.org", "alice@example.org", "alice@example.org"},
		{"case of the domain", "Alice@EXAMPLE.org", "Alice@example.org", "alice@example.org"},
		{"internationalised domain", "a@Bücher.example", "a@xn--bcher-kva.example", "a@xn--bcher-kva.example"},
		{"decomposed local part", "u\u0308ser@example.org", "\u00fcser@example.org", "\u00fcser@example.org"},
		{"quoted without need", `"alice"@example.org`, "alice@example.org", "alice@example.org"},
		{"quoted with space", `"a \"b"@example.org`, `"a \"b"@example.org`, `a "b@example.org`},
		{"at in quotes", `"a@b"@example.org`, `"a@b"@example.org`, "a@b@example.org"},
		{"longest local part", strings.Repeat("a", 64) + "@example.org", strings.Repeat("a", 64) + "@example.org", strings.Repeat("a", 64) + "@example.org"},
		{"host of one label", "root@localhost", "root@localhost", "root@localhost"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			a, err := ParseAddress(tc.in)
			if err != nil {
				t.Fatal(err)
			}
			if a.String() != tc.want || a.Key() != tc.key {
				t.Errorf("got %q, key %q, want %q, key %q", a.String(), a.Key(), tc.want, tc.key)
			}
			if b, err := ParseAddress(a.String()); err != nil || b != a {
				t.Errorf("read again: got %v, %v, want %v", b, err, a)
			}
		})
	}
}

func TestParseAddressRefuses(t *testing.T) {
	t.Parallel()
	for _, in := range []string{
		"", "@", "a@", "@b", "alice", "a b@c.d", ".a@c.d", "a.@c.d", "a..b@c.d", `"a@c.d`, `"a"b"@c.d`, `""@c.d`,
		"a@[127.0.0.1]", "a@-b.c", "a@b..c", "a@b.", "a@b c", "a\x00@b.c", "a\r\nb@c.d", "\xff@b.c", `"\"@b.c`,
		strings.Repeat("a", 65) + "@b.c", "a@" + strings.Repeat("b.", 127) + "cc", "a@" + strings.Repeat("b", 64) + ".c", "a@b,c", "<a@b.c>",
	} {
		if a, err := ParseAddress(in); !errors.Is(err, ErrBadAddress) {
			t.Errorf("%q: got %v, %v, want ErrBadAddress", in, a, err)
		}
	}
}

func TestDetail(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ local, sep, base, detail string }{
		{"user+x", "+", "user", "x"},
		{"user+x+y", "+", "user", "x+y"},
		{"user", "+", "user", ""},
		{"+user", "+", "+user", ""},
		{"user+", "+", "user", ""},
		{"user+x", "", "user+x", ""},
		{"user--x", "--", "user", "x"},
	} {
		base, detail := Address{tc.local, "d"}.Detail(tc.sep)
		if base.Local != tc.base || detail != tc.detail {
			t.Errorf("%q by %q: got %q, %q, want %q, %q", tc.local, tc.sep, base.Local, detail, tc.base, tc.detail)
		}
	}
}

func FuzzParseAddress(f *testing.F) {
	for _, s := range []string{"a@b.c", `"a b"@b.c`, "ü@ü.de", "a@xn--bcher-kva.example", "a@b@c", "\"\\\"\"@x.y"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		a, err := ParseAddress(s)
		if err != nil {
			return
		}
		if strings.ContainsAny(a.String(), "\r\n\x00") {
			t.Fatalf("line break in %q", a.String())
		}
		b, err := ParseAddress(a.String())
		if err != nil && len(a.Local) < 30 {
			t.Fatalf("%q became %q, which is refused: %v", s, a.String(), err)
		}
		if err == nil && b != a {
			t.Fatalf("%q became %q and then %q", s, a, b)
		}
	})
}
