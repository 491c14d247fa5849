package accounts

import (
	"context"
	"encoding/hex"
	"net/netip"
	"path/filepath"
	"strings"
	"testing"

	"mailstead/sasl"
)

// versionThree is a row as it was written before there were secrets: account 7,
// carol@example.org, who has logged in never since.
const versionThree = "030705" + "6361726f6c" + "0b" + "6578616d706c652e6f7267" + "0105" + "6361726f6c" + "0b" + "6578616d706c652e6f7267" +
	"0000" + "80e2cfaa06" + "04" + "24327924" + "81e2cfaa06" + "0000"

func TestAccountFromBeforeGetsItsKeysAtTheNextLogin(t *testing.T) {
	t.Parallel()
	row, err := hex.DecodeString(versionThree)
	if err != nil {
		t.Fatal(err)
	}
	old, err := decodeRecord(row)
	if err != nil || old.Address.String() != "carol@example.org" || old.password != "$2y$" || old.Created.Unix() != 1700000000 {
		t.Fatalf("got %+v, %v", old, err)
	}
	db, err := Open(filepath.Join(t.TempDir(), "accounts.db"), Options{Params: Argon2{Time: 1, Memory: 64, Threads: 1}, Iterations: sasl.MinIterations})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	old.password = db.params.hash(prepare("a password"))
	ctx, here := context.Background(), netip.MustParseAddr("192.0.2.1")
	if _, err := db.AddDomain(ctx, "example.org"); err != nil {
		t.Fatal(err)
	}
	if err := db.update(ctx, func(c *change) error { return c.addAccount(old, nil) }); err != nil {
		t.Fatal(err)
	}
	if scram, _ := db.Offers(); scram || db.HasScram(old.ID) {
		t.Error("SCRAM is offered to an account without keys")
	}
	a, err := db.Challenge("carol@example.org", sasl.ScramSHA256, here)
	if err != nil || len(a.Keys.Salt) != saltBytes {
		t.Fatalf("before the login: got %+v, %v", a, err)
	}
	if _, err := a.Finish(true); err == nil {
		t.Error("SCRAM without keys let in")
	}
	if _, err := db.Authenticate(ctx, "carol@example.org", "a password", here); err != nil {
		t.Fatal(err)
	}
	if scram, _ := db.Offers(); !scram || !db.HasScram(old.ID) {
		t.Error("no keys after the login")
	}
	want, err := sasl.MakeKeys(sasl.ScramSHA1, "a password", db.current.Load().accounts[old.ID].scram1.Salt, sasl.MinIterations)
	if err != nil {
		t.Fatal(err)
	}
	if got := db.current.Load().accounts[old.ID].scram1; string(got.StoredKey) != string(want.StoredKey) || string(got.ServerKey) != string(want.ServerKey) {
		t.Error("the keys are not those of the password")
	}
	if db.current.Load().accounts[old.ID].password != old.password {
		t.Error("the password was hashed anew for nothing")
	}
}

func TestRowsWithBadSecretsAreDamaged(t *testing.T) {
	t.Parallel()
	for name, spoil := range map[string]func(*record){
		"few iterations":        func(r *record) { r.scram256.Iterations = sasl.MinIterations - 1 },
		"many iterations":       func(r *record) { r.scram256.Iterations = maxIterations + 1 },
		"no salt":               func(r *record) { r.scram1.Salt = nil },
		"long salt":             func(r *record) { r.scram1.Salt = make([]byte, maxScramSalt+1) },
		"short key":             func(r *record) { r.scram1.StoredKey = r.scram1.StoredKey[1:] },
		"one hash only":         func(r *record) { r.scram1 = sasl.Keys{} },
		"secret without leave":  func(r *record) { r.CRAMMD5 = false },
		"secret of something":   func(r *record) { r.cram = []byte(strings.Repeat("x", 184)) },
		"many certificates":     func(r *record) { r.Certificates = make([]Certificate, maxCertificates+1) },
		"no account":            func(r *record) { r.ID = 0 },
		"negative quota number": func(r *record) { r.Quota = -1 },
	} {
		r := secretly(t, sampleAccount())
		spoil(r)
		if got, err := decodeRecord(appendRecord(nil, r)); err == nil {
			t.Errorf("%s: got %+v", name, got)
		}
	}
	r := secretly(t, sampleAccount())
	r.Certificates = make([]Certificate, maxCertificates)
	r.scram1.Salt = make([]byte, maxScramSalt)
	r.scram256.Iterations = maxIterations
	if _, err := decodeRecord(appendRecord(nil, r)); err != nil {
		t.Errorf("at the limits: %v", err)
	}
	if _, err := Open(filepath.Join(t.TempDir(), "a"), Options{Iterations: sasl.MinIterations - 1}); err == nil {
		t.Error("too few iterations were taken")
	}
}
