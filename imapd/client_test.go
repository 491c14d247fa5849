package imapd

import (
	"bytes"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"

	"mailstead/storage"
)

func TestClientMailboxes(t *testing.T) {
	t.Parallel()
	s := newSuite(t)
	c := s.client(nil)
	steps := []struct {
		name string
		err  error
	}{
		{"create", c.Create("Entwürfe/Neu", nil).Wait()},
		{"create with use", c.Create("Old", &imap.CreateOptions{SpecialUse: []imap.MailboxAttr{imap.MailboxAttrArchive}}).Wait()},
		{"subscribe", c.Subscribe("Entwürfe").Wait()},
		{"unsubscribe", c.Unsubscribe("INBOX").Wait()},
		{"rename", c.Rename("Entwürfe", "Skizzen", nil).Wait()},
		{"delete", c.Delete("Old").Wait()},
	}
	for _, step := range steps {
		if step.err != nil {
			t.Fatalf("%s: %v", step.name, step.err)
		}
	}
	list, err := c.List("", "S*", &imap.ListOptions{ReturnStatus: &imap.StatusOptions{NumMessages: true}, ReturnSubscribed: true}).Collect()
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, l := range list {
		names = append(names, l.Mailbox)
		if l.Status == nil || l.Status.NumMessages == nil {
			t.Errorf("%s: no status", l.Mailbox)
		}
	}
	if want := []string{"Sent", "Skizzen", "Skizzen/Neu"}; !slices.Equal(names, want) {
		t.Errorf("got %q, want %q", names, want)
	}
	ns, err := c.Namespace().Wait()
	if err != nil || len(ns.Personal) != 1 || ns.Personal[0].Delim != '/' {
		t.Errorf("namespace: got %+v, %v", ns, err)
	}
	id, err := c.ID(&imap.IDData{Name: "test"}).Wait()
	if err != nil || id.Name != "Mailstead" || id.Version != "test" {
		t.Errorf("id: got %+v, %v", id, err)
	}
	st, err := c.Status("INBOX", &imap.StatusOptions{NumMessages: true, UIDNext: true, Size: true, NumDeleted: true, AppendLimit: true}).Wait()
	if err != nil || *st.NumMessages != 0 || st.UIDNext != 1 || *st.Size != 0 || *st.AppendLimit != DefaultMaxMessageSize {
		t.Errorf("status: got %+v, %v", st, err)
	}
}

func TestClientAppendsABigMessage(t *testing.T) {
	t.Parallel()
	s := newSuite(t)
	c := s.client(nil)
	message := []byte("Subject: big\r\n\r\n" + strings.Repeat("0123456789abcdef\r\n", 10<<20/18))
	when := time.Date(2022, 2, 7, 21, 52, 25, 0, time.FixedZone("", 3600))
	w := c.Append("Drafts", int64(len(message)), &imap.AppendOptions{Flags: []imap.Flag{imap.FlagDraft, "$x"}, Time: when})
	if _, err := w.Write(message); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	got, err := w.Wait()
	if err != nil || got.UID != 1 {
		t.Fatalf("got %+v, %v", got, err)
	}
	if _, err := c.Select("Drafts", nil).Wait(); err != nil {
		t.Fatal(err)
	}
	msgs, err := c.Fetch(imap.UIDSetNum(1), &imap.FetchOptions{InternalDate: true, BodySection: []*imap.FetchItemBodySection{{}}}).Collect()
	if err != nil || len(msgs) != 1 {
		t.Fatal(len(msgs), err)
	}
	if !bytes.Equal(msgs[0].BodySection[0].Bytes, message) || !msgs[0].InternalDate.Equal(when) {
		t.Errorf("message came back changed: %d bytes of %d, date %v", len(msgs[0].BodySection[0].Bytes), len(message), msgs[0].InternalDate)
	}
}

