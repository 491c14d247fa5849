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

// TestMessageLimit holds every way into an account to its number of messages,
// at the limit and one beyond.
func TestMessageLimit(t *testing.T) {
	t.Parallel()
	var limit atomic.Int64
	s := storagetest.Open(t, storage.Options{KeepExpunged: 1 << 62,
		Quota:  func(mail.AccountID) int64 { return 1 }, // not asked when there is Limits
		Limits: func(mail.AccountID) storage.Limits { return storage.Limits{Messages: limit.Load()} }})
	inbox := newAccount(t, s, 1)
	sent := named(t, s, 1, "Sent")
	in := func(n int) (list []storage.Incoming) {
		for range n {
			list = append(list, storage.Incoming{Body: storagetest.Body("Subject: x\r\n\r\n"), Targets: []storage.Target{{Ref: inbox}}})
		}
		return list
	}
	var kept []storage.Expunged
	for _, tc := range []struct {
		name string
		more int64 // messages it adds
		do   func() error
	}{
		{"append", 1, func() error { _, err := s.AppendAll(t.Context(), in(1)); return err }},
		{"append of three", 3, func() error { _, err := s.AppendAll(t.Context(), in(3)); return err }},
		{"one in two mailboxes", 2, func() error {
			_, err := s.Append(t.Context(), storagetest.Body("Subject: y\r\n\r\n"), storage.Target{Ref: inbox}, storage.Target{Ref: sent})
			return err
		}},
		{"delivery", 1, func() error {
			err := s.Deliver(t.Context(), storagetest.Body("Subject: z\r\n\r\n"), 1)
			return errors.Join(err, s.Settle(t.Context()))
		}},
		{"copy", 2, func() error { _, err := s.Copy(t.Context(), inbox, storage.UIDs(1, 2), sent); return err }},
		{"undelete", 1, func() error { _, err := s.Undelete(t.Context(), 1, "", kept); return err }},
	} {
		if tc.name == "undelete" {
			if _, _, err := s.Expunge(t.Context(), inbox, storage.UIDs(1), false); err != nil {
				t.Fatal(err)
			}
			if err := s.Expunged(1, func(e storage.Expunged) bool { kept = append(kept, e); return true }); err != nil {
				t.Fatal(err)
			}
		}
		u, err := s.Usage(1)
		if err != nil {
			t.Fatal(err)
		}
		if limit.Store(max(u.Messages+tc.more-1, 1)); u.Messages+tc.more > 1 {
			if err := tc.do(); !errors.Is(err, storage.ErrOverQuota) {
				t.Errorf("%s, one too many: got %v, want ErrOverQuota", tc.name, err)
			}
		}
		limit.Store(u.Messages + tc.more)
		if err := tc.do(); err != nil {
			t.Errorf("%s, as many as fit: %v", tc.name, err)
		}
		if after, err := s.Usage(1); err != nil || after.Messages != limit.Load() || after.MessageLimit != limit.Load() {
			t.Errorf("%s: got %+v, %v, want it full", tc.name, after, err)
		}
	}
	if _, err := s.Move(t.Context(), inbox, storage.UIDs(2), sent); err != nil {
		t.Errorf("move within a full account: %v", err)
	}
}

// TestMessageLimitHoldsForManyAtOnce appends from many sides.
func TestMessageLimitHoldsForManyAtOnce(t *testing.T) {
	t.Parallel()
	const limit, tries = 20, 50
	s := storagetest.Open(t, storage.Options{Limits: func(mail.AccountID) storage.Limits { return storage.Limits{Messages: limit} }})
	inbox := newAccount(t, s, 1)
	var wg sync.WaitGroup
	var stored atomic.Int64
	for range tries {
		wg.Go(func() {
			if _, err := s.Append(t.Context(), storagetest.Body("Subject: x\r\n\r\n"), storage.Target{Ref: inbox}); err == nil {
				stored.Add(1)
			} else if !errors.Is(err, storage.ErrOverQuota) {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if stored.Load() != limit {
		t.Errorf("%d messages stored, want %d", stored.Load(), limit)
	}
}
