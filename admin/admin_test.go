package admin_test

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"mailstead/accounts"
	"mailstead/admin"
	"mailstead/mail"
	"mailstead/storage"
	"mailstead/storage/storagetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// suite is a service with its databases and a client of it.
type suite struct {
	*admin.Client
	service *admin.Service
	db      *accounts.DB
	store   *storage.Store
	dir     string
}

// start makes one, asked over the socket or in process.
func start(t *testing.T, socket bool) *suite {
	t.Helper()
	s := &suite{dir: t.TempDir()}
	var err error
	if s.db, err = accounts.Open(filepath.Join(s.dir, "accounts.db"), accounts.Options{Params: accounts.Argon2{Time: 1, Memory: 8, Threads: 1}}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.db.Close(); err != nil {
			t.Error(err)
		}
	})
	s.store = storagetest.OpenDir(t, s.dir, storage.Options{Quota: s.db.Quota, KeepExpunged: time.Hour, Housekeeping: -1})
	s.service = admin.New(admin.Options{Accounts: s.db, Store: s.store, DataDir: s.dir, DefaultQuota: 7 << 20, Version: "v1"})
	if !socket {
		s.Client = admin.InProcess(s.service)
	} else {
		srv, path := admin.NewServer(s.service), filepath.Join(s.dir, "admin.sock")
		if err := srv.Listen(path); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := srv.Shutdown(context.Background()); err != nil { // the test's context has ended
				t.Error(err)
			}
			if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("socket after shutdown: %v", err)
			}
		})
		if s.Client, err = admin.Dial(t.Context(), path); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() {
		if err := s.Client.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// must asks and gives the answer.
func must[Out any](t *testing.T, s *suite, operation string, in any) (out Out) {
	t.Helper()
	if err := s.Ask(t.Context(), operation, in, &out); err != nil {
		t.Fatalf("%s: %v", operation, err)
	}
	return out
}

// refuse asks what must fail with a code.
func refuse(t *testing.T, s *suite, operation string, in any, code admin.Code) {
	t.Helper()
	var out any
	err := s.Ask(t.Context(), operation, in, &out)
	if e, ok := errors.AsType[*admin.Error](err); !ok || e.Code != code {
		t.Errorf("%s %+v: got %v, want %s", operation, in, err, code)
	}
}

func TestOperations(t *testing.T) {
	t.Parallel()
	for name, socket := range map[string]bool{"socket": true, "in process": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := start(t, socket)
			domains(t, s)
			people(t, s)
			removal(t, s)
		})
	}
}

func domains(t *testing.T, s *suite) {
	if d := must[admin.Domain](t, s, "domain/add", admin.DomainQuery{Name: "Example.ORG"}); d.Name != "example.org" || d.Created.IsZero() {
		t.Errorf("got %+v", d)
	}
	refuse(t, s, "domain/add", admin.DomainQuery{Name: "example.org"}, admin.Exists)
	refuse(t, s, "domain/add", admin.DomainQuery{Name: "not a domain"}, admin.Invalid)
	refuse(t, s, "domain/remove", admin.DomainQuery{Name: "other.org"}, admin.NotFound)
	refuse(t, s, "account/add", admin.AccountQuery{Address: "a@other.org"}, admin.NotFound)
	refuse(t, s, "account/add", admin.AccountQuery{Address: "nonsense"}, admin.Invalid)
	refuse(t, s, "account/add", admin.AccountQuery{Address: "a@example.org", Password: "short"}, admin.Invalid)
	refuse(t, s, "domain/add", map[string]string{"nmae": "x"}, admin.Invalid)
	refuse(t, s, "domain/fly", struct{}{}, admin.NotFound)
}

