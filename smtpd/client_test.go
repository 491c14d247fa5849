package smtpd_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	gosasl "github.com/emersion/go-sasl"
	smtp "github.com/emersion/go-smtp"

	"mailstead/accounts"
	"mailstead/delivery"
	"mailstead/internal/spool"
	"mailstead/mail"
	"mailstead/sasl"
	"mailstead/sasl/sasltest"
	"mailstead/smtpd"
	"mailstead/storage"
	"mailstead/storage/storagetest"
)

// house is a server over real accounts and a real store: alice (long enough)
// and bob, who may hold 20 MB.
type house struct {
	db    *accounts.DB
	store *storage.Store
}

// Credentials implements smtpd.Authenticator.
func (h house) Credentials(from netip.Addr) sasl.Credentials { return passwords{db: h.db, from: from} }

// passwords knows the accounts of a house by their passwords alone.
type passwords struct {
	sasltest.Credentials
	db   *accounts.DB
	from netip.Addr
}

func (p passwords) Password(ctx context.Context, user, password string) (sasl.Identity, error) {
	a, err := p.db.Authenticate(ctx, user, password, p.from)
	if errors.Is(err, accounts.ErrBadCredentials) {
		err = sasl.ErrBadCredentials
	}
	return sasl.Identity{Account: uint32(a.ID), Name: a.Address.String()}, err
}

// MayUse implements smtpd.Authenticator.
func (h house) MayUse(id mail.AccountID, addr mail.Address) bool { return h.db.MaySend(id, addr) }

func newHouse(t testing.TB) house {
	t.Helper()
	return newHouseOn(t, t.TempDir(), storage.Options{})
}

