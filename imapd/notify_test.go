package imapd

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"mailstead/storage"
)

const everywhere = "NOTIFY SET (PERSONAL (MessageNew MessageExpunge FlagChange MailboxName SubscriptionChange))"

// TestNotifyOverflow lets more happen than is remembered for a client that does
// not take it: it is told so, once, and of nothing more.
func TestNotifyOverflow(t *testing.T) {
	t.Parallel()
	s := newSuite(t)
	c := s.login()
	c.ok(everywhere)
	// The session is busy with a command while the names change.
	c.send("x1 APPEND INBOX {1}\r\n")
	c.expect("+ ")
	for i := range 1001 {
		if err := s.store.Subscribe(t.Context(), alice, "name", i%2 == 0); err != nil {
			t.Fatal(err)
		}
	}
	c.send("x\r\n")
	untagged, tagged := c.until("x1")
	if len(untagged) != 1 || !strings.HasPrefix(untagged[0], "* OK [NOTIFICATIONOVERFLOW]") || !strings.HasPrefix(tagged, "OK") {
		t.Fatalf("got %q, %q, want an overflow alone", untagged, tagged)
	}
	s.deliver("INBOX", "Subject: x\r\n\r\n", 0)
	c.says("NOOP")
	c.ok(everywhere)
	s.deliver("INBOX", "Subject: x\r\n\r\n", 0)
	c.expect(`* STATUS "INBOX" (UIDNEXT 4 MESSAGES 3)`)
}

// TestNotifyBesideOthers speaks to clients that have TLS, compression, CONDSTORE
// or many commands on the way.
func TestNotifyBesideOthers(t *testing.T) {
	t.Parallel()
	s := newSuite(t)
	c := s.login()
	c.ok("ENABLE CONDSTORE")
	c.ok("COMPRESS DEFLATE")
	c.deflate()
	c.ok(everywhere)
	for i := 1; i <= 3; i++ {
		s.deliver("INBOX", "Subject: x\r\n\r\n", 0)
		c.expect(fmt.Sprintf(`* STATUS "INBOX" (UIDNEXT %d MESSAGES %d HIGHESTMODSEQ `, i+1, i))
	}
	var all strings.Builder
	for i := range 200 {
		fmt.Fprintf(&all, "p%d NOOP\r\n", i)
	}
	c.send(all.String())
	for i := range 200 {
		c.until(fmt.Sprint("p", i))
	}
	// Half a command has come: what happens meanwhile is told after it.
	c.send("y1 NO")
	s.deliver("INBOX", "Subject: x\r\n\r\n", 0)
	c.send("OP\r\n")
	for told := 0; told < 2; told++ {
		if l := c.line(); strings.HasPrefix(l, "y1 OK") {
			continue
		} else if !strings.HasPrefix(l, `* STATUS "INBOX" (UIDNEXT 5 MESSAGES 4`) {
			t.Errorf("got %q", l)
		}
	}
	if err := s.server.Shutdown(context.Background()); err != nil {
		t.Fatal(err)
	}
	c.expect("* BYE")
}

// TestNotifyEndsWithTheMailbox deletes the selected mailbox under a client that
// says nothing.
func TestNotifyEndsWithTheMailbox(t *testing.T) {
	t.Parallel()
	s := newSuite(t)
	c := s.login()
	c.ok("SELECT Archive")
	c.ok("NOTIFY SET (SELECTED (MessageNew MessageExpunge))")
	if err := s.store.DeleteMailbox(t.Context(), alice, "Archive"); err != nil {
		t.Fatal(err)
	}
	c.expect("* BYE")
}

// TestNotifyOfSharedMailboxes: a mailbox of another account comes when it may be
// listed, tells of its messages when it may be read, and goes.
func TestNotifyOfSharedMailboxes(t *testing.T) {
	t.Parallel()
	s := newSuite(t)
	a, b := s.login(), s.dial()
	b.ok(`LOGIN bob@example.test "` + password + `"`)
	b.ok("ENABLE METADATA")
	b.ok("NOTIFY SET (SUBTREE Shared (MessageNew MessageExpunge MailboxName))")
	a.ok("SETACL Sent bob@example.test l")
	b.expect(`* LIST (\HasNoChildren \Noselect) "/" "Shared/alice@example.test/Sent"`)
	b.says("NOTIFY SET (MAILBOXES Shared/alice@example.test/Sent (MessageNew MessageExpunge MailboxName))", `* LIST (\NoAccess) "/" "Shared/alice@example.test/Sent"`)
	a.ok("APPEND Sent {2+}\r\n\r\n")
	b.says("NOOP")
	a.ok("SETACL Sent bob@example.test lr")
	a.ok("APPEND Sent {2+}\r\n\r\n")
	b.expect(`* STATUS "Shared/alice@example.test/Sent" (UIDNEXT 3 MESSAGES 2)`)
	a.ok(`SETMETADATA Sent (/private/comment "mine" /shared/comment "ours")`)
	b.expect(`* METADATA "Shared/alice@example.test/Sent" /shared/comment`)
	a.ok("RENAME Sent Gone")
	b.expect(`* LIST (\HasNoChildren) "/" "Shared/alice@example.test/Gone" ("OLDNAME" ("Shared/alice@example.test/Sent"))`)
	b.ok("NOTIFY SET (MAILBOXES Shared/alice@example.test/Gone (MailboxName))")
	a.ok("DELETEACL Gone bob@example.test")
	b.expect(`* LIST (\HasNoChildren \NonExistent) "/" "Shared/alice@example.test/Gone"`)
	a.ok(`SETMETADATA Gone (/shared/comment "not theirs")`)
	b.says("NOOP")
}

