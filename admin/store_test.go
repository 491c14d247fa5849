package admin_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"mailstead/accounts"
	"mailstead/admin"
	"mailstead/mail"
	"mailstead/storage"
	"mailstead/storage/storagetest"
)

// bothWays runs a test with and without the socket.
func bothWays(t *testing.T, test func(t *testing.T, s *suite)) {
	for name, socket := range map[string]bool{"socket": true, "in process": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, start(t, socket))
		})
	}
}

// mailFor adds an account with messages, of which some are expunged.
func mailFor(t *testing.T, s *suite, name string, n int, expunged ...storage.UID) storage.Ref {
	t.Helper()
	if _, err := s.db.Domain("example.org"); err != nil {
		must[admin.Domain](t, s, "domain/add", admin.DomainQuery{Name: "example.org"})
	}
	a := must[admin.Account](t, s, "account/add", admin.AccountQuery{Address: name + "@example.org", Password: "a good password"})
	ref := storage.Ref{Account: mail.AccountID(a.ID)}
	inbox, err := s.store.Mailbox(ref.Account, "INBOX")
	if err != nil {
		t.Fatal(err)
	}
	ref.Mailbox = inbox.ID
	for i := range n {
		text := fmt.Sprintf("From: =?utf-8?q?J=C3=BCrgen?= <j%d@example.net>\r\nSubject: Bericht =?utf-8?q?=C3=9C?= %d\r\nMessage-ID: <%d@example.net>\r\n\r\nbody of %d\r\n", i+1, i+1, i+1, i+1)
		if _, err := s.store.Append(t.Context(), storagetest.Body(text), storage.Target{Ref: ref}); err != nil {
			t.Fatal(err)
		}
	}
	if len(expunged) > 0 {
		if _, _, err := s.store.Expunge(t.Context(), ref, storage.UIDs(expunged...), false); err != nil {
			t.Fatal(err)
		}
	}
	return ref
}

// listed gives the subjects of the expunged messages a query chooses.
func listed(t *testing.T, s *suite, q admin.UndeleteQuery) (subjects []string) {
	t.Helper()
	rep, err := admin.Follow[admin.Expunged, admin.UndeleteReport](t.Context(), s.Client, "undelete/list", q, admin.Listener[admin.Expunged]{Item: func(e admin.Expunged) error {
		subjects = append(subjects, e.Subject)
		return nil
	}})
	if err != nil || rep.Messages != int64(len(subjects)) {
		t.Fatalf("%+v: got %+v, %v, %d messages", q, rep, err, len(subjects))
	}
	return subjects
}

func follow[Out any](t *testing.T, s *suite, operation string, q any) (Out, error) {
	t.Helper()
	return admin.Follow[any, Out](t.Context(), s.Client, operation, q, admin.Listener[any]{})
}

func TestUndelete(t *testing.T) {
	t.Parallel()
	bothWays(t, func(t *testing.T, s *suite) {
		ref := mailFor(t, s, "alice", 6, 1, 2, 3, 4)
		const alice = "alice@example.org"
		hour := time.Hour
		for _, tt := range []struct {
			name string
			q    admin.UndeleteQuery
			want int
		}{
			{"all", admin.UndeleteQuery{}, 4},
			{"mailbox", admin.UndeleteQuery{Mailbox: "inbox"}, 4},
			{"other mailbox", admin.UndeleteQuery{Mailbox: "Sent"}, 0},
			{"subject", admin.UndeleteQuery{Subject: "bericht ü 3"}, 1},
			{"name", admin.UndeleteQuery{From: "JÜRGEN"}, 4},
			{"address", admin.UndeleteQuery{From: "j2@"}, 1},
			{"message identifier", admin.UndeleteQuery{MessageID: "<4@example.net>"}, 1},
			{"since", admin.UndeleteQuery{Since: time.Now().Add(-hour)}, 4},
			{"since later", admin.UndeleteQuery{Since: time.Now().Add(hour)}, 0},
			{"before", admin.UndeleteQuery{Before: time.Now().Add(-hour)}, 0},
			{"two at once", admin.UndeleteQuery{Subject: "3", From: "j2"}, 0},
		} {
			tt.q.Address = alice
			if got := listed(t, s, tt.q); len(got) != tt.want {
				t.Errorf("%s: got %q, want %d messages", tt.name, got, tt.want)
			}
		}
		rep, err := follow[admin.UndeleteReport](t, s, "undelete/restore", admin.UndeleteQuery{Address: alice, Subject: "3"})
		if err != nil || rep.Messages != 1 || rep.Mailboxes["INBOX"] != 1 || rep.Bytes == 0 {
			t.Errorf("restore: got %+v, %v", rep, err)
		}
		rep, err = follow[admin.UndeleteReport](t, s, "undelete/restore", admin.UndeleteQuery{Address: alice, Subject: "4", Into: "Archive"})
		if err != nil || rep.Mailboxes["Archive"] != 1 {
			t.Errorf("restore into Archive: got %+v, %v", rep, err)
		}
		if m, err := s.store.MailboxByID(ref); err != nil || m.Messages != 3 {
			t.Errorf("INBOX: got %d messages, %v, want 3", m.Messages, err)
		}
		quota := int64(1)
		must[admin.Account](t, s, "account/quota", admin.AccountQuery{Address: alice, Quota: &quota})
		for _, tt := range []struct {
			q    admin.UndeleteQuery
			code admin.Code
		}{
			{admin.UndeleteQuery{Address: alice, Into: "nowhere"}, admin.NotFound},
			{admin.UndeleteQuery{Address: "bob@example.org"}, admin.NotFound},
			{admin.UndeleteQuery{Address: alice}, admin.Limit},
			{admin.UndeleteQuery{Address: alice, Mailbox: "a//b"}, admin.Invalid},
		} {
			_, err := follow[admin.UndeleteReport](t, s, "undelete/restore", tt.q)
			if e, ok := errors.AsType[*admin.Error](err); !ok || e.Code != tt.code {
				t.Errorf("%+v: got %v, want %s", tt.q, err, tt.code)
			}
		}
		if _, err = follow[admin.UndeleteReport](t, s, "undelete/purge", admin.UndeleteQuery{Address: alice}); err == nil {
			t.Error("purge without a time: got no error")
		}
		rep, err = follow[admin.UndeleteReport](t, s, "undelete/purge", admin.UndeleteQuery{Address: alice, Before: time.Now().Add(hour)})
		if err != nil || rep.Messages != 2 || rep.Bytes == 0 {
			t.Errorf("purge: got %+v, %v", rep, err)
		}
		if got := listed(t, s, admin.UndeleteQuery{Address: alice}); len(got) != 0 {
			t.Errorf("purged: got %q", got)
		}
	})
}

