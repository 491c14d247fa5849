package storage_test

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"mailstead/internal/faultfs"
	"mailstead/mail"
	"mailstead/storage"
	"mailstead/storage/storagetest"
)

// onFaultyDisk opens a store on a disk that can fail.
func onFaultyDisk(t *testing.T) (*storage.Store, *faultfs.FS) {
	t.Helper()
	dir := t.TempDir()
	fsys, err := faultfs.New(dir)
	if err != nil {
		t.Fatal(err)
	}
	return storagetest.OpenDir(t, dir, storage.Options{FS: fsys, Housekeeping: -1}), fsys
}

func baseIs(name string) func(string) bool {
	return func(path string) bool { ok, _ := filepath.Match(name, filepath.Base(path)); return ok }
}

// TestUnreadableBodyIsAnErrorForItAlone: in the log and aside, before it was
// read once and after, and the body is back when the disk is.
func TestUnreadableBodyIsAnErrorForItAlone(t *testing.T) {
	t.Parallel()
	for _, known := range []bool{false, true} {
		for uid, file := range map[storage.UID]string{1: "*.seg", 2: "*.msg"} {
			s, fsys := onFaultyDisk(t)
			inbox := newAccount(t, s, 1)
			big := "Subject: big\r\n\r\n" + strings.Repeat("x", 1<<20)
			put(t, s, message, inbox)
			put(t, s, big, inbox)
			if known {
				read(t, s, inbox, uid)
			}
			stop := fsys.FailReads(faultfs.ReadFault{Match: baseIs(file)})
			for try := range 2 {
				c, err := s.OpenBody(t.Context(), inbox, uid)
				if err == nil {
					// It was proved earlier: the first reader meets the fault.
					_, err = io.ReadAll(io.NewSectionReader(c, 0, c.Size()))
					c.Close()
					if !known || try > 0 {
						t.Errorf("known %v, %s, try %d: opened", known, file, try)
					}
				}
				if !errors.Is(err, storage.ErrDamaged) || !errors.Is(err, unix.EIO) {
					t.Errorf("known %v, %s, try %d: got %v, want ErrDamaged and EIO", known, file, try, err)
				}
			}
			if got := read(t, s, inbox, 3-uid); got != map[storage.UID]string{1: big, 2: message}[uid] {
				t.Errorf("known %v, %s: the other message is not right", known, file)
			}
			for r, err := range s.Rows(inbox, everyUID(), storage.ReadOptions{Message: true}) {
				if err != nil || r.Message == nil {
					t.Errorf("known %v, %s: rows: got %v, %v", known, file, r, err)
				}
			}
			stop()
			if got := read(t, s, inbox, uid); got != map[storage.UID]string{1: message, 2: big}[uid] {
				t.Errorf("known %v, %s: not right again afterwards", known, file)
			}
		}
	}
}

// TestIndexWaitsForSpace: what the log has is not given up when the index can't
// take it; meanwhile new changes are refused at once and reading goes on.
func TestIndexWaitsForSpace(t *testing.T) {
	t.Parallel()
	s, fsys := onFaultyDisk(t)
	inbox := newAccount(t, s, 1)
	put(t, s, message, inbox)
	in := fsys.Inject(faultfs.Fault{Match: faultfs.On("index.db", faultfs.Write), Err: unix.ENOSPC, Forever: true})
	waiting := make(chan error, 1)
	go func() {
		_, err := s.SetFlags(t.Context(), inbox, storage.UIDs(1), storage.FlagChange{Flags: storage.Flagged})
		waiting <- err
	}()
	for len(in.Fired()) < 2 { // it has tried again, and so has noticed
		<-time.After(time.Millisecond)
	}
	if err := s.Subscribe(t.Context(), 1, "x", true); !errors.Is(err, storage.ErrNoSpace) {
		t.Errorf("got %v, want ErrNoSpace", err)
	}
	if got := read(t, s, inbox, 1); got != message {
		t.Errorf("got %q", got)
	}
	select {
	case err := <-waiting:
		t.Errorf("the first change ended: %v", err)
	case <-time.After(50 * time.Millisecond): // nothing may happen
	}
	in.Stop()
	if err := <-waiting; err != nil {
		t.Errorf("with space again: %v", err)
	}
	if err := s.Subscribe(t.Context(), 1, "x", true); err != nil {
		t.Errorf("with space again: %v", err)
	}
}

// TestRefusedMessagesTakeNoQuota: whatever refuses a message gives its bytes
// back.
func TestRefusedMessagesTakeNoQuota(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	fsys, err := faultfs.New(dir)
	if err != nil {
		t.Fatal(err)
	}
	big := "Subject: big\r\n\r\n" + strings.Repeat("x", 1<<20)
	s := storagetest.OpenDir(t, dir, storage.Options{FS: fsys, Housekeeping: -1, Quota: func(mail.AccountID) int64 { return 2 << 20 }})
	inbox := newAccount(t, s, 1)
	for _, file := range []string{"*.seg", "*.msg"} {
		in := fsys.Inject(faultfs.Fault{Match: faultfs.On(file, faultfs.Write), Err: unix.ENOSPC, Forever: true})
		for range 5 {
			if _, err := s.Append(t.Context(), strings.NewReader(big), storage.Target{Ref: inbox}); !errors.Is(err, storage.ErrNoSpace) {
				t.Errorf("%s: got %v, want ErrNoSpace", file, err)
			}
			if err := s.Deliver(t.Context(), strings.NewReader(big), 1); !errors.Is(err, storage.ErrNoSpace) {
				t.Errorf("%s: got %v, want ErrNoSpace", file, err)
			}
		}
		in.Stop()
	}
	if left, err := os.ReadDir(filepath.Join(dir, "mail", "big")); err != nil || len(left) > 0 {
		t.Errorf("got %v, %v, want no files left", left, err)
	}
	put(t, s, big, inbox)
}
