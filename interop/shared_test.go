package interop

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/emersion/go-imap/v2"
)

// TestMbsyncSharedMailbox synchronizes a mailbox of alice's as bob, to whom she
// gives rights with go-imap's client, and takes some back.
func TestMbsyncSharedMailbox(t *testing.T) {
	t.Parallel()
	mbsync := program(t, "mbsync")
	s := serveSuite(t)
	c := s.imap(t, s.alice, "INBOX", nil)
	share := func(rights string) {
		t.Helper()
		if err := c.SetACL("INBOX", imap.RightsIdentifier(s.bob.Address), imap.RightModificationReplace, imap.RightSet(rights)).Wait(); err != nil {
			t.Fatal(err)
		}
	}
	share("lrswite")
	for i := range 3 {
		s.receive(t, s.alice.Address, fmt.Sprintf("Subject: far-%d\r\n\r\n", i), nil)
	}
	dir := t.TempDir()
	tree, rc := filepath.Join(dir, "mail"), filepath.Join(dir, "mbsyncrc")
	if err := os.Mkdir(tree, 0o700); err != nil {
		t.Fatal(err)
	}
	text := fmt.Sprintf("IMAPAccount demo\nHost localhost\nPort %s\nUser %s\nPass %q\nSSLType IMAPS\nCertificateFile %s\n\nIMAPStore far\nAccount demo\nPathDelimiter /\n\nMaildirStore near\nPath %s/\nInbox %s/INBOX\nSubFolders Verbatim\n\nChannel all\nFar :far:\nNear :near:\nPatterns Shared/*\nCreate Both\nExpunge Both\nSyncState *\n",
		s.port("imaps"), s.bob.Address, s.bob.Password, s.cert, tree, tree)
	if err := os.WriteFile(rc, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	sync := func() error {
		_, err := run(t, command(t, mbsync, "-c", rc, "-a"))
		return err
	}
	if err := sync(); err != nil {
		t.Fatal(err)
	}
	box := filepath.Join(tree, "Shared", s.alice.Address, "INBOX")
	files, err := filepath.Glob(filepath.Join(box, "[cn][ue][rw]", "*"))
	if err != nil || len(files) != 3 {
		t.Fatalf("got %d messages, %v, want 3", len(files), err)
	}
	flagged := filepath.Join(box, "cur", strings.SplitN(filepath.Base(files[0]), ":", 2)[0]+":2,FS")
	fresh := filepath.Join(box, "new", "1.near.x")
	if err := os.Rename(files[0], flagged); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(files[1]); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(fresh, []byte("Subject: near\n\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := sync(); err != nil {
		t.Fatal(err)
	}
	st, err := c.Status("INBOX", &imap.StatusOptions{NumMessages: true, NumUnseen: true}).Wait()
	if err != nil || *st.NumMessages != 3 || *st.NumUnseen != 2 {
		t.Errorf("alice has %+v, %v, want 3 messages, 2 unseen", st, err)
	}
	share("lr")
	left, err := filepath.Glob(filepath.Join(box, "*", "*:2,*S"))
	if err != nil || len(left) == 0 {
		t.Fatalf("no message that was seen: %v, %v", left, err)
	}
	if err := os.Remove(left[0]); err != nil {
		t.Fatal(err)
	}
	if err := sync(); err != nil {
		t.Logf("expunge of what bob may only read: %v", err) // mbsync goes on, or tells
	}
	if st, err = c.Status("INBOX", &imap.StatusOptions{NumMessages: true}).Wait(); err != nil || *st.NumMessages != 3 {
		t.Errorf("alice has %+v, %v, want 3 messages", st, err)
	}
}
