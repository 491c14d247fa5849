package imapd

import (
	"fmt"
	"strings"
	"testing"

	"mailstead/storage"
)

func TestStore(t *testing.T) {
	t.Parallel()
	s := newSuite(t)
	s.fill("INBOX", 3)
	a, b := s.login(), s.login()
	a.ok("SELECT INBOX")
	b.ok("SELECT INBOX")
	a.says(`STORE 1:2 +FLAGS (\Seen)`, `* 1 FETCH (FLAGS (\Seen \Recent))`, `* 2 FETCH (FLAGS (\Seen \Recent))`)
	a.says(`UID STORE 3 FLAGS.SILENT ($Forwarded \Answered)`,
		`* FLAGS (\Answered \Flagged \Deleted \Seen \Draft $Forwarded)`,
		`* OK [PERMANENTFLAGS (\Answered \Flagged \Deleted \Seen \Draft $Forwarded \*)] New keywords are possible`)
	a.says(`UID STORE 3 -FLAGS (\Answered)`, `* 3 FETCH (FLAGS ($Forwarded \Recent) UID 3)`)
	a.says("NOOP")
	b.says("NOOP",
		`* 1 FETCH (FLAGS (\Seen) UID 1)`, `* 2 FETCH (FLAGS (\Seen) UID 2)`,
		`* FLAGS (\Answered \Flagged \Deleted \Seen \Draft $Forwarded)`,
		`* OK [PERMANENTFLAGS (\Answered \Flagged \Deleted \Seen \Draft $Forwarded \*)] New keywords are possible`,
		`* 3 FETCH (FLAGS ($Forwarded) UID 3)`)
	a.says(`STORE 1 +FLAGS ($forwarded)`, `* 1 FETCH (FLAGS (\Seen $Forwarded \Recent))`)
	a.says(`UID STORE 77 +FLAGS (\Seen)`)
	a.says(`STORE 1 FLAGS ()`, `* 1 FETCH (FLAGS (\Recent))`)
}

func TestSilentStoreDoesNotHideTheOthersChange(t *testing.T) {
	t.Parallel()
	s := newSuite(t)
	s.fill("INBOX", 1)
	a, b := s.login(), s.login()
	a.ok("SELECT INBOX")
	b.ok("SELECT INBOX")
	b.ok(`STORE 1 +FLAGS.SILENT (\Flagged)`)
	a.says(`STORE 1 +FLAGS.SILENT (\Seen)`, `* 1 FETCH (FLAGS (\Flagged \Seen \Recent) UID 1)`)
}

func TestCopyAndMove(t *testing.T) {
	t.Parallel()
	s := newSuite(t)
	s.fill("INBOX", 4)
	a, b := s.login(), s.login()
	a.ok("SELECT INBOX")
	b.ok("SELECT INBOX")
	a.answers("COPY 1:2 Trash", "OK [COPYUID N 1:2 1:2]")
	a.answers("COPY 1 Missing", "NO [TRYCREATE]")
	a.answers("UID MOVE 1 Missing", "NO [TRYCREATE]")
	a.answers("UID COPY 50 Trash", "OK No messages")
	got := a.ok("MOVE 2:3 Sent")
	if want := "* OK [COPYUID N 2:3 1:2] Moved|* 3 EXPUNGE|* 2 EXPUNGE"; strings.Join(got, "|") != want {
		t.Errorf("move: got %q, want %q", got, want)
	}
	b.says("NOOP", "* 3 EXPUNGE", "* 2 EXPUNGE")
	a.says("UID FETCH 1:* UID", "* 1 FETCH (UID 1)", "* 2 FETCH (UID 4)")
}

func TestExpunge(t *testing.T) {
	t.Parallel()
	s := newSuite(t)
	s.fill("INBOX", 5)
	a := s.login()
	a.ok("SELECT INBOX")
	a.ok(`STORE 1,3,5 +FLAGS.SILENT (\Deleted)`)
	a.says("UID EXPUNGE 2:3", "* 3 EXPUNGE")
	a.says("UID EXPUNGE 2")
	a.says("EXPUNGE", "* 4 EXPUNGE", "* 1 EXPUNGE")
	a.ok(`STORE 1 +FLAGS.SILENT (\Deleted)`)
	a.ok("UNSELECT")
	a.says("STATUS INBOX (MESSAGES)", `* STATUS "INBOX" (MESSAGES 2)`)
	a.ok("SELECT INBOX")
	if got := a.ok("CLOSE"); len(got) != 0 {
		t.Errorf("close: got %q, want nothing", got)
	}
	a.says("STATUS INBOX (MESSAGES)", `* STATUS "INBOX" (MESSAGES 1)`)
}

