package wire

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"
)

// serve accepts one connection and answers with f, on loopback.
func serve(t *testing.T, f func(r *bufio.Reader, w io.Writer) error) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() {
		conn, err := l.Accept()
		if err != nil {
			done <- err
			return
		}
		defer conn.Close()
		if err := conn.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
			done <- err
			return
		}
		done <- f(bufio.NewReader(conn), conn)
	}()
	t.Cleanup(func() {
		if err := errors.Join(l.Close(), <-done); err != nil {
			t.Error(err)
		}
	})
	return l.Addr().String()
}

// script sends each answer after the line that it is for.
func script(lines ...string) func(*bufio.Reader, io.Writer) error {
	return func(r *bufio.Reader, w io.Writer) error {
		for i := 0; i < len(lines); i += 2 {
			if lines[i] != "" {
				got, err := r.ReadString('\n')
				if err != nil || got != lines[i]+"\r\n" {
					return fmt.Errorf("got %q, %v, want %q", got, err, lines[i])
				}
			}
			if _, err := io.WriteString(w, strings.ReplaceAll(lines[i+1], "\n", "\r\n")); err != nil {
				return err
			}
		}
		return nil
	}
}

func TestSMTPSends(t *testing.T) {
	t.Parallel()
	addr := serve(t, script(
		"", "220 hello\n", "EHLO client.example.net", "250-name\n250 SIZE\n",
		"MAIL FROM:<a@b>", "250 ok\n", "RCPT TO:<c@d>", "250 ok\n", "RCPT TO:<e@f>", "250 ok\n", "DATA", "354 go\n",
		"text", "", ".", "250 queued\n", "QUIT", "221 bye\n"))
	c, err := DialSMTP(t.Context(), addr)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Send("a@b", []string{"c@d", "e@f"}, []byte("text\r\n")); err != nil {
		t.Error(err)
	}
	if err := c.Quit(); err != nil {
		t.Error(err)
	}
}

func TestSMTPTellsWhatWasRefused(t *testing.T) {
	t.Parallel()
	addr := serve(t, script("", "220 hello\n", "EHLO client.example.net", "250 name\n", "MAIL FROM:<a@b>", "452 4.3.1 full\n", "RCPT TO:<c@d>", "", "DATA", ""))
	c, err := DialSMTP(t.Context(), addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	err = c.Send("a@b", []string{"c@d"}, []byte("text\r\n"))
	if !errors.Is(err, ErrRefused) || !strings.Contains(err.Error(), "452 4.3.1 full") {
		t.Errorf("got %v, want the server's words", err)
	}
}

func TestIMAPReadsLiteralsAndLongLines(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 3*readSize)
	addr := serve(t, script("", "* OK hello\n", "a1 LOGIN u p", "a1 OK in\n",
		"a2 NOOP", "* 1 FETCH (BODY[] {7}\na9 OK x FLAGS ())\n* "+long+"\na2 OK done\n", "a3 STATUS INBOX (MESSAGES)", "* STATUS INBOX (MESSAGES 17)\na3 OK done\n"))
	c, err := DialIMAP(t.Context(), addr, "u", "p")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	var got []string
	if err := c.Do("NOOP", func(line []byte) { got = append(got, string(line)) }); err != nil {
		t.Fatal(err)
	}
	if len(got) != 2 || got[0] != "* 1 FETCH (BODY[] {7} FLAGS ())" || got[1] != "* "+long {
		t.Errorf("got %.100q", got)
	}
	if n, err := c.Messages("INBOX"); err != nil || n != 17 {
		t.Errorf("got %d, %v, want 17", n, err)
	}
}

func TestImportStopsWhenRefused(t *testing.T) {
	t.Parallel()
	addr := serve(t, func(r *bufio.Reader, w io.Writer) error {
		greet := script("", "* OK hello\n", "a1 LOGIN u p", "a1 OK in\n")
		if err := greet(r, w); err != nil {
			return err
		}
		if _, err := io.WriteString(w, "a2 OK\r\na3 NO full\r\n"); err != nil {
			return err
		}
		// Read on, so that only the refusal ends the client's writing; its
		// closing may come as a reset.
		_, _ = io.Copy(io.Discard, r)
		return nil
	})
	c, err := DialIMAP(t.Context(), addr, "u", "p")
	if err != nil {
		t.Fatal(err)
	}
	err = c.Import("m", 1000000, func(dst []byte, _ int) []byte { return append(dst, "text"...) })
	if !errors.Is(err, ErrRefused) {
		t.Errorf("got %v, want what was refused", err)
	}
}

func TestIMAPReadsAnswersForCounting(t *testing.T) {
	t.Parallel()
	addr := serve(t, script(
		"", "* OK hello\n", "a1 LOGIN u p", "a1 OK in\n", "a2 CAPABILITY", "* CAPABILITY IMAP4rev1 Sort\na2 OK done\n",
		"a3 FETCH 1 (BODY[])", "* 1 FETCH (RFC822.SIZE 7 BODY[1] {2}\nab BODY[2] {3}\n{9} X {4})\na3 OK done\n",
		"a4 IDLE", "+ idling\n* 1 RECENT\n* 2 EXISTS\n"))
	c, err := DialQuietIMAP(t.Context(), addr, "u", "p")
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]bool{"SORT": true} {
		if got, err := c.Offers(name); err != nil || got != want {
			t.Errorf("%s: got %v, %v, want %v", name, got, err, want)
		}
	}
	before := c.Octets()
	var octets int64
	size := -1
	err = c.Do("FETCH 1 (BODY[])", func(line []byte) { octets, size = Literals(line), After(line, "RFC822.SIZE ") })
	if err != nil || octets != 9 || size != 7 || After([]byte("none"), "x") != -1 {
		t.Errorf("got %d octets of literals, size %d, %v, want 9 and 7", octets, size, err)
	}
	if got := c.Octets() - before; got != 78 {
		t.Errorf("got %d octets read, want 78", got)
	}
	if err := errors.Join(c.Idle(), c.News(" EXISTS"), c.Close()); err != nil {
		t.Error(err)
	}
}
