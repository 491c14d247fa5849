package storage_test

import (
	"fmt"
	"testing"

	"mailstead/storage"
)

// BenchmarkSize asks of small mailboxes and of great ones what should cost the
// same of both.
func BenchmarkSize(b *testing.B) {
	for _, messages := range []int{2000, 200_000} {
		s := benchStore(b, storage.Options{})
		ref := named(b, s, 1, "INBOX")
		fillWith(b, s, ref, messages)
		if _, err := s.SetFlags(b.Context(), ref, storage.UIDSet{{First: 1, Last: 1500}}, storage.FlagChange{Flags: storage.Seen}); err != nil {
			b.Fatal(err)
		}
		if _, _, err := s.Expunge(b.Context(), ref, storage.UIDs(3, 5, 7, 9, 11), false); err != nil {
			b.Fatal(err)
		}
		m, err := s.MailboxByID(ref)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := s.SetFlags(b.Context(), ref, storage.UIDSet{{First: 1600, Last: 1609}}, storage.FlagChange{Flags: storage.Flagged}); err != nil {
			b.Fatal(err)
		}
		rows := func(b *testing.B, want int, set storage.UIDSet, o storage.ReadOptions) {
			n := 0
			for _, err := range s.Rows(ref, set, o) {
				if err != nil {
					b.Fatal(err)
				}
				n++
			}
			if n != want {
				b.Fatalf("got %d rows, want %d", n, want)
			}
		}
		all := storage.UIDSet{{First: 1, Last: 1<<32 - 1}}
		b.Run(fmt.Sprintf("snapshot/messages=%d", messages), func(b *testing.B) {
			for b.Loop() {
				snap, err := s.Snapshot(ref)
				if err != nil {
					b.Fatal(err)
				}
				snap.Feed.Close()
			}
		})
		b.Run(fmt.Sprintf("one message/messages=%d", messages), func(b *testing.B) {
			for b.Loop() {
				rows(b, 1, storage.UIDs(1700), storage.ReadOptions{Message: true})
			}
		})
		b.Run(fmt.Sprintf("changed since/messages=%d", messages), func(b *testing.B) {
			for b.Loop() {
				rows(b, 10, all, storage.ReadOptions{ChangedSince: m.HighestModSeq})
			}
		})
		b.Run(fmt.Sprintf("described anew/messages=%d", messages), func(b *testing.B) {
			for b.Loop() {
				s.ForgetDescriptions()
				if _, err := s.Contents(ref); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