func TestAppend(t *testing.T) {
	t.Parallel()
	s := newSuite(t, func(o *Options) { o.MaxMessageSize = 1000 })
	a, b := s.login(), s.login()
	b.ok("SELECT INBOX")
	message := "Subject: hello\r\n\r\ntext\r\n"
	a.send(fmt.Sprintf("x APPEND INBOX (\\Seen $Work) \" 7-Feb-2022 21:52:25 +0100\" {%d}\r\n", len(message)))
	a.expect("+ ")
	a.send(message + "\r\n")
	a.expect("x OK [APPENDUID N 1] ")
	b.ok("NOOP")
	b.says("FETCH 1 (FLAGS INTERNALDATE)",
		`* FLAGS (\Answered \Flagged \Deleted \Seen \Draft $Work)`,
		`* OK [PERMANENTFLAGS (\Answered \Flagged \Deleted \Seen \Draft $Work \*)] New keywords are possible`,
		`* 1 FETCH (FLAGS (\Seen $Work \Recent) INTERNALDATE " 7-Feb-2022 21:52:25 +0100")`)
	a.answers(fmt.Sprintf("APPEND INBOX {%d+}\r\n%s", len(message), message), "OK [APPENDUID N 2]")
	a.answers("APPEND Missing {10}", "NO [TRYCREATE]")
	a.answers("APPEND Missing {4+}\r\nabcd", "NO [TRYCREATE]")
	a.answers("APPEND INBOX {2000}", "NO [TOOBIG]")
	a.answers("APPEND INBOX {2000+}\r\n"+strings.Repeat("x", 2000), "NO [TOOBIG]")
	a.answers("APPEND INBOX {5+}\r\na\x00b\r\n", "BAD")
	a.answers("APPEND INBOX ~{5+}\r\n\r\na\x00b", "OK [APPENDUID N 3]")
	a.answers("APPEND INBOX {0+}\r\n", "NO [CANNOT]")
	a.ok("NOOP")
	if got := a.ok("CAPABILITY"); !strings.Contains(got[0], "APPENDLIMIT=1000") {
		t.Errorf("capability: got %q", got)
	}
}

func TestIdleTellsAtOnce(t *testing.T) {
	t.Parallel()
	s := newSuite(t)
	s.fill("INBOX", 3)
	a, b := s.login(), s.login()
	a.ok("SELECT INBOX")
	b.ok("SELECT INBOX")
	b.send("i IDLE\r\n")
	b.expect("+ ")
	a.ok(`STORE 2 +FLAGS (\Flagged)`)
	b.expect(`* 2 FETCH (FLAGS (\Flagged) UID 2)`)
	a.ok("MOVE 1 Trash")
	b.expect("* 1 EXPUNGE")
	s.deliver("INBOX", "Subject: new\n\nx\n", 0)
	b.expect("* 3 EXISTS")
	b.expect("* 1 RECENT")
	a.ok(`STORE 1 +FLAGS.SILENT (\Deleted)`)
	b.expect(`* 1 FETCH (FLAGS (\Flagged \Deleted) UID 2)`)
	a.ok("EXPUNGE")
	b.expect("* 1 EXPUNGE")
	b.send("DONE\r\n")
	b.expect("i OK ")
	b.send("j IDLE\r\n")
	b.expect("+ ")
	b.send("NONSENSE\r\n")
	b.expect("j BAD ")
}

func TestIdleTellsWhatWasHeldBack(t *testing.T) {
	t.Parallel()
	s := newSuite(t)
	s.fill("INBOX", 2)
	a, b := s.login(), s.login()
	a.ok("SELECT INBOX")
	b.ok("SELECT INBOX")
	a.ok("MOVE 1 Trash")
	b.answers("FETCH 2 UID", "OK")
	b.send("i IDLE\r\n")
	b.expect("+ ")
	b.expect("* 1 EXPUNGE")
}

func TestNumbersStayWhileFetching(t *testing.T) {
	t.Parallel()
	s := newSuite(t)
	s.fill("INBOX", 3)
	a, b := s.login(), s.login()
	a.ok("SELECT INBOX")
	b.ok("SELECT INBOX")
	a.ok("MOVE 1 Trash")
	s.deliver("INBOX", "Subject: new\n\nx\n", 0)
	b.says("FETCH 2 UID", "* 2 FETCH (UID 2)", "* 4 EXISTS", "* 1 RECENT")
	b.says("STORE 3 +FLAGS.SILENT (\\Seen)")
	b.says("UID FETCH 2 FLAGS", `* 2 FETCH (FLAGS () UID 2)`, "* 1 EXPUNGE")
}

func TestFeedOverflow(t *testing.T) {
	t.Parallel()
	s := newSuite(t)
	s.fill("INBOX", 3000)
	a, b := s.login(), s.login()
	a.ok("SELECT INBOX")
	b.ok("SELECT INBOX")
	for i := range 10 {
		a.ok(fmt.Sprintf("STORE 1:* FLAGS.SILENT (k%d)", i))
	}
	a.ok("MOVE 1:2999 Trash")
	s.deliver("INBOX", "Subject: new\n\nx\n", storage.Seen)
	got := b.ok("NOOP")
	expunges := 0
	for _, l := range got {
		if strings.HasSuffix(l, " EXPUNGE") {
			expunges++
		}
	}
	if expunges != 2999 {
		t.Errorf("got %d EXPUNGE, want 2999", expunges)
	}
	b.says("FETCH 1:* (UID FLAGS)", `* 1 FETCH (UID 3000 FLAGS (k9))`, `* 2 FETCH (UID 3001 FLAGS (\Seen \Recent))`)
}
