package imapd

import (
	"strings"
	"testing"

	"mailstead/storage"
)

func TestSelect(t *testing.T) {
	t.Parallel()
	s := newSuite(t)
	s.deliver("INBOX", "Subject: a\n\nx\n", storage.Seen)
	s.deliver("INBOX", "Subject: b\n\nx\n", 0, "$Forwarded")
	sc := s.login()
	sc.says("SELECT inbox",
		`* FLAGS (\Answered \Flagged \Deleted \Seen \Draft $Forwarded)`,
		`* OK [PERMANENTFLAGS (\Answered \Flagged \Deleted \Seen \Draft $Forwarded \*)] New keywords are possible`,
		"* 2 EXISTS", "* 1 RECENT", "* OK [UNSEEN 2] First unseen message",
		"* OK [UIDVALIDITY N] UIDs are valid", "* OK [UIDNEXT 3] Next UID", "* OK [HIGHESTMODSEQ 9] Highest",
		"* OK [MAILBOXID (F1-1)] Mailbox's identifier",
	)
	second := s.login()
	got := strings.Join(second.answers("EXAMINE INBOX", "OK [READ-ONLY]"), "\n")
	if !strings.Contains(got, "* 0 RECENT") || !strings.Contains(got, "PERMANENTFLAGS ()") {
		t.Errorf("examine: got %q", got)
	}
	second.answers("STORE 1 +FLAGS (\\Flagged)", "NO [READ-ONLY]")
	second.answers("EXPUNGE", "NO [READ-ONLY]")
	second.answers("MOVE 1 Trash", "NO [READ-ONLY]")
	if got := second.answers("SELECT Missing", "NO [NONEXISTENT]"); len(got) != 1 || !strings.HasPrefix(got[0], "* OK [CLOSED]") {
		t.Errorf("selecting a missing mailbox: got %q", got)
	}
	second.answers("FETCH 1 FLAGS", "BAD")
}

func TestSelectRev2(t *testing.T) {
	t.Parallel()
	s := newSuite(t)
	s.deliver("INBOX", "Subject: a\n\nx\n", 0)
	sc := s.login()
	sc.says("ENABLE IMAP4rev2 X-NONSENSE", "* ENABLED IMAP4rev2")
	sc.says("ENABLE IMAP4rev2", "* ENABLED")
	got := strings.Join(sc.ok("SELECT inbox"), "\n")
	if strings.Contains(got, "RECENT") || strings.Contains(got, "UNSEEN") || !strings.Contains(got, `"/" "INBOX"`) {
		t.Errorf("select with IMAP4rev2: got %q", got)
	}
}

func TestCreateDeleteRename(t *testing.T) {
	t.Parallel()
	s := newSuite(t)
	sc := s.login()
	sc.ok("CREATE Work/2024/")
	sc.answers("CREATE Work", "NO [ALREADYEXISTS]")
	sc.answers("CREATE INBOX", "NO [ALREADYEXISTS]")
	sc.answers("CREATE a//b", "NO [CANNOT]")
	sc.answers("DELETE Work", "NO [HASCHILDREN]")
	sc.answers("DELETE INBOX", "NO [CANNOT]")
	sc.answers("DELETE Missing", "NO [NONEXISTENT]")
	sc.ok("RENAME Work Job")
	sc.says(`LIST "" Job*`, `* LIST (\HasChildren) "/" "Job"`, `* LIST (\HasNoChildren) "/" "Job/2024"`)
	sc.answers("RENAME Missing Other", "NO [NONEXISTENT]")
	sc.answers("RENAME Job Sent", "NO [ALREADYEXISTS]")
	sc.ok("DELETE Job/2024")
	sc.ok("DELETE Job")
	sc.says(`LIST "" Job*`)
	sc.ok("CREATE Old (USE (\\Archive))")
	sc.says(`LIST "" Old`, `* LIST (\HasNoChildren \Archive) "/" "Old"`)
	sc.answers("CREATE Every (USE (\\All))", "NO [USEATTR]")
	sc.answers("CREATE Both (USE (\\Sent \\All))", "NO [USEATTR]")
	sc.answers("CREATE Bad (USE (Sent))", "BAD")
}

func TestDeletingTheSelectedMailbox(t *testing.T) {
	t.Parallel()
	s := newSuite(t)
	a, b := s.login(), s.login()
	a.ok("CREATE Temp")
	a.ok("SELECT Temp")
	b.ok("SELECT Temp")
	b.send("i IDLE\r\n")
	b.expect("+ ")
	got := a.ok("DELETE Temp")
	if len(got) != 1 || !strings.HasPrefix(got[0], "* OK [CLOSED]") {
		t.Errorf("own session: got %q", got)
	}
	a.answers("CHECK", "BAD")
	b.expect("* BYE ")
}

func TestRenamingTheSelectedMailbox(t *testing.T) {
	t.Parallel()
	s := newSuite(t)
	a, b := s.login(), s.login()
	a.ok("CREATE Temp")
	b.ok("ENABLE IMAP4rev2")
	b.ok("SELECT Temp")
	a.ok("RENAME Temp Other")
	b.says("NOOP", `* LIST () "/" "Other" ("OLDNAME" ("Temp"))`)
	s.deliver("Other", "Subject: x\n\ny\n", 0)
	b.says("NOOP", "* 1 EXISTS")
}

