package imapd

import "testing"

// TestUpdateOfWhatHasJustArrived: a message that came before a search with UPDATE
// and is announced after it is added to its result (RFC 5267 §4.3.3).
func TestUpdateOfWhatHasJustArrived(t *testing.T) {
	t.Parallel()
	s := newSuite(t)
	a := s.login()
	a.ok("SELECT INBOX")
	s.fill("INBOX", 2)
	a.says("UID SEARCH RETURN (UPDATE ALL) UNSEEN",
		`* ESEARCH (TAG "t3") UID`, "* 2 EXISTS", "* 2 RECENT", `* ESEARCH (TAG "t3") UID ADDTO (0 1:2)`)
	a.says("NOOP")
}
