package accounts_test

import (
	"errors"
	"fmt"
	"path/filepath"
	"testing"

	"mailstead/accounts"
)

func TestSendersSendWithTheAddressesOfAnother(t *testing.T) {
	t.Parallel()
	db, _ := filled(t, accounts.Options{})
	ctx := t.Context()
	alice, bob := addr(t, "alice@example.test"), addr(t, "bob@example.test")
	if db.MaySend(2, alice) {
		t.Fatal("bob may send as alice before anybody said so")
	}
	if err := db.SetSender(ctx, alice, bob, true); err != nil {
		t.Fatal(err)
	}
	if err := db.SetSender(ctx, alice, bob, true); err != nil {
		t.Errorf("once more: %v", err)
	}
	for in, want := range map[string]bool{"alice@example.test": true, "alice+x@example.test": true, "bob@example.test": true, "nobody@example.test": false} {
		if got := db.MaySend(2, addr(t, in)); got != want {
			t.Errorf("bob as %s: got %v, want %v", in, got, want)
		}
	}
	if db.MaySend(1, bob) {
		t.Error("alice may send as bob, who has not let her")
	}
	for name, tc := range map[string]struct{ got, want error }{
		"nobody":        {db.SetSender(ctx, alice, addr(t, "nobody@example.test"), true), accounts.ErrNotFound},
		"for nobody":    {db.SetSender(ctx, addr(t, "nobody@example.test"), bob, true), accounts.ErrNotFound},
		"oneself":       {db.SetSender(ctx, alice, alice, true), accounts.ErrInvalid},
		"was not there": {db.SetSender(ctx, bob, alice, false), accounts.ErrNotFound},
	} {
		if !errors.Is(tc.got, tc.want) {
			t.Errorf("%s: got %v, want %v", name, tc.got, tc.want)
		}
	}
	if err := db.SetSender(ctx, alice, bob, false); err != nil || db.MaySend(2, alice) {
		t.Errorf("taken back: %v, bob may still send: %v", err, db.MaySend(2, alice))
	}
}

func TestSendersGoWithTheirAccount(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "accounts.db")
	db, err := accounts.Open(path, accounts.Options{Params: accounts.Argon2{Time: 1, Memory: 64, Threads: 1}})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	ctx := t.Context()
	if _, err := db.AddDomain(ctx, "example.test"); err != nil {
		t.Fatal(err)
	}
	owner := addr(t, "owner@example.test")
	for i := range 102 {
		name := addr(t, fmt.Sprintf("u%d@example.test", i))
		if i == 0 {
			name = owner
		}
		if _, err := db.AddAccount(ctx, name, "long enough", accounts.AddOptions{}); err != nil {
			t.Fatal(err)
		}
		err := db.SetSender(ctx, owner, name, true)
		if i > 0 && i <= 100 && err != nil || i > 100 && !errors.Is(err, accounts.ErrLimit) {
			t.Fatalf("sender %d: %v", i, err)
		}
	}
	if err := db.RemoveAccount(ctx, addr(t, "u1@example.test")); err != nil {
		t.Fatal(err)
	}
	if a, err := db.Account(owner); err != nil || len(a.Senders) != 99 || a.Senders[0] != 3 {
		t.Errorf("got %d senders, first %d, %v", len(a.Senders), a.Senders[0], err)
	}
	if p := db.Check(); len(p) > 0 {
		t.Errorf("check: %v", p)
	}
}
