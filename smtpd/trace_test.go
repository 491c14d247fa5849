package smtpd_test

import (
	"strings"
	"testing"

	"mailstead/smtpd"
)

// TestTraceFieldsOfFinalDelivery looks at what lies in the mailbox: one
// Return-Path, ours, on top; then Received; then the message (RFC 5321 §4.4).
func TestTraceFieldsOfFinalDelivery(t *testing.T) {
	t.Parallel()
	const forged = "Return-Path: <forged@remote.test>\r\nFrom: alice@example.test\r\nreturn-path:\r\n <again@remote.test>\r\n"
	const rest = "Date: Mon, 02 Mar 2026 10:00:00 +0000\r\nMessage-ID: <1@example.test>\r\n\r\nhi\r\n"
	roles := []struct {
		name, login string
		role        smtpd.Role
	}{
		{"inbound", "", smtpd.Inbound},
		{"submission", "AUTH PLAIN AGFsaWNlQGV4YW1wbGUudGVzdABsb25nIGVub3VnaA==", smtpd.Submission},
	}
	for _, r := range roles {
		for _, from := range []string{"alice@example.test", ""} {
			t.Run(r.name+" from <"+from+">", func(t *testing.T) {
				t.Parallel()
				h := newHouse(t)
				o := h.options()
				o.Role, o.AllowInsecureAuth = r.role, true
				p := start(t, o).greeted(t)
				if r.login != "" {
					p.do(r.login, "235 *")
				}
				p.do("MAIL FROM:<"+from+">", "250 *")
				p.do("RCPT TO:<bob@example.test>", "250 *")
				p.do("DATA", "354 *")
				p.raw(forged + rest)
				p.do(".", "250 *")
				got := h.inbox(t, 2)
				if len(got) != 1 {
					t.Fatalf("got %d messages, want 1", len(got))
				}
				want := "Return-Path: <" + from + ">\r\nReceived: from client.test (*\r\nFrom: alice@example.test\r\n" + rest
				if n := strings.Count(strings.ToLower(string(got[0])), "return-path:"); n != 1 || !match(want, string(got[0])) {
					t.Errorf("got %d Return-Path in %q, want one in %q", n, got[0], want)
				}
			})
		}
	}
}
