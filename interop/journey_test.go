package interop

import (
	"encoding/base64"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"
	"github.com/emersion/go-smtp"
)

// bigMail has an attachment of 10 MB of random bytes.
func bigMail() string {
	data := make([]byte, 10_000_000)
	random := rand.NewChaCha8([32]byte{1})
	_, _ = random.Read(data) // never fails
	text := base64.StdEncoding.EncodeToString(data)
	var b strings.Builder
	b.WriteString("From: bob@example.test\r\nTo: alice@example.test\r\nDate: Tue, 24 Nov 2026 10:00:00 +0000\r\nMessage-ID: <big@example.test>\r\nSubject: big\r\n" +
		"MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: text/plain\r\n\r\nSee attachment.\r\n.\r\n..\r\n" +
		"--b\r\nContent-Type: application/octet-stream\r\nContent-Transfer-Encoding: base64\r\nContent-Disposition: attachment; filename=big.bin\r\n\r\n")
	for line := range slices.Chunk([]byte(text), 76) {
		b.Write(line)
		b.WriteString("\r\n")
	}
	b.WriteString("--b--\r\n")
	return b.String()
}

// utf8Mail has header fields and a body of 8-bit UTF-8 (RFC 6532), unusual
// folding and trailing blanks.
const utf8Mail = "From: Børge Ærlig <bob@example.test>\r\nTo: =?utf-8?q?Al=C3=AFce?= <alice@example.test>\r\nDate: Tue, 24 Nov 2026 10:00:00 +0000\r\n" +
	"Message-ID: <8bit@example.test>\r\nSubject: Grüße aus 東京 \r\n\t… und Köln  \r\nX-odd:no blank\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\nČau! Ça va? 🙂\r\n \t\r\n"

// arrived gives what the message was before delivery put its trace fields on top.
func arrived(t *testing.T, got, sent string) {
	t.Helper()
	trace, ok := strings.CutSuffix(got, sent)
	if !ok {
		t.Errorf("got %d bytes that do not end with the %d bytes sent", len(got), len(sent))
		return
	}
	if !strings.HasPrefix(trace, "Return-Path: <") || strings.Count(trace, "\r\nReceived: ") != 1 || !strings.HasSuffix(trace, "\r\n") {
		t.Errorf("trace fields: got %q", trace)
	}
}

func TestByteForByteFromSMTPToIMAPAndPOP3(t *testing.T) {
	t.Parallel()
	s := serveSuite(t)
	sent := []string{bigMail(), utf8Mail, utf8Mail, bigMail()}
	s.submit(t, s.bob, s.alice.Address, sent[0], nil)
	s.submit(t, s.bob, "info@example.test", sent[1], &smtp.MailOptions{UTF8: true, Body: smtp.Body8BitMIME})
	s.receive(t, "alice+tag@example.test", sent[2], &smtp.MailOptions{Body: smtp.Body8BitMIME, Size: int64(len(sent[2]))})
	s.receive(t, s.alice.Address, sent[3], nil)

	got := fetchAll(t, s.imap(t, s.alice, "INBOX", nil))
	if len(got) != len(sent) {
		t.Fatalf("got %d messages by IMAP, want %d", len(got), len(sent))
	}
	p := s.pop3(t, s.alice)
	for i, text := range got {
		arrived(t, text, sent[i])
		if p.text("RETR %d", i+1) != text {
			t.Errorf("message %d: POP3 and IMAP differ", i+1)
		}
		_, body, _ := strings.Cut(text, "\r\n\r\n")
		if top := p.text("TOP %d 1", i+1); top != text[:len(text)-len(body)]+body[:strings.Index(body, "\r\n")+2] {
			t.Errorf("message %d: TOP gives something else: %d bytes", i+1, len(top))
		}
	}
	p.do("QUIT")
}

// seen collects what the server tells an idle client by itself.
type seen struct{ events chan string }

func newSeen() *seen { return &seen{make(chan string, 100)} }

