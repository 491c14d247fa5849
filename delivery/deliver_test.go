package delivery_test

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"mailstead/accounts"
	"mailstead/delivery"
	"mailstead/mail"
	"mailstead/storage"
	"mailstead/storage/storagetest"
)

func TestDeliver(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	db, err := accounts.Open(filepath.Join(t.TempDir(), "accounts.db"), accounts.Options{Params: accounts.Argon2{Time: 1, Memory: 64, Threads: 1}})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	store := storagetest.Open(t, storage.Options{Quota: db.Quota})
	if _, err := db.AddDomain(ctx, "example.test"); err != nil {
		t.Fatal(err)
	}
	at := func(local, domain string) mail.Address { return mail.Address{Local: local, Domain: domain} }
	alice, bob, all := at("alice", "example.test"), at("bob", "example.test"), at("all", "example.test")
	for _, a := range []mail.Address{alice, bob} {
		acct, err := db.AddAccount(ctx, a, "password", accounts.AddOptions{Quota: 100})
		if err != nil {
			t.Fatal(err)
		}
		if err := store.CreateAccount(ctx, acct.ID, a.String()); err != nil {
			t.Fatal(err)
		}
	}
	if err := db.SetAlias(ctx, all, alice, bob); err != nil {
		t.Fatal(err)
	}
	s := delivery.New(delivery.Deps{Accounts: db, Store: store})
	count := func(id mail.AccountID) uint32 {
		if err := store.Settle(ctx); err != nil {
			t.Fatal(err)
		}
		m, err := store.Mailbox(id, "INBOX")
		if err != nil {
			t.Fatal(err)
		}
		return m.Messages
	}
	r, err := s.Deliver(ctx, delivery.Envelope{To: []mail.Address{all, bob, at("Alice+x", "example.test")}}, strings.NewReader(strings.Repeat("x", 60)))
	if err != nil || r.Mailboxes != 2 || count(1) != 1 || count(2) != 1 {
		t.Errorf("got %+v, %v, %d, %d messages, want one each", r, err, count(1), count(2))
	}
	for _, tc := range []struct {
		name      string
		to        mail.Address
		submitter mail.AccountID
		want      error
	}{
		{"unknown", at("nobody", "example.test"), 0, delivery.ErrUnknownRecipient},
		{"relay", at("x", "elsewhere.test"), 0, delivery.ErrRelayDenied},
		{"remote", at("x", "elsewhere.test"), 1, delivery.ErrRemoteUnsupported},
		{"over quota", bob, 0, delivery.ErrOverQuota},
	} {
		if err := s.Verify(ctx, tc.to, 60, tc.submitter); !errors.Is(err, tc.want) {
			t.Errorf("%s: verify: got %v, want %v", tc.name, err, tc.want)
		}
		if _, err := s.Deliver(ctx, delivery.Envelope{To: []mail.Address{tc.to}, Account: tc.submitter}, strings.NewReader(strings.Repeat("x", 60))); !errors.Is(err, tc.want) {
			t.Errorf("%s: deliver: got %v, want %v", tc.name, err, tc.want)
		}
	}
	if count(1) != 1 || count(2) != 1 {
		t.Errorf("refused messages were stored: %d, %d", count(1), count(2))
	}
}