func people(t *testing.T, s *suite) {
	here := netip.MustParseAddr("127.0.0.1")
	a := must[admin.Account](t, s, "account/add", admin.AccountQuery{Address: "alice@example.org"})
	if len(a.Password) < 24 || a.Quota != 7<<20 || len(a.Addresses) != 1 || a.Addresses[0] != "alice@example.org" {
		t.Errorf("got %+v", a)
	}
	if _, err := s.db.Authenticate(t.Context(), "alice@example.org", a.Password, here); err != nil {
		t.Errorf("login with the generated password: %v", err)
	}
	none := int64(0)
	must[admin.Account](t, s, "account/add", admin.AccountQuery{Address: "bob@example.org", Password: "bob-password", Quota: &none})
	refuse(t, s, "account/add", admin.AccountQuery{Address: "bob@example.org", Password: "bob-password"}, admin.Exists)
	if a := must[admin.Account](t, s, "account/passwd", admin.AccountQuery{Address: "bob@example.org", Password: "other-password"}); a.Password != "" {
		t.Errorf("a password that was given is told back: %+v", a)
	}
	if a := must[admin.Account](t, s, "account/disable", admin.AccountQuery{Address: "bob@example.org", Disabled: true}); !a.Disabled {
		t.Errorf("got %+v", a)
	}
	if _, err := s.db.Authenticate(t.Context(), "bob@example.org", "other-password", here); err == nil {
		t.Error("a disabled account can log in")
	}
	must[admin.Account](t, s, "account/disable", admin.AccountQuery{Address: "bob@example.org"})
	if _, err := s.db.Authenticate(t.Context(), "bob@example.org", "other-password", here); err != nil {
		t.Errorf("enabled again: %v", err)
	}
	quota := int64(100)
	must[admin.Account](t, s, "account/quota", admin.AccountQuery{Address: "bob@example.org", Quota: &quota})
	refuse(t, s, "account/quota", admin.AccountQuery{Address: "bob@example.org"}, admin.Invalid)
	must[admin.Account](t, s, "account/add-address", admin.AccountQuery{Address: "bob@example.org", Extra: "rob@example.org"})
	refuse(t, s, "account/remove-address", admin.AccountQuery{Address: "alice@example.org", Extra: "rob@example.org"}, admin.NotFound)
	if a := must[admin.Account](t, s, "account/show", admin.AccountQuery{Address: "rob@example.org"}); a.Address != "bob@example.org" || len(a.Addresses) != 2 || a.Quota != 100 {
		t.Errorf("got %+v", a)
	}
	must[admin.Account](t, s, "account/remove-address", admin.AccountQuery{Address: "bob@example.org", Extra: "rob@example.org"})
	refuse(t, s, "alias/set", admin.Alias{Address: "info@example.org", Targets: []string{"nobody@example.org"}}, admin.NotFound)
	must[admin.Alias](t, s, "alias/set", admin.Alias{Address: "info@example.org", Targets: []string{"alice@example.org", "bob@example.org"}})
	if list := must[[]admin.Alias](t, s, "alias/list", struct{}{}); len(list) != 1 || len(list[0].Targets) != 2 {
		t.Errorf("got %+v", list)
	}
	if d := must[admin.Domain](t, s, "domain/catch-all", admin.DomainQuery{Name: "example.org", CatchAll: "alice@example.org"}); d.CatchAll != "alice@example.org" {
		t.Errorf("got %+v", d)
	}
	if d := must[admin.Domain](t, s, "domain/catch-all", admin.DomainQuery{Name: "example.org"}); d.CatchAll != "" {
		t.Errorf("got %+v", d)
	}
	if list := must[[]admin.Mailbox](t, s, "mailbox/list", admin.AccountQuery{Address: "bob@example.org"}); len(list) != 6 {
		t.Errorf("got %+v", list)
	}
}

func removal(t *testing.T, s *suite) {
	refuse(t, s, "domain/remove", admin.DomainQuery{Name: "example.org"}, admin.InUse)
	refuse(t, s, "account/remove", admin.AccountQuery{Address: "bob@example.org"}, admin.InUse) // the alias leads there
	must[admin.Alias](t, s, "alias/remove", admin.Alias{Address: "info@example.org"})
	refuse(t, s, "alias/remove", admin.Alias{Address: "info@example.org"}, admin.NotFound)
	must[admin.Account](t, s, "account/remove", admin.AccountQuery{Address: "bob@example.org"})
	refuse(t, s, "account/show", admin.AccountQuery{Address: "bob@example.org"}, admin.NotFound)
	if list := must[[]admin.Account](t, s, "account/list", struct{}{}); len(list) != 1 {
		t.Errorf("got %+v", list)
	}
	if stored, err := s.store.Accounts(); err != nil || len(stored) != 1 {
		t.Errorf("got %+v, %v: the mail is still there", stored, err)
	}
	st := must[admin.Status](t, s, "status", struct{}{})
	if st.Running || st.Accounts != 1 || st.Domains != 1 || st.DiskFree == 0 || st.Version != "v1" {
		t.Errorf("got %+v", st)
	}
}

func TestCheckTellsWhatDoesNotBelongTogether(t *testing.T) {
	t.Parallel()
	s := start(t, true)
	ctx := t.Context()
	must[admin.Domain](t, s, "domain/add", admin.DomainQuery{Name: "example.org"})
	addr := mail.Address{Local: "carol", Domain: "example.org"}
	if _, err := s.db.AddAccount(ctx, addr, "carol-password", accounts.AddOptions{}); err != nil {
		t.Fatal(err)
	}
	if err := s.store.CreateAccount(ctx, 77, "ghost"); err != nil {
		t.Fatal(err)
	}
	rep, err := s.Check(ctx, admin.CheckQuery{Bodies: true}, func(admin.CheckProgress) {})
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(rep.Problems, "\n"); !strings.Contains(got, `account "carol@example.org" has no mailboxes`) || !strings.Contains(got, "account 77 (ghost)") || len(rep.Problems) != 2 {
		t.Errorf("got %q", got)
	}
	if err := s.service.Repair(ctx); err != nil {
		t.Fatal(err)
	}
	if err := s.store.RemoveAccount(ctx, 77); err != nil {
		t.Fatal(err)
	}
	if rep, err = s.Check(ctx, admin.CheckQuery{}, func(admin.CheckProgress) {}); err != nil || len(rep.Problems) != 0 || rep.Accounts != 1 {
		t.Errorf("got %+v, %v", rep, err)
	}
}

func TestSocketIsForItsOwnerAlone(t *testing.T) {
	t.Parallel()
	s := start(t, true)
	fi, err := os.Stat(filepath.Join(s.dir, "admin.sock"))
	if err != nil || fi.Mode().Perm() != 0o600 {
		t.Errorf("got %v, %v", fi.Mode(), err)
	}
	left, err := filepath.Glob(filepath.Join(s.dir, ".socket-*"))
	if err != nil || len(left) != 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

func TestDialWithoutServer(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "admin.sock")
	if _, err := admin.Dial(t.Context(), path); !errors.Is(err, admin.ErrNotRunning) {
		t.Errorf("no socket: got %v", err)
	}
	ln, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	ln.SetUnlinkOnClose(false)
	ln.Close()
	if _, err := admin.Dial(t.Context(), path); !errors.Is(err, admin.ErrNotRunning) {
		t.Errorf("socket of a dead server: got %v", err)
	}
}
