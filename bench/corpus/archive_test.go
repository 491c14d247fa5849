package corpus

import (
	"bytes"
	"net/mail"
	"strings"
	"testing"
)

func TestArchiveIsMailOfTheSizeItTells(t *testing.T) {
	t.Parallel()
	const n = 2 * pool
	a := NewArchive(8 << 10)
	var sum int64
	ids, refs := map[string]bool{}, 0
	for i := range n {
		text := a.Append(nil, i)
		sum += int64(len(text))
		if bytes.Contains(text, []byte("\n.")) || bytes.Count(text, []byte("\n")) != bytes.Count(text, []byte("\r\n")) {
			t.Fatalf("message %d: a line begins with a dot or does not end with CR LF", i)
		}
		m, err := mail.ReadMessage(bytes.NewReader(text))
		if err != nil {
			t.Fatalf("message %d: %v", i, err)
		}
		if _, err := m.Header.Date(); err != nil {
			t.Errorf("message %d: %v", i, err)
		}
		if _, err := m.Header.AddressList("From"); err != nil {
			t.Errorf("message %d: %v", i, err)
		}
		for _, id := range strings.Fields(m.Header.Get("References")) {
			refs++
			if !ids[id] {
				t.Errorf("message %d refers to %s, which is no earlier one", i, id)
			}
		}
		ids[m.Header.Get("Message-ID")] = true
	}
	if sum != a.Size(n) {
		t.Errorf("size: got %d, want %d", a.Size(n), sum)
	}
	if mean := sum / n; mean < 7<<10 || mean > 9<<10 {
		t.Errorf("mean: got %d, want about 8192", mean)
	}
	if len(ids) != n || refs < n {
		t.Errorf("got %d different Message-IDs and %d references, want %d and more than that", len(ids), refs, n)
	}
}

func TestArchiveHasTheWordsItCounts(t *testing.T) {
	t.Parallel()
	const n = 2100
	a := NewArchive(4 << 10)
	words := map[string]Word{
		"Subject: ": RareSubject(), "Subject:": CommonSubject(), "From: ": RareSender(), "From:": CommonSender(), "": RareBody(), " ": RareText(),
	}
	got := map[string]int{}
	for i := range n {
		text := strings.ToLower(string(a.Append(nil, i)))
		for field, w := range words {
			where := text
			if name := strings.ToLower(strings.TrimSpace(field)); name != "" {
				_, where, _ = strings.Cut(text, "\r\n"+name)
				where, _, _ = strings.Cut(where, "\r\n")
			}
			if strings.Contains(where, w.Text) {
				got[w.Text]++
			}
		}
	}
	for _, w := range words {
		if want := w.Count(n); got[w.Text] != want || want == 0 {
			t.Errorf("%s: got %d, want %d and more than none", w.Text, got[w.Text], want)
		}
	}
}
