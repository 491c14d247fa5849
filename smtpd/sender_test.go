package smtpd_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"

	"mailstead/mail"
	"mailstead/smtpd"
)

// TestSubmissionWithTheAddressOfAnother sends as bob, who first has not and then
// has let alice.
func TestSubmissionWithTheAddressOfAnother(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	o := h.options()
	o.Role = smtpd.Submission
	s := start(t, o)
	c, err := smtp.DialStartTLS(s.addr, s.tlsConfig())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.Auth(sasl.NewPlainClient("", "alice@example.test", "long enough")); err != nil {
		t.Fatal(err)
	}
	send := func(path, from, sender string) error {
		t.Helper()
		head := "From: " + from + "\r\n"
		if sender != "" {
			head += "Sender: " + sender + "\r\n"
		}
		err := c.SendMail(path, []string{"alice@example.test"}, strings.NewReader(head+"Subject: x\r\n\r\nhi\r\n"))
		if err != nil {
			if err := c.Reset(); err != nil {
				t.Fatal(err)
			}
		}
		return err
	}
	refused := func(name string, err error) {
		t.Helper()
		if status, ok := errors.AsType[*smtp.SMTPError](err); !ok || status.Code != 550 || status.EnhancedCode != (smtp.EnhancedCode{5, 7, 1}) {
			t.Errorf("%s: got %v, want 550 5.7.1", name, err)
		}
	}
	const alice, bob = "alice@example.test", "bob@example.test"
	refused("reverse-path, not allowed", send(bob, alice, ""))
	refused("From, not allowed", send(alice, bob, ""))
	owner, who := mail.Address{Local: "bob", Domain: "example.test"}, mail.Address{Local: "alice", Domain: "example.test"}
	if err := h.db.SetSender(t.Context(), owner, who, true); err != nil {
		t.Fatal(err)
	}
	for name, err := range map[string]error{
		"as bob":           send(bob, bob, ""),
		"on bob's behalf":  send(alice, bob, alice),
		"with bob's extra": send("bob+x@example.test", "bob+x@example.test", ""),
	} {
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	refused("as nobody", send(alice, "nobody@example.test", ""))
	if got := h.inbox(t, 1); len(got) != 3 {
		t.Errorf("alice got %d messages, want 3", len(got))
	}
	if err := h.db.SetSender(t.Context(), owner, who, false); err != nil {
		t.Fatal(err)
	}
	refused("taken back", send(alice, bob, ""))
}
