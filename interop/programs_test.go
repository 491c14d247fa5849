package interop

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"
)

func TestCurlSendsReadsAndFetches(t *testing.T) {
	t.Parallel()
	curl := program(t, "curl")
	s := serveSuite(t)
	file := filepath.Join(t.TempDir(), "mail")
	if err := os.WriteFile(file, []byte(utf8Mail), 0o600); err != nil {
		t.Fatal(err)
	}
	do := func(args ...string) string {
		t.Helper()
		out, err := run(t, command(t, curl, append([]string{"-sS", "--cacert", s.cert}, args...)...))
		if err != nil {
			t.Fatal(err)
		}
		return string(out)
	}
	bob, alice := s.bob.Address+":"+s.bob.Password, s.alice.Address+":"+s.alice.Password
	mail := []string{"--mail-from", s.bob.Address, "--mail-rcpt", s.alice.Address, "-T", file}
	do(append(mail, "smtps://localhost:"+s.port("submissions"), "-u", bob)...)
	do(append(mail, "smtp://localhost:"+s.port("submission"), "--ssl-reqd", "-u", bob, "--login-options", "AUTH=LOGIN")...)
	do(append(mail, "smtp://localhost:"+s.port("smtp"), "--ssl-reqd")...)
	for i := range 3 {
		byIMAP := do(fmt.Sprintf("imaps://localhost:%s/INBOX;UID=%d", s.port("imaps"), i+1), "-u", alice)
		arrived(t, byIMAP, utf8Mail)
		if byPOP3 := do(fmt.Sprintf("pop3s://localhost:%s/%d", s.port("pop3s"), i+1), "-u", alice); byPOP3 != byIMAP {
			t.Errorf("message %d: POP3 and IMAP differ", i+1)
		}
	}
	base := "imap://localhost:" + s.port("imap")
	do("--ssl-reqd", base+"/Drafts", "-u", alice, "-T", file) // APPEND
	if got := do("--ssl-reqd", base+"/Drafts;UID=1", "-u", alice); got != utf8Mail {
		t.Errorf("appended: got %q", got)
	}
	if got := do("--ssl-reqd", base+"/INBOX?SUBJECT%20aus", "-u", alice); !strings.Contains(got, "* SEARCH 1 2 3") {
		t.Errorf("search: got %q", got)
	}
	if got := do("--ssl-reqd", base, "-u", alice, "-X", "STATUS INBOX (MESSAGES)"); !strings.Contains(got, `"INBOX" (MESSAGES 3)`) && !strings.Contains(got, "INBOX (MESSAGES 3)") {
		t.Errorf("status: got %q", got)
	}
}

// TestDemoCommandsWork runs the commands that the demo prints.
func TestDemoCommandsWork(t *testing.T) {
	t.Parallel()
	program(t, "curl")
	s := serveSuite(t)
	// The text names the ports of another run, so each is replaced by ours.
	text := demoText(t)
	doors := map[string]string{}
	for _, m := range regexp.MustCompile(`(?m)^  (\w+) +(\d+)$`).FindAllStringSubmatch(text, -1) {
		doors[m[2]] = m[1]
	}
	if len(doors) != len(s.Ports) {
		t.Fatalf("got ports %v in\n%s", doors, text)
	}
	commands := regexp.MustCompile(`(?m)^  .*curl .*$`).FindAllString(text, -1)
	if len(commands) != 3 {
		t.Fatalf("got %d commands, want 3:\n%s", len(commands), text)
	}
	for i, line := range commands {
		line = regexp.MustCompile(`127\.0\.0\.1:\d+`).ReplaceAllStringFunc(line, func(at string) string { return s.addr(doors[at[len("127.0.0.1:"):]]) })
		out, err := run(t, command(t, "/bin/sh", "-c", line))
		if err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		if i > 0 && !strings.Contains(string(out), "It works.") {
			t.Errorf("%s: got %q", line, out)
		}
	}
}

