package archtest

import (
	"os"
	"path/filepath"
	"regexp"
	"testing"
)

// TestCitedRFCsAreListed keeps docs/rfcs.md complete: what the code cites has a
// row with its state.
func TestCitedRFCsAreListed(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(filepath.Join("..", "..", "docs", "rfcs.md"))
	if err != nil {
		t.Fatal(err)
	}
	listed := map[string]bool{}
	for _, m := range regexp.MustCompile(`(?m)^\| (\d{3,5}) \|`).FindAllStringSubmatch(string(text), -1) {
		listed[m[1]] = true
	}
	if len(listed) < 20 {
		t.Fatalf("docs/rfcs.md: found %d rows, want the whole table", len(listed))
	}
	cite := regexp.MustCompile(`RFC (\d{3,5})`)
	for _, s := range sources(t) {
		for _, group := range s.file.Comments {
			for _, m := range cite.FindAllStringSubmatch(group.Text(), -1) {
				if !listed[m[1]] {
					t.Errorf("%s:%d: RFC %s is not in docs/rfcs.md", s.path, s.line(group.Pos()), m[1])
					listed[m[1]] = true // once is enough
				}
			}
		}
	}
}
