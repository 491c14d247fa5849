package imapd

import (
	"fmt"
	"io"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"mailstead/internal/faultfs"
	"mailstead/internal/spool"
	"mailstead/mail"
	"mailstead/storage"
	"mailstead/storage/storagetest"
)

// TestAppendWhenTheSpoolFails fails every operation of the spool in turn: the
// literal is read to its end, the answer is temporary, the session goes on.
func TestAppendWhenTheSpoolFails(t *testing.T) {
	t.Parallel()
	for _, cause := range []error{unix.ENOSPC, unix.EIO} {
		t.Run(cause.Error(), func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			fsys, err := faultfs.New(dir)
			if err != nil {
				t.Fatal(err)
			}
			s := newSuite(t, func(o *Options) { o.Spool = spool.Dir{Path: dir, MemoryLimit: 4 << 10, FS: fsys} })
			sc := s.login()
			sc.ok("SELECT INBOX")
			text := crlf("Subject: big\n\n" + strings.Repeat(strings.Repeat("x", 98)+"\n", 1000))
			literal := fmt.Sprintf("APPEND INBOX {%d+}\r\n%s", len(text), text)
			for k := range 3 { // the file, what was in memory, the first write of the rest
				in := fsys.Inject(faultfs.Fault{At: k + 1, Err: cause})
				if got := sc.answers(literal, "NO [UNAVAILABLE] "); len(got) != 0 {
					t.Errorf("operation %d: got %q", k+1, got)
				}
				if len(in.Fired()) != 1 {
					t.Fatalf("operation %d: the message did not come to it", k+1)
				}
				in.Stop()
			}
			stop := fsys.FailReads(faultfs.ReadFault{})
			sc.answers(literal, "NO [UNAVAILABLE] ")
			stop()
			sc.answers(literal, "OK [APPENDUID ")
			sc.says("SEARCH ALL", "* SEARCH 1")
		})
	}
}

// TestDamagedMessageIsLeftOut: one body that is not what was stored spoils the
// answer for itself alone, for every command that reads bodies.
func TestDamagedMessageIsLeftOut(t *testing.T) {
	t.Parallel()
	s := newSuite(t)
	s.fill("INBOX", 3)
	repair := storagetest.Damage(t, s.dir, "Text of message 2.")
	sc := s.login()
	sc.ok("SELECT INBOX")
	got := strings.Join(sc.answers("FETCH 1:3 (UID BODY.PEEK[TEXT])", "NO [CORRUPTION] "), "|")
	if want := "* 1 FETCH (UID 1 BODY[TEXT] {20}|Text of message 1.|)|* 3 FETCH (UID 3 BODY[TEXT] {20}|Text of message 3.|)"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	// \Seen is for those that were given.
	sc.answers("FETCH 1:3 BODY[TEXT]", "NO [CORRUPTION] ")
	sc.says("SEARCH UNSEEN", "* SEARCH 2")
	sc.answers("FETCH 2 BINARY[1]", "NO [CORRUPTION] ")
	// What is known without the body goes on.
	sc.says("FETCH 2 (UID RFC822.SIZE)", "* 2 FETCH (UID 2 RFC822.SIZE 168)")
	sc.ok("FETCH 2 (ENVELOPE BODYSTRUCTURE BODY.PEEK[HEADER.FIELDS (Subject)])")
	sc.says("SEARCH BODY text", "* SEARCH 1 3")
	sc.says(`STORE 2 +FLAGS.SILENT (\Flagged)`)
	sc.answers("COPY 2 Archive", "OK [COPYUID")
	repair()
	if got := sc.literal("FETCH 2 BODY.PEEK[TEXT]"); got != "Text of message 2.\r\n" {
		t.Errorf("after the repair: got %q", got)
	}
}

// faultySuite is a suite whose store is on a disk that can fail, with two
// messages in INBOX.
func faultySuite(t testing.TB, opts storage.Options) (*suite, *faultfs.FS) {
	t.Helper()
	dir := t.TempDir()
	fsys, err := faultfs.New(dir)
	if err != nil {
		t.Fatal(err)
	}
	opts.FS, opts.Housekeeping = fsys, -1
	s := newSuiteOn(t, dir, opts)
	s.fill("INBOX", 2)
	return s, fsys
}

// reading is what goes on whatever happens to writing.
func (sc *script) reading() {
	sc.t.Helper()
	sc.ok("SELECT INBOX")
	sc.says("FETCH 2 (UID BODY.PEEK[TEXT])", "* 2 FETCH (UID 2 BODY[TEXT] {20}", "Text of message 2.", ")")
	sc.says("SEARCH BODY text", "* SEARCH 1 2")
	sc.says("STATUS INBOX (MESSAGES)", `* STATUS "INBOX" (MESSAGES 2)`)
	sc.ok(`LIST "" *`)
	sc.says("NOOP")
}

const appended = "APPEND Archive {12+}\r\nSubject: x\r\n"