// demoText is what the demo prints for people.
func demoText(t *testing.T) string {
	t.Helper()
	c := exec.CommandContext(t.Context(), mailstead, "demo", "--port-base", "0")
	c.Cancel = func() error { return c.Process.Signal(os.Interrupt) }
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	var text strings.Builder
	buf := make([]byte, 4096)
	for !regexp.MustCompile(`curl -s pop3://.*\n`).MatchString(text.String()) {
		n, err := out.Read(buf)
		text.Write(buf[:n])
		if err != nil {
			t.Fatalf("demo ended: %v\n%s", err, text.String())
		}
	}
	if err := errors.Join(c.Process.Signal(os.Interrupt), c.Wait()); err != nil {
		t.Errorf("Ctrl-C: %v", err)
	}
	return text.String()
}

func TestSwaks(t *testing.T) {
	t.Parallel()
	swaks := program(t, "swaks")
	s := serveSuite(t)
	for _, c := range []struct {
		name, door string
		args       []string
		code       int // of swaks: 24 is RCPT refused, 28 no login
	}{
		{"reception", "smtp", []string{"-f", "x@example.org"}, 0},
		{"reception with TLS", "smtp", []string{"-f", "x@example.org", "--tls"}, 0},
		{"bounce", "smtp", []string{"-f", "<>"}, 0},
		{"unknown", "smtp", []string{"-f", "x@example.org", "-t", "nobody@example.test"}, 24},
		{"relay", "smtp", []string{"-f", "x@example.org", "-t", "nobody@example.com"}, 24},
		{"submission", "submission", []string{"-f", s.bob.Address, "--tls", "-a", "PLAIN", "-au", s.bob.Address, "-ap", s.bob.Password}, 0},
		{"submission, LOGIN", "submissions", []string{"-f", s.bob.Address, "--tls-on-connect", "-a", "LOGIN", "-au", s.bob.Address, "-ap", s.bob.Password}, 0},
		{"wrong password", "submission", []string{"-f", s.bob.Address, "--tls", "-a", "PLAIN", "-au", s.bob.Address, "-ap", "wrong"}, 28},
		{"attachment, pipelined", "smtp", []string{"-f", "x@example.org", "--attach", "@/proc/self/cmdline", "--pipeline"}, 0},
	} {
		args := append([]string{"--server", "127.0.0.1", "--port", s.port(c.door), "-t", s.alice.Address, "--tls-verify", "--tls-ca-path", s.cert, "--timeout", "30"}, c.args...)
		if !slices.Contains(c.args, "--tls") && !slices.Contains(c.args, "--tls-on-connect") {
			args = slices.DeleteFunc(args, func(a string) bool { return strings.HasPrefix(a, "--tls") || a == s.cert })
		}
		out, err := run(t, command(t, swaks, args...))
		code := 0
		if exit, ok := errors.AsType[*exec.ExitError](err); ok {
			code = exit.ExitCode()
		} else if err != nil {
			t.Fatal(err)
		}
		if code != c.code {
			t.Errorf("%s: got exit code %d, want %d:\n%s%v", c.name, code, c.code, out, err)
		}
	}
	if n := len(fetchAll(t, s.imap(t, s.alice, "INBOX", nil))); n != 6 {
		t.Errorf("got %d messages, want 6", n)
	}
}