// newHouseOn is newHouse with a store in dir.
func newHouseOn(t testing.TB, dir string, opts storage.Options) house {
	t.Helper()
	db, err := accounts.Open(filepath.Join(t.TempDir(), "accounts.db"), accounts.Options{Params: accounts.Argon2{Time: 1, Memory: 64, Threads: 1}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	opts.Quota = db.Quota
	h := house{db: db, store: storagetest.OpenDir(t, dir, opts)}
	if _, err := db.AddDomain(t.Context(), "example.test"); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"alice", "bob"} {
		quota := int64(0)
		if name == "bob" {
			quota = 20 << 20
		}
		a, err := db.AddAccount(t.Context(), mail.Address{Local: name, Domain: "example.test"}, "long enough", accounts.AddOptions{Quota: quota})
		if err != nil {
			t.Fatal(err)
		}
		if err := h.store.CreateAccount(t.Context(), a.ID, name); err != nil {
			t.Fatal(err)
		}
	}
	return h
}

func (h house) options() smtpd.Options {
	return smtpd.Options{Deliverer: delivery.New(delivery.Deps{Accounts: h.db, Store: h.store}), Authenticator: h}
}

// inbox reads the messages of alice (1) or bob (2).
func (h house) inbox(t testing.TB, id mail.AccountID) [][]byte {
	t.Helper()
	box, err := h.store.Mailbox(id, "INBOX")
	if err != nil {
		t.Fatal(err)
	}
	ref := storage.Ref{Account: id, Mailbox: box.ID}
	var texts [][]byte
	if err := h.store.Settle(t.Context()); err != nil {
		t.Fatal(err)
	}
	for row, err := range h.store.Rows(ref, storage.UIDSet{{First: 1, Last: ^storage.UID(0)}}, storage.ReadOptions{}) {
		if err != nil {
			t.Fatal(err)
		}
		c, err := h.store.OpenBody(t.Context(), ref, row.UID)
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(io.NewSectionReader(c, 0, c.Size()))
		c.Close()
		if err != nil {
			t.Fatal(err)
		}
		texts = append(texts, b)
	}
	return texts
}

// attachment is a message with an attachment of n random bytes and lines that
// begin with dots.
func attachment(n int) []byte {
	raw := make([]byte, n)
	_, _ = rand.Read(raw) // never fails
	var b bytes.Buffer
	b.WriteString("From: alice@example.test\r\nSubject: Grüße, 世界\r\nTo: bob@example.test\r\nDate: Mon, 02 Mar 2026 10:00:00 +0000\r\nMessage-ID: <1@example.test>\r\n\r\n.\r\n..\r\n.x\r\n")
	text := base64.StdEncoding.EncodeToString(raw)
	for len(text) > 76 {
		b.WriteString(text[:76] + "\r\n")
		text = text[76:]
	}
	b.WriteString(text + "\r\n")
	return b.Bytes()
}

func TestTenMegabytesByteForByte(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	s := start(t, h.options())
	c, err := smtp.DialStartTLS(s.addr, s.tlsConfig())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	msg := attachment(10 << 20)
	if err := c.SendMail("sender@remote.test", []string{"alice@example.test", "bob@example.test"}, bytes.NewReader(msg)); err != nil {
		t.Fatal(err)
	}
	if err := c.Quit(); err != nil {
		t.Error(err)
	}
	for id := range mail.AccountID(2) {
		got := h.inbox(t, id+1)
		if len(got) != 1 || !bytes.HasSuffix(got[0], msg) {
			t.Fatalf("account %d: got %d messages, want one that ends in what was sent", id+1, len(got))
		}
		head := string(got[0][:len(got[0])-len(msg)])
		if !match("Return-Path: <sender@remote.test>\r\nReceived: from localhost ([127.0.0.1])\r\n\tby mx.example.test (Mailstead) with ESMTPS id *\r\n\ttls TLS_*;\r\n\t*\r\n", head) {
			t.Errorf("account %d: got %q before the message", id+1, head)
		}
	}
}

func TestSubmissionWithClient(t *testing.T) {
	t.Parallel()
	for _, implicit := range []bool{false, true} {
		t.Run(fmt.Sprintf("implicit %v", implicit), func(t *testing.T) {
			t.Parallel()
			h := newHouse(t)
			o := h.options()
			o.Role, o.ImplicitTLS = smtpd.Submission, implicit
			s := start(t, o)
			dial := smtp.DialStartTLS
			if implicit {
				dial = smtp.DialTLS
			}
			c, err := dial(s.addr, s.tlsConfig())
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			var status *smtp.SMTPError
			if err := c.Auth(gosasl.NewPlainClient("", "alice@example.test", "wrong password")); !errors.As(err, &status) || status.Code != 535 {
				t.Errorf("wrong password: got %v, want 535", err)
			}
			if err := c.Auth(gosasl.NewLoginClient("alice@example.test", "long enough")); err != nil {
				t.Fatal(err)
			}
			msg := "From: alice@example.test\r\nBcc: secret@example.test\r\nSubject: x\r\n\r\nhi\r\n"
			if err := c.SendMail("alice@example.test", []string{"someone@remote.test"}, strings.NewReader(msg)); !errors.As(err, &status) || status.Code != 550 {
				t.Errorf("to elsewhere: got %v, want 550", err)
			}
			if err := c.Reset(); err != nil {
				t.Fatal(err)
			}
			if err := c.SendMail("alice@example.test", []string{"bob@example.test"}, strings.NewReader(msg)); err != nil {
				t.Fatal(err)
			}
			got := h.inbox(t, 2)
			if len(got) != 1 || bytes.Contains(got[0], []byte("Bcc")) || !bytes.Contains(got[0], []byte("\r\nMessage-ID: <")) {
				t.Errorf("got %q", got)
			}
		})
	}
}

func TestOverQuotaWithRealStore(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	s := start(t, h.options())
	p := s.greeted(t)
	p.do("MAIL FROM:<a@remote.test> SIZE=20971521", "250 *")
	p.do("RCPT TO:<bob@example.test>", "452 4.2.2 *")
	p.do("RCPT TO:<nobody@example.test>", "550 5.1.1 *")
	p.do("RCPT TO:<x@remote.test>", "550 5.7.1 *")
	p.do("RCPT TO:<POSTMASTER>", "250 *")
	p.do("RSET", "250 *")
	// Not announced, so known only when it is there: refused for both.
	p.do("MAIL FROM:<a@remote.test>", "250 *")
	p.do("RCPT TO:<alice@example.test>", "250 *")
	p.do("RCPT TO:<bob@example.test>", "250 *")
	p.do("DATA", "354 *")
	p.raw("Subject: big\r\n\r\n" + strings.Repeat(strings.Repeat("x", 998)+"\r\n", 21<<10))
	p.do(".", "452 4.2.2 *")
	if a, b := len(h.inbox(t, 1)), len(h.inbox(t, 2)); a+b != 0 {
		t.Errorf("got %d and %d messages, want none", a, b)
	}
}

func TestManyClientsAtOnce(t *testing.T) {
	t.Parallel()
	const clients, each = 30, 5
	h := newHouse(t)
	o := h.options()
	o.Spool = spool.Dir{MemoryLimit: 100} // most messages go to disk
	s := start(t, o)
	var wg sync.WaitGroup
	for i := range clients {
		wg.Go(func() {
			c, err := smtp.Dial(s.addr)
			if err != nil {
				t.Error(err)
				return
			}
			defer c.Close()
			for j := range each {
				msg := fmt.Sprintf("Subject: %d %d\r\n\r\n%s\r\n", i, j, strings.Repeat("x", i*j*10))
				if err := c.SendMail("a@remote.test", []string{"both@example.test", "alice@example.test"}[1:], strings.NewReader(msg)); err != nil {
					t.Errorf("client %d: %v", i, err)
					return
				}
			}
			if err := c.Quit(); err != nil {
				t.Errorf("client %d: %v", i, err)
			}
		})
	}
	wg.Wait()
	seen := map[string]bool{}
	for _, m := range h.inbox(t, 1) {
		_, rest, _ := bytes.Cut(m, []byte("Subject: "))
		subject, _, _ := bytes.Cut(rest, []byte("\r\n"))
		seen[string(subject)] = true
	}
	if len(seen) != clients*each {
		t.Errorf("got %d different messages, want %d", len(seen), clients*each)
	}
}
