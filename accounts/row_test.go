package accounts

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"mailstead/mail"
	"mailstead/sasl"
)

func sampleAccount() *record {
	at := mail.Address{Local: "carol", Domain: "example.org"}
	return &record{Account: Account{ID: 7, Address: at, Addresses: []mail.Address{at}, Quota: 1 << 40, MaxMessages: 1 << 33, Senders: []mail.AccountID{2, 9}, Admin: true, Disabled: true,
		Created: time.Unix(1700000000, 0).UTC(), PasswordChanged: time.Unix(1700000001, 0).UTC()}, password: "$2y$"}
}

// secretly gives a record what version 4 has added.
func secretly(t testing.TB, r *record) *record {
	t.Helper()
	db := &DB{iterations: sasl.MinIterations}
	keys, err := db.makeSecrets("correct horse", true)
	if err != nil {
		t.Fatal(err)
	}
	r.secrets, r.CRAMMD5 = keys, true
	r.Certificates = []Certificate{{Fingerprint{1, 2, 3}, "carol's phone", time.Unix(1700000002, 0).UTC()}}
	return r
}

// noSecrets is the length of an empty appendSecrets: no keys, no secret, no
// certificates.
const noSecrets = 4

func TestAccountRow(t *testing.T) {
	t.Parallel()
	want := secretly(t, sampleAccount())
	got, err := decodeRecord(appendRecord(nil, want))
	if d := cmp.Diff(want, got, cmp.AllowUnexported(record{}, secrets{})); err != nil || d != "" {
		t.Errorf("%v (-want +got):\n%s", err, d)
	}
	// A row of version 3 ends before the secrets.
	three := appendRecord(nil, sampleAccount())
	three = three[:len(three)-noSecrets]
	three[0] = 3
	if got, err = decodeRecord(three); err != nil || cmp.Diff(sampleAccount(), got, cmp.AllowUnexported(record{}, secrets{})) != "" {
		t.Errorf("version 3: got %+v, %v, want %+v", got, err, sampleAccount())
	}
	// A row of version 1 ends before the number of messages and knows no
	// administrators.
	old := sampleAccount()
	old.Senders = nil // not in version 2
	b := appendRecord(nil, old)
	b = b[:len(b)-1-noSecrets]
	b[0] = 2
	if got, err = decodeRecord(b); err != nil || cmp.Diff(old, got, cmp.AllowUnexported(record{}, secrets{})) != "" {
		t.Errorf("version 2: got %+v, %v, want %+v", got, err, old)
	}
	old.Admin, old.MaxMessages = false, 0
	b = appendRecord(nil, old)
	b = b[:len(b)-2-noSecrets]
	b[0] = 1
	if got, err = decodeRecord(b); err != nil || cmp.Diff(old, got, cmp.AllowUnexported(record{}, secrets{})) != "" {
		t.Errorf("version 1: got %+v, %v, want %+v", got, err, old)
	}
	b[0] = recordVersion + 1
	if _, err := decodeRecord(b); !errors.Is(err, ErrNewerFormat) {
		t.Errorf("newer version: got %v", err)
	}
	b[0] = 0
	if _, err := decodeRecord(b); !errors.Is(err, ErrDamaged) {
		t.Errorf("version 0: got %v", err)
	}
}

func FuzzAccountRow(f *testing.F) {
	f.Add(appendRecord(nil, sampleAccount()))
	f.Add(appendRecord(nil, secretly(f, sampleAccount())))
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := decodeRecord(b)
		if err != nil {
			return
		}
		again, err := decodeRecord(appendRecord(nil, r))
		if d := cmp.Diff(r, again, cmp.AllowUnexported(record{}, secrets{})); err != nil || d != "" {
			t.Fatalf("%v\n%s", err, d)
		}
	})
}