// TestFullDisk: what takes space is put off, reading and what frees space go on,
// and so does everything as soon as there is space.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	s, fsys := faultySuite(t, storage.Options{})
	sc := s.login()
	fsys.SetFree(0)
	sc.reading()
	for _, command := range []string{appended, "COPY 1 Archive"} {
		sc.answers(command, "NO [UNAVAILABLE] ")
	}
	sc.reading()
	sc.ok(`STORE 1 +FLAGS.SILENT (\Deleted)`)
	sc.says("EXPUNGE", "* 1 EXPUNGE")
	fsys.SetFree(-1)
	sc.answers(appended, "OK [APPENDUID ")
	sc.answers("COPY 1 Archive", "OK [COPYUID ")
}

// TestDiskFillsUp: a write meets the end of the space.
func TestDiskFillsUp(t *testing.T) {
	t.Parallel()
	s, fsys := faultySuite(t, storage.Options{})
	sc := s.login()
	sc.reading()
	changes := []string{
		appended, "COPY 1 Archive", "MOVE 1 Archive", `STORE 1 +FLAGS (\Flagged)`, "EXPUNGE", "UID EXPUNGE 1", "CREATE a", "DELETE Junk", "RENAME Drafts b",
		"SUBSCRIBE x", "UNSUBSCRIBE Junk", "CLOSE",
	}
	in := fsys.Inject(faultfs.Fault{Match: faultfs.On("*.seg", faultfs.Write), Err: unix.ENOSPC, Tear: faultfs.Prefix, Forever: true})
	for _, c := range changes {
		sc.answers(c, "NO [UNAVAILABLE] ")
	}
	sc.reading()
	// The client is told that it is seen, and then that it is not.
	got := strings.Join(sc.ok("FETCH 1 BODY[TEXT]"), "|")
	if want := `* 1 FETCH (BODY[TEXT] {20}|Text of message 1.| FLAGS (\Seen))|* 1 FETCH (FLAGS () UID 1)`; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	in.Stop()
	sc.reading()
	for _, c := range changes[3:] {
		sc.ok(c)
	}
	sc.answers(appended, "OK [APPENDUID ")
}

// TestStoppedStore: after a failed sync the store takes nothing; mailboxes can
// be read until it is opened again.
func TestStoppedStore(t *testing.T) {
	t.Parallel()
	s, fsys := faultySuite(t, storage.Options{})
	sc := s.login()
	sc.reading()
	fsys.Inject(faultfs.Fault{Match: faultfs.On("*.seg", faultfs.Datasync)})
	for _, c := range []string{`STORE 1 +FLAGS (\Flagged)`, appended, "COPY 1 Archive", "MOVE 1 Archive", "EXPUNGE", "CREATE a"} {
		sc.answers(c, "NO [UNAVAILABLE] ")
	}
	sc.reading()
	sc.ok("LOGOUT")
}

// TestLimits: quota and the number of keywords have codes of their own.
func TestLimits(t *testing.T) {
	t.Parallel()
	limit := int64(0)
	s, _ := faultySuite(t, storage.Options{Quota: func(mail.AccountID) int64 { return limit }})
	limit = 1
	sc := s.login()
	sc.reading()
	sc.answers(appended, "NO [OVERQUOTA] ")
	sc.answers("COPY 1 Archive", "NO [OVERQUOTA] ")
	sc.answers("STORE 1 +FLAGS ("+strings.Repeat("k", storage.MaxKeywordBytes+1)+")", "NO [LIMIT] ")
	sc.answers("MOVE 1 Archive", "OK")
}

// TestBodyThatCannotBeReadAnyMore: a small body is read and proved before the
// answer begins. A large one was proved sound when it was read first, so the
// failure comes in the middle of an answer; the connection is the only way to
// tell. The next one is told properly.
func TestBodyThatCannotBeReadAnyMore(t *testing.T) {
	t.Parallel()
	s, fsys := faultySuite(t, storage.Options{})
	s.deliver("INBOX", "Subject: large\n\n"+strings.Repeat(strings.Repeat("x", 98)+"\n", 5000), 0)
	sc := s.login()
	sc.ok("SELECT INBOX")
	for range 2 {
		sc.ok("FETCH 2:3 (UID BODY.PEEK[TEXT])")
	}
	defer fsys.FailReads(faultfs.ReadFault{Match: func(path string) bool { return strings.HasSuffix(path, ".seg") }})()
	sc.answers("FETCH 2 (UID BODY.PEEK[TEXT])", "NO [CORRUPTION] ")
	sc.send("x FETCH 3 (UID BODY.PEEK[TEXT])\r\n")
	if b, err := io.ReadAll(sc.r); err != nil || strings.Contains(string(b), "x OK") {
		t.Errorf("got %q, %v, want the end", b, err)
	}
	sc = s.login()
	sc.ok("SELECT INBOX")
	for range 2 {
		sc.answers("FETCH 3 (UID BODY.PEEK[TEXT])", "NO [CORRUPTION] ")
		sc.says("FETCH 3 UID", "* 3 FETCH (UID 3)")
	}
}
