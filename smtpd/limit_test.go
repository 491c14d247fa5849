package smtpd_test

import (
	"errors"
	"fmt"
	"io"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"mailstead/internal/spool"
	"mailstead/smtpd"
)

func TestRefusalsEndTheConnection(t *testing.T) {
	t.Parallel()
	s := start(t, smtpd.Options{})
	p := s.greeted(t)
	p.do("MAIL FROM:<a@b.test>", "250 *")
	for range 50 {
		p.do("RCPT TO:<unknown@example.test>", "550 5.1.1 *")
	}
	p.do("RCPT TO:<alice@example.test>", "250 *")
	p.do("RCPT TO:<unknown@example.test>", "550 5.1.1 *")
	p.want("421 4.7.0 *")
	p.wantEnd()
}

func TestIdleCommandsEndTheConnection(t *testing.T) {
	t.Parallel()
	s := start(t, smtpd.Options{})
	p := s.dial(t)
	p.want("220 *")
	p.do("EHLO c", "250 *") // the first of them
	for range 99 {
		p.do("NOOP", "250 *")
	}
	p.do("RSET", "421 4.7.0 *")
	p.wantEnd()

	p = s.greeted(t)
	for range 98 {
		p.do("NOOP", "250 *")
	}
	p.do("MAIL FROM:<a@b.test>", "250 *")
	p.do("RCPT TO:<alice@example.test>", "250 *")
	p.do("DATA", "354 *")
	p.do(".", "250 *")
	for range 100 { // a message makes them count anew
		p.do("NOOP", "250 *")
	}
	p.do("MAIL FROM:<a@b.test>", "250 *")
	p.do("RCPT TO:<alice@example.test>", "250 *")
	p.raw("BDAT 1\r\nx")
	p.want("250 *")
	p.do("NOOP", "421 4.7.0 *")
	p.wantEnd()
	s.delivered(t, 1)
}

func TestLostConnectionDeliversNothing(t *testing.T) {
	t.Parallel()
	for _, how := range []string{"DATA\r\nSubject: x\r\n\r\nhalf", "DATA\r\nSubject: x\r\n\r\n.\r", "BDAT 10\r\nabc", "BDAT 3\r\nabc", "BDAT 10 LAST\r\nabc"} {
		t.Run(how, func(t *testing.T) {
			t.Parallel()
			s := start(t, smtpd.Options{})
			p := s.greeted(t)
			p.do("MAIL FROM:<a@b.test>", "250 *")
			p.do("RCPT TO:<alice@example.test>", "250 *")
			p.raw(how)
			p.c.Close()
			wantStopped(t, s.stop(t.Context())) // returns when the session has ended
			s.delivered(t, 0)
			if strings.Contains(s.log.String(), "level=ERROR") {
				t.Errorf("a lost connection is nobody's fault:\n%s", s.log)
			}
		})
	}
}

func TestStalledMessageTimesOut(t *testing.T) {
	t.Parallel()
	s := start(t, smtpd.Options{DataTimeout: 50 * time.Millisecond})
	for _, how := range []string{"DATA\r\nSubject: x\r\n\r\nhalf", "BDAT 10\r\nabc"} {
		p := s.greeted(t)
		p.do("MAIL FROM:<a@b.test>", "250 *")
		p.do("RCPT TO:<alice@example.test>", "250 *")
		p.raw(how)
		for l := p.reply(); !strings.HasPrefix(l, "421 4.4.2 "); l = p.reply() {
			if !strings.HasPrefix(l, "354 ") {
				t.Fatalf("got %q, want 421", l)
			}
		}
		p.wantEnd()
	}
	s.delivered(t, 0)
}

// TestDripDoesNotExtendTheTime sends bytes one at a time: the limit is for
// progress, not for silence.
func TestDripDoesNotExtendTheTime(t *testing.T) {
	t.Parallel()
	s := start(t, smtpd.Options{DataTimeout: 100 * time.Millisecond, CommandTimeout: 100 * time.Millisecond})
	for _, first := range []string{"", "MAIL FROM:<a@b.test>\r\nRCPT TO:<alice@example.test>\r\nDATA\r\n"} {
		p := s.greeted(t)
		p.raw(first)
		for range strings.Count(first, "\n") {
			p.reply()
		}
		stop := make(chan bool)
		dripped := make(chan bool)
		go func() {
			defer close(dripped)
			tick := time.NewTicker(10 * time.Millisecond)
			defer tick.Stop()
			for {
				select {
				case <-stop:
					return
				case <-tick.C:
				}
				if _, err := io.WriteString(p.c, "x"); err != nil {
					return
				}
			}
		}()
		p.want("421 4.4.2 *")
		close(stop)
		<-dripped
	}
}

