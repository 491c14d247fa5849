package storage

import (
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"mailstead/internal/faultfs"
	"mailstead/mail"
)

// TestRefusedBeforeFree: whoever hears that a message was refused can have its
// quota again.
func TestRefusedBeforeFree(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	fsys, err := faultfs.New(dir)
	if err != nil {
		t.Fatal(err)
	}
	s := openInside(t, dir, fsys)
	inbox := newInbox(t, s)
	fsys.Inject(faultfs.Fault{Match: faultfs.On("*.seg", faultfs.Write), Err: unix.ENOSPC, Forever: true})
	req, err := s.prepare([]Incoming{{Body: strings.NewReader("Subject: x\r\n\r\n"), Targets: []Target{{Ref: inbox}}}})
	if err != nil {
		t.Fatal(err)
	}
	var first atomic.Bool
	release := req.settled
	req.settled = func() {
		first.Store(!req.durable())
		release()
	}
	if err := s.submit(t.Context(), req); err != nil {
		t.Fatal(err)
	}
	<-req.done
	if !errors.Is(req.logErr, ErrNoSpace) || !first.Load() {
		t.Errorf("got %v, given back first: %v; want ErrNoSpace and true", req.logErr, first.Load())
	}
	if len(s.reserved) != 0 {
		t.Errorf("%v is still set aside", s.reserved)
	}
}

// TestQuotaCountsOnce: a message that the index has taken in, while its quota is
// still set aside, does not count twice against the next one.
func TestQuotaCountsOnce(t *testing.T) {
	t.Parallel()
	s := openInside(t, t.TempDir(), nil)
	inbox := newInbox(t, s)
	const message = "Subject: x\r\n\r\n"
	s.opts.Quota = func(mail.AccountID) int64 { return 2 * int64(len(message)) }
	snap, err := s.Snapshot(inbox)
	if err != nil {
		t.Fatal(err)
	}
	defer snap.Feed.Close()
	s.watches.mu.Lock() // stage 2 stops between the index and what comes after it
	deliverOne := func() error { return s.Deliver(t.Context(), strings.NewReader(message), 1) }
	if err := deliverOne(); err != nil {
		t.Fatal(err)
	}
	<-snap.Feed.Wake()
	second := make(chan error, 1)
	go func() { second <- deliverOne() }()
	select {
	case err := <-second:
		s.watches.mu.Unlock()
		t.Fatalf("got %v while the first was on its way", err)
	case <-time.After(50 * time.Millisecond):
	}
	s.watches.mu.Unlock()
	if err := <-second; err != nil {
		t.Errorf("the second of two that fit: %v", err)
	}
	if err := deliverOne(); !errors.Is(err, ErrOverQuota) {
		t.Errorf("the third: got %v, want ErrOverQuota", err)
	}
}
