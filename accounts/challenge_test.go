package accounts_test

import (
	"bytes"
	"context"
	"errors"
	"net/netip"
	"path/filepath"
	"testing"
	"time"

	"mailstead/accounts"
	"mailstead/sasl"
)

// desk is a database with carol in it, and a clock.
type desk struct {
	*accounts.DB
	path string
	now  time.Time
}

func newDesk(t *testing.T) *desk {
	t.Helper()
	d := &desk{path: filepath.Join(t.TempDir(), "accounts.db"), now: time.Unix(1700000000, 0)}
	d.open(t)
	if _, err := d.AddDomain(t.Context(), "example.org"); err != nil {
		t.Fatal(err)
	}
	if _, err := d.AddAccount(t.Context(), addr(t, "carol@example.org"), "a password", accounts.AddOptions{}); err != nil {
		t.Fatal(err)
	}
	return d
}

func (d *desk) open(t *testing.T) {
	t.Helper()
	db, err := accounts.Open(d.path, accounts.Options{Params: fast(), Iterations: sasl.MinIterations, Now: func() time.Time { return d.now }})
	if err != nil {
		t.Fatal(err)
	}
	d.DB = db
	t.Cleanup(func() { _ = db.Close() })
}

var home = netip.MustParseAddr("192.0.2.1")

// try begins and finishes an attempt.
func (d *desk) try(t *testing.T, user string, proved bool, from netip.Addr) error {
	t.Helper()
	a, err := d.Challenge(user, sasl.ScramSHA256, from)
	if err != nil {
		return err
	}
	_, err = a.Finish(proved)
	return err
}

