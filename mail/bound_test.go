package mail

import (
	"bytes"
	"runtime"
	"strings"
	"testing"

	"mailstead/internal/mailtest"
)

// What one message may take, beside its own bytes: maxTaken of memory all in
// all for each byte of it and a base, maxPacked of the index.
const (
	maxTakenBase    = 4 << 20
	maxTakenPerByte = 40
	maxPacked       = 5 << 20
)

// TestOddMessagesTakeBoundedMemory parses the corpus and counts what that takes.
// It is not parallel: it counts what is allocated.
func TestOddMessagesTakeBoundedMemory(t *testing.T) {
	var before, after runtime.MemStats
	for _, msg := range mailtest.Corpus() {
		runtime.ReadMemStats(&before)
		m := parseString(t, msg.Text)
		runtime.ReadMemStats(&after)
		if taken, most := after.TotalAlloc-before.TotalAlloc, uint64(maxTakenBase+maxTakenPerByte*len(msg.Text)); taken > most {
			t.Errorf("%s: %d bytes allocated for %d, want at most %d", msg.Name, taken, len(msg.Text), most)
		}
		packed := AppendMessage(nil, m)
		if len(packed) > maxPacked {
			t.Errorf("%s: %d bytes packed, want at most %d", msg.Name, len(packed), maxPacked)
		}
		checkParts(t, m.Root, 0, int64(len(msg.Text)))
		back, err := DecodeMessage(packed)
		if err != nil {
			t.Fatalf("%s: %v", msg.Name, err)
		}
		if !bytes.Equal(AppendMessage(nil, back), packed) {
			t.Errorf("%s: got another description after packing", msg.Name)
		}
	}
}

func TestDescriptionOfPartsIsBounded(t *testing.T) {
	t.Parallel()
	part := "--x\nContent-Type: text/plain; name=\"" + strings.Repeat("n", 10000) + "\"\nContent-ID: <i>\n\na\n"
	const root = weightOfPart + weightOfParam + len("boundaryx")
	const partsThatFit = (maxDescription - root) / (weightOfPart + weightOfParam + len("name") + 10000 + len("<i>"))
	for _, tc := range []struct {
		name  string
		parts int
		whole bool
	}{
		{"at the limit", partsThatFit, true},
		{"beyond the limit", partsThatFit + 1, false},
	} {
		m := parseString(t, mixed+strings.Repeat(part, tc.parts)+"--x--\n")
		if got := len(m.Root.Children); got != tc.parts {
			t.Fatalf("%s: got %d parts, want %d", tc.name, got, tc.parts)
		}
		last := m.Root.Children[tc.parts-1]
		if got := last.ID != "" && param(last.Params, "name") != ""; got != tc.whole {
			t.Errorf("%s: got the last part described: %v, want %v", tc.name, got, tc.whole)
		}
		if last.Type != "text" || last.Subtype != "plain" || last.End-last.BodyStart != 1 {
			t.Errorf("%s: got %s/%s of %d bytes, want text/plain of 1", tc.name, last.Type, last.Subtype, last.End-last.BodyStart)
		}
	}
}

func TestTokensAreBounded(t *testing.T) {
	t.Parallel()
	for n, want := range map[int]string{maxToken: strings.Repeat("t", maxToken), maxToken + 1: "plain"} {
		m := parseString(t, "Content-Type: text/"+strings.Repeat("t", n)+"\n\na\n")
		if m.Root.Subtype != want {
			t.Errorf("%d characters: got %q, want %q", n, m.Root.Subtype, want)
		}
	}
}
