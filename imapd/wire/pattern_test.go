package wire_test

import (
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"

	"mailstead/imapd/wire"
)

// matcher says in another way what a pattern means.
func matcher(pattern string) *regexp.Regexp {
	return regexp.MustCompile("^" + strings.NewReplacer(`\*`, "(?s:.*)", "%", "[^/]*").Replace(regexp.QuoteMeta(pattern)) + "$")
}

func TestPatternMeansTheExpression(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		pattern := rapid.StringMatching(`[ab/*%]{0,12}`).Draw(t, "pattern")
		name := rapid.StringMatching(`[ab/]{0,12}`).Draw(t, "name")
		got, _ := wire.NewPattern(pattern, '/').Match(name)
		if want := matcher(pattern).MatchString(name); got != want {
			t.Fatalf("%q for %q: got %v, want %v", pattern, name, got, want)
		}
	})
}

func TestPatternStepsDependOnTheName(t *testing.T) {
	t.Parallel()
	for _, pattern := range []string{strings.Repeat("*a", 50_000), strings.Repeat("*%", 50_000) + "a", strings.Repeat("a", 100_000)} {
		name := strings.Repeat("a/", 50)
		if _, steps := wire.NewPattern(pattern, '/').Match(name); steps > 3*len(name)*len(name) {
			t.Errorf("%.10s...: %d steps for a name of %d bytes", pattern, steps, len(name))
		}
	}
}

func FuzzPattern(f *testing.F) {
	f.Add("*", "a/b")
	f.Add("%/%", "a/b")
	f.Add("a*%b*", "a//b")
	f.Fuzz(func(t *testing.T, pattern, name string) {
		if len(pattern) > 200 || len(name) > 200 || !utf8.ValidString(pattern) || !utf8.ValidString(name) {
			return
		}
		got, steps := wire.NewPattern(pattern, '/').Match(name)
		if want := matcher(pattern).MatchString(name); got != want {
			t.Errorf("%q for %q: got %v, want %v", pattern, name, got, want)
		}
		if steps > 3*(len(name)+1)*(len(name)+1) {
			t.Errorf("%q for %q: %d steps", pattern, name, steps)
		}
	})
}
