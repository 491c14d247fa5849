package smtpd_test

import (
	"bufio"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"mailstead/accounts"
	"mailstead/mail"
)

// BenchmarkInbound is mail from other servers over one connection, pipelined,
// into a real store: 32 KB to one recipient, and to 20.
func BenchmarkInbound(b *testing.B) {
	for _, recipients := range []int{1, 20} {
		b.Run(fmt.Sprintf("recipients=%d", recipients), func(b *testing.B) {
			h := newHouse(b)
			var to strings.Builder
			for i := range recipients {
				name := fmt.Sprintf("user%d", i)
				a, err := h.db.AddAccount(b.Context(), mail.Address{Local: name, Domain: "example.test"}, "long enough", accounts.AddOptions{})
				if err != nil {
					b.Fatal(err)
				}
				if err := h.store.CreateAccount(b.Context(), a.ID, name); err != nil {
					b.Fatal(err)
				}
				fmt.Fprintf(&to, "RCPT TO:<%s@example.test>\r\n", name)
			}
			o := h.options()
			o.MaxMessageSize = 1 << 20
			p := dialBench(b, start(b, o))
			p.ask(b, "EHLO client.test\r\n", 1)
			head := "MAIL FROM:<a@elsewhere.test>\r\n" + to.String() + "DATA\r\n"
			text := "Subject: x\r\n\r\n" + strings.Repeat("0123456789012345678901234567890123456789012345678901234567890123456789\r\n", 32<<10/72) + ".\r\n"
			b.ReportAllocs()
			b.SetBytes(int64(len(text)))
			for b.Loop() {
				p.ask(b, head, recipients+2)
				p.ask(b, text, 1)
			}
		})
	}
}

// benchPeer is a client that counts replies.
type benchPeer struct {
	c net.Conn
	r *bufio.Reader
}

func dialBench(b *testing.B, s *suite) *benchPeer {
	b.Helper()
	c, err := net.Dial("tcp", s.addr)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { c.Close() })
	if err := c.SetDeadline(time.Now().Add(5 * time.Minute)); err != nil {
		b.Fatal(err)
	}
	p := &benchPeer{c, bufio.NewReader(c)}
	p.ask(b, "", 1)
	return p
}

// ask sends text and reads whole replies, which must be positive.
func (p *benchPeer) ask(b *testing.B, text string, replies int) {
	b.Helper()
	if _, err := p.c.Write([]byte(text)); err != nil {
		b.Fatal(err)
	}
	for replies > 0 {
		l, err := p.r.ReadSlice('\n')
		if err != nil || l[0] != '2' && l[0] != '3' {
			b.Fatalf("got %q, %v", l, err)
		}
		if l[3] != '-' {
			replies--
		}
	}
}
