package delivery_test

import (
	"context"
	"errors"
	"io"
	"path/filepath"
	"strings"
	"testing"

	"mailstead/accounts"
	"mailstead/delivery"
	"mailstead/mail"
	"mailstead/storage"
	"mailstead/storage/storagetest"
)

// post is a service over real accounts and a real store: alice and bob of
// example.test, the alias both, and bob's quota of 2000 bytes.
type post struct {
	*delivery.Service
	db    *accounts.DB
	store *storage.Store
	alice mail.AccountID
	bob   mail.AccountID
}

// fast are parameters of a hash that no attacker could be asked to break.
func fast() accounts.Argon2 { return accounts.Argon2{Time: 1, Memory: 64, Threads: 1} }

func address(t testing.TB, s string) mail.Address {
	t.Helper()
	a, err := mail.ParseAddress(s)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func newPost(t testing.TB) *post {
	t.Helper()
	ctx := t.Context()
	db, err := accounts.Open(filepath.Join(t.TempDir(), "accounts.db"), accounts.Options{Params: fast()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	p := &post{db: db, store: storagetest.Open(t, storage.Options{Quota: db.Quota})}
	if _, err := db.AddDomain(ctx, "example.test"); err != nil {
		t.Fatal(err)
	}
	p.alice = p.add(t, "alice@example.test", 0)
	p.bob = p.add(t, "bob@example.test", 2000)
	if err := db.SetAlias(ctx, address(t, "both@example.test"), address(t, "alice@example.test"), address(t, "bob@example.test")); err != nil {
		t.Fatal(err)
	}
	p.Service = delivery.New(delivery.Deps{Accounts: db, Store: p.store})
	return p
}

func (p *post) add(t testing.TB, addr string, quota int64) mail.AccountID {
	t.Helper()
	a, err := p.db.AddAccount(t.Context(), address(t, addr), "long enough", accounts.AddOptions{Quota: quota, SkipIDs: nil})
	if err != nil {
		t.Fatal(err)
	}
	if err := p.store.CreateAccount(t.Context(), a.ID, addr); err != nil {
		t.Fatal(err)
	}
	return a.ID
}

// inbox reads all messages of an account's INBOX.
func (p *post) inbox(t testing.TB, id mail.AccountID) []string {
	t.Helper()
	box, err := p.store.Mailbox(id, "INBOX")
	if err != nil {
		t.Fatal(err)
	}
	ref := storage.Ref{Account: id, Mailbox: box.ID}
	var texts []string
	if err := p.store.Settle(t.Context()); err != nil {
		t.Fatal(err)
	}
	for row, err := range p.store.Rows(ref, storage.UIDSet{{First: 1, Last: ^storage.UID(0)}}, storage.ReadOptions{}) {
		if err != nil {
			t.Fatal(err)
		}
		c, err := p.store.OpenBody(t.Context(), ref, row.UID)
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(io.NewSectionReader(c, 0, c.Size()))
		c.Close()
		if err != nil {
			t.Fatal(err)
		}
		texts = append(texts, string(b))
	}
	return texts
}

const text = "Subject: hi\r\n\r\nbody\r\n"

func (p *post) send(t testing.TB, from string, to ...string) (delivery.Receipt, error) {
	t.Helper()
	env := delivery.Envelope{}
	if from != "" {
		env.From = address(t, from)
	}
	for _, a := range to {
		if a == "postmaster" {
			env.To = append(env.To, mail.Address{Local: "postmaster"})
			continue
		}
		env.To = append(env.To, address(t, a))
	}
	return p.Deliver(t.Context(), env, strings.NewReader(text))
}

func TestDeliverReachesEachAccountOnce(t *testing.T) {
	t.Parallel()
	p := newPost(t)
	r, err := p.send(t, "sender@remote.test", "alice+tag@example.test", "both@example.test", "Alice@EXAMPLE.test", "postmaster")
	if err != nil || r.Mailboxes != 2 {
		t.Fatalf("got %+v, %v, want 2 mailboxes", r, err)
	}
	want := "Return-Path: <sender@remote.test>\r\n" + text
	for _, id := range []mail.AccountID{p.alice, p.bob} {
		if got := p.inbox(t, id); len(got) != 1 || got[0] != want {
			t.Errorf("account %d: got %q, want %q", id, got, want)
		}
	}
	if _, err := p.send(t, "", "alice@example.test"); err != nil {
		t.Fatal(err)
	}
	if got := p.inbox(t, p.alice); len(got) != 2 || got[1] != "Return-Path: <>\r\n"+text {
		t.Errorf("null reverse-path: got %q", got)
	}
}

func TestVerify(t *testing.T) {
	t.Parallel()
	p := newPost(t)
	tests := []struct {
		name, to  string
		size      int64
		submitter mail.AccountID
		want      error
	}{
		{"known", "alice@example.test", 0, 0, nil},
		{"detail", "alice+x@example.test", 1 << 40, 0, nil},
		{"alias", "both@example.test", 0, 0, nil},
		{"postmaster", "postmaster@example.test", 0, 0, nil},
		{"unknown", "nobody@example.test", 0, 0, delivery.ErrUnknownRecipient},
		{"unknown to a user", "nobody@example.test", 0, 1, delivery.ErrUnknownRecipient},
		{"elsewhere", "alice@remote.test", 0, 0, delivery.ErrRelayDenied},
		{"elsewhere for a user", "alice@remote.test", 0, 1, delivery.ErrRemoteUnsupported},
		{"fits", "bob@example.test", 2000, 0, nil},
		{"does not fit", "bob@example.test", 2001, 0, delivery.ErrOverQuota},
		{"does not fit one of an alias", "both@example.test", 2001, 0, delivery.ErrOverQuota},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if err := p.Verify(t.Context(), address(t, tt.to), tt.size, tt.submitter); !errors.Is(err, tt.want) {
				t.Errorf("got %v, want %v", err, tt.want)
			}
		})
	}
	if err := p.Verify(t.Context(), mail.Address{Local: "PostMaster"}, 0, 0); err != nil {
		t.Errorf("postmaster without a domain: got %v", err)
	}
}

func TestOneFullMailboxRefusesForAll(t *testing.T) {
	t.Parallel()
	p := newPost(t)
	big := strings.NewReader(text + strings.Repeat("x", 2000))
	env := delivery.Envelope{To: []mail.Address{address(t, "alice@example.test"), address(t, "bob@example.test")}}
	if _, err := p.Deliver(t.Context(), env, big); !errors.Is(err, delivery.ErrOverQuota) {
		t.Fatalf("got %v, want %v", err, delivery.ErrOverQuota)
	}
	if got := p.inbox(t, p.alice); len(got) != 0 {
		t.Errorf("alice got %d messages, want none", len(got))
	}
}

func TestRecipientGoneMeanwhile(t *testing.T) {
	t.Parallel()
	p := newPost(t)
	if _, err := p.send(t, "", "nobody@example.test"); !errors.Is(err, delivery.ErrUnknownRecipient) {
		t.Errorf("alone: got %v, want %v", err, delivery.ErrUnknownRecipient)
	}
	_, err := p.send(t, "", "alice@example.test", "nobody@example.test")
	if !errors.Is(err, delivery.ErrUnavailable) || errors.Is(err, delivery.ErrUnknownRecipient) {
		t.Errorf("with another: got %v, want %v", err, delivery.ErrUnavailable)
	}
	if _, err := p.send(t, ""); !errors.Is(err, delivery.ErrUnknownRecipient) {
		t.Errorf("nobody at all: got %v, want %v", err, delivery.ErrUnknownRecipient)
	}
	if got := p.inbox(t, p.alice); len(got) != 0 {
		t.Errorf("alice got %d messages, want none", len(got))
	}
}

// failing is a store whose Deliver fails.
type failing struct {
	delivery.Store
	err error
}

func (f failing) Deliver(context.Context, storage.Body, ...mail.AccountID) error {
	return f.err
}

func TestErrorsOfTheStore(t *testing.T) {
	t.Parallel()
	p := newPost(t)
	for err, want := range map[error]error{
		storage.ErrNoSpace:   delivery.ErrNoSpace,
		storage.ErrTooBig:    delivery.ErrTooBig,
		storage.ErrOverQuota: delivery.ErrOverQuota,
		storage.ErrClosed:    storage.ErrClosed,
	} {
		s := delivery.New(delivery.Deps{Accounts: p.db, Store: failing{p.store, err}})
		_, got := s.Deliver(t.Context(), delivery.Envelope{To: []mail.Address{address(t, "alice@example.test")}}, strings.NewReader(text))
		if !errors.Is(got, want) {
			t.Errorf("%v: got %v, want %v", err, got, want)
		}
	}
}

func TestServerWithoutAccountsHasNoPostmaster(t *testing.T) {
	t.Parallel()
	db, err := accounts.Open(filepath.Join(t.TempDir(), "accounts.db"), accounts.Options{Params: fast()})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.AddDomain(t.Context(), "example.test"); err != nil {
		t.Fatal(err)
	}
	s := delivery.New(delivery.Deps{Accounts: db, Store: storagetest.Open(t, storage.Options{})})
	if err := s.Verify(t.Context(), mail.Address{Local: "postmaster"}, 0, 0); !errors.Is(err, delivery.ErrUnknownRecipient) {
		t.Errorf("got %v, want %v", err, delivery.ErrUnknownRecipient)
	}
}
