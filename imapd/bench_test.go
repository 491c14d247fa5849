package imapd

import (
	"bufio"
	"bytes"
	"testing"
)

// BenchmarkFetch measures one FETCH of every message of a mailbox, over a
// socket: ns/op is for the whole mailbox.
func BenchmarkFetch(b *testing.B) {
	const messages = 10_000
	s := newSuite(b)
	s.fill("INBOX", messages)
	for _, items := range []string{"FLAGS", "(UID FLAGS INTERNALDATE RFC822.SIZE ENVELOPE)", "(BODYSTRUCTURE)", "(BODY.PEEK[HEADER.FIELDS (FROM SUBJECT DATE)])", "(BODY.PEEK[])"} {
		b.Run(items, func(b *testing.B) {
			sc := s.with(b).login()
			sc.ok("SELECT INBOX")
			sc.r = bufio.NewReaderSize(sc.c, 1<<16)
			b.ReportAllocs()
			for b.Loop() {
				sc.send("b UID FETCH 1:* " + items + "\r\n")
				for {
					l, err := sc.r.ReadSlice('\n')
					if err != nil {
						b.Fatal(err)
					}
					if bytes.HasPrefix(l, []byte("b OK")) {
						break
					}
				}
			}
			b.ReportMetric(float64(messages)*float64(b.N)/b.Elapsed().Seconds(), "messages/s")
		})
	}
}

// BenchmarkSelect measures SELECT of a large mailbox.
func BenchmarkSelect(b *testing.B) {
	s := newSuite(b)
	s.fill("INBOX", 10_000)
	sc := s.login()
	for b.Loop() {
		sc.ok("SELECT INBOX")
	}
}