func TestUndeleteOfMany(t *testing.T) {
	t.Parallel()
	bothWays(t, func(t *testing.T, s *suite) {
		var uids []storage.UID
		for u := range storage.UID(1200) {
			uids = append(uids, u+1)
		}
		mailFor(t, s, "alice", 1200, uids...)
		told := 0
		rep, err := admin.Follow[any, admin.UndeleteReport](t.Context(), s.Client, "undelete/restore", admin.UndeleteQuery{Address: "alice@example.org"},
			admin.Listener[any]{Progress: func(admin.Progress) { told++ }})
		if err != nil || rep.Messages != 1200 || told != 3 {
			t.Errorf("got %+v, %v, progress told %d times", rep, err, told)
		}
	})
}

func TestListingEndsWithItsClient(t *testing.T) {
	t.Parallel()
	bothWays(t, func(t *testing.T, s *suite) {
		mailFor(t, s, "alice", 300, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10)
		enough := errors.New("enough")
		_, err := admin.Follow[admin.Expunged, admin.UndeleteReport](t.Context(), s.Client, "undelete/list", admin.UndeleteQuery{Address: "alice@example.org"},
			admin.Listener[admin.Expunged]{Item: func(admin.Expunged) error { return enough }})
		if !errors.Is(err, enough) {
			t.Errorf("got %v", err)
		}
	})
}

func TestCompactAndSpace(t *testing.T) {
	t.Parallel()
	bothWays(t, func(t *testing.T, s *suite) {
		mailFor(t, s, "alice", 50, 1, 2, 3, 4, 5)
		sp := must[admin.Space](t, s, "space", struct{}{})
		if sp.Segments != 1 || sp.Log == 0 || sp.Expunged != 5 || sp.ExpungedIn == 0 || sp.Index == 0 {
			t.Errorf("space: got %+v", sp)
		}
		if _, err := follow[admin.UndeleteReport](t, s, "undelete/purge", admin.UndeleteQuery{Address: "alice@example.org", Before: time.Now().Add(time.Hour)}); err != nil {
			t.Fatal(err)
		}
		told := 0
		rep, err := admin.Follow[any, admin.CompactReport](t.Context(), s.Client, "compact", admin.CompactQuery{All: true}, admin.Listener[any]{Progress: func(admin.Progress) { told++ }})
		if err != nil || rep.Segments != 1 || rep.Kept != 0 || rep.Space.Expunged != 0 || rep.Space.Checkpoints != 1 || told == 0 {
			t.Errorf("got %+v, %v, progress told %d times", rep, err, told)
		}
		st := must[admin.Status](t, s, "status", struct{}{})
		if st.Space.Log != rep.Space.Log || st.Space.Checkpoint.IsZero() || len(st.Damage) != 0 {
			t.Errorf("status: got %+v", st)
		}
	})
}

