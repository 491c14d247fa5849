package interop

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/emersion/go-imap/v2"
)

// keys quotes what somebody types for mutt's push command.
func keys(s string) string { return `push "` + s + `"` }

// TestMuttReadsAndChanges lets mutt and neomutt open INBOX, search on the server,
// flag, save to another mailbox, delete and leave.
func TestMuttReadsAndChanges(t *testing.T) {
	t.Parallel()
	script := program(t, "script")
	for _, name := range []string{"mutt", "neomutt"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			mutt := program(t, name)
			s := serveSuite(t)
			for i := range 5 {
				s.receive(t, s.alice.Address, fmt.Sprintf("From: far@remote.test\r\nSubject: letter %d\r\nMessage-ID: <%d@remote.test>\r\n\r\nword%d\r\n", i, i, i), nil)
			}
			dir := t.TempDir()
			rc := filepath.Join(dir, "muttrc")
			text := fmt.Sprintf("set folder=\"imaps://%s@localhost:%s/\"\nset imap_pass=%q\nset spoolfile=+INBOX\nset certificate_file=%s\nset ssl_verify_host=no\nset ssl_usesystemcerts=no\nset header_cache=%s\nset confirmappend=no delete=yes quit=yes wait_key=no sleep_time=0 timeout=5 beep=no\nset save_name=no mark_old=no auto_tag=yes\nset imap_qresync=yes imap_idle=yes\n",
				strings.ReplaceAll(s.alice.Address, "@", "%40"), s.port("imaps"), s.alice.Password, s.cert, dir)
			if err := os.WriteFile(rc, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			// ~b with = is searched by the server. Each step is typed in the index.
			typed := "<tag-pattern>=b word3<enter><tag-prefix><save-message>=Archive<enter>" +
				"<limit>~s 'letter 1'<enter><flag-message><limit>all<enter>" +
				"<delete-pattern>~s 'letter 4'<enter><sync-mailbox><quit>"
			c := command(t, script, "-qec", mutt+" -n -F "+rc+" -e '"+strings.ReplaceAll(keys(typed), "'", `'\''`)+"'", "/dev/null")
			c.Env = append(os.Environ(), "TERM=xterm", "HOME="+dir, "LINES=40", "COLUMNS=120")
			if out, err := run(t, c); err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			want := map[string]string{"letter 0": "INBOX", "letter 1": `INBOX \Flagged`, "letter 2": "INBOX", "letter 3": "Archive"}
			if got := s.lies(t); !maps.Equal(got, want) {
				t.Errorf("got %v, want %v", got, want)
			}
		})
	}
}

// lies tells each message of alice by its subject: its mailbox and whether it is
// flagged.
func (s *suite) lies(t *testing.T) map[string]string {
	t.Helper()
	all := map[string]string{}
	c := s.imap(t, s.alice, "INBOX", nil)
	for _, box := range []string{"INBOX", "Archive", "Trash", "Sent"} {
		if _, err := c.Select(box, nil).Wait(); err != nil {
			t.Fatal(err)
		}
		list, err := c.Fetch(imap.SeqSet{{Start: 1, Stop: 0}}, &imap.FetchOptions{Envelope: true, Flags: true}).Collect()
		if err != nil {
			continue // no messages
		}
		for _, m := range list {
			all[m.Envelope.Subject] = box
			if slices.Contains(m.Flags, imap.FlagFlagged) {
				all[m.Envelope.Subject] += ` \Flagged`
			}
		}
	}
	return all
}