func TestScramUnknownUserLooksLikeAny(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	salt := func(user string) []byte {
		t.Helper()
		a, err := d.Challenge(user, sasl.ScramSHA256, home)
		if err != nil {
			t.Fatal(err)
		}
		if len(a.Keys.Salt) != 16 || a.Keys.Iterations != sasl.MinIterations || len(a.Keys.StoredKey) != 32 || len(a.Keys.ServerKey) != 32 {
			t.Errorf("%s: got %+v", user, a.Keys)
		}
		return a.Keys.Salt
	}
	nobody, carol := salt("nobody@example.org"), salt("carol@example.org")
	if !bytes.Equal(nobody, salt("Nobody@example.org")) || bytes.Equal(nobody, salt("other@example.org")) {
		t.Error("the salt of an unknown user changes, or is everybody's")
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	d.open(t)
	if !bytes.Equal(nobody, salt("nobody@example.org")) || !bytes.Equal(carol, salt("carol@example.org")) {
		t.Error("a salt is another after a restart")
	}
	if err := d.try(t, "nobody@example.org", true, home); !errors.Is(err, accounts.ErrBadCredentials) {
		t.Errorf("unknown user with a proof: got %v", err)
	}
	if err := d.SetDisabled(t.Context(), addr(t, "carol@example.org"), true); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(carol, salt("carol@example.org")) {
		t.Error("a disabled account has another salt")
	}
	if err := d.try(t, "carol@example.org", true, home); !errors.Is(err, accounts.ErrBadCredentials) {
		t.Errorf("disabled: got %v", err)
	}
}

func TestChallengeIsThrottled(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	throttled := func(err error) bool {
		_, ok := errors.AsType[*accounts.ThrottledError](err)
		return ok
	}
	away := netip.MustParseAddr("198.51.100.7")
	if err := d.try(t, "carol@example.org", true, home); err != nil {
		t.Fatal(err)
	}
	begun, err := d.Challenge("carol@example.org", sasl.ScramSHA256, away)
	if err != nil {
		t.Fatal(err)
	}
	for range 5 {
		if err := d.try(t, "carol@example.org", false, away); !errors.Is(err, accounts.ErrBadCredentials) {
			t.Fatalf("failure: got %v", err)
		}
	}
	if err := d.try(t, "carol@example.org", true, away); !throttled(err) {
		t.Errorf("after five failures: got %v", err)
	}
	if _, err := begun.Finish(true); !throttled(err) {
		t.Errorf("begun before, finished after: got %v", err)
	}
	if _, err := d.Authenticate(t.Context(), "carol@example.org", "a password", away); !throttled(err) {
		t.Errorf("with the password: got %v", err)
	}
	if err := d.try(t, "carol@example.org", true, home); err != nil {
		t.Errorf("from where she logged in before: got %v", err)
	}
	for range 5 {
		_ = d.try(t, "nobody@example.org", false, away)
	}
	if err := d.try(t, "nobody@example.org", false, away); !throttled(err) {
		t.Errorf("unknown user: got %v", err)
	}
}

func TestPasswordChangedMeanwhile(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	a, err := d.Challenge("carol@example.org", sasl.ScramSHA256, home)
	if err != nil {
		t.Fatal(err)
	}
	d.now = d.now.Add(time.Second)
	if err := d.SetPassword(t.Context(), addr(t, "carol@example.org"), "another password"); err != nil {
		t.Fatal(err)
	}
	if _, err := a.Finish(true); !errors.Is(err, accounts.ErrBadCredentials) {
		t.Errorf("got %v, want %v", err, accounts.ErrBadCredentials)
	}
}

func TestCRAMMD5IsForThoseWhoMay(t *testing.T) {
	t.Parallel()
	d, ctx := newDesk(t), context.Background()
	carol := addr(t, "carol@example.org")
	offered := func() bool { _, cram := d.Offers(); return cram }
	proof := func() error {
		a, err := d.Challenge("carol@example.org", sasl.CRAM, home)
		if err != nil {
			t.Fatal(err)
		}
		_, err = a.Finish(true)
		return err
	}
	login := func() {
		t.Helper()
		if _, err := d.Authenticate(ctx, "carol@example.org", "a password", home); err != nil {
			t.Fatal(err)
		}
	}
	login() // is remembered, and must not keep the secret from being stored
	if offered() || !errors.Is(proof(), accounts.ErrBadCredentials) {
		t.Error("CRAM-MD5 without leave")
	}
	if err := d.SetCRAMMD5(ctx, carol, true); err != nil {
		t.Fatal(err)
	}
	if offered() {
		t.Error("CRAM-MD5 without a secret")
	}
	login()
	if !offered() || proof() != nil {
		t.Errorf("after a login: offered %v, %v", offered(), proof())
	}
	if err := d.SetPassword(ctx, carol, "another password"); err != nil || !offered() {
		t.Errorf("after another password: %v, offered %v", err, offered())
	}
	if err := d.SetCRAMMD5(ctx, carol, false); err != nil || offered() || !errors.Is(proof(), accounts.ErrBadCredentials) {
		t.Errorf("leave taken: %v, offered %v", err, offered())
	}
}

func TestCertificates(t *testing.T) {
	t.Parallel()
	d, ctx := newDesk(t), context.Background()
	carol, dave := addr(t, "carol@example.org"), addr(t, "dave@example.org")
	if _, err := d.AddAccount(ctx, dave, "a password", accounts.AddOptions{}); err != nil {
		t.Fatal(err)
	}
	c := accounts.Certificate{Fingerprint: accounts.Fingerprint{1}, Name: "phone"}
	if err := d.AddCertificate(ctx, carol, c); err != nil || !d.KnowsCertificate(c.Fingerprint) {
		t.Fatal(err)
	}
	if err := d.AddCertificate(ctx, dave, c); !errors.Is(err, accounts.ErrExists) {
		t.Errorf("for a second account: got %v", err)
	}
	for user, want := range map[string]error{"": nil, "Carol@example.org": nil, "dave@example.org": accounts.ErrBadCredentials, "x": accounts.ErrBadCredentials} {
		a, err := d.AuthenticateCertificate(c.Fingerprint, user, home)
		if !errors.Is(err, want) || err == nil && a.Address != carol {
			t.Errorf("as %q: got %v, %v, want %v", user, a.Address, err, want)
		}
	}
	for i := range 15 {
		if err := d.AddCertificate(ctx, carol, accounts.Certificate{Fingerprint: accounts.Fingerprint{2, byte(i)}}); err != nil {
			t.Fatal(err)
		}
	}
	if err := d.AddCertificate(ctx, carol, accounts.Certificate{Fingerprint: accounts.Fingerprint{3}}); !errors.Is(err, accounts.ErrLimit) {
		t.Errorf("seventeenth: got %v", err)
	}
	if p := d.Check(); len(p) > 0 {
		t.Error(p)
	}
	account, err := d.Account(carol)
	if err != nil {
		t.Fatal(err)
	}
	ended, cancel := d.Watch(account.ID)
	defer cancel()
	if err := d.RemoveCertificate(ctx, carol, c.Fingerprint); err != nil || d.KnowsCertificate(c.Fingerprint) {
		t.Errorf("remove: %v", err)
	}
	select {
	case <-ended:
	default:
		t.Error("sessions go on after the certificate was removed")
	}
	if err := d.RemoveCertificate(ctx, carol, c.Fingerprint); !errors.Is(err, accounts.ErrNotFound) {
		t.Errorf("again: got %v", err)
	}
	if _, err := d.AuthenticateCertificate(c.Fingerprint, "", home); !errors.Is(err, accounts.ErrBadCredentials) {
		t.Errorf("removed: got %v", err)
	}
	for range 30 {
		_, err = d.AuthenticateCertificate(c.Fingerprint, "", home)
	}
	if _, ok := errors.AsType[*accounts.ThrottledError](err); !ok {
		t.Errorf("after many: got %v", err)
	}
}
