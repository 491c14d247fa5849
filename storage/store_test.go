package storage_test

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"mailstead/mail"
	"mailstead/storage"
	"mailstead/storage/storagetest"
)

const message = "Subject: hello\r\nMessage-ID: <1@example.test>\r\n\r\nbody\r\n"

func newAccount(t testing.TB, s *storage.Store, id mail.AccountID) storage.Ref {
	t.Helper()
	if err := s.CreateAccount(t.Context(), id, fmt.Sprint("user", id)); err != nil {
		t.Fatal(err)
	}
	return named(t, s, id, "INBOX")
}

func named(t testing.TB, s *storage.Store, id mail.AccountID, name string) storage.Ref {
	t.Helper()
	m, err := s.Mailbox(id, name)
	if err != nil {
		t.Fatalf("mailbox %q: %v", name, err)
	}
	return storage.Ref{Account: id, Mailbox: m.ID}
}

func put(t testing.TB, s *storage.Store, text string, refs ...storage.Ref) []storage.Appended {
	t.Helper()
	var targets []storage.Target
	for _, r := range refs {
		targets = append(targets, storage.Target{Ref: r})
	}
	a, err := s.Append(t.Context(), strings.NewReader(text), targets...)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func read(t testing.TB, s *storage.Store, ref storage.Ref, uid storage.UID) string {
	t.Helper()
	c, err := s.OpenBody(t.Context(), ref, uid)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	b, err := io.ReadAll(io.NewSectionReader(c, 0, c.Size()))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// dump is all that callers can see of an account.
func dump(t testing.TB, s *storage.Store, id mail.AccountID) string {
	t.Helper()
	var b strings.Builder
	boxes, err := s.Mailboxes(id)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range boxes {
		fmt.Fprintf(&b, "%+v\n", m)
		ref := storage.Ref{Account: id, Mailbox: m.ID}
		for r, err := range s.Rows(ref, storage.UIDSet{{First: 1, Last: 1<<32 - 1}}, storage.ReadOptions{Message: true}) {
			if err != nil {
				t.Fatal(err)
			}
			fmt.Fprintf(&b, "  %d %d %d %v %s %s %d %d %d %q\n", r.UID, r.ModSeq, r.Flags, r.Keywords, r.InternalDate, r.SaveDate, r.Size, r.Blob, r.Thread, r.Message.Envelope.Subject)
		}
		gone, _, err := s.Vanished(ref, 0)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&b, "  gone %v\n", gone)
	}
	subs, err := s.Subscriptions(id)
	if err != nil {
		t.Fatal(err)
	}
	u, err := s.Usage(id)
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprintln(&b, subs, u)
	return b.String()
}

// history does a little of everything.
func history(t testing.TB, s *storage.Store) {
	t.Helper()
	ctx := t.Context()
	a, b := newAccount(t, s, 1), newAccount(t, s, 2)
	for i := range 10 {
		put(t, s, strings.Replace(message, "<1@", fmt.Sprintf("<%d@", i), 1), a, b)
	}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	_, err := s.SetFlags(ctx, a, storage.UIDs(1, 2, 3, 99), storage.FlagChange{Flags: storage.Seen | storage.Deleted, Keywords: []string{"$Forwarded", "work"}})
	must(err)
	_, err = s.Copy(ctx, a, storage.UIDs(1, 4), named(t, s, 1, "Archive"))
	must(err)
	_, err = s.Move(ctx, a, storage.UIDs(2, 5), named(t, s, 1, "Trash"))
	must(err)
	_, _, err = s.Expunge(ctx, a, nil, true)
	must(err)
	_, _, err = s.Expunge(ctx, b, storage.UIDs(1, 2, 3, 4, 5), false)
	must(err)
	_, err = s.CreateMailbox(ctx, 1, "lists/go/dev", "")
	must(err)
	must(s.RenameMailbox(ctx, 1, "lists", "old/lists"))
	must(s.RenameMailbox(ctx, 1, "INBOX", "before"))
	must(s.DeleteMailbox(ctx, 1, "Trash"))
	must(s.Subscribe(ctx, 1, "nowhere", true))
	newAccount(t, s, 3)
	must(s.RemoveAccount(ctx, 3))
}

func TestHistorySurvivesReopenAndRebuild(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := storagetest.OpenDir(t, dir, storage.Options{SegmentSize: 2000})
	history(t, s)
	want1, want2 := dump(t, s, 1), dump(t, s, 2)
	storagetest.Verify(t, s)
	for _, how := range []string{"reopen", "rebuild"} {
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		if how == "rebuild" {
			if err := os.Remove(filepath.Join(dir, "index.db")); err != nil {
				t.Fatal(err)
			}
		}
		s = storagetest.OpenDir(t, dir, storage.Options{SegmentSize: 2000})
		if d := cmp.Diff(want1+want2, dump(t, s, 1)+dump(t, s, 2)); d != "" {
			t.Errorf("after %s (-want +got):\n%s", how, d)
		}
	}
	if got := read(t, s, named(t, s, 1, "before"), 1); !strings.HasSuffix(got, "body\r\n") {
		t.Errorf("got body %q", got)
	}
	put(t, s, message, named(t, s, 1, "INBOX"))
}

func TestTornTailIsCut(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := storagetest.OpenDir(t, dir, storage.Options{})
	a := newAccount(t, s, 1)
	put(t, s, message, a)
	want := dump(t, s, 1)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "mail", "000001.seg")
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	last := whole[strings.LastIndex(string(whole), "MSr3"):]
	for _, n := range []int{1, 20, 36, 60, len(last) - 1} {
		torn := append(slices.Clone(whole), last[:min(n, len(last))]...)
		if err := os.WriteFile(path, torn, 0o600); err != nil {
			t.Fatal(err)
		}
		s, err := storage.Open(dir, storage.Options{})
		if err != nil {
			t.Fatalf("%d bytes torn: %v", n, err)
		}
		storagetest.Verify(t, s)
		if d := cmp.Diff(want, dump(t, s, 1)); d != "" {
			t.Errorf("%d bytes torn (-want +got):\n%s", n, d)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestDamagedBodyIsNotServed(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s, err := storage.Open(dir, storage.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	a := newAccount(t, s, 1)
	put(t, s, message, a)
	put(t, s, message+"second", a)
	path := filepath.Join(dir, "mail", "000001.seg")
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	b[strings.Index(string(b), "body\r\n")] = 'B'
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := s.OpenBody(t.Context(), a, 1); !errors.Is(err, storage.ErrDamaged) {
		t.Errorf("got %v, want ErrDamaged", err)
	}
	if got := read(t, s, a, 2); got != message+"second" {
		t.Errorf("got %q", got)
	}
	rep, err := s.Check(t.Context(), storage.CheckOptions{Bodies: true})
	if err != nil || len(rep.Problems) != 1 {
		t.Errorf("check: got %v, %v, want one problem", rep.Problems, err)
	}
}

func TestErrors(t *testing.T) {
	t.Parallel()
	limit := int64(3 * len(message))
	s := storagetest.Open(t, storage.Options{Quota: func(mail.AccountID) int64 { return limit }})
	ctx := t.Context()
	a := newAccount(t, s, 1)
	append1 := func(tg storage.Target) error {
		_, err := s.Append(ctx, strings.NewReader(message), tg)
		return err
	}
	nowhere := storage.Ref{Account: 1, Mailbox: 999}
	for _, tc := range []struct {
		name      string
		got, want error
	}{
		{"account twice", s.CreateAccount(ctx, 1, "x"), storage.ErrExists},
		{"append to no account", append1(storage.Target{Ref: storage.Ref{Account: 9}, OrInbox: true}), storage.ErrNoAccount},
		{"append to no mailbox", append1(storage.Target{Ref: nowhere}), storage.ErrNoMailbox},
		{"append to no mailbox or INBOX", append1(storage.Target{Ref: nowhere, OrInbox: true}), nil},
		{"delete INBOX", s.DeleteMailbox(ctx, 1, "inbox"), storage.ErrInUse},
		{"delete nothing", s.DeleteMailbox(ctx, 1, "x"), storage.ErrNoMailbox},
		{"rename to what is there", s.RenameMailbox(ctx, 1, "Sent", "Trash"), storage.ErrExists},
		{"rename below itself", s.RenameMailbox(ctx, 1, "Sent", "Sent/x"), storage.ErrBadName},
		{"second", append1(storage.Target{Ref: a}), nil},
		{"third, the limit", append1(storage.Target{Ref: a}), nil},
		{"fourth, over the limit", append1(storage.Target{Ref: a}), storage.ErrOverQuota},
	} {
		if !errors.Is(tc.got, tc.want) {
			t.Errorf("%s: got %v, want %v", tc.name, tc.got, tc.want)
		}
	}
	if _, err := s.Copy(ctx, a, storage.UIDs(1), named(t, s, 1, "Sent")); !errors.Is(err, storage.ErrOverQuota) {
		t.Errorf("copy over quota: got %v", err)
	}
	if _, err := s.AppendAll(ctx, []storage.Incoming{
		{Body: strings.NewReader(""), Targets: []storage.Target{{Ref: a}}}, {Body: strings.NewReader(""), Targets: []storage.Target{{Ref: nowhere}}},
	}); !errors.Is(err, storage.ErrNoMailbox) {
		t.Errorf("group with one bad target: got %v", err)
	}
	if m, err := s.MailboxByID(a); err != nil || m.Messages != 3 {
		t.Errorf("got %d messages, %v, want 3", m.Messages, err)
	}
}

func TestFeedTellsWhatHappened(t *testing.T) {
	t.Parallel()
	s := storagetest.Open(t, storage.Options{})
	a := newAccount(t, s, 1)
	snap, err := s.Snapshot(a)
	if err != nil {
		t.Fatal(err)
	}
	defer snap.Feed.Close()
	put(t, s, message, a)
	zero := storage.ModSeq(0)
	if _, err := s.SetFlags(t.Context(), a, storage.UIDs(1), storage.FlagChange{Flags: storage.Seen}); err != nil {
		t.Fatal(err)
	}
	r, err := s.SetFlags(t.Context(), a, storage.UIDs(1), storage.FlagChange{Flags: storage.Flagged, UnchangedSince: &zero})
	if err != nil || len(r.Changed) != 0 || !r.Modified.Contains(1) {
		t.Errorf("UNCHANGEDSINCE: got %+v, %v", r, err)
	}
	if _, err := s.Move(t.Context(), a, storage.UIDs(1), named(t, s, 1, "Trash")); err != nil {
		t.Fatal(err)
	}
	<-snap.Feed.Wake()
	events, overflow := snap.Feed.Take()
	var kinds []storage.EventKind
	for _, e := range events {
		kinds = append(kinds, e.Kind)
	}
	if want := []storage.EventKind{storage.EventAdded, storage.EventFlags, storage.EventExpunged}; overflow || !slices.Equal(kinds, want) {
		t.Errorf("got %v, overflow %v, want %v", kinds, overflow, want)
	}
}

func TestOneProcessAtATime(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	storagetest.OpenDir(t, dir, storage.Options{})
	if _, err := storage.Open(dir, storage.Options{}); !errors.Is(err, storage.ErrLocked) {
		t.Errorf("got %v, want ErrLocked", err)
	}
}
