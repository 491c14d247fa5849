package admin_test

import (
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"testing"
	"time"

	"mailstead/admin"
	"mailstead/backup"
	"mailstead/mail"
	"mailstead/storage"
	"mailstead/storage/storagetest"
	"mailstead/transfer"
)

// look is a mailbox with its messages, as a client sees it.
func look(t *testing.T, s *storage.Store, id mail.AccountID, name string) (storage.Mailbox, string) {
	t.Helper()
	m, err := s.Mailbox(id, name)
	if err != nil {
		t.Fatal(err)
	}
	text := fmt.Sprintf("%s %d\n", m.Name, m.UIDValidity)
	for row, err := range s.Rows(storage.Ref{Account: id, Mailbox: m.ID}, storage.UIDSet{{First: 1, Last: 1<<32 - 1}}, storage.ReadOptions{}) {
		if err != nil {
			t.Fatal(err)
		}
		c, err := s.OpenBlob(t.Context(), row.Blob)
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(io.NewSectionReader(c, 0, c.Size()))
		if err != nil {
			t.Fatal(err)
		}
		c.Close()
		text += fmt.Sprintf("%d %d %v %v %q\n", row.UID, row.Flags, row.Keywords, row.InternalDate, b)
	}
	return m, text
}

func TestBackupBringsBackWhatWasLost(t *testing.T) {
	t.Parallel()
	for name, socket := range map[string]bool{"socket": true, "in process": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := start(t, socket)
			ctx := t.Context()
			must[admin.Domain](t, s, "domain/add", admin.DomainQuery{Name: "example.org"})
			a := must[admin.Account](t, s, "account/add", admin.AccountQuery{Address: "alice@example.org", Password: "alice-password"})
			id := mail.AccountID(a.ID)
			box, err := s.store.CreateMailbox(ctx, id, "Work", "")
			if err != nil {
				t.Fatal(err)
			}
			put := func(n int) {
				zone := time.FixedZone("", 3600)
				in := storage.Target{Ref: storage.Ref{Account: id, Mailbox: box.ID}, Flags: storage.Flagged, Keywords: []string{"Project"}, InternalDate: time.Date(2020, 1, n, 1, 2, 3, 0, zone)}
				if _, err := s.store.Append(ctx, storagetest.Body(fmt.Sprintf("Message-ID: <%d@x>\r\n\r\n%d\r\n", n, n)), in); err != nil {
					t.Fatal(err)
				}
			}
			for n := range 6 {
				put(n + 1)
			}
			if _, _, err := s.store.Expunge(ctx, storage.Ref{Account: id, Mailbox: box.ID}, storage.UIDSet{{First: 2, Last: 2}, {First: 6, Last: 6}}, false); err != nil {
				t.Fatal(err)
			}
			before, want := look(t, s.store, id, "Work")
			dir := filepath.Join(t.TempDir(), "backup")
			res, err := s.Backup(ctx, admin.BackupQuery{Dir: dir, Files: []admin.BackupFile{{Name: "config.toml", Data: []byte("x")}}}, func(admin.Progress) {})
			if err != nil || !res.Complete || res.Messages != 4 || res.Accounts != 1 {
				t.Fatal(res, err)
			}
			put(7) // lost for good

			if err := s.store.DeleteMailbox(ctx, id, "Work"); err != nil {
				t.Fatal(err)
			}
			bringBack(t, s, dir, transfer.Filter{Mailboxes: []string{"Work"}})
			after, got := look(t, s.store, id, "Work")
			if got != want || after.UIDNext <= before.UIDNext+1 {
				t.Errorf("a mailbox that was deleted: UIDNEXT %d, was %d; got\n%swant\n%s", after.UIDNext, before.UIDNext, got, want)
			}

			if _, _, err := s.store.Expunge(ctx, storage.Ref{Account: id, Mailbox: after.ID}, storage.UIDSet{{First: 3, Last: 4}}, false); err != nil {
				t.Fatal(err)
			}
			bringBack(t, s, dir, transfer.Filter{MessageIDs: []string{"<4@x>", "5@x"}})
			m, got := look(t, s.store, id, "Work")
			if m.Messages != 3 || m.UIDNext != after.UIDNext+1 {
				t.Errorf("one message that was lost, one that was not: got %d messages\n%s", m.Messages, got)
			}

			must[admin.Account](t, s, "account/remove", admin.AccountQuery{Address: "alice@example.org"})
			adopt(t, s, dir, a)
			back := must[admin.Account](t, s, "account/show", admin.AccountQuery{Address: "alice@example.org"})
			if back.ID == a.ID {
				t.Error("its number was used again")
			}
			bringBack(t, s, dir, transfer.Filter{})
			after, got = look(t, s.store, mail.AccountID(back.ID), "Work")
			if got != want || after.HighestModSeq <= before.HighestModSeq {
				t.Errorf("an account that was removed: HIGHESTMODSEQ %d, was %d; got\n%swant\n%s", after.HighestModSeq, before.HighestModSeq, got, want)
			}
			for _, q := range []admin.BackupQuery{{Dir: "relative"}, {Dir: dir, Files: []admin.BackupFile{{Name: "../x"}}}, {Dir: filepath.Join(s.dir, "x")}} {
				if e, ok := errors.AsType[*admin.Error](second(s.Backup(ctx, q, func(admin.Progress) {}))); !ok || e.Code != admin.Invalid {
					t.Errorf("%+v: got %v, want invalid", q, e)
				}
			}
			refuse(t, s, "account/adopt", admin.AdoptQuery{Saved: []byte("\x01nonsense")}, admin.Invalid)
		})
	}
}

func second[A any](_ A, err error) error { return err }

func openNewest(t *testing.T, dir string) *backup.Opened {
	t.Helper()
	m, err := backup.Find(dir, "")
	if err != nil {
		t.Fatal(err)
	}
	b, err := backup.Open(t.Context(), dir, m, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	})
	return b
}

// bringBack restores part of alice's mail.
func bringBack(t *testing.T, s *suite, dir string, f transfer.Filter) {
	t.Helper()
	b := openNewest(t, dir)
	dst, err := s.Mail(t.Context(), "alice@example.org")
	if err != nil {
		t.Fatal(err)
	}
	if res, err := transfer.Import(t.Context(), transfer.StoreSource(b.Store, 1, f), dst, transfer.ImportOptions{Backup: true}); err != nil || res.Skipped > 0 {
		t.Fatal(res, err)
	}
}

// adopt makes alice's account again; her password is as it was.
func adopt(t *testing.T, s *suite, dir string, a admin.Account) {
	t.Helper()
	b := openNewest(t, dir)
	addr := mail.Address{Local: "alice", Domain: "example.org"}
	saved, err := b.Accounts.Save(addr)
	if err != nil {
		t.Fatal(err)
	}
	got := must[admin.Account](t, s, "account/adopt", admin.AdoptQuery{Saved: saved})
	if !got.Created.Equal(a.Created) || !got.PasswordChanged.Equal(a.PasswordChanged) {
		t.Errorf("got %+v, want %+v", got, a)
	}
	again, err := s.db.Save(addr)
	if err != nil || string(again[3:]) != string(saved[3:]) { // but for its number
		t.Errorf("the account is not as it was: %v", err)
	}
	refuse(t, s, "account/adopt", admin.AdoptQuery{Saved: saved}, admin.Exists)
}
