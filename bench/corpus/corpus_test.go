package corpus

import (
	"bytes"
	"net/mail"
	"testing"
)

func TestMessagesHaveTheMeanAskedFor(t *testing.T) {
	t.Parallel()
	for _, mean := range []int{4 << 10, 32 << 10} {
		c := New(mean)
		var sum int64
		for i := range pool {
			sum += c.Size(i)
		}
		if got := int(sum / pool); got < mean*97/100 || got > mean*103/100 {
			t.Errorf("mean of %d: got %d", mean, got)
		}
	}
}

func TestMessagesAreMailAndDiffer(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]*Corpus{"mean": New(32 << 10), "fixed": Fixed(2048)} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			first := c.Append(nil, 7)
			if got := int64(len(first)); got != c.Size(7) {
				t.Errorf("size: got %d, want %d", c.Size(7), got)
			}
			if bytes.Contains(first, []byte("\n.")) {
				t.Error("a line begins with a dot")
			}
			if bytes.Count(first, []byte("\n")) != bytes.Count(first, []byte("\r\n")) || !bytes.HasSuffix(first, []byte("\r\n")) {
				t.Error("a line does not end with CR LF")
			}
			m, err := mail.ReadMessage(bytes.NewReader(first))
			if err != nil {
				t.Fatal(err)
			}
			if _, err := m.Header.Date(); err != nil {
				t.Error(err)
			}
			if again := c.Append(nil, 7+pool); bytes.Equal(first, again) {
				t.Error("two serials give the same message")
			}
		})
	}
}
