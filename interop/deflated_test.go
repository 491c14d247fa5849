package interop

import (
	"strings"
	"testing"

	"github.com/emersion/go-imap/v2"
)

// TestPythonDeflated speaks MULTIAPPEND, CATENATE and REPLACE with literals that
// wait, over a connection that zlib compresses with partial, full and sync
// flushes (RFC 4978 §4).
func TestPythonDeflated(t *testing.T) {
	t.Parallel()
	python := program(t, "python3")
	s := serveSuite(t)
	out, err := run(t, command(t, python, "testdata/deflated.py", "localhost", s.port("imaps"), s.cert, s.alice.Address, s.alice.Password))
	if err != nil || !strings.Contains(string(out), "done") {
		t.Fatalf("%v\n%s", err, out)
	}
	c := s.imap(t, s.alice, "Deflated1", nil)
	if got := fetchAll(t, c); len(got) != 4 || !strings.HasPrefix(got[3], "Subject: two") {
		t.Errorf("got %d messages", len(got))
	}
	if list, err := c.List("", "Deflated*", &imap.ListOptions{ReturnStatus: &imap.StatusOptions{NumMessages: true}}).Collect(); err != nil || len(list) != 3 {
		t.Errorf("got %d mailboxes, %v", len(list), err)
	}
}