func TestList(t *testing.T) {
	t.Parallel()
	s := newSuite(t)
	sc := s.login()
	for _, name := range []string{"Archive", "Drafts", "Junk", "Sent", "Trash"} {
		sc.ok("UNSUBSCRIBE " + name)
	}
	sc.ok("CREATE Work/A/B")
	sc.ok("CREATE &ZeVnLIqe-")
	sc.ok("SUBSCRIBE Work/A/B")
	sc.ok("SUBSCRIBE Gone/Deep")
	sc.ok("SUBSCRIBE INBOX")
	tests := []struct {
		name, command string
		want          []string
	}{
		{"delimiter", `LIST "" ""`, []string{`* LIST (\Noselect) "/" ""`}},
		{"top level", `LIST "" %`, []string{
			`* LIST (\HasNoChildren \Archive) "/" "Archive"`, `* LIST (\HasNoChildren \Drafts) "/" "Drafts"`,
			`* LIST (\HasNoChildren) "/" "INBOX"`, `* LIST (\HasNoChildren \Junk) "/" "Junk"`, `* LIST (\HasNoChildren \Sent) "/" "Sent"`,
			`* LIST (\HasNoChildren \Trash) "/" "Trash"`, `* LIST (\HasChildren) "/" "Work"`, `* LIST (\HasNoChildren) "/" "&ZeVnLIqe-"`,
		}},
		{"below", `LIST Work/ %`, []string{`* LIST (\HasChildren) "/" "Work/A"`}},
		{"all below", `LIST "" Work/*`, []string{`* LIST (\HasChildren) "/" "Work/A"`, `* LIST (\HasNoChildren) "/" "Work/A/B"`}},
		{"inbox in lower case", `LIST "" inbox`, []string{`* LIST (\HasNoChildren) "/" "INBOX"`}},
		{"subscribed", `LIST (SUBSCRIBED) "" *`, []string{
			`* LIST (\HasNoChildren \NonExistent \Subscribed) "/" "Gone/Deep"`, `* LIST (\HasNoChildren \Subscribed) "/" "INBOX"`,
			`* LIST (\HasNoChildren \Subscribed) "/" "Work/A/B"`,
		}},
		{"recursive match", `LIST (SUBSCRIBED RECURSIVEMATCH) "" %`, []string{
			`* LIST (\HasNoChildren \NonExistent) "/" "Gone" ("CHILDINFO" ("SUBSCRIBED"))`, `* LIST (\HasNoChildren \Subscribed) "/" "INBOX"`,
			`* LIST (\HasChildren) "/" "Work" ("CHILDINFO" ("SUBSCRIBED"))`,
		}},
		{"special use", `LIST (SPECIAL-USE) "" * RETURN (SUBSCRIBED)`, []string{
			`* LIST (\HasNoChildren \Archive) "/" "Archive"`, `* LIST (\HasNoChildren \Drafts) "/" "Drafts"`, `* LIST (\HasNoChildren \Junk) "/" "Junk"`,
			`* LIST (\HasNoChildren \Sent) "/" "Sent"`, `* LIST (\HasNoChildren \Trash) "/" "Trash"`,
		}},
		{"several patterns", `LIST "" (INBOX Work INBOX)`, []string{`* LIST (\HasNoChildren) "/" "INBOX"`, `* LIST (\HasChildren) "/" "Work"`}},
		{"with status", `LIST "" INBOX RETURN (STATUS (MESSAGES UNSEEN))`, []string{
			`* LIST (\HasNoChildren) "/" "INBOX"`, `* STATUS "INBOX" (MESSAGES 0 UNSEEN 0)`,
		}},
		{"lsub", `LSUB "" *`, []string{`* LSUB (\Noselect) "/" "Gone/Deep"`, `* LSUB () "/" "INBOX"`, `* LSUB () "/" "Work/A/B"`}},
		{"lsub with percent", `LSUB "" %`, []string{`* LSUB (\Noselect) "/" "Gone"`, `* LSUB () "/" "INBOX"`, `* LSUB (\Noselect) "/" "Work"`}},
	}
	for _, tt := range tests {
		sc.t = t
		t.Run(tt.name, func(t *testing.T) {
			sc.t = t
			sc.says(tt.command, tt.want...)
		})
	}
}

func TestStatus(t *testing.T) {
	t.Parallel()
	s := newSuite(t)
	s.deliver("INBOX", "Subject: a\n\nx\n", storage.Seen|storage.Deleted)
	s.deliver("INBOX", "Subject: b\n\nx\n", 0)
	sc := s.login()
	sc.says("STATUS INBOX (MESSAGES UIDNEXT UIDVALIDITY UNSEEN DELETED SIZE RECENT APPENDLIMIT)",
		`* STATUS "INBOX" (MESSAGES 2 UIDNEXT 3 UIDVALIDITY N UNSEEN 1 DELETED 1 SIZE 34 RECENT 1 APPENDLIMIT 67108864)`)
	sc.answers("STATUS Missing (MESSAGES)", "NO [NONEXISTENT]")
	sc.answers("STATUS INBOX (NONSENSE)", "BAD")
	sc.ok("SELECT INBOX")
	sc.says("STATUS INBOX (RECENT)", `* STATUS "INBOX" (RECENT 0)`)
}

func TestUTF8Names(t *testing.T) {
	t.Parallel()
	s := newSuite(t)
	sc := s.login()
	sc.ok("CREATE Entw&APw-rfe")
	sc.ok("ENABLE UTF8=ACCEPT")
	sc.says(`LIST "" Entw*`, `* LIST (\HasNoChildren) "/" "Entwürfe"`)
	sc.ok("SELECT \"Entwürfe\"")
}
