package pop3d_test

import (
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"mailstead/pop3d"
	"mailstead/storage"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestBareLineFeedsBecomeLineBreaks(t *testing.T) {
	t.Parallel()
	s := start(t, pop3d.Options{AllowInsecureAuth: true})
	s.put(t, "Subject: lf\n\n.one\n\ntwo\rx\n")
	s.dial(t).talk(s, strings.Replace(login, "3 messages", "4 messages", 1)+
		"C: RETR 4\nS: /\\+OK .*/\nS: Subject: lf\nS: \nS: ..one\nS: \nS: /two\\rx/\nS: .\n"+
		"C: TOP 4 1\nS: /\\+OK .*/\nS: Subject: lf\nS: \nS: ..one\nS: .\nC: QUIT\nS: +OK bye, 0 removed\nEOF")
}

func TestMessageRemovedByAnotherClient(t *testing.T) {
	t.Parallel()
	s := start(t, pop3d.Options{AllowInsecureAuth: true})
	c := s.dial(t)
	c.talk(s, login)
	if _, _, err := s.store.Expunge(t.Context(), s.inbox, storage.UIDs(2), false); err != nil {
		t.Fatal(err)
	}
	c.talk(s, "C: STAT\nS: +OK 3 144\nC: RETR 2\nS: -ERR message was removed by another client\n"+
		"C: RETR 3\nS: /\\+OK .*/\nS: Subject: 3\nS: \nS: ..dot\nS: line 3\nS: ...\nS: last without end\nS: .\n"+
		"C: DELE 2\nS: +OK marked\nC: DELE 3\nS: +OK marked\nC: QUIT\nS: /\\+OK .*/\nEOF")
	if n := s.uids(t); n != 1 {
		t.Errorf("got %d messages, want 1", n)
	}
}

func TestRsetBeforeQuitKeepsAll(t *testing.T) {
	t.Parallel()
	s := start(t, pop3d.Options{AllowInsecureAuth: true})
	s.dial(t).talk(s, login+"C: DELE 1\nS: +OK marked\nC: STAT\nS: +OK 2 96\nC: RSET\nS: +OK nothing is marked\nC: STAT\nS: +OK 3 144\nC: QUIT\nS: +OK bye, 0 removed\nEOF")
	if n := s.uids(t); n != 3 {
		t.Errorf("got %d messages, want 3", n)
	}
}

// The limit counts the line with its end.
func TestLineLength(t *testing.T) {
	t.Parallel()
	s := start(t, pop3d.Options{AllowInsecureAuth: true})
	c := s.dial(t)
	c.talk(s, "S: /\\+OK .*/\nC: USER "+strings.Repeat("x", 512-7)+"\nS: +OK password?")
	c.talk(s, "C: USER "+strings.Repeat("x", 513-7)+"\nS: -ERR line too long\nEOF")
}

func TestFifthFailedLoginEndsTheSession(t *testing.T) {
	t.Parallel()
	s := start(t, pop3d.Options{AllowInsecureAuth: true})
	c := s.dial(t)
	c.talk(s, "S: /\\+OK .*/\n"+strings.Repeat("C: USER alice\nS: +OK password?\nC: PASS no\nS: -ERR [AUTH] wrong user name or password\n", 5)+"EOF")
}

func TestIdleSessionEnds(t *testing.T) {
	t.Parallel()
	s := start(t, pop3d.Options{AllowInsecureAuth: true, IdleTimeout: time.Millisecond})
	s.dial(t).talk(s, "S: /\\+OK .*/\nS: -ERR idle for too long\nEOF")
}

func TestPipelinedCommandsAnsweredInOrder(t *testing.T) {
	t.Parallel()
	s := start(t, pop3d.Options{AllowInsecureAuth: true})
	s.dial(t).talk(s, "S: /\\+OK .*/\nC: USER alice\\nPASS pass word\\nDELE 1\\nLIST 1\\nNOOP\\nQUIT\nS: +OK password?\nS: /\\+OK 3 messages .*/\n"+
		"S: +OK marked\nS: -ERR message is marked as deleted\nS: /\\+OK ?/\nS: +OK bye, 1 removed\nEOF")
}

// An answer must not wait for the rest of the next command.
func TestHalfACommandDoesNotHoldTheAnswer(t *testing.T) {
	t.Parallel()
	s := start(t, pop3d.Options{AllowInsecureAuth: true})
	c := s.dial(t)
	c.talk(s, login)
	if _, err := io.WriteString(c.conn, "STAT\r\nNO"); err != nil {
		t.Fatal(err)
	}
	c.talk(s, "S: +OK 3 144\nC: OP\nS: /\\+OK ?/")
}

func TestClientThatStopsReadingLeavesTheMaildrop(t *testing.T) {
	t.Parallel()
	s := start(t, pop3d.Options{AllowInsecureAuth: true})
	s.put(t, "\r\n"+strings.Repeat(strings.Repeat("y", 998)+"\r\n", 20000))
	c := s.dial(t)
	c.talk(s, strings.Replace(login, "3 messages", "4 messages", 1)+"C: DELE 1\nS: +OK marked\nC: RETR 4\nS: /\\+OK .*/")
	if err := c.conn.(*net.TCPConn).SetLinger(0); err != nil {
		t.Fatal(err)
	}
	c.conn.Close()
	if n := s.uids(t); n != 4 {
		t.Errorf("got %d messages, want 4", n)
	}
}