func TestFetchmailEmptiesTheMaildrop(t *testing.T) {
	t.Parallel()
	fetchmail := program(t, "fetchmail")
	s := serveSuite(t)
	const many = 20
	for i := range many {
		s.receive(t, s.alice.Address, fmt.Sprintf("Subject: %d\r\n\r\n.\r\nmail %d\r\n", i, i), nil)
	}
	inbox := newSeen()
	idle, err := s.imap(t, s.alice, "INBOX", inbox.handler()).Idle()
	if err != nil {
		t.Fatal(err)
	}
	home := t.TempDir()
	rc, box := filepath.Join(home, "rc"), filepath.Join(home, "box")
	text := fmt.Sprintf("set no bouncemail\nset invisible\npoll localhost service %s protocol pop3 uidl\n  user %q password %q\n  ssl sslcertfile %q sslcertck\n  fetchall nokeep no rewrite mda \"cat >> %s\"\n",
		s.port("pop3s"), s.alice.Address, s.alice.Password, s.cert, box)
	if err := os.WriteFile(rc, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	c := command(t, fetchmail, "-f", rc, "--nodetach", "--nosyslog", "--pidfile", filepath.Join(home, "pid"))
	c.Env = append(os.Environ(), "HOME="+home, "FETCHMAILHOME="+home, "LC_ALL=C")
	if _, err := run(t, c); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(box)
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(string(got), "\nmail "); n != many {
		t.Errorf("got %d mails, want %d", n, many)
	}
	for i := range many {
		inbox.want(t, fmt.Sprintf("EXPUNGE %d", many-i))
	}
	if err := idle.Close(); err != nil {
		t.Error(err)
	}
}

// far tells each message of an account by its subject: where it is, with flags.
func far(t *testing.T, c *imapclient.Client) map[string]string {
	t.Helper()
	all := map[string]string{}
	boxes, err := c.List("", "*", nil).Collect()
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range boxes {
		if _, err := c.Select(b.Mailbox, &imap.SelectOptions{ReadOnly: true}).Wait(); err != nil {
			t.Fatal(err)
		}
		list, err := c.Fetch(imap.SeqSet{{Start: 1, Stop: 0}}, &imap.FetchOptions{Envelope: true, Flags: true, UID: true}).Collect()
		if err != nil && c.Mailbox().NumMessages > 0 {
			t.Fatal(err)
		}
		for _, m := range list {
			flags := slices.DeleteFunc(m.Flags, func(f imap.Flag) bool { return f == `\Recent` })
			slices.Sort(flags)
			key := m.Envelope.Subject
			if all[key] != "" {
				t.Errorf("%q is there twice", key)
			}
			all[key] = fmt.Sprintf("%s %d %v", b.Mailbox, m.UID, flags)
		}
	}
	return all
}

// near tells each message file of the Maildir tree by its subject: its
// mailbox and its flags.
func near(t *testing.T, dir string) map[string]string {
	t.Helper()
	all := map[string]string{}
	subject := regexp.MustCompile(`(?m)^Subject: (.*?)\r?$`)
	for _, sub := range []string{"cur", "new"} {
		files, err := filepath.Glob(filepath.Join(dir, "*", sub, "*"))
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			text, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			_, flags, _ := strings.Cut(filepath.Base(f), ":2,")
			box := filepath.Base(filepath.Dir(filepath.Dir(f)))
			all[subject.FindStringSubmatch(string(text))[1]] = box + " " + flags
		}
	}
	return all
}

