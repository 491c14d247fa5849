package storage_test

import (
	"fmt"
	"hash/crc32"
	"strings"
	"testing"

	"mailstead/storage"
	"mailstead/storage/storagetest"
)

func TestFingerprintsTellEveryMessage(t *testing.T) {
	t.Parallel()
	s := storagetest.Open(t, storage.Options{Compress: true})
	if err := s.CreateAccount(t.Context(), 1, "a"); err != nil {
		t.Fatal(err)
	}
	inbox, err := s.Mailbox(1, "INBOX")
	if err != nil {
		t.Fatal(err)
	}
	ref := storage.Ref{Account: 1, Mailbox: inbox.ID}
	const many = 4100 // three read transactions
	texts := make([]string, many)
	for at := 0; at < many; {
		var batch []storage.Incoming
		for ; at < many && len(batch) < 200; at++ {
			texts[at] = fmt.Sprintf("Subject: %d\r\n\r\n%s", at, strings.Repeat("x", at%7*1000))
			batch = append(batch, storage.Incoming{Body: storagetest.Body(texts[at]), Targets: []storage.Target{{Ref: ref}}})
		}
		if _, err := s.AppendAll(t.Context(), batch); err != nil {
			t.Fatal(err)
		}
	}
	at := 0
	for f, err := range s.Fingerprints(ref) {
		if err != nil {
			t.Fatal(err)
		}
		want := storage.Fingerprint{UID: storage.UID(at + 1), CRC: crc32.Checksum([]byte(texts[at]), crc32.MakeTable(crc32.Castagnoli)), Size: int64(len(texts[at]))}
		if f != want {
			t.Fatalf("got %+v, want %+v", f, want)
		}
		at++
	}
	if at != many {
		t.Errorf("got %d, want %d", at, many)
	}
	for _, err := range s.Fingerprints(storage.Ref{Account: 1, Mailbox: 99}) {
		if err != storage.ErrNoMailbox {
			t.Errorf("got %v, want %v", err, storage.ErrNoMailbox)
		}
	}
}
