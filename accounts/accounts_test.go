package accounts_test

import (
	"errors"
	"fmt"
	"net/netip"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"mailstead/accounts"
	"mailstead/mail"
)

// clock is a time that tests move.
type clock struct {
	mu sync.Mutex
	t  time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.t
}

func (c *clock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t = c.t.Add(d)
}

func fast() accounts.Argon2 { return accounts.Argon2{Time: 1, Memory: 64, Threads: 1} }

func open(t testing.TB, path string, o accounts.Options) *accounts.DB {
	t.Helper()
	if o.Params == (accounts.Argon2{}) {
		o.Params = fast()
	}
	db, err := accounts.Open(path, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		for _, p := range db.Check() {
			t.Error(p)
		}
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return db
}

func addr(t testing.TB, s string) mail.Address {
	t.Helper()
	a, err := mail.ParseAddress(s)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// filled has alice and bob at example.test.
func filled(t testing.TB, o accounts.Options) (*accounts.DB, string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "accounts.db")
	db := open(t, path, o)
	if _, err := db.AddDomain(t.Context(), "Example.test"); err != nil {
		t.Fatal(err)
	}
	for _, u := range []string{"alice", "bob"} {
		if _, err := db.AddAccount(t.Context(), addr(t, u+"@example.test"), u+"-secret", accounts.AddOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	return db, path
}

func TestResolve(t *testing.T) {
	t.Parallel()
	db, _ := filled(t, accounts.Options{})
	ctx := t.Context()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(db.SetAlias(ctx, addr(t, "all@example.test"), addr(t, "alice@example.test"), addr(t, "bob@example.test")))
	must(db.AddAddress(ctx, addr(t, "alice@example.test"), addr(t, "al@example.test")))
	must(db.SetAlias(ctx, addr(t, "more@example.test"), addr(t, "all@example.test"), addr(t, "al@example.test")))
	for _, tc := range []struct{ in, want string }{
		{"ALICE@example.test", "[{1 alice@example.test }]"},
		{"alice+news@example.test", "[{1 alice@example.test news}]"},
		{"al@example.test", "[{1 alice@example.test }]"},
		{"more@example.test", "[{1 alice@example.test } {2 bob@example.test }]"},
		{"all+x@example.test", "[{1 alice@example.test } {2 bob@example.test }]"},
		{"postmaster@example.test", "[{1 alice@example.test }]"},
	} {
		got, err := db.Resolve(ctx, addr(t, tc.in))
		if fmt.Sprint(got) != tc.want || err != nil {
			t.Errorf("%s: got %v, %v, want %s", tc.in, got, err, tc.want)
		}
	}
	for in, want := range map[string]error{"nobody@example.test": accounts.ErrUnknownAddress, "x@elsewhere.test": accounts.ErrNotLocal} {
		if _, err := db.Resolve(ctx, addr(t, in)); !errors.Is(err, want) {
			t.Errorf("%s: got %v, want %v", in, err, want)
		}
	}
	must(db.SetCatchAll(ctx, "example.test", addr(t, "bob@example.test")))
	if got, err := db.Resolve(ctx, addr(t, "nobody@example.test")); err != nil || len(got) != 1 || got[0].Account != 2 {
		t.Errorf("catch-all: got %v, %v", got, err)
	}
	if !db.MaySend(1, addr(t, "al+x@example.test")) || !db.MaySend(2, addr(t, "all@example.test")) || db.MaySend(1, addr(t, "bob@example.test")) {
		t.Error("wrong owner")
	}
}

func TestRefusedChangesChangeNothing(t *testing.T) {
	t.Parallel()
	db, _ := filled(t, accounts.Options{})
	ctx := t.Context()
	if err := db.SetAlias(ctx, addr(t, "a@example.test"), addr(t, "bob@example.test")); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		name      string
		got, want error
	}{
		{"alias to nobody", db.SetAlias(ctx, addr(t, "x@example.test"), addr(t, "nobody@example.test")), accounts.ErrUnknownAddress},
		{"alias outside", db.SetAlias(ctx, addr(t, "x@example.test"), addr(t, "x@elsewhere.test")), accounts.ErrNotLocal},
		{"alias to itself", db.SetAlias(ctx, addr(t, "a@example.test"), addr(t, "a@example.test")), accounts.ErrAliasLoop},
		{"alias for an account", db.SetAlias(ctx, addr(t, "alice@example.test"), addr(t, "bob@example.test")), accounts.ErrExists},
		{"address of another", db.AddAddress(ctx, addr(t, "alice@example.test"), addr(t, "bob@example.test")), accounts.ErrExists},
		{"account an alias needs", db.RemoveAccount(ctx, addr(t, "bob@example.test")), accounts.ErrUnknownAddress},
		{"domain in use", db.RemoveDomain(ctx, "example.test"), accounts.ErrInUse},
		{"own name", db.RemoveAddress(ctx, addr(t, "alice@example.test")), accounts.ErrInUse},
		{"short password", db.SetPassword(ctx, addr(t, "alice@example.test"), "1234567"), accounts.ErrBadPassword},
		{"negative quota", db.SetQuota(ctx, addr(t, "alice@example.test"), -1), accounts.ErrInvalid},
	} {
		if !errors.Is(tc.got, tc.want) {
			t.Errorf("%s: got %v, want %v", tc.name, tc.got, tc.want)
		}
	}
	if n := len(db.Aliases()); n != 1 || len(db.Accounts()) != 2 {
		t.Errorf("got %d aliases", n)
	}
}

func TestAuthenticate(t *testing.T) {
	t.Parallel()
	c := &clock{t: time.Unix(1e9, 0)}
	db, path := filled(t, accounts.Options{Now: c.now})
	ctx, here, there := t.Context(), netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2")
	if a, err := db.Authenticate(ctx, "Alice@example.test", "alice-secret", here); err != nil || a.ID != 1 {
		t.Fatalf("got %v, %v", a, err)
	}
	// A stranger's guesses stop the stranger, not who is logged in.
	var throttled *accounts.ThrottledError
	for i := range 10 {
		_, err := db.Authenticate(ctx, "alice@example.test", "guess", there)
		if i < 5 && !errors.Is(err, accounts.ErrBadCredentials) || i == 9 && !errors.As(err, &throttled) {
			t.Errorf("guess %d: got %v", i, err)
		}
	}
	if _, err := db.Authenticate(ctx, "alice@example.test", "alice-secret", here); err != nil {
		t.Errorf("known login during guesses: %v", err)
	}
	c.add(time.Hour)
	for _, user := range []string{"nobody@example.test", "nonsense", ""} {
		if _, err := db.Authenticate(ctx, user, "alice-secret", here); !errors.Is(err, accounts.ErrBadCredentials) {
			t.Errorf("%q: got %v", user, err)
		}
	}
	ended, cancel := db.Watch(1)
	defer cancel()
	if err := db.SetDisabled(ctx, addr(t, "alice@example.test"), true); err != nil {
		t.Fatal(err)
	}
	<-ended
	if _, err := db.Authenticate(ctx, "alice@example.test", "alice-secret", here); !errors.Is(err, accounts.ErrBadCredentials) {
		t.Errorf("disabled: got %v", err)
	}
	if err := db.SetPassword(ctx, addr(t, "bob@example.test"), "n\u0303ew password"); err != nil {
		t.Fatal(err)
	}
	if _, err := db.Authenticate(ctx, "bob@example.test", "bob-secret", here); !errors.Is(err, accounts.ErrBadCredentials) {
		t.Errorf("old password: got %v", err)
	}
	if _, err := db.Authenticate(ctx, "bob@example.test", "\u00f1ew password", here); err != nil {
		t.Errorf("new password, composed: %v", err)
	}
	if _, err := accounts.Open(path, accounts.Options{}); !errors.Is(err, accounts.ErrLocked) {
		t.Errorf("second open: got %v", err)
	}
}

func TestParametersChangeAtLogin(t *testing.T) {
	t.Parallel()
	db, path := filled(t, accounts.Options{})
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	p := fast()
	p.Time = 2
	for range 2 { // the second login meets the new record
		db = open(t, path, accounts.Options{Params: p})
		if _, err := db.Authenticate(t.Context(), "alice@example.test", "alice-secret", netip.Addr{}); err != nil {
			t.Fatal(err)
		}
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestNumbersAreNotUsedAgain(t *testing.T) {
	t.Parallel()
	db, _ := filled(t, accounts.Options{})
	if err := db.RemoveAccount(t.Context(), addr(t, "bob@example.test")); err != nil {
		t.Fatal(err)
	}
	a, err := db.AddAccount(t.Context(), addr(t, "bob@example.test"), "bob-secret", accounts.AddOptions{SkipIDs: func(id mail.AccountID) (bool, error) { return id < 7, nil }})
	if err != nil || a.ID != 7 {
		t.Errorf("got %d, %v, want 7", a.ID, err)
	}
}