func (s *seen) handler() *imapclient.UnilateralDataHandler {
	return &imapclient.UnilateralDataHandler{
		Expunge: func(n uint32) { s.events <- fmt.Sprintf("EXPUNGE %d", n) },
		Mailbox: func(d *imapclient.UnilateralDataMailbox) {
			if d.NumMessages != nil {
				s.events <- fmt.Sprintf("EXISTS %d", *d.NumMessages)
			}
		},
		Fetch: func(m *imapclient.FetchMessageData) {
			b, err := m.Collect()
			s.events <- fmt.Sprintf("FETCH %d %v %v", b.SeqNum, b.Flags, err)
		},
	}
}

// want waits for one event.
func (s *seen) want(t *testing.T, event string) {
	t.Helper()
	late := time.After(clientTimeout)
	for {
		select {
		case got := <-s.events:
			if got == event {
				return
			}
			t.Logf("also told: %s", got)
		case <-late:
			t.Fatalf("never told: %s", event)
		}
	}
}

func TestIdleSeesFlagsMovesAndPOP3(t *testing.T) {
	t.Parallel()
	s := serveSuite(t)
	for i := range 3 {
		s.receive(t, s.alice.Address, fmt.Sprintf("Subject: %d\r\n\r\n%d\r\n", i, i), nil)
	}
	inbox, archive := newSeen(), newSeen()
	var idles []*imapclient.IdleCommand
	for mailbox, events := range map[string]*seen{"INBOX": inbox, "Archive": archive} {
		idle, err := s.imap(t, s.alice, mailbox, events.handler()).Idle()
		if err != nil {
			t.Fatal(err)
		}
		idles = append(idles, idle)
	}
	c := s.imap(t, s.alice, "INBOX", nil)
	if err := c.Store(imap.SeqSetNum(2), &imap.StoreFlags{Op: imap.StoreFlagsAdd, Flags: []imap.Flag{imap.FlagFlagged}}, nil).Close(); err != nil {
		t.Fatal(err)
	}
	inbox.want(t, `FETCH 2 [\Flagged \Recent] <nil>`)
	if _, err := c.Move(imap.SeqSetNum(2), "Archive").Wait(); err != nil {
		t.Fatal(err)
	}
	inbox.want(t, "EXPUNGE 2")
	archive.want(t, "EXISTS 1")

	// The second of the two that are left.
	p := s.pop3(t, s.alice)
	p.do("DELE 2")
	p.do("QUIT")
	inbox.want(t, "EXPUNGE 2")
	if err := c.Noop().Wait(); err != nil {
		t.Fatal(err)
	}
	if n := c.Mailbox().NumMessages; n != 1 {
		t.Errorf("got %d messages in the session that moved, want 1", n)
	}
	s.receive(t, s.alice.Address, "Subject: new\r\n\r\n", nil)
	inbox.want(t, "EXISTS 2")
	for _, idle := range idles {
		if err := idle.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestSubmissionRefusesWhatIsNotTheUsers(t *testing.T) {
	t.Parallel()
	s := serveSuite(t)
	c, err := smtp.DialTLS(s.addr("submissions"), s.tls())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := send(c, s.bob.Address, s.alice.Address, "Subject: x\r\n\r\n", nil); err == nil {
		t.Error("submission without login was accepted")
	}
	in, err := smtp.DialStartTLS(s.addr("smtp"), s.tls())
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	for to, want := range map[string]smtp.EnhancedCode{"nobody@example.test": {5, 1, 1}, "x@example.org": {5, 7, 1}} {
		err := send(in, "stranger@example.org", to, "Subject: x\r\n\r\n", nil)
		if refused, ok := errors.AsType[*smtp.SMTPError](err); !ok || refused.Code != 550 || refused.EnhancedCode != want {
			t.Errorf("to %s: got %#v, want 550 %v", to, err, want)
		}
		if err := in.Reset(); err != nil {
			t.Fatal(err)
		}
	}
}
