package storage_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"mailstead/mail"
	"mailstead/storage"
	"mailstead/storage/storagetest"
)

const keepLong = 24 * time.Hour

// expunged lists all that can be brought back.
func expunged(t testing.TB, s *storage.Store, id mail.AccountID) (list []storage.Expunged) {
	t.Helper()
	if err := s.Expunged(id, func(e storage.Expunged) bool { list = append(list, e); return true }); err != nil {
		t.Fatal(err)
	}
	return list
}

func undelete(t testing.TB, s *storage.Store, id mail.AccountID, into string, list []storage.Expunged) []storage.Appended {
	t.Helper()
	a, err := s.Undelete(t.Context(), id, into, list)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func rowOf(t testing.TB, s *storage.Store, ref storage.Ref, uid storage.UID) storage.Row {
	t.Helper()
	for r, err := range s.Rows(ref, storage.UIDs(uid), storage.ReadOptions{}) {
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	t.Fatalf("no message with UID %d", uid)
	return storage.Row{}
}

func TestUndeleteBringsMessagesBackAsTheyWere(t *testing.T) {
	t.Parallel()
	dir, o := t.TempDir(), noHouse(storage.Options{KeepExpunged: keepLong})
	s := storagetest.OpenDir(t, dir, o)
	a := newAccount(t, s, 1)
	date := time.Date(2001, 2, 3, 4, 5, 6, 0, time.FixedZone("", -5400))
	if _, err := s.Append(t.Context(), strings.NewReader(fillText(1)), storage.Target{Ref: a, Flags: storage.Seen | storage.Flagged, Keywords: []string{"$Work", "other"}, InternalDate: date}); err != nil {
		t.Fatal(err)
	}
	fill(t, s, a, 2, 3)
	was := rowOf(t, s, a, 1)
	if _, err := s.SetFlags(t.Context(), a, storage.UIDs(1), storage.FlagChange{Flags: storage.Deleted}); err != nil {
		t.Fatal(err)
	}
	if _, _, err := s.Expunge(t.Context(), a, nil, true); err != nil {
		t.Fatal(err)
	}
	if u, err := s.Usage(1); err != nil || u.Messages != 3 || u.Bytes != int64(len(fillText(2))*3) {
		t.Errorf("usage: got %+v, %v: what is expunged must not count", u, err)
	}
	list := expunged(t, s, 1)
	if len(list) != 1 || list[0].Mailbox != "INBOX" || list[0].UID != 1 || time.Since(list[0].At) > time.Minute || list[0].Row.Message.Envelope.Subject != "number 1" {
		t.Fatalf("got %+v", list)
	}
	if got := bodyOf(t, s, list[0].Row.Blob); got != fillText(1) {
		t.Errorf("body while expunged: got %q", got)
	}
	back := undelete(t, s, 1, "", list)
	if len(back) != 1 || back[0].UID != 5 || back[0].Ref != a {
		t.Fatalf("got %+v, want UID 5 in INBOX", back)
	}
	got := rowOf(t, s, a, 5)
	if got.Flags != was.Flags || !slices.Equal(got.Keywords, was.Keywords) || !got.InternalDate.Equal(date) || got.Thread != was.Thread || got.Size != was.Size {
		t.Errorf("got %+v, want as %+v", got, was)
	}
	if got := read(t, s, a, 5); got != fillText(1) {
		t.Errorf("body: got %q", got)
	}
	if list := expunged(t, s, 1); len(list) != 0 {
		t.Errorf("still to be brought back: %+v", list)
	}
	if again := undelete(t, s, 1, "", list); len(again) != 0 {
		t.Errorf("brought back twice: %+v", again)
	}
	sameAfter(t, s, dir, o, 1)
}

func TestUndeleteFindsAMailbox(t *testing.T) {
	t.Parallel()
	s := storagetest.Open(t, noHouse(storage.Options{KeepExpunged: keepLong}))
	ctx := t.Context()
	newAccount(t, s, 1)
	for _, name := range []string{"gone", "again", "renamed"} {
		if _, err := s.CreateMailbox(ctx, 1, name, ""); err != nil {
			t.Fatal(err)
		}
		put(t, s, strings.Replace(message, "hello", name, 1), named(t, s, 1, name))
	}
	ref := named(t, s, 1, "renamed")
	expunge(t, s, ref, 1)
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(s.RenameMailbox(ctx, 1, "renamed", "moved"))
	must(s.DeleteMailbox(ctx, 1, "gone"))
	must(s.DeleteMailbox(ctx, 1, "again"))
	_, err := s.CreateMailbox(ctx, 1, "again", "")
	must(err)
	list := expunged(t, s, 1)
	for _, e := range list {
		if e.Mailbox != e.Row.Message.Envelope.Subject {
			t.Errorf("got mailbox %q of message %q", e.Mailbox, e.Row.Message.Envelope.Subject)
		}
	}
	if _, err := s.Undelete(ctx, 1, "nowhere", list); !errors.Is(err, storage.ErrNoMailbox) {
		t.Errorf("into no mailbox: got %v", err)
	}
	if _, err := s.Undelete(ctx, 9, "", list); !errors.Is(err, storage.ErrNoAccount) {
		t.Errorf("of no account: got %v", err)
	}
	undelete(t, s, 1, "", list)
	for name, want := range map[string]uint32{"INBOX": 1, "again": 1, "moved": 1} {
		if m, err := s.Mailbox(1, name); err != nil || m.Messages != want {
			t.Errorf("%s: got %d messages, %v, want %d", name, m.Messages, err, want)
		}
	}
	expunge(t, s, named(t, s, 1, "INBOX"), 1)
	undelete(t, s, 1, "Archive", expunged(t, s, 1))
	if got := read(t, s, named(t, s, 1, "Archive"), 1); !strings.Contains(got, "gone") {
		t.Errorf("into Archive: got %q", got)
	}
}

func TestUndeleteKeepsToTheQuota(t *testing.T) {
	t.Parallel()
	s := storagetest.Open(t, noHouse(storage.Options{KeepExpunged: keepLong, Quota: func(mail.AccountID) int64 { return 3 * int64(len(message)) }}))
	a := newAccount(t, s, 1)
	for range 3 {
		put(t, s, message, a)
	}
	expunge(t, s, a, 1, 2)
	put(t, s, message, a)
	list := expunged(t, s, 1)
	if back, err := s.Undelete(t.Context(), 1, "", list); !errors.Is(err, storage.ErrOverQuota) || len(back) != 0 {
		t.Errorf("two with room for one: got %v, %v, want ErrOverQuota", back, err)
	}
	undelete(t, s, 1, "", list[:1])
	if u, err := s.Usage(1); err != nil || u.Messages != 3 {
		t.Errorf("got %+v, %v", u, err)
	}
}

func TestUndeleteSharesTheBodyOfACopy(t *testing.T) {
	t.Parallel()
	s := storagetest.Open(t, noHouse(storage.Options{KeepExpunged: keepLong}))
	a := newAccount(t, s, 1)
	put(t, s, message, a)
	sent := named(t, s, 1, "Sent")
	if _, err := s.Copy(t.Context(), a, storage.UIDs(1), sent); err != nil {
		t.Fatal(err)
	}
	expunge(t, s, a, 1)
	storagetest.Verify(t, s)
	expunge(t, s, sent, 1)
	storagetest.Verify(t, s)
	undelete(t, s, 1, "", expunged(t, s, 1)[:1])
	storagetest.Verify(t, s)
	if _, err := s.Purge(t.Context(), 1, time.Now().Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	if got := read(t, s, a, 2); got != message {
		t.Errorf("got %q", got)
	}
}

func TestMoveAndRemovedAccountsLeaveNothingToBringBack(t *testing.T) {
	t.Parallel()
	s := storagetest.Open(t, noHouse(storage.Options{KeepExpunged: keepLong}))
	a, b := newAccount(t, s, 1), newAccount(t, s, 2)
	put(t, s, message, a, b)
	if _, err := s.Move(t.Context(), a, storage.UIDs(1), named(t, s, 1, "Trash")); err != nil {
		t.Fatal(err)
	}
	expunge(t, s, b, 1)
	if err := s.RemoveAccount(t.Context(), 2); err != nil {
		t.Fatal(err)
	}
	if len(expunged(t, s, 1)) != 0 || len(expunged(t, s, 2)) != 0 {
		t.Errorf("got %+v and %+v", expunged(t, s, 1), expunged(t, s, 2))
	}
}

func TestPurgeGivesSpaceBackByTime(t *testing.T) {
	t.Parallel()
	dir, o := t.TempDir(), noHouse(storage.Options{KeepExpunged: keepLong, SegmentSize: 10_000})
	s := storagetest.OpenDir(t, dir, o)
	a, b := newAccount(t, s, 1), newAccount(t, s, 2)
	fill(t, s, a, 1, 700)
	put(t, s, message, b)
	if _, _, err := s.Expunge(t.Context(), a, storage.UIDSet{{First: 1, Last: 699}}, false); err != nil {
		t.Fatal(err)
	}
	expunge(t, s, b, 1)
	if n, err := s.Purge(t.Context(), 0, time.Now().Add(-time.Hour)); err != nil || n != 0 {
		t.Errorf("nothing is that old: got %d, %v", n, err)
	}
	if res, err := s.Compact(t.Context(), storage.CompactOptions{}); err != nil || res.Segments != 0 {
		t.Errorf("while it is kept: got %+v, %v, want no segment removed", res, err)
	}
	if n, err := s.Purge(t.Context(), 1, time.Now().Add(time.Hour)); err != nil || n != 699 {
		t.Errorf("got %d, %v, want 699", n, err)
	}
	if got := expunged(t, s, 2); len(got) != 1 {
		t.Errorf("another account's: got %+v", got)
	}
	res, err := s.Compact(t.Context(), storage.CompactOptions{})
	if err != nil || res.Segments < 60 {
		t.Errorf("got %+v, %v, want most segments removed", res, err)
	}
	if n, err := s.Purge(t.Context(), 0, time.Now().Add(time.Hour)); err != nil || n != 1 {
		t.Errorf("of all accounts: got %d, %v, want 1", n, err)
	}
	sameAfter(t, s, dir, o, 1, 2)
}

func TestHousekeepingPurgesWhatIsOld(t *testing.T) {
	t.Parallel()
	s := storagetest.Open(t, storage.Options{KeepExpunged: time.Nanosecond, Housekeeping: time.Millisecond})
	a := newAccount(t, s, 1)
	put(t, s, message, a)
	expunge(t, s, a, 1)
	for len(expunged(t, s, 1)) > 0 {
		if t.Context().Err() != nil {
			t.Fatal("it is still there")
		}
	}
}