func TestCompactEndsWithItsClient(t *testing.T) {
	t.Parallel()
	bothWays(t, func(t *testing.T, s *suite) {
		mailFor(t, s, "alice", 200, 1, 2, 3, 4, 5)
		before := must[admin.Space](t, s, "space", struct{}{})
		ctx, cancel := context.WithCancel(t.Context())
		_, err := admin.Follow[any, admin.CompactReport](ctx, s.Client, "compact", admin.CompactQuery{All: true, Rate: 1}, admin.Listener[any]{Progress: func(admin.Progress) { cancel() }})
		cancel()
		if !errors.Is(err, context.Canceled) {
			t.Errorf("got %v, want context.Canceled", err)
		}
		// At one byte a second it would go on for hours.
		if err := s.store.Checkpoint(t.Context()); err != nil {
			t.Fatal(err)
		}
		if after := must[admin.Space](t, s, "space", struct{}{}); after.Segments < before.Segments {
			t.Errorf("got %+v, before %+v", after, before)
		}
	})
}

func TestCheckNamesDamagedMessages(t *testing.T) {
	t.Parallel()
	for name, socket := range map[string]bool{"socket": true, "in process": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := start(t, socket)
			ref := mailFor(t, s, "alice", 3)
			path := filepath.Join(s.dir, "mail", "000001.seg")
			b, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			b[strings.Index(string(b), "body of 2")] ^= 1
			if err := os.WriteFile(path, b, 0o600); err != nil {
				t.Fatal(err)
			}
			rep, err := s.Check(t.Context(), admin.CheckQuery{Bodies: true}, func(admin.CheckProgress) {})
			if err != nil || len(rep.Problems) != 1 || len(rep.Damaged) != 1 {
				t.Fatalf("got %+v, %v", rep, err)
			}
			want := admin.DamagedMessage{Account: "alice@example.org", Mailbox: "INBOX", UID: 2, Reason: rep.Damaged[0].Reason}
			if rep.Damaged[0] != want || !strings.Contains(want.Reason, "wrong CRC") {
				t.Errorf("got %+v", rep.Damaged[0])
			}
			// The store's own check at the end must find it sound.
			if _, _, err := s.store.Expunge(t.Context(), ref, storage.UIDs(2), false); err != nil {
				t.Fatal(err)
			}
			if _, err := s.store.Purge(t.Context(), 0, time.Now().Add(time.Hour)); err != nil {
				t.Fatal(err)
			}
		})
	}
}

func TestMendMakesMailboxesAndACheckpoint(t *testing.T) {
	t.Parallel()
	bothWays(t, func(t *testing.T, s *suite) {
		must[admin.Domain](t, s, "domain/add", admin.DomainQuery{Name: "example.org"})
		if _, err := s.db.AddAccount(t.Context(), mail.Address{Local: "carol", Domain: "example.org"}, "a good password", accounts.AddOptions{}); err != nil {
			t.Fatal(err)
		}
		if sp := must[admin.Space](t, s, "mend", struct{}{}); sp.Checkpoints != 1 {
			t.Errorf("got %+v", sp)
		}
		if list := must[[]admin.Mailbox](t, s, "mailbox/list", admin.AccountQuery{Address: "carol@example.org"}); !slices.ContainsFunc(list, func(m admin.Mailbox) bool { return m.Name == "INBOX" }) {
			t.Errorf("got %+v", list)
		}
	})
}

func TestCheckTellsOfAnUnreadableAccountRow(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	db, err := accounts.Open(filepath.Join(dir, "accounts.db"), accounts.Options{Params: accounts.Argon2{Time: 1, Memory: 8, Threads: 1}})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	store, err := storage.Open(dir, storage.Options{Housekeeping: -1})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	if _, err := db.AddDomain(t.Context(), "example.org"); err != nil {
		t.Fatal(err)
	}
	a, err := db.AddAccount(t.Context(), mail.Address{Local: "somebody", Domain: "example.org"}, "a good password", accounts.AddOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if err := store.CreateAccount(t.Context(), a.ID, "somebody@example.org"); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "index.db")
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(path, os.O_WRONLY, 0) // not shorter for a moment: it is mapped
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteAt([]byte(strings.ReplaceAll(string(b), "somebody@", "Somebody@")), 0); err != nil {
		t.Fatal(err)
	}
	s := admin.New(admin.Options{Accounts: db, Store: store, DataDir: dir})
	rep, err := s.Check(t.Context(), admin.CheckQuery{}, func(admin.CheckProgress) {})
	if got := strings.Join(rep.Problems, "\n"); err != nil || !strings.Contains(got, "a row of acct is damaged") {
		t.Errorf("got %q, %v", got, err)
	}
	st, err := s.Status(t.Context(), struct{}{})
	if err != nil || st.Accounts != 1 || len(st.Damage) != 1 || !strings.Contains(st.Damage[0], "made again at the next start") {
		t.Errorf("status: got %q, %v", st.Damage, err)
	}
}
