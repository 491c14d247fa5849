package storage

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"mailstead/internal/durable"
	"mailstead/internal/faultfs"
)

// openInside opens a store that syncs its index only when it is told to.
func openInside(t *testing.T, dir string, fs durable.FS) *Store {
	t.Helper()
	s, err := Open(dir, Options{Housekeeping: -1, FS: fs})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() }) // tests of a store that must be sound close it themselves
	s.safe.last = time.Now().Add(time.Hour)
	return s
}

// newInbox makes an account and gives its INBOX.
func newInbox(t *testing.T, s *Store) Ref {
	t.Helper()
	if err := s.CreateAccount(t.Context(), 1, "user"); err != nil {
		t.Fatal(err)
	}
	m, err := s.Mailbox(1, "INBOX")
	if err != nil {
		t.Fatal(err)
	}
	return Ref{1, m.ID}
}

func deliverInside(t *testing.T, s *Store, n int) {
	t.Helper()
	for i := range n {
		if err := s.Deliver(t.Context(), strings.NewReader(fmt.Sprintf("Subject: %d\r\n\r\n", i)), 1); err != nil {
			t.Fatal(err)
		}
	}
}

// inInbox opens a store again and expects so many messages and no problem.
func inInbox(t *testing.T, dir string, want uint32) {
	t.Helper()
	s := openInside(t, dir, nil)
	m, err := s.Mailbox(1, "INBOX")
	if err != nil || m.Messages != want {
		t.Errorf("got %d messages, %v, want %d", m.Messages, err, want)
	}
	if rep, err := s.Check(t.Context(), CheckOptions{Bodies: true}); err != nil || len(rep.Problems) > 0 {
		t.Errorf("got problems %q, %v, want none", rep.Problems, err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

// slots gives the generations that index.meta holds.
func slots(t *testing.T, dir string) (list []uint64) {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(dir, "index.meta"))
	if err != nil {
		t.Fatal(err)
	}
	for at := 0; at < len(b); at += slotSize {
		if g, _, ok := parseSlot(b[at:min(at+slotSize, len(b))]); ok {
			list = append(list, g)
		}
	}
	return list
}

// TestOnlyTheLastSyncPointIsValid: the pages of the one before may be
// overwritten.
func TestOnlyTheLastSyncPointIsValid(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := openInside(t, dir, nil)
	newInbox(t, s)
	last := slots(t, dir)
	for range 3 {
		deliverInside(t, s, 1)
		if err := s.control(t.Context(), &request{settle: true}); err != nil {
			t.Fatal(err)
		}
		got := slots(t, dir)
		if len(last) != 1 || len(got) != 1 || got[0] != last[0]+1 {
			t.Errorf("got sync points %v after %v, want only the next one", got, last)
		}
		last = got
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if got := slots(t, dir); len(got) != 1 {
		t.Errorf("closed: got sync points %v, want one", got)
	}
	inInbox(t, dir, 3)
}

// TestFailedSyncOfTheIndexIsNoFullDisk: room does not bring back what the disk
// has lost.
func TestFailedSyncOfTheIndexIsNoFullDisk(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	fsys, err := faultfs.New(dir)
	if err != nil {
		t.Fatal(err)
	}
	s := openInside(t, dir, fsys)
	newInbox(t, s)
	deliverInside(t, s, 5)
	if err := s.Settle(t.Context()); err != nil {
		t.Fatal(err)
	}
	meta, err := os.ReadFile(filepath.Join(dir, "index.meta"))
	if err != nil {
		t.Fatal(err)
	}
	in := fsys.Inject(faultfs.Fault{Match: faultfs.On("index.db", faultfs.Datasync), Err: unix.ENOSPC})
	if err := s.control(t.Context(), &request{settle: true}); err == nil || errors.Is(err, ErrNoSpace) || len(in.Fired()) == 0 {
		t.Errorf("settle: got %v, want a failure that is no full disk", err)
	}
	if err := s.Deliver(t.Context(), strings.NewReader("later"), 1); err == nil || errors.Is(err, ErrNoSpace) || s.failure() == nil {
		t.Errorf("deliver afterwards: got %v, want the store stopped", err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if after, err := os.ReadFile(filepath.Join(dir, "index.meta")); err != nil || !bytes.Equal(after, meta) {
		t.Errorf("got another sync point, %v", err)
	}
	inInbox(t, dir, 5)
}

// TestFailedSyncOfTheLogEndsTheWait also when the disk says that it is full.
func TestFailedSyncOfTheLogEndsTheWait(t *testing.T) {
	t.Parallel()
	for _, cause := range []error{unix.EIO, unix.ENOSPC} {
		t.Run(cause.Error(), func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			fsys, err := faultfs.New(dir)
			if err != nil {
				t.Fatal(err)
			}
			s := openInside(t, dir, fsys)
			inbox := newInbox(t, s)
			fsys.Inject(faultfs.Fault{Match: faultfs.On("*.seg", faultfs.Datasync), Err: cause})
			fsys.OnSync(func(int) { <-time.After(50 * time.Millisecond) }) // the index is at it by then
			ended := make(chan error, 1)
			go func() {
				_, err := s.Append(t.Context(), strings.NewReader("text"), Target{Ref: inbox})
				ended <- err
			}()
			select {
			case err := <-ended:
				if err == nil || errors.Is(err, ErrNoSpace) {
					t.Errorf("got %v, want a failure that is no full disk", err)
				}
			case <-time.After(10 * time.Second):
				t.Error("the append waits for ever")
			}
			if s.failure() == nil {
				t.Error("the store goes on")
			}
		})
	}
}

// failingSync is a file system where the sync of the index waits and fails,
// once armed.
type failingSync struct {
	durable.OS
	armed  atomic.Bool
	let    chan struct{} // closed: the sync fails now
	copied chan struct{} // closed: the copy of the index is there
	once   sync.Once
}

func (f *failingSync) SyncBolt(file *os.File) error {
	if !f.armed.Load() {
		return f.OS.SyncBolt(file)
	}
	<-f.let
	return unix.EIO
}

func (f *failingSync) Open(name string, flag int, perm os.FileMode) (durable.File, error) {
	if filepath.Base(name) == "index.db.tmp" {
		f.once.Do(func() { close(f.copied) })
	}
	return f.OS.Open(name, flag, perm)
}

// TestExchangeOfTheIndexBesideAFailingSyncEnds: the failing sync wants the lock
// that a sender has while it waits for the index.
func TestExchangeOfTheIndexBesideAFailingSyncEnds(t *testing.T) {
	t.Parallel()
	fsys := &failingSync{let: make(chan struct{}), copied: make(chan struct{})}
	s := openInside(t, t.TempDir(), fsys)
	s.safe.last = time.Time{} // a sync is due
	fsys.armed.Store(true)
	newInbox(t, s)
	var wg sync.WaitGroup
	wg.Go(func() { _ = s.control(t.Context(), &request{exchange: true}) }) // it may fail
	<-fsys.copied
	for range 4 {
		wg.Go(func() {
			for s.Deliver(t.Context(), strings.NewReader("text"), 1) == nil {
			}
		})
	}
	for tries := 0; len(s.index) < cap(s.index) && tries < 100; tries++ {
		<-time.After(time.Millisecond) // or they wait for the index
	}
	close(fsys.let)
	ended := make(chan struct{})
	go func() { wg.Wait(); close(ended) }()
	select {
	case <-ended:
	case <-time.After(20 * time.Second):
		t.Fatal("exchange, sync and senders wait for each other")
	}
	if s.failure() == nil {
		t.Error("the store goes on after a failed sync")
	}
}

// hurdle is a body that, once armed, blocks or fails.
type hurdle struct {
	*strings.Reader
	armed atomic.Bool
	meet  func() error
}

func (h *hurdle) ReadAt(b []byte, off int64) (int, error) {
	if h.armed.Load() {
		if err := h.meet(); err != nil {
			return 0, err
		}
	}
	return h.Reader.ReadAt(b, off)
}

// TestUnreadableMessageFailsAlone: those that are written with it are not to
// blame.
func TestUnreadableMessageFailsAlone(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := openInside(t, dir, nil)
	inbox := newInbox(t, s)
	queued := make(chan struct{})
	first := &hurdle{meet: func() error { <-queued; return nil }}
	bad := &hurdle{meet: func() error { return unix.EIO }}
	bodies := []*hurdle{first, {}, bad, {}, bad, {}}
	var reqs []*request
	for i, b := range bodies {
		b := &hurdle{Reader: strings.NewReader(fmt.Sprintf("Subject: %d\r\n\r\ntext\r\n", i)), meet: b.meet}
		req, err := s.prepare([]Incoming{{Body: b, Targets: []Target{{Ref: inbox}}}})
		if err != nil {
			t.Fatal(err)
		}
		b.armed.Store(b.meet != nil)
		if err := s.submit(t.Context(), req); err != nil {
			t.Fatal(err)
		}
		reqs = append(reqs, req)
	}
	close(queued)
	uid := UID(0)
	for i, r := range reqs {
		<-r.done
		if bodies[i] == bad {
			if !errors.Is(r.err, unix.EIO) || r.logErr == nil {
				t.Errorf("message %d: got %v, want EIO", i, r.err)
			}
			continue
		}
		uid++
		if r.err != nil || r.out[0].appended[0].UID != uid {
			t.Errorf("message %d: got %+v, %v, want UID %d", i, r.out, r.err, uid)
		}
	}
	deliverInside(t, s, 1)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	inInbox(t, dir, 5)
}
