package imapd

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"

	"mailstead/storage"
)

// searchable delivers five messages to search in.
func searchable(s *suite) {
	s.deliver("INBOX", "From: Carol <carol@example.test>\nTo: alice@example.test\nSubject: =?iso-8859-1?q?Caf=E9?= menu\nDate: Mon, 7 Feb 2022 21:52:25 +0100\n\nToday: soup.\n", storage.Seen|storage.Flagged, "$Work")
	s.deliver("INBOX", "From: dave@example.test\nCc: team@example.test\nSubject: numbers\nX-Odd: yes\nDate: Tue, 8 Mar 2022 10:00:00 +0000\n\nplain\n", storage.Answered)
	s.deliver("INBOX", "From: erin@example.test\nBcc: alice@example.test\nSubject: html\nContent-Type: text/html; charset=utf-8\nContent-Transfer-Encoding: quoted-printable\n\n<p>gr=C3=BC=C3=9Fe</p>\n", storage.Deleted)
	s.deliver("INBOX", "Subject: big\n\n"+strings.Repeat("0123456789\n", 500), storage.Draft)
	s.deliver("INBOX", multipart, 0)
}

func TestSearchKeys(t *testing.T) {
	t.Parallel()
	s := newSuite(t)
	searchable(s)
	sc := s.login()
	sc.ok("SELECT INBOX")
	today := time.Now().Format("2-Jan-2006")
	tests := []struct{ keys, want string }{
		{"ALL", " 1 2 3 4 5"},
		{"2,4:*", " 2 4 5"},
		{"UID 3:77", " 3 4 5"},
		{"99", ""},
		{"SEEN", " 1"},
		{"UNSEEN", " 2 3 4 5"},
		{"FLAGGED", " 1"},
		{"UNFLAGGED UNANSWERED UNDELETED UNDRAFT", " 5"},
		{"ANSWERED", " 2"},
		{"DELETED", " 3"},
		{"DRAFT", " 4"},
		{"KEYWORD $work", " 1"},
		{"UNKEYWORD $Work", " 2 3 4 5"},
		{"RECENT", " 2 3 4 5"},
		{"NEW", " 2 3 4 5"},
		{"OLD", " 1"},
		{"FROM carol", " 1 5"},
		{"TO ALICE", " 1 5"},
		{"CC team", " 2"},
		{"BCC alice", " 3"},
		{"SUBJECT \"CAFÉ\"", " 1"},
		{"HEADER X-Odd \"\"", " 2 5"},
		{"HEADER X-Odd yes", " 2"},
		{"BODY soup", " 1"},
		{"BODY \"grüße\"", " 3"},
		{"BODY \"café\"", " 5"},
		{"TEXT numbers", " 2"},
		{"TEXT \"inner text\"", " 5"},
		{"LARGER 5000", " 4"},
		{"SMALLER 100", ""},
		{"SENTON 7-Feb-2022", " 1 5"},
		{"SENTBEFORE 1-Mar-2022", " 1 5"},
		{"SENTSINCE 1-Mar-2022", " 2"},
		{"ON " + today, " 1 2 3 4 5"},
		{"BEFORE " + today, ""},
		{"SINCE " + today, " 1 2 3 4 5"},
		{"NOT SEEN", " 2 3 4 5"},
		{"OR SEEN DELETED", " 1 3"},
		{"OR (FROM carol SEEN) (NOT (OR 1:4 DRAFT))", " 1 5"},
		{"CHARSET ISO-8859-1 SUBJECT {4+}\r\ncaf\xe9", " 1"},
	}
	for _, tt := range tests {
		t.Run(tt.keys, func(t *testing.T) {
			sc.t = t
			sc.says("SEARCH "+tt.keys, "* SEARCH"+tt.want)
		})
	}
	sc.t = t
	sc.answers("SEARCH CHARSET KLINGON ALL", "NO [BADCHARSET")
	sc.answers("SEARCH NONSENSE", "BAD")
}

