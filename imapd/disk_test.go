package imapd

import (
	"fmt"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"mailstead/internal/faultfs"
	"mailstead/internal/spool"
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
