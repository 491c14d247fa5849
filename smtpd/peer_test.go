package smtpd_test

import (
	"bufio"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"path"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

// peer is a client that says exactly what a test wants.
type peer struct {
	t  testing.TB
	s  *suite
	c  net.Conn
	br *bufio.Reader

	inHello bool // the last line began or went on with a reply to EHLO
}

// dial connects and reads nothing.
func (s *suite) dial(t testing.TB) *peer {
	t.Helper()
	c, err := net.Dial("tcp", s.addr)
	if err != nil {
		t.Fatal(err)
	}
	p := &peer{t: t, s: s, c: c, br: bufio.NewReader(c)}
	t.Cleanup(func() { p.c.Close() })
	if err := c.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	return p
}

// greeted connects and says EHLO.
func (s *suite) greeted(t testing.TB) *peer {
	t.Helper()
	p := s.dial(t)
	p.want("220 mx.example.test ESMTP*")
	p.do("EHLO client.test", "250 *")
	return p
}

// secure upgrades to TLS.
func (p *peer) secure() {
	p.t.Helper()
	c := tls.Client(p.c, p.s.tlsConfig())
	if err := c.Handshake(); err != nil {
		p.t.Fatalf("handshake: %v", err)
	}
	p.c, p.br = c, bufio.NewReader(c)
}

func (p *peer) raw(s string) {
	p.t.Helper()
	if _, err := io.WriteString(p.c, s); err != nil {
		p.t.Fatalf("send %.60q: %v", s, err)
	}
}

func (p *peer) send(line string) {
	p.t.Helper()
	p.raw(line + "\r\n")
}

// line reads one line.
func (p *peer) line() string {
	p.t.Helper()
	l, err := p.br.ReadString('\n')
	if err != nil {
		p.t.Fatalf("read a line: got %q, %v", l, err)
	}
	l, ok := strings.CutSuffix(l, "\r\n")
	if !ok {
		p.t.Fatalf("got %q, want a line that ends in CR LF", l)
	}
	p.wantStatus(l)
	return l
}

var enhanced = regexp.MustCompile(`^([245])\d\d[ -]([245])\.\d{1,3}\.\d{1,3} .`)

// wantStatus wants an enhanced status code in each reply but the greeting, those
// to EHLO and HELO, and questions (RFC 2034 §4).
func (p *peer) wantStatus(l string) {
	p.t.Helper()
	hello := p.inHello || strings.HasPrefix(l, "250-mx.example.test") || l == "250 mx.example.test"
	p.inHello = hello && strings.HasPrefix(l, "250-")
	if hello || strings.HasPrefix(l, "220 mx.example.test ") || strings.HasPrefix(l, "3") {
		return
	}
	if m := enhanced.FindStringSubmatch(l); m == nil || m[1] != m[2] {
		p.t.Errorf("got %q, want a status code that fits", l)
	}
}

// reply reads a whole reply and gives its last line.
func (p *peer) reply() string {
	p.t.Helper()
	for {
		if l := p.line(); len(l) < 4 || l[3] != '-' {
			return l
		}
	}
}

// want reads a reply whose last line matches the pattern.
func (p *peer) want(pattern string) {
	p.t.Helper()
	if got := p.reply(); !match(pattern, got) {
		p.t.Fatalf("got %q, want %q", got, pattern)
	}
}

// do says a line and wants a reply.
func (p *peer) do(line, pattern string) {
	p.t.Helper()
	p.send(line)
	if got := p.reply(); !match(pattern, got) {
		p.t.Fatalf("%.60q: got %q, want %q", line, got, pattern)
	}
}

// wantEnd wants the server to close the connection.
func (p *peer) wantEnd() {
	p.t.Helper()
	b, err := io.ReadAll(p.br)
	if len(b) > 0 || err != nil && !errors.Is(err, syscall.ECONNRESET) {
		p.t.Fatalf("got %q, %v, want the end", b, err)
	}
}

// match compares with a pattern in which * stands for anything.
func match(pattern, s string) bool {
	pattern = strings.NewReplacer(`\`, `\\`, `[`, `\[`, `?`, `\?`).Replace(pattern)
	// path.Match lets * stop at a slash, which means nothing here.
	ok, err := path.Match(strings.ReplaceAll(pattern, "/", "\x00"), strings.ReplaceAll(s, "/", "\x00"))
	return ok && err == nil
}
