package smtpd

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	smtp "github.com/emersion/go-smtp"

	"mailstead/delivery"
	"mailstead/internal/netd"
	"mailstead/mail"
	"mailstead/sasl"
	"mailstead/sasl/sasltest"
)

// anything takes every message and every login.
type anything struct {
	t     testing.TB
	taken *int
}

func (anything) Verify(context.Context, mail.Address, int64, mail.AccountID) error { return nil }

func (a anything) Deliver(_ context.Context, env delivery.Envelope, body delivery.Body) (delivery.Receipt, error) {
	b, err := io.ReadAll(io.NewSectionReader(body, 0, body.Size()))
	if err != nil || int64(len(b)) != body.Size() {
		a.t.Errorf("got %d bytes of %d, %v", len(b), body.Size(), err)
	}
	if !bytes.HasPrefix(b, []byte("Received: from ")) || len(env.To) == 0 {
		a.t.Errorf("got to %v, %q", env.To, b)
	}
	if strings.Contains(strings.ReplaceAll(string(b), "\r\n", ""), "\n") || strings.Contains(strings.ReplaceAll(string(b), "\r\n", ""), "\r") {
		a.t.Errorf("got a bare CR or LF in %q", b)
	}
	*a.taken++
	return delivery.Receipt{Mailboxes: 1}, nil
}

func (anything) Credentials(netip.Addr) sasl.Credentials {
	return sasltest.Credentials{Anyone: sasl.Identity{Account: 1, Name: "a@b.test"}, CRAMMD5: true}
}

func (anything) MayUse(mail.AccountID, mail.Address) bool { return true }

// wholeSession ends in a message, on either kind of port.
const wholeSession = "EHLO c\r\nAUTH PLAIN AGEAYg==\r\nMAIL FROM:<a@b.test>\r\nRCPT TO:<c@d.test>\r\nBDAT 3\r\nFroBDAT 13 LAST\r\nm: a@b.test\r\n"

// FuzzSession sends any bytes and wants replies, one form of message only, and
// an end.
func FuzzSession(f *testing.F) {
	for _, seed := range []string{
		"EHLO c\r\nMAIL FROM:<a@b.test>\r\nRCPT TO:<c@d.test>\r\nDATA\r\nA: b\r\n\r\n.\r\nQUIT\r\n",
		"EHLO c\r\nMAIL FROM:<a@b.test> SIZE=1 SMTPUTF8 BODY=8BITMIME\r\nRCPT TO:<c@d.test>\r\nBDAT 3\r\nA: BDAT 5 LAST\r\nb\r\n\r\n",
		wholeSession,
		"EHLO c\r\nAUTH PLAIN AGEAYg==\r\nMAIL FROM:<>\r\nRCPT TO:<postmaster>\r\nDATA\r\nFrom: a@b.test\r\nBcc: x\r\n y\r\n\r\n.\r\n",
		"EHLO c\r\nAUTH LOGIN\r\nYQ==\r\nYg==\r\nRSET\r\nNOOP\r\nVRFY x\r\nHELP\r\n",
		"EHLO c\r\nAUTH LOGIN\r\n\n*\r\n",
		"EHLO c\r\nAUTH SCRAM-SHA-256 biwsbj1hLHI9Yg==\r\nYz1iaXdzLHI9YixwPQ==\r\nAUTH CRAM-MD5\r\nYSAw\r\n",
		"EHLO c\r\nMAIL FROM:<a@b.test>\r\nRCPT TO:<c@d.test>\r\nDATA\r\n\n.\n\r\n.\r\r\n.\r\n",
		"EHLO c\r\nMAIL FROM:<a@b.test>\r\nRCPT TO:<c@d.test>\r\nBDAT 1\r\nxRSET\r\nBDAT 99999999999\r\n",
		"EHLO c\r\nMAIL FROM:<a@b.test>\r\nBDAT 5\r\nabcdeBDAT 0 LAST\r\nSTARTTLS\r\n",
		"GET / HTTP/1.0\r\n\r\n",
	} {
		f.Add([]byte(seed), false)
		f.Add([]byte(seed), true)
	}
	f.Fuzz(func(t *testing.T, input []byte, submission bool) {
		taken := 0
		all := anything{t, &taken}
		o := Options{Hostname: "mx.test", AllowInsecureAuth: true, MaxMessageSize: 1000, Deliverer: all, Authenticator: all}
		if submission {
			o.Role = Submission
		}
		client, ln := pipe()
		s := New(o)
		served := make(chan error, 1)
		go func() { served <- s.Serve(ln) }()
		go func() {
			_, _ = client.Write(input)      // the server may have hung up
			_ = client.(*half).closeWrite() // the server sees the end
		}()
		_ = client.SetReadDeadline(time.Now().Add(10 * time.Second))
		replies, err := io.ReadAll(client)
		if err != nil {
			t.Errorf("after %q: %v", replies, err)
		}
		checkReplies(t, replies)
		if string(input) == wholeSession && taken != 1 {
			t.Errorf("got %d messages delivered, want 1: this fuzzes nothing", taken)
		}
		if err := s.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
		if err := <-served; !errors.Is(err, netd.ErrServerClosed) {
			t.Error(err)
		}
	})
}

// checkReplies wants lines of the form of RFC 5321 §4.2.
func checkReplies(t *testing.T, replies []byte) {
	t.Helper()
	for l := range strings.Lines(string(replies)) {
		l, ok := strings.CutSuffix(l, "\r\n")
		if !ok || len(l) < 4 || l[0] < '2' || l[0] > '5' || l[3] != ' ' && l[3] != '-' || strings.ContainsAny(l, "\r\n") {
			t.Errorf("got %q for a reply", l)
		}
	}
}

