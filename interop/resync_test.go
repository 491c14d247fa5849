package interop

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/emersion/go-imap/v2"
)

// TestMuttResynchronises opens INBOX twice with mutt, which keeps headers and
// asks, with QRESYNC enabled, what has changed between: a message is gone, one has another
// flag, one is new.
func TestMuttResynchronises(t *testing.T) {
	t.Parallel()
	script, mutt := program(t, "script"), program(t, "mutt")
	s := serveSuite(t)
	send := func(n int) {
		t.Helper()
		s.receive(t, s.alice.Address, fmt.Sprintf("From: far@remote.test\r\nSubject: letter %d\r\nMessage-ID: <%d@remote.test>\r\n\r\nword\r\n", n, n), nil)
	}
	for n := range 5 {
		send(n)
	}
	dir := t.TempDir()
	rc := filepath.Join(dir, "muttrc")
	text := fmt.Sprintf("set folder=\"imaps://%s@localhost:%s/\"\nset imap_pass=%q\nset spoolfile=+INBOX\nset certificate_file=%s\nset ssl_verify_host=no\nset ssl_usesystemcerts=no\nset header_cache=%s\nset confirmappend=no delete=yes quit=yes wait_key=no sleep_time=0 timeout=5 beep=no\nset save_name=no mark_old=no auto_tag=yes\nset imap_qresync=yes\n",
		strings.ReplaceAll(s.alice.Address, "@", "%40"), s.port("imaps"), s.alice.Password, s.cert, dir)
	if err := os.WriteFile(rc, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	visit := func(typed string) (log string) {
		t.Helper()
		c := command(t, script, "-qec", mutt+" -d 3 -n -F "+rc+" -e '"+strings.ReplaceAll(keys(typed), "'", `'\''`)+"'", "/dev/null")
		c.Env = append(os.Environ(), "TERM=xterm", "HOME="+dir, "LINES=40", "COLUMNS=120")
		if out, err := run(t, c); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		text, err := os.ReadFile(filepath.Join(dir, ".muttdebug0"))
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	visit("<quit>")
	c := s.imap(t, s.alice, "INBOX", nil)
	if err := c.Store(imap.SeqSetNum(2), &imap.StoreFlags{Op: imap.StoreFlagsAdd, Flags: []imap.Flag{imap.FlagFlagged}}, nil).Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Move(imap.SeqSetNum(4), "Trash").Wait(); err != nil {
		t.Fatal(err)
	}
	send(5)
	// What it has learnt decides what it does: the flagged one and the new one
	// are moved, and the last message that it counts.
	log := visit("<tag-pattern>~F|~s 'letter 5'<enter><tag-prefix><save-message>=Archive<enter><last-entry><flag-message><sync-mailbox><quit>")
	for _, want := range []string{"CHANGEDSINCE", "VANISHED (EARLIER) 4"} {
		if !strings.Contains(log, want) {
			t.Errorf("the second visit has no %q:\n%s", want, log)
		}
	}
	want := map[string]string{"letter 0": "INBOX", "letter 1": `Archive \Flagged`, "letter 2": "INBOX", "letter 3": "Trash", "letter 4": "INBOX", "letter 5": "Archive"}
	got := s.lies(t)
	for subject := range got {
		if subject == "letter 4" {
			got[subject] = strings.TrimSuffix(got[subject], ` \Flagged`)
		}
	}
	if !maps.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}