func TestSearchReturn(t *testing.T) {
	t.Parallel()
	s := newSuite(t)
	s.fill("INBOX", 9)
	sc := s.login()
	sc.ok("SELECT INBOX")
	sc.ok("STORE 2 +FLAGS.SILENT (\\Deleted)")
	sc.ok("EXPUNGE")
	sc.says("SEARCH RETURN (MIN MAX COUNT) ALL", `* ESEARCH (TAG "t5") MIN 1 MAX 8 COUNT 8`)
	sc.says("UID SEARCH RETURN (MIN MAX) ALL", `* ESEARCH (TAG "t6") UID MIN 1 MAX 9`)
	sc.says("UID SEARCH RETURN () 1:4,6", `* ESEARCH (TAG "t7") UID ALL 1,3:5,7`)
	sc.says("SEARCH RETURN (COUNT) SUBJECT nothing", `* ESEARCH (TAG "t8") COUNT 0`)
	sc.says("SEARCH RETURN (ALL MIN) SUBJECT nothing", `* ESEARCH (TAG "t9")`)
	sc.says("SEARCH RETURN (SAVE) SUBJECT \"message 4\"")
	sc.says("FETCH $ UID", "* 3 FETCH (UID 4)")
	sc.says("UID SEARCH RETURN (SAVE MAX) 1:5", `* ESEARCH (TAG "t12") UID MAX 6`)
	sc.says("UID STORE $ +FLAGS (\\Seen)", `* 5 FETCH (FLAGS (\Seen \Recent) UID 6)`)
	sc.says("SEARCH OR $ 1", "* SEARCH 1 5")
	sc.ok("UID MOVE $ Trash")
	sc.says("FETCH $ UID")
	sc.ok("SELECT INBOX")
	sc.says("FETCH $ UID")
}

func TestSearchRev2(t *testing.T) {
	t.Parallel()
	s := newSuite(t)
	s.fill("INBOX", 3)
	sc := s.login()
	sc.ok("ENABLE IMAP4rev2")
	sc.ok("SELECT INBOX")
	sc.says("SEARCH 2:3", `* ESEARCH (TAG "t4") ALL 2:3`)
}

func TestSearchWithClient(t *testing.T) {
	t.Parallel()
	s := newSuite(t)
	searchable(s)
	c := s.client(nil)
	if _, err := c.Select("INBOX", nil).Wait(); err != nil {
		t.Fatal(err)
	}
	got, err := c.UIDSearch(&imap.SearchCriteria{Flag: []imap.Flag{imap.FlagSeen}, Header: []imap.SearchCriteriaHeaderField{{Key: "From", Value: "carol"}}}, nil).Wait()
	if err != nil {
		t.Fatal(err)
	}
	if uids := got.AllUIDs(); len(uids) != 1 || uids[0] != 1 {
		t.Errorf("got %v, want 1", uids)
	}
}

// TestShutdownEndsFuzzySearch: thousands of words that are each nearly in a long
// text are compared with all of it; the end of the server is not waited for.
func TestShutdownEndsFuzzySearch(t *testing.T) {
	t.Parallel()
	s := newSuite(t, func(o *Options) { o.ProgressEvery = 10 * time.Millisecond })
	words := func(form string, n int) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, form, i)
		}
		return b.String()
	}
	s.deliver("INBOX", "Subject: x\n\n"+words("q%05dzz\n", 60_000), 0)
	c := s.login()
	c.ok("SELECT INBOX")
	asked := words("q%05dxz ", 12_000)
	c.send(fmt.Sprintf("f SEARCH FUZZY BODY {%d+}\r\n%s\r\n", len(asked), asked))
	c.expect("* OK [INPROGRESS ")
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Second)
	defer cancel()
	if err := s.server.Shutdown(ctx); err != nil {
		t.Errorf("shutdown: %v", err)
	}
	if untagged, tagged := c.until("f"); !strings.HasPrefix(tagged, "NO [UNAVAILABLE]") {
		t.Errorf("got %q after %d lines, want NO", tagged, len(untagged))
	}
}