func TestMbsyncBothWays(t *testing.T) {
	t.Parallel()
	mbsync := program(t, "mbsync")
	s := serveSuite(t)
	c := s.imap(t, s.alice, "INBOX", nil)
	const many = 300
	for i := range many {
		box := []string{"INBOX", "INBOX", "Archive", "Sent"}[i%4]
		text := fmt.Sprintf("From: b@example.test\r\nSubject: far-%d\r\nMessage-ID: <%d@example.test>\r\n\r\n%s\r\n", i, i, strings.Repeat("ä", i))
		cmd := c.Append(box, int64(len(text)), nil)
		if _, err := cmd.Write([]byte(text)); err != nil {
			t.Fatal(err)
		}
		if err := cmd.Close(); err != nil {
			t.Fatal(err)
		}
		if _, err := cmd.Wait(); err != nil {
			t.Fatal(err)
		}
	}
	dir := t.TempDir()
	tree, rc := filepath.Join(dir, "mail"), filepath.Join(dir, "mbsyncrc")
	if err := os.Mkdir(tree, 0o700); err != nil {
		t.Fatal(err)
	}
	text := fmt.Sprintf("IMAPAccount demo\nHost localhost\nPort %s\nUser %s\nPass %q\nSSLType IMAPS\nCertificateFile %s\n\nIMAPStore far\nAccount demo\n\nMaildirStore near\nPath %s/\nInbox %s/INBOX\nSubFolders Verbatim\n\nChannel all\nFar :far:\nNear :near:\nPatterns *\nCreate Both\nExpunge Both\nSyncState *\n",
		s.port("imaps"), s.alice.Address, s.alice.Password, s.cert, tree, tree)
	if err := os.WriteFile(rc, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	sync := func() {
		t.Helper()
		if _, err := run(t, command(t, mbsync, "-c", rc, "-a")); err != nil {
			t.Fatal(err)
		}
	}
	sync()
	if n := len(near(t, tree)); n != many {
		t.Fatalf("got %d messages after the first run, want %d", n, many)
	}
	unchanged := func() {
		t.Helper()
		h, f := near(t, tree), far(t, c)
		sync()
		if got := near(t, tree); !maps.Equal(got, h) {
			t.Errorf("a run with nothing to do changed files: got %v, want %v", got, h)
		}
		if got := far(t, c); !maps.Equal(got, f) {
			t.Errorf("a run with nothing to do changed the server: got %v, want %v", got, f)
		}
	}
	unchanged()

	// Changes on both sides: new, flagged, deleted.
	changeNear(t, tree)
	if _, err := c.Select("INBOX", nil).Wait(); err != nil {
		t.Fatal(err)
	}
	if err := c.Store(imap.SeqSetNum(3), &imap.StoreFlags{Op: imap.StoreFlagsAdd, Flags: []imap.Flag{imap.FlagFlagged}}, nil).Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Move(imap.SeqSetNum(4), "Trash").Wait(); err != nil {
		t.Fatal(err)
	}
	s.receive(t, s.alice.Address, "Subject: far-new\r\n\r\n", nil)
	sync()
	here, there := near(t, tree), far(t, c)
	for subject, want := range map[string]string{"near-new": "Archive ", "far-new": "INBOX ", "far-4": "INBOX F", "far-5": "Trash ", "far-8": "INBOX FS"} {
		if here[subject] != want {
			t.Errorf("near %s: got %q, want %q", subject, here[subject], want)
		}
	}
	for subject, want := range map[string]string{"near-new": "Archive 76 []", "far-8": `INBOX 5 [\Flagged \Seen]`, "far-9": "", "far-5": "Trash 1 []"} {
		if there[subject] != want {
			t.Errorf("far %s: got %q, want %q", subject, there[subject], want)
		}
	}
	if len(here) != many+1 || len(there) != many+1 {
		t.Errorf("got %d messages near and %d far, want %d", len(here), len(there), many+1)
	}
	unchanged()
}

// changeNear adds a message, flags far-8 and deletes far-9.
func changeNear(t *testing.T, tree string) {
	t.Helper()
	err := os.WriteFile(filepath.Join(tree, "Archive", "new", "1700000000.M1P1.host"), []byte("From: a@example.test\nSubject: near-new\n\nhello\n"), 0o600)
	if err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(tree, "INBOX", "*", "*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			continue // not a message
		}
		base, _, _ := strings.Cut(filepath.Base(f), ":2,")
		to := filepath.Join(tree, "INBOX", "cur", base)
		switch {
		case strings.Contains(string(text), "\nSubject: far-8\n"), strings.Contains(string(text), "\nSubject: far-8\r\n"):
			err = os.Rename(f, to+":2,FS")
		case strings.Contains(string(text), "\nSubject: far-9\n"), strings.Contains(string(text), "\nSubject: far-9\r\n"):
			err = os.Remove(f)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}