// TestNotifyIsQuietWithoutEvents: groups of mailboxes without events begin no
// watch.
func TestNotifyIsQuietWithoutEvents(t *testing.T) {
	t.Parallel()
	s := newSuite(t)
	c := s.login()
	c.ok("NOTIFY SET (PERSONAL NONE)")
	if _, err := s.store.CreateMailbox(t.Context(), alice, "x", storage.SpecialUse("")); err != nil {
		t.Fatal(err)
	}
	c.says("NOOP")
}

// TestNotifyByUID: with UIDONLY nothing has a sequence number.
func TestNotifyByUID(t *testing.T) {
	t.Parallel()
	s := newSuite(t)
	c := s.login()
	c.ok("ENABLE UIDONLY")
	c.ok("SELECT INBOX")
	c.ok("NOTIFY SET (SELECTED (MessageNew (RFC822.SIZE) MessageExpunge FlagChange))")
	uid := s.deliver("INBOX", "Subject: x\r\n\r\n", 0)
	c.expect("* 1 EXISTS")
	c.expect("* 1 RECENT")
	c.expect("* 1 UIDFETCH (RFC822.SIZE ")
	box, err := s.store.Mailbox(alice, "INBOX")
	if err != nil {
		t.Fatal(err)
	}
	ref := storage.Ref{Account: alice, Mailbox: box.ID}
	if _, err := s.store.SetFlags(t.Context(), ref, storage.UIDs(uid), storage.FlagChange{Flags: storage.Seen}); err != nil {
		t.Fatal(err)
	}
	c.expect(`* 1 UIDFETCH (FLAGS (\Seen \Recent)`)
	if _, _, err := s.store.Expunge(t.Context(), ref, storage.UIDs(uid), false); err != nil {
		t.Fatal(err)
	}
	c.expect("* VANISHED 1")
}

// TestFiltersTakeOtherSpellings names mailboxes in other characters and an address
// in capitals: it is the same mailboxes that are meant.
func TestFiltersTakeOtherSpellings(t *testing.T) {
	t.Parallel()
	s := newSuite(t)
	c, b := s.login(), s.dial()
	b.ok(`LOGIN bob@example.test "` + password + `"`)
	c.ok("CREATE Caf&AOk-")
	c.ok("SETACL Caf&AOk- bob@example.test lr")
	const decomposed, there = "Cafe&AwE-", "Shared/alice@example.test/Caf&AOk-"
	add := "APPEND Caf&AOk- {1+}\r\nx"
	c.ok("NOTIFY SET (MAILBOXES " + decomposed + " (MessageNew MessageExpunge))")
	b.ok("NOTIFY SET (SUBTREE Shared/ALICE@example.test (MessageNew MessageExpunge))")
	s.login().ok(add)
	c.expect(`* STATUS "Caf&AOk-" (UIDNEXT 2 MESSAGES 1)`)
	b.expect(`* STATUS "` + there + `" (UIDNEXT 2 MESSAGES 1)`)
	b.ok("NOTIFY SET (MAILBOXES Shared/Alice@Example.test/" + decomposed + " (MessageNew MessageExpunge))")
	s.login().ok(add)
	c.expect(`* STATUS "Caf&AOk-" (UIDNEXT 3 MESSAGES 2)`)
	b.expect(`* STATUS "` + there + `" (UIDNEXT 3 MESSAGES 2)`)
	c.says("ESEARCH IN (SUBTREE "+decomposed+") RETURN (COUNT) ALL", `* ESEARCH (TAG "t5" MAILBOX "Caf&AOk-" UIDVALIDITY N) UID COUNT 2`)
	b.says("ESEARCH IN (SUBTREE-ONE Shared/ALICE@example.test) RETURN (COUNT) ALL", `* ESEARCH (TAG "t4" MAILBOX "`+there+`" UIDVALIDITY N) UID COUNT 2`)
}

// TestNotifyNamesNoTagOfBefore: a search that is brought up to date while no
// command is in progress tells that it goes on under no tag (RFC 9585 §4).
func TestNotifyNamesNoTagOfBefore(t *testing.T) {
	t.Parallel()
	s := newSuite(t, func(o *Options) { o.ProgressEvery = 100 * time.Microsecond })
	s.fill("INBOX", 600)
	c, other := s.login(), s.login()
	c.ok("SELECT INBOX")
	c.ok("NOTIFY SET (SELECTED (MessageNew MessageExpunge FlagChange))")
	c.ok(`UID SEARCH RETURN (UPDATE) BODY "message" UNFLAGGED`)
	other.ok("SELECT INBOX")
	told := 0
	for round := 0; round < 20 && told == 0; round++ {
		other.ok("STORE 1:* " + []string{"+", "-"}[round%2] + "FLAGS.SILENT (\\Flagged)")
		for l := c.line(); !strings.HasPrefix(l, "* ESEARCH"); l = c.line() {
			if !strings.Contains(l, "INPROGRESS") {
				continue
			}
			if told++; !strings.HasPrefix(l, "* OK [INPROGRESS (NIL ") {
				t.Fatalf("got %q", l)
			}
		}
	}
	if told == 0 {
		t.Error("nothing was told in 20 rounds")
	}
}
