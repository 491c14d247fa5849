package imapd

import (
	"fmt"
	"strings"
	"testing"

	"mailstead/storage"
)

// BenchmarkSize gives commands whose answers are small, to mailboxes that are
// not.
func BenchmarkSize(b *testing.B) {
	for _, messages := range []int{2000, 200_000} {
		s := newSuite(b)
		s.fill("INBOX", messages)
		sc := s.login()
		sc.ok("SELECT INBOX (CONDSTORE)")
		sc.ok(`STORE 1:1000 +FLAGS.SILENT (\Seen)`)
		box, err := s.store.Mailbox(alice, "INBOX")
		if err != nil {
			b.Fatal(err)
		}
		sc.ok(`STORE 1101:1110 +FLAGS.SILENT (\Flagged)`)
		since := fmt.Sprintf("UID FETCH 1:* FLAGS (CHANGEDSINCE %d)", box.HighestModSeq)
		for _, command := range []string{"NOOP", "SELECT INBOX", "STATUS INBOX (MESSAGES UNSEEN RECENT)", "FETCH 1500 FLAGS", "UID FETCH 1500 ENVELOPE", since} {
			name, _, _ := strings.Cut(command, " (CHANGEDSINCE")
			b.Run(fmt.Sprintf("%s/messages=%d", name, messages), func(b *testing.B) {
				sc.t = b
				sc.ok("SELECT INBOX")
				for b.Loop() {
					sc.ok(command)
				}
			})
		}
	}
}

// BenchmarkFetchBodies gives whole messages of 30 KB.
func BenchmarkFetchBodies(b *testing.B) {
	const messages, size = 500, 30 << 10
	s := newSuite(b)
	text := "Subject: large\n\n" + strings.Repeat(strings.Repeat("x", 77)+"\n", size/79)
	for range messages {
		s.deliver("INBOX", text, storage.Seen)
	}
	sc := s.login()
	sc.ok("SELECT INBOX")
	b.SetBytes(messages * int64(len(crlf(text))))
	buf := make([]byte, 1<<18)
	for n := 0; b.Loop(); n++ {
		sc.send("x UID FETCH 1:* BODY.PEEK[]\r\n")
		for tail := ""; !strings.Contains(tail, "x OK "); {
			k, err := sc.c.Read(buf)
			if err != nil {
				b.Fatal(err)
			}
			tail = (tail + string(buf[max(0, k-200):k]))
			tail = tail[max(0, len(tail)-200):]
		}
	}
}

// BenchmarkEnter is a client that connects, logs in, selects and leaves.
func BenchmarkEnter(b *testing.B) {
	s := newSuite(b)
	s.fill("INBOX", 1000)
	b.ReportAllocs()
	for b.Loop() {
		sc := s.dial()
		sc.send("a LOGIN alice@example.test \"" + password + "\"\r\nb SELECT INBOX\r\nc LOGOUT\r\n")
		sc.until("c")
		sc.c.Close()
	}
}
