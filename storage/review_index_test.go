package storage_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	bolt "go.etcd.io/bbolt"

	"mailstead/storage"
	"mailstead/storage/storagetest"
)

// damageRow flips a bit of a row of a closed store's index, in every page that
// has it: none of them is the row as it should be.
func damageRow(t testing.TB, dir, bucket string, key []byte) {
	t.Helper()
	path := filepath.Join(dir, "index.db")
	db, err := bolt.Open(path, 0o600, &bolt.Options{ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	var row []byte
	err = db.View(func(tx *bolt.Tx) error {
		row = bytes.Clone(tx.Bucket([]byte(bucket)).Get(key))
		return nil
	})
	if err = errors.Join(err, db.Close()); err != nil || row == nil {
		t.Fatalf("bucket %s, key %x: got row %x, %v", bucket, key, row, err)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	other := bytes.Clone(row)
	other[len(other)-1] ^= 1
	if err := os.WriteFile(path, bytes.ReplaceAll(b, append(bytes.Clone(key), row...), append(bytes.Clone(key), other...)), 0o600); err != nil {
		t.Fatal(err)
	}
}

func key32(n ...uint32) (k []byte) {
	for _, v := range n {
		k = binary.BigEndian.AppendUint32(k, v)
	}
	return k
}

// TestDamagedRowOfAnAccountIsNotOthersFault: the others go on, and at the next
// start all is there that was answered.
func TestDamagedRowOfAnAccountIsNotOthersFault(t *testing.T) {
	t.Parallel()
	for bucket, key := range map[string]func(inbox storage.Ref) []byte{
		"acct": func(storage.Ref) []byte { return key32(1) },
		"mbox": func(r storage.Ref) []byte { return key32(1, uint32(r.Mailbox)) },
		"name": func(storage.Ref) []byte { return append(key32(1), "INBOX"...) },
	} {
		t.Run(bucket, func(t *testing.T) {
			t.Parallel()
			dir, o := t.TempDir(), noHouse(storage.Options{})
			s := storagetest.OpenDir(t, dir, o)
			a, b := newAccount(t, s, 1), newAccount(t, s, 2)
			fill(t, s, a, 1, 3)
			fill(t, s, b, 1, 3)
			storagetest.Verify(t, s)
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			damageRow(t, dir, bucket, key(a))
			s, err := storage.Open(dir, o)
			if err != nil {
				t.Fatal(err)
			}
			n, flagged := 3, storage.FlagChange{Flags: storage.Flagged}
			if err := s.Deliver(t.Context(), strings.NewReader(fillText(4)), 1); err == nil {
				n = 4
			} else if bucket != "acct" || !errors.Is(err, storage.ErrDamaged) {
				t.Errorf("deliver to the account: got %v", err)
			}
			if _, err := s.SetFlags(t.Context(), a, storage.UIDs(1), flagged); err != nil && !errors.Is(err, storage.ErrDamaged) {
				t.Errorf("flags of the account: got %v, want ErrDamaged", err)
			}
			if _, err := s.SetFlags(t.Context(), b, storage.UIDs(1), flagged); err != nil {
				t.Errorf("flags of another: got %v", err)
			}
			if err := s.Deliver(t.Context(), strings.NewReader(fillText(4)), 2); err != nil {
				t.Errorf("deliver to another: got %v", err)
			}
			if err := s.Settle(t.Context()); err != nil {
				t.Error(err)
			}
			if got := filled(t, s, b); len(got) != 4 {
				t.Errorf("another's messages: got %v, want 4", got)
			}
			if len(s.NotedDamage()) == 0 {
				t.Error("got no damage noted")
			}
			if err := s.Close(); err != nil {
				t.Error(err)
			}
			s = storagetest.OpenDir(t, dir, o)
			for ref, want := range map[storage.Ref]int{a: n, b: 4} {
				for r, err := range s.Rows(ref, storage.UIDs(1), storage.ReadOptions{}) {
					if err != nil || r.Flags != storage.Flagged {
						t.Errorf("account %d: got %v, %v, want it flagged", ref.Account, r.Flags, err)
					}
				}
				if got := filled(t, s, ref); len(got) != want || read(t, s, ref, storage.UID(want)) != fillText(want) {
					t.Errorf("account %d after the next start: got %v, want %d", ref.Account, got, want)
				}
			}
			if len(s.Damage()) > 0 || len(s.NotedDamage()) > 0 {
				t.Errorf("got damage %q", s.NotedDamage())
			}
		})
	}
}

func TestDamagedWatermarkBringsNoMessageTwice(t *testing.T) {
	t.Parallel()
	dir, o := t.TempDir(), noHouse(storage.Options{SegmentSize: 10_000})
	s := storagetest.OpenDir(t, dir, o)
	a := newAccount(t, s, 1)
	fill(t, s, a, 1, 20)
	expunge(t, s, a, 2, 3)
	want := dump(t, s, 1)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	damageRow(t, dir, "meta", []byte("watermark"))
	s = storagetest.OpenDir(t, dir, o)
	if got := dump(t, s, 1); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if got := put(t, s, message, a); got[0].UID != 21 {
		t.Errorf("got UID %d, want 21", got[0].UID)
	}
}

func TestAskedUIDsDoNotUseUpAMailbox(t *testing.T) {
	t.Parallel()
	const limit = 1 << 31
	for _, c := range []struct {
		name      string
		ask, want storage.UID
	}{
		{"one below the limit", limit - 1, limit - 1},
		{"limit", limit, 2},
		{"last but one", 1<<32 - 2, 2},
		{"last", 1<<32 - 1, 2},
	} {
		t.Run("append "+c.name, func(t *testing.T) {
			t.Parallel()
			dir, o := t.TempDir(), noHouse(storage.Options{})
			s := storagetest.OpenDir(t, dir, o)
			a := newAccount(t, s, 1)
			put(t, s, fillText(1), a)
			got, err := s.Append(t.Context(), strings.NewReader(fillText(2)), storage.Target{Ref: a, UID: c.ask})
			if err != nil || got[0].UID != c.want {
				t.Errorf("got %+v, %v, want UID %d", got, err, c.want)
			}
			if got := put(t, s, fillText(3), a); got[0].UID != c.want+1 {
				t.Errorf("the next: got UID %d, want %d", got[0].UID, c.want+1)
			}
			sameAfter(t, s, dir, o, 1)
		})
		t.Run("adopt "+c.name, func(t *testing.T) {
			t.Parallel()
			dir, o := t.TempDir(), noHouse(storage.Options{})
			s := storagetest.OpenDir(t, dir, o)
			a := newAccount(t, s, 1)
			want := min(c.ask, limit)
			m, err := s.AdoptUIDs(t.Context(), a, storage.Mailbox{UIDValidity: 7, UIDNext: c.ask})
			if err != nil || m.UIDNext != want {
				t.Errorf("got %+v, %v, want UIDNEXT %d", m, err, want)
			}
			for i := range 2 {
				if got := put(t, s, message, a); got[0].UID != want+storage.UID(i) {
					t.Errorf("got UID %d, want %d", got[0].UID, want+storage.UID(i))
				}
			}
			sameAfter(t, s, dir, o, 1)
		})
	}
}

// TestAdoptedModSeqsGoOn: one that comes from elsewhere must not bring the
// account's counter to its end, or round to zero.
func TestAdoptedModSeqsGoOn(t *testing.T) {
	t.Parallel()
	const limit = 1 << 62
	for _, ask := range []storage.ModSeq{limit - 1, limit, limit + 1, 1<<63 - 1, 1<<64 - 1} {
		dir, o := t.TempDir(), noHouse(storage.Options{})
		s := storagetest.OpenDir(t, dir, o)
		a := newAccount(t, s, 1)
		want := min(ask, limit)
		m, err := s.AdoptUIDs(t.Context(), a, storage.Mailbox{UIDNext: 5, HighestModSeq: ask})
		if err != nil || m.HighestModSeq != want {
			t.Errorf("adopt %d: got %+v, %v, want %d", ask, m, err, want)
		}
		if got := put(t, s, message, a); got[0].ModSeq != want+1 {
			t.Errorf("adopt %d: the next is %d, want %d", ask, got[0].ModSeq, want+1)
		}
		sameAfter(t, s, dir, o, 1)
	}
}
