package storage_test

import (
	"fmt"
	"strings"
	"sync/atomic"
	"testing"

	"mailstead/mail"
	"mailstead/storage"
)

// benchStore has 200 accounts.
func benchStore(b *testing.B, o storage.Options) *storage.Store {
	b.Helper()
	s, err := storage.Open(b.TempDir(), o)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := s.Close(); err != nil {
			b.Error(err)
		}
	})
	for i := range 200 {
		if err := s.CreateAccount(b.Context(), mail.AccountID(i+1), "user"); err != nil {
			b.Fatal(err)
		}
	}
	return s
}

// benchMessage is about size bytes with an attachment in base64.
func benchMessage(n int64, size int) string {
	head := fmt.Sprintf("Message-ID: <%d@bench.test>\r\nFrom: A Person <a@bench.test>\r\nTo: B Person <b@bench.test>\r\nSubject: Number %d\r\n"+
		"Date: Tue, 24 Nov 2026 10:00:00 +0000\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=xyz\r\n\r\n--xyz\r\n"+
		"Content-Type: text/plain\r\n\r\nHello\r\n--xyz\r\nContent-Type: application/pdf; name=a.pdf\r\nContent-Transfer-Encoding: base64\r\n\r\n", n, n)
	line := strings.Repeat("QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVphYmNk", 2)[:76] + "\r\n"
	return head + strings.Repeat(line, max(size-len(head), 0)/78) + "--xyz--\r\n"
}

// BenchmarkDeliver is mail from other servers: 32 KB to one account, by one
// sender and by many.
func BenchmarkDeliver(b *testing.B) {
	for _, senders := range []int{1, 8, 32} {
		b.Run(fmt.Sprintf("senders=%d", senders), func(b *testing.B) {
			s := benchStore(b, storage.Options{})
			var n atomic.Int64
			b.SetParallelism(max(senders/2, 1))
			b.ReportAllocs()
			deliver := func() error {
				i := n.Add(1)
				return s.Deliver(b.Context(), strings.NewReader(benchMessage(i, 32<<10)), mail.AccountID(i%200+1))
			}
			if senders == 1 {
				for b.Loop() {
					if err := deliver(); err != nil {
						b.Fatal(err)
					}
				}
				return
			}
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					if err := deliver(); err != nil {
						b.Error(err)
						return
					}
				}
			})
		})
	}
}

// BenchmarkDeliverTo20 is one message to 20 accounts.
func BenchmarkDeliverTo20(b *testing.B) {
	s := benchStore(b, storage.Options{})
	var to []mail.AccountID
	for i := range 20 {
		to = append(to, mail.AccountID(i+1))
	}
	n := int64(0)
	b.ReportAllocs()
	for b.Loop() {
		n++
		if err := s.Deliver(b.Context(), strings.NewReader(benchMessage(n, 32<<10)), to...); err != nil {
			b.Fatal(err)
		}
	}
	if err := s.Settle(b.Context()); err != nil {
		b.Fatal(err)
	}
}

// BenchmarkSetFlags changes a flag of all of 10,000 messages, and of one.
func BenchmarkSetFlags(b *testing.B) {
	s := benchStore(b, storage.Options{})
	ref := named(b, s, 1, "INBOX")
	for i := range int64(100) {
		var list []storage.Incoming
		for j := range int64(100) {
			list = append(list, storage.Incoming{Body: strings.NewReader(benchMessage(i*100+j, 700)), Targets: []storage.Target{{Ref: ref}}})
		}
		if _, err := s.AppendAll(b.Context(), list); err != nil {
			b.Fatal(err)
		}
	}
	for _, last := range []storage.UID{1, 10000} {
		b.Run(fmt.Sprintf("messages=%d", last), func(b *testing.B) {
			op := storage.AddFlags
			for b.Loop() {
				if _, err := s.SetFlags(b.Context(), ref, storage.UIDSet{{First: 1, Last: last}}, storage.FlagChange{Op: op, Flags: storage.Flagged}); err != nil {
					b.Fatal(err)
				}
				op = storage.AddFlags + storage.RemoveFlags - op
			}
		})
	}
}
