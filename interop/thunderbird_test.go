package interop

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"
)

// freePort gives a port nobody listens on.
func freePort(t *testing.T) int {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	return ln.Addr().(*net.TCPAddr).Port
}

// background starts a program that runs until the test ends.
func background(t *testing.T, c *exec.Cmd) {
	t.Helper()
	c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = syscall.Kill(-c.Process.Pid, syscall.SIGTERM) // may have ended
		ended := make(chan struct{})
		go func() { _ = c.Wait(); close(ended) }() // ended by a signal
		select {
		case <-ended:
		case <-time.After(20 * time.Second):
			_ = syscall.Kill(-c.Process.Pid, syscall.SIGKILL)
			<-ended
		}
	})
}

// xvfb starts a display without a screen and gives its name.
func xvfb(t *testing.T) string {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	c := exec.Command(program(t, "Xvfb"), "-displayfd", "3", "-screen", "0", "1280x900x24", "-nolisten", "tcp")
	c.ExtraFiles = []*os.File{w}
	background(t, c)
	_ = w.Close() // Xvfb has it
	var n int
	if _, err := fmt.Fscan(r, &n); err != nil {
		t.Fatalf("Xvfb names no display: %v", err)
	}
	return fmt.Sprintf(":%d", n)
}

// thunderbird starts Thunderbird with a new profile that trusts the suite's
// certificate.
func (s *suite) thunderbird(t *testing.T) *marionette {
	t.Helper()
	dir := t.TempDir()
	profile, home := filepath.Join(dir, "profile"), filepath.Join(dir, "home")
	for _, d := range []string{profile, home} {
		if err := os.Mkdir(d, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	prefs, err := os.ReadFile(filepath.Join("testdata", "thunderbird", "user.js"))
	if err != nil {
		t.Fatal(err)
	}
	port := freePort(t)
	prefs = fmt.Appendf(prefs, "user_pref(\"marionette.port\", %d);\n", port)
	if err := os.WriteFile(filepath.Join(profile, "user.js"), prefs, 0o600); err != nil {
		t.Fatal(err)
	}
	certutil := program(t, "certutil")
	for _, args := range [][]string{{"-N", "--empty-password"}, {"-A", "-n", "mailstead", "-t", "CP,CP,", "-i", s.cert}} {
		if _, err := run(t, command(t, certutil, append(args, "-d", "sql:"+profile)...)); err != nil {
			t.Fatal(err)
		}
	}
	c := exec.Command(program(t, "thunderbird"), "--profile", profile, "--marionette", "--remote-allow-system-access", "--no-remote")
	c.Env = append(os.Environ(), "HOME="+home, "DISPLAY="+xvfb(t))
	background(t, c)
	shots := os.Getenv("MAILSTEAD_SCREENSHOTS")
	if shots == "" {
		shots = t.TempDir()
	}
	return dialMarionette(t, port, shots)
}

// TestThunderbird lets Thunderbird add the account, open an INBOX of 5,000
// messages, search, flag, move and be told of new mail. It takes a minute and a
// big program, so it runs only when asked for: make thunderbird. With
// MAILSTEAD_SCREENSHOTS, a directory, pictures of the window are left there.
func TestThunderbird(t *testing.T) {
	if os.Getenv("MAILSTEAD_THUNDERBIRD") == "" {
		t.Skip("runs with MAILSTEAD_THUNDERBIRD=1")
	}
	s := serveSuite(t)
	const many = 5000
	s.fill(t, many)
	tb := s.thunderbird(t)

	var folders []string
	tb.run("account", &folders, s.alice.Address, s.alice.Password, s.Ports["imaps"], s.Ports["submissions"])
	for _, want := range []string{"Archive", "Drafts", "INBOX", "Junk", "Sent", "Trash"} {
		if !slices.Contains(folders, want) {
			t.Errorf("got folders %v, want %s among them", folders, want)
		}
	}
	var listed int
	tb.run("open", &listed, many)
	tb.screenshot("1-inbox")

	var found []string
	tb.run("search", &found, "Body", "zymurgy")
	if want := []string{"Message 4321 about the weather"}; !slices.Equal(found, want) {
		t.Errorf("search of bodies found %q, want %q", found, want)
	}
	tb.run("search", &found, "Subject", "HARVEST")
	if len(found) != many/500 {
		t.Errorf("search of subjects found %d, want %d: %q", len(found), many/500, found)
	}
	var flagged, moved []string
	tb.run("flag", &flagged, 3)
	tb.run("move", &moved, 10, 3, "Archive")
	tb.screenshot("2-moved")
	var pushed bool
	tb.run("listen", &pushed)
	s.receive(t, s.alice.Address, "From: far@remote.test\r\nSubject: pushed to you\r\n\r\nhello\r\n", nil)
	tb.run("pushed", &pushed, "pushed to you")
	tb.screenshot("3-pushed")

	c := s.imap(t, s.alice, "INBOX", nil)
	eventually(t, "flags of Thunderbird", func() bool {
		list, err := c.UIDSearch(&imap.SearchCriteria{Flag: []imap.Flag{imap.FlagFlagged, imap.FlagSeen}}, nil).Wait()
		return err == nil && len(list.AllUIDs()) == len(flagged)
	})
	if _, err := c.Select("Archive", nil).Wait(); err != nil {
		t.Fatal(err)
	}
	for _, text := range fetchAll(t, c) {
		if !slices.ContainsFunc(moved, func(subject string) bool { return strings.Contains(text, "Subject: "+subject+"\r\n") }) {
			t.Errorf("Archive has a message that was not moved: %q", text)
		}
	}
}

// fill puts messages into alice's INBOX by the import verb, through the running
// server.
func (s *suite) fill(t *testing.T, many int) {
	t.Helper()
	var b strings.Builder
	for i := range many {
		about, body := "weather", "nothing"
		if i%500 == 7 {
			about = "harvest"
		}
		if i == 4321 {
			body = "zymurgy"
		}
		at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC).Add(time.Duration(i) * time.Minute)
		fmt.Fprintf(&b, "From x@example.test %s\nFrom: Person %d <p%d@example.test>\nTo: %s\nSubject: Message %d about the %s\nDate: %s\nMessage-ID: <%d@example.test>\n\nBody of %d: %s\n\n",
			at.Format(time.ANSIC), i%40, i%40, s.alice.Address, i, about, at.Format(time.RFC1123Z), i, i, body)
	}
	file := filepath.Join(t.TempDir(), "many.mbox")
	if err := os.WriteFile(file, []byte(b.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := run(t, command(t, mailstead, "import", s.alice.Address, file, "--mailbox", "INBOX", "--dir", s.dir)); err != nil {
		t.Fatal(err)
	}
}

// eventually waits until ok says so.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), clientTimeout)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-ctx.Done():
			t.Fatalf("waited in vain for %s", what)
		case <-tick.C:
		}
	}
}