func TestClientChanges(t *testing.T) {
	t.Parallel()
	s := newSuite(t)
	s.fill("INBOX", 5)
	c := s.client(nil)
	if _, err := c.Select("INBOX", nil).Wait(); err != nil {
		t.Fatal(err)
	}
	rows, err := c.Store(imap.SeqSetNum(1, 2), &imap.StoreFlags{Op: imap.StoreFlagsAdd, Flags: []imap.Flag{imap.FlagDeleted}}, nil).Collect()
	if err != nil || len(rows) != 2 {
		t.Fatalf("store: got %d, %v", len(rows), err)
	}
	cp, err := c.Copy(imap.UIDSetNum(1, 3), "Archive").Wait()
	if err != nil || cp.SourceUIDs.String() != "1,3" || cp.DestUIDs.String() != "1:2" {
		t.Errorf("copy: got %+v, %v", cp, err)
	}
	mv, err := c.Move(imap.UIDSetNum(5), "Trash").Wait()
	if err != nil || mv.SourceUIDs.String() != "5" || mv.DestUIDs.String() != "1" {
		t.Errorf("move: got %+v, %v", mv, err)
	}
	gone, err := c.UIDExpunge(imap.UIDSetNum(1)).Collect()
	if err != nil || !slices.Equal(gone, []uint32{1}) {
		t.Errorf("uid expunge: got %v, %v", gone, err)
	}
	gone, err = c.Expunge().Collect()
	if err != nil || !slices.Equal(gone, []uint32{1}) {
		t.Errorf("expunge: got %v, %v", gone, err)
	}
	if err := c.UnselectAndExpunge().Wait(); err != nil {
		t.Error(err)
	}
	if err := c.Logout().Wait(); err != nil {
		t.Error(err)
	}
}

func TestClientIdle(t *testing.T) {
	t.Parallel()
	s := newSuite(t)
	s.fill("INBOX", 1)
	exists, expunged, flags := make(chan uint32, 10), make(chan uint32, 10), make(chan []imap.Flag, 10)
	c := s.client(&imapclient.Options{UnilateralDataHandler: &imapclient.UnilateralDataHandler{
		Expunge: func(n uint32) { expunged <- n },
		Mailbox: func(d *imapclient.UnilateralDataMailbox) {
			if d.NumMessages != nil {
				exists <- *d.NumMessages
			}
		},
		Fetch: func(m *imapclient.FetchMessageData) {
			if b, err := m.Collect(); err == nil {
				flags <- b.Flags
			}
		},
	}})
	if _, err := c.Select("INBOX", nil).Wait(); err != nil {
		t.Fatal(err)
	}
	idle, err := c.Idle()
	if err != nil {
		t.Fatal(err)
	}
	s.deliver("INBOX", "Subject: x\n\ny\n", 0)
	if got := wait(t, exists); got != 2 {
		t.Errorf("exists: got %d", got)
	}
	box, err := s.store.Mailbox(alice, "INBOX")
	if err != nil {
		t.Fatal(err)
	}
	ref := storage.Ref{Account: alice, Mailbox: box.ID}
	if _, err := s.store.SetFlags(t.Context(), ref, storage.UIDs(1), storage.FlagChange{Flags: storage.Flagged}); err != nil {
		t.Fatal(err)
	}
	if got := wait(t, flags); !slices.Contains(got, imap.FlagFlagged) {
		t.Errorf("flags: got %v", got)
	}
	if _, _, err := s.store.Expunge(t.Context(), ref, storage.UIDs(1), false); err != nil {
		t.Fatal(err)
	}
	if got := wait(t, expunged); got != 1 {
		t.Errorf("expunge: got %d", got)
	}
	if err := idle.Close(); err != nil {
		t.Fatal(err)
	}
	if err := idle.Wait(); err != nil {
		t.Fatal(err)
	}
}

func wait[T any](t *testing.T, c chan T) T {
	t.Helper()
	select {
	case v := <-c:
		return v
	case <-time.After(10 * time.Second):
		t.Fatal("nothing was told")
		panic("unreachable")
	}
}

func TestManySessionsOnOneMailbox(t *testing.T) {
	t.Parallel()
	s := newSuite(t)
	s.fill("INBOX", 50)
	var all []*script
	for range 10 {
		sc := s.login()
		sc.ok("SELECT INBOX")
		all = append(all, sc)
	}
	for i, sc := range all {
		sc.ok("STORE 1 +FLAGS.SILENT (\\Deleted)")
		if i%2 == 0 {
			sc.ok("EXPUNGE")
		}
		s.deliver("INBOX", "Subject: x\n\ny\n", 0)
	}
	want := ""
	for i, sc := range all {
		sc.ok("NOOP")
		got := strings.Join(sc.ok("FETCH 1:* (UID FLAGS)"), "\n")
		got = strings.ReplaceAll(strings.ReplaceAll(got, " \\Recent", ""), "\\Recent", "")
		if i == 0 {
			want = got
		}
		if got != want {
			t.Errorf("session %d sees\n%s\nthe first\n%s", i, got, want)
		}
	}
}