// half is the client's end of a connection, over two pipes: a net.Pipe can't
// be closed in one direction.
type half struct {
	net.Conn
	down net.Conn
}

func (h *half) Read(p []byte) (int, error)         { return h.down.Read(p) }
func (h *half) SetReadDeadline(d time.Time) error  { return h.down.SetReadDeadline(d) }
func (h *half) closeWrite() error                  { return h.Conn.Close() }
func (h *half) RemoteAddr() net.Addr               { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 1} }
func (h *half) Write(p []byte) (int, error)        { return h.Conn.Write(p) }
func (h *half) Close() error                       { return errors.Join(h.Conn.Close(), h.down.Close()) }
func (h *half) SetWriteDeadline(d time.Time) error { return h.Conn.SetWriteDeadline(d) }
func (h *half) SetDeadline(d time.Time) error {
	return errors.Join(h.SetReadDeadline(d), h.SetWriteDeadline(d))
}

// oneConn is a listener that accepts one connection.
type oneConn struct {
	c      chan net.Conn
	closed chan struct{}
}

func (l *oneConn) Accept() (net.Conn, error) {
	select {
	case c := <-l.c:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *oneConn) Close() error {
	select {
	case <-l.closed:
	default:
		close(l.closed)
	}
	return nil
}

func (l *oneConn) Addr() net.Addr { return &net.TCPAddr{} }

func pipe() (client net.Conn, ln net.Listener) {
	upClient, upServer := net.Pipe()
	downServer, downClient := net.Pipe()
	l := &oneConn{c: make(chan net.Conn, 1), closed: make(chan struct{})}
	l.c <- &half{Conn: downServer, down: upServer}
	return &half{Conn: upClient, down: downClient}, l
}

// FuzzHeader rewrites any header and wants the named fields gone, the others
// unchanged and in their order.
func FuzzHeader(f *testing.F) {
	for _, seed := range []string{"", "\r\n", "A: b\r\n\r\n", "Bcc: x\r\n y\r\nA: b\r\n\r\nBcc: z\r\n", "bcc : x\r\nBCC:\r\n\r\n", "no header\r\n", "A: b", "A: b\r\n \r\nBcc: c\r\n\r\n", "From: a@b.test, \"c\" <d@e.test>\r\nSender: g:;\r\n\r\n"} {
		f.Add([]byte(seed), 1000)
	}
	f.Fuzz(func(t *testing.T, text []byte, limit int) {
		limit = max(1, min(limit, 1<<20))
		h, err := readHeader(bytes.NewReader(text), int64(len(text)), limit)
		if err != nil {
			if !errors.Is(err, errHeaderTooBig) || len(text) <= limit {
				t.Fatalf("got %v for %d bytes with a limit of %d", err, len(text), limit)
			}
			return
		}
		if len(h.raw) > limit || !bytes.HasPrefix(text, h.raw) {
			t.Fatalf("got %q of %q", h.raw, text)
		}
		var want []byte
		fields := 0
		for field := range mail.HeaderFields(h.raw) {
			if !field.Is("Bcc") {
				want = append(want, field.Raw...)
			}
			fields++
		}
		out := h.without("bcc")
		var got []byte
		for field := range mail.HeaderFields(out) {
			if field.Is("Bcc") {
				t.Fatalf("Bcc left in %q of %q", out, h.raw)
			}
			got = append(got, field.Raw...)
		}
		if !bytes.Equal(got, want) {
			t.Fatalf("got %q, want %q", got, want)
		}
		if n := h.count("Bcc"); n > fields {
			t.Fatalf("got %d of %d fields", n, fields)
		}
		_, _ = h.addresses("From")
		_, _ = h.addresses("Sender")
		_ = h.value("Message-ID")
	})
}

// TestRepliesAreReplies reads all that a session may say.
func TestRepliesAreReplies(t *testing.T) {
	t.Parallel()
	for _, line := range []string{loginFirst, nestedMail, badSender, badRecipient, needsUTF8, notYourSender, notYourFrom, notYourSenderLine, oneFrom, oneSender,
		bareBreak, headerTooBig, looping, tlsFirst, authInMail, unknownMechanism, badResponse, badCredentials, throttled, loginUnavailable, unfinished, unavailable, tooBig} {
		e := refusal(line)
		if e.Code/100 != e.EnhancedCode[0] || e.Message == "" {
			t.Errorf("%q: got %+v", line, e)
		}
	}
	for _, a := range answers {
		if e, known := reply(errors.Join(errors.New("wrapped"), a.err)); !known || *e != *refusal(a.line) {
			t.Errorf("%v: got %v, %v", a.err, e, known)
		}
	}
	if e, known := reply(errors.New("anything")); known || e.Code != 451 || e.EnhancedCode != (smtp.EnhancedCode{4, 3, 0}) {
		t.Errorf("got %v, %v, want 451 4.3.0 not known", e, known)
	}
}

func TestReceivedNames(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"mx.example.test": "mx.example.test", "[192.0.2.1]": "[192.0.2.1]", "[IPv6:2001:db8::1]": "[IPv6:2001:db8::1]",
		"": "unknown", "[]": "unknown", "a;b": "unknown", "a(b": "unknown", "a\tb": "unknown", strings.Repeat("x", 256): "unknown",
	} {
		if got := heloName(in); got != want {
			t.Errorf("%q: got %q, want %q", in, got, want)
		}
	}
	for in, want := range map[netip.Addr]string{
		netip.MustParseAddr("192.0.2.1"): "[192.0.2.1]", netip.MustParseAddr("fe80::1%eth0"): "[IPv6:fe80::1]", {}: "[unknown]",
	} {
		if got := literal(in); got != want {
			t.Errorf("%v: got %q, want %q", in, got, want)
		}
	}
}