func TestSpoolFailureIsTemporary(t *testing.T) {
	t.Parallel()
	s := start(t, smtpd.Options{Spool: spool.Dir{Path: filepath.Join(t.TempDir(), "missing"), MemoryLimit: -1}})
	p := s.greeted(t)
	p.do("MAIL FROM:<a@b.test>", "250 *")
	p.do("RCPT TO:<alice@example.test>", "250 *")
	p.do("DATA", "354 *")
	p.send("Subject: x")
	p.do("\r\n.", "451 4.3.0 Not possible at the moment, try again later")
	p.do("NOOP", "250 *")
	s.delivered(t, 0)
	if !strings.Contains(s.log.String(), "level=ERROR") {
		t.Errorf("nobody was told:\n%s", s.log)
	}
}

func TestPipelinedSession(t *testing.T) {
	t.Parallel()
	s := start(t, smtpd.Options{})
	p := s.dial(t)
	p.want("220 *")
	var all strings.Builder
	all.WriteString("EHLO c\r\n")
	for i := range 20 {
		fmt.Fprintf(&all, "MAIL FROM:<a%d@b.test>\r\nRCPT TO:<alice@example.test>\r\nDATA\r\nSubject: %d\r\n\r\n.\r\n", i, i)
	}
	all.WriteString("QUIT\r\n")
	errs := make(chan error, 1)
	go func() {
		_, err := io.WriteString(p.c, all.String())
		errs <- err
	}()
	p.want("250 *")
	for range 20 {
		for _, code := range []string{"250 2.1.0 *", "250 2.1.5 *", "354 *", "250 2.0.0 *"} {
			p.want(code)
		}
	}
	p.want("221 *")
	p.wantEnd()
	if err := <-errs; err != nil {
		t.Error(err)
	}
	for i, m := range s.delivered(t, 20) {
		if got, want := m.env.From.Local, fmt.Sprintf("a%d", i); got != want {
			t.Errorf("message %d: got sender %q, want %q", i, got, want)
		}
	}
}

// TestLongLines checks that no length of line or place in the buffer changes a
// message.
func TestLongLines(t *testing.T) {
	t.Parallel()
	s := start(t, smtpd.Options{})
	p := s.greeted(t)
	n := 0
	for _, size := range []int{997, 998, 999, 4094, 4096, 16380, 16381, 16382, 16383, 16384, 16385, 32767, 32768, 32769, 100000} {
		for _, end := range []string{"", "."} {
			p.do("MAIL FROM:<a@b.test>", "250 *")
			p.do("RCPT TO:<alice@example.test>", "250 *")
			p.do("DATA", "354 *")
			text := "X: y\r\n\r\n" + strings.Repeat("x", size) + end + "\r\n"
			p.raw(text)
			p.do(".", "250 *")
			n++
			if got := s.delivered(t, n)[n-1].text; !strings.HasSuffix(got, text) {
				t.Errorf("line of %d: changed, got %d bytes that end in %q", size, len(got), got[max(0, len(got)-20):])
			}
		}
	}
}

// TestBareBreaksAtBufferEnds moves a bare CR or LF over the place where one
// read ends and the next begins.
func TestBareBreaksAtBufferEnds(t *testing.T) {
	t.Parallel()
	for _, bad := range []string{"\r", "\n", "\r\r\n", "\n.\r\n", "\r\n.\n"} {
		s := start(t, smtpd.Options{})
		p := s.greeted(t)
		for size := 16376; size <= 16388; size++ {
			for _, verb := range []string{"DATA", "BDAT"} {
				p.do("MAIL FROM:<a@b.test>", "250 *")
				p.do("RCPT TO:<alice@example.test>", "250 *")
				text := strings.Repeat("x", size) + bad + "more\r\n"
				if verb == "DATA" {
					p.do("DATA", "354 *")
					p.raw(text + ".\r\n")
				} else {
					p.raw(fmt.Sprintf("BDAT %d LAST\r\n%s", len(text), text))
				}
				if got := p.reply(); !strings.HasPrefix(got, "550 5.6.0 ") {
					t.Fatalf("%s, %d bytes and %q: got %q, want 550", verb, size, bad, got)
				}
			}
			if size%8 == 0 { // refusals are counted
				p.do("QUIT", "221 *")
				p = s.greeted(t)
			}
		}
		s.delivered(t, 0)
	}
}

func TestNewNeedsWhatItWorksWith(t *testing.T) {
	t.Parallel()
	for _, o := range []smtpd.Options{{}, {Role: smtpd.Submission, Deliverer: &fakeDeliverer{}}} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%v: got a server, want a panic", o.Role)
				}
			}()
			smtpd.New(o)
		}()
	}
}

// deadListener fails at once.
type deadListener struct{ err error }

func (l deadListener) Accept() (net.Conn, error) { return nil, l.err }
func (l deadListener) Close() error              { return nil }
func (l deadListener) Addr() net.Addr            { return nil }

func TestServeReportsABrokenListener(t *testing.T) {
	t.Parallel()
	s := smtpd.New(smtpd.Options{Deliverer: &fakeDeliverer{}})
	want := errors.New("no more sockets")
	if err := s.Serve(deadListener{want}); !errors.Is(err, want) {
		t.Errorf("got %v, want %v", err, want)
	}
	if err := s.Shutdown(t.Context()); err != nil {
		t.Errorf("shutdown: %v", err)
	}
}
