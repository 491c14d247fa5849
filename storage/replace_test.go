package storage_test

import (
	"errors"
	"sync"
	"sync/atomic"
	"testing"

	"mailstead/mail"
	"mailstead/storage"
	"mailstead/storage/storagetest"
)

func replaceStore(t *testing.T, o storage.Options) (*storage.Store, string, storage.Ref) {
	t.Helper()
	dir := t.TempDir()
	s := storagetest.OpenDir(t, dir, o)
	if err := s.CreateAccount(t.Context(), 1, "a@example.test"); err != nil {
		t.Fatal(err)
	}
	box, err := s.Mailbox(1, "Drafts")
	if err != nil {
		t.Fatal(err)
	}
	return s, dir, storage.Ref{Account: 1, Mailbox: box.ID}
}

func draft(ref storage.Ref, text string) storage.Incoming {
	return storage.Incoming{Body: storagetest.Body(text), Targets: []storage.Target{{Ref: ref}}}
}

func uidsOf(t *testing.T, s *storage.Store, ref storage.Ref) (uids []storage.UID) {
	t.Helper()
	for row, err := range s.Rows(ref, storage.UIDSet{{First: 1, Last: 1<<32 - 1}}, storage.ReadOptions{}) {
		if err != nil {
			t.Fatal(err)
		}
		uids = append(uids, row.UID)
	}
	return uids
}

// TestReplaceIsOneStep: of many that replace the same message one wins, and the
// mailbox never holds more or less than one message.
func TestReplaceIsOneStep(t *testing.T) {
	t.Parallel()
	s, _, ref := replaceStore(t, storage.Options{})
	if _, err := s.AppendAll(t.Context(), []storage.Incoming{draft(ref, "Subject: 0\r\n\r\n")}); err != nil {
		t.Fatal(err)
	}
	for round := range 20 {
		old := uidsOf(t, s, ref)
		if len(old) != 1 {
			t.Fatalf("round %d: got %d messages, want 1", round, len(old))
		}
		var wg sync.WaitGroup
		var mu sync.Mutex
		won := 0
		for range 5 {
			wg.Go(func() {
				_, err := s.Replace(t.Context(), ref, old[0], draft(ref, "Subject: n\r\n\r\n"))
				mu.Lock()
				defer mu.Unlock()
				switch {
				case err == nil:
					won++
				case !errors.Is(err, storage.ErrNoMessage):
					t.Errorf("got %v, want %v", err, storage.ErrNoMessage)
				}
			})
		}
		wg.Wait()
		if won != 1 {
			t.Fatalf("round %d: %d have replaced it, want 1", round, won)
		}
	}
}

// TestReplaceLosesNothing: when one half can't be done, neither is, and after a
// restart all is the same.
func TestReplaceLosesNothing(t *testing.T) {
	t.Parallel()
	s, dir, ref := replaceStore(t, storage.Options{})
	if _, err := s.AppendAll(t.Context(), []storage.Incoming{draft(ref, "Subject: 0\r\n\r\n")}); err != nil {
		t.Fatal(err)
	}
	nowhere := storage.Ref{Account: 1, Mailbox: 999}
	if _, err := s.Replace(t.Context(), ref, 1, draft(nowhere, "Subject: n\r\n\r\n")); !errors.Is(err, storage.ErrNoMailbox) {
		t.Errorf("to nowhere: got %v", err)
	}
	if _, err := s.Replace(t.Context(), nowhere, 1, draft(ref, "Subject: n\r\n\r\n")); !errors.Is(err, storage.ErrNoMessage) {
		t.Errorf("from nowhere: got %v", err)
	}
	if _, err := s.Replace(t.Context(), ref, 2, draft(ref, "Subject: n\r\n\r\n")); !errors.Is(err, storage.ErrNoMessage) {
		t.Errorf("a message that is not there: got %v", err)
	}
	if got := uidsOf(t, s, ref); len(got) != 1 || got[0] != 1 {
		t.Errorf("got %v, want the old one", got)
	}
	out, err := s.Replace(t.Context(), ref, 1, draft(ref, "Subject: n\r\n\r\n"))
	if err != nil || out.UID != 2 {
		t.Fatalf("got %+v, %v", out, err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = storagetest.OpenDir(t, dir, storage.Options{})
	if got := uidsOf(t, s, ref); len(got) != 1 || got[0] != 2 {
		t.Errorf("after a restart: got %v, want the new one", got)
	}
}

// TestReplaceCountsTheDifference: only what the new message takes more is asked
// of the quota (RFC 8508 §3.4).
func TestReplaceCountsTheDifference(t *testing.T) {
	t.Parallel()
	var limit atomic.Int64
	limit.Store(100)
	s, _, ref := replaceStore(t, storage.Options{Quota: func(mail.AccountID) int64 { return limit.Load() }})
	text := func(n int) string { return "Subject: " + string(make([]byte, n-9)) }
	if _, err := s.AppendAll(t.Context(), []storage.Incoming{draft(ref, text(90))}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Replace(t.Context(), ref, 1, draft(ref, text(101))); !errors.Is(err, storage.ErrOverQuota) {
		t.Errorf("101 bytes of 100: got %v", err)
	}
	if _, err := s.Replace(t.Context(), ref, 1, draft(ref, text(100))); err != nil {
		t.Errorf("100 bytes of 100: got %v", err)
	}
	if u, err := s.Usage(1); err != nil || u.Bytes != 100 || u.Messages != 1 {
		t.Errorf("got %+v, %v", u, err)
	}
	if _, err := s.Replace(t.Context(), ref, 2, draft(ref, text(20))); err != nil {
		t.Errorf("a smaller one: got %v", err)
	}
	limit.Store(10)
	if _, err := s.Replace(t.Context(), ref, 3, draft(ref, text(15))); err != nil {
		t.Errorf("a smaller one beyond the limit: got %v", err)
	}
	if _, err := s.Replace(t.Context(), ref, 4, draft(ref, text(16))); !errors.Is(err, storage.ErrOverQuota) {
		t.Errorf("a bigger one beyond the limit: got %v", err)
	}
}
