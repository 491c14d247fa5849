package accounts

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"mailstead/mail"
)

func sampleAccount() *record {
	at := mail.Address{Local: "carol", Domain: "example.org"}
	return &record{Account: Account{ID: 7, Address: at, Addresses: []mail.Address{at}, Quota: 1 << 40, MaxMessages: 1 << 33, Senders: []mail.AccountID{2, 9}, Admin: true, Disabled: true,
		Created: time.Unix(1700000000, 0).UTC(), PasswordChanged: time.Unix(1700000001, 0).UTC()}, password: "$2y$"}
}

func TestAccountRow(t *testing.T) {
	t.Parallel()
	want := sampleAccount()
	got, err := decodeRecord(appendRecord(nil, want))
	if d := cmp.Diff(want, got, cmp.AllowUnexported(record{})); err != nil || d != "" {
		t.Errorf("%v (-want +got):\n%s", err, d)
	}
	// A row of version 1 ends before the number of messages and knows no
	// administrators.
	old := sampleAccount()
	old.Senders = nil // not in version 2
	b := appendRecord(nil, old)
	b = b[:len(b)-1]
	b[0] = 2
	if got, err = decodeRecord(b); err != nil || cmp.Diff(old, got, cmp.AllowUnexported(record{})) != "" {
		t.Errorf("version 2: got %+v, %v, want %+v", got, err, old)
	}
	old.Admin, old.MaxMessages = false, 0
	b = appendRecord(nil, old)
	b = b[:len(b)-2]
	b[0] = 1
	if got, err = decodeRecord(b); err != nil || cmp.Diff(old, got, cmp.AllowUnexported(record{})) != "" {
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
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := decodeRecord(b)
		if err != nil {
			return
		}
		again, err := decodeRecord(appendRecord(nil, r))
		if d := cmp.Diff(r, again, cmp.AllowUnexported(record{})); err != nil || d != "" {
			t.Fatalf("%v\n%s", err, d)
		}
	})
}