// TestOfflineIMAPBothWays keeps a Maildir tree and the account the same.
func TestOfflineIMAPBothWays(t *testing.T) {
	t.Parallel()
	offlineimap := program(t, "offlineimap")
	s := serveSuite(t)
	for i := range 20 {
		s.receive(t, s.alice.Address, fmt.Sprintf("From: far@remote.test\r\nSubject: letter %d\r\nMessage-ID: <%d@remote.test>\r\n\r\nhello\r\n", i, i), nil)
	}
	dir := t.TempDir()
	tree, rc := filepath.Join(dir, "mail"), filepath.Join(dir, "rc")
	if err := os.Mkdir(tree, 0o700); err != nil {
		t.Fatal(err)
	}
	text := fmt.Sprintf("[general]\naccounts = a\nmetadata = %s/meta\nui = basic\n[Account a]\nlocalrepository = near\nremoterepository = far\n[Repository near]\ntype = Maildir\nlocalfolders = %s\n[Repository far]\ntype = IMAP\nremotehost = localhost\nremoteport = %s\nremoteuser = %s\nremotepass = %s\nssl = yes\nsslcacertfile = %s\nexpunge = yes\n",
		dir, tree, s.port("imaps"), s.alice.Address, s.alice.Password, s.cert)
	if err := os.WriteFile(rc, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	sync := func() {
		t.Helper()
		c := command(t, offlineimap, "-c", rc, "-o")
		c.Env = append(os.Environ(), "HOME="+dir)
		if _, err := run(t, c); err != nil {
			t.Fatal(err)
		}
	}
	sync()
	if n := len(near(t, tree)); n != 20 {
		t.Fatalf("got %d messages after the first run, want 20", n)
	}
	// Changes on both sides: flagged here, moved there, new on both.
	files, err := filepath.Glob(filepath.Join(tree, "INBOX", "*", "*"))
	if err != nil {
		t.Fatal(err)
	}
	flagged := regexp.MustCompile(`(?m)^Subject: letter 7\r?$`)
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		if flagged.Match(text) {
			base, _, _ := strings.Cut(filepath.Base(f), ":2,")
			if err := os.Rename(f, filepath.Join(tree, "INBOX", "cur", base+":2,F")); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := os.WriteFile(filepath.Join(tree, "Archive", "new", "1700000000.M1P1.host"), []byte("From: a@example.test\nSubject: near\n\nhello\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	c := s.imap(t, s.alice, "INBOX", nil)
	if _, err := c.Move(imap.SeqSetNum(4), "Trash").Wait(); err != nil {
		t.Fatal(err)
	}
	sync()
	there, here := s.lies(t), near(t, tree)
	for subject, want := range map[string]string{"letter 7": `INBOX \Flagged`, "letter 3": "Trash", "near": "Archive"} {
		if there[subject] != want {
			t.Errorf("far %s: got %q, want %q", subject, there[subject], want)
		}
	}
	if len(there) != 21 || len(here) != 21 || !strings.HasPrefix(here["letter 3"], "Trash") {
		t.Errorf("got %d far and %d near, want 21 each; near letter 3: %q", len(there), len(here), here["letter 3"])
	}
}

// TestFetchmailByIMAP takes what is new and leaves it marked as read.
func TestFetchmailByIMAP(t *testing.T) {
	t.Parallel()
	fetchmail := program(t, "fetchmail")
	s := serveSuite(t)
	for i := range 3 {
		s.receive(t, s.alice.Address, fmt.Sprintf("From: far@remote.test\r\nSubject: letter %d\r\n\r\nhello\r\n", i), nil)
	}
	dir := t.TempDir()
	rc, box := filepath.Join(dir, "rc"), filepath.Join(dir, "box")
	text := fmt.Sprintf("set no bouncemail\npoll localhost protocol imap port %s user %q password %q ssl sslcertfile %q keep mda \"cat >>%s\"\n",
		s.port("imaps"), s.alice.Address, s.alice.Password, s.cert, box)
	if err := os.WriteFile(rc, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	c := command(t, fetchmail, "-f", rc, "--pidfile", filepath.Join(dir, "pid"), "--nosyslog")
	c.Env = append(os.Environ(), "HOME="+dir, "FETCHMAILHOME="+dir)
	if _, err := run(t, c); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(box)
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(string(got), "Subject: letter "); n != 3 {
		t.Errorf("got %d messages, want 3", n)
	}
	cl := s.imap(t, s.alice, "INBOX", nil)
	data, err := cl.UIDSearch(&imap.SearchCriteria{Flag: []imap.Flag{imap.FlagSeen}}, nil).Wait()
	if err != nil || len(data.AllUIDs()) != 3 {
		t.Errorf("got %v seen, %v, want all three", data, err)
	}
}
