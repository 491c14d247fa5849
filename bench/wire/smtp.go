// Package wire is the client side of the load generator: SMTP and IMAP written
// for little work per message, since clients and servers share the processors.
// It trusts the servers it talks to and is no client for anything else. Every
// step has a deadline.
package wire

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"time"
)

const (
	patience = 5 * time.Minute // for one answer
	readSize = 64 << 10
	maxLines = 1000 // of one reply
)

// ErrRefused is in every error that a server answered with, rather than a
// connection that broke.
var ErrRefused = errors.New("refused")

// SMTP is one connection to a server. It is for one goroutine.
type SMTP struct {
	conn net.Conn
	r    *bufio.Reader
	buf  []byte
}

// DialSMTP connects, reads the greeting and says EHLO.
func DialSMTP(ctx context.Context, addr string) (*SMTP, error) {
	conn, err := dial(ctx, addr)
	if err != nil {
		return nil, err
	}
	c := &SMTP{conn: conn, r: bufio.NewReaderSize(conn, 4<<10)}
	if err := errors.Join(c.expect(220), c.say("EHLO client.example.net\r\n"), c.expect(250)); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return c, nil
}

func dial(ctx context.Context, addr string) (net.Conn, error) {
	d := net.Dialer{Timeout: patience}
	conn, err := d.DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	return conn, conn.SetDeadline(time.Now().Add(patience))
}

// Send delivers one message, whose lines must end with CR LF and none begin with
// a dot. It returns when the server has answered.
func (c *SMTP) Send(from string, to []string, message []byte) error {
	if err := c.Begin(from, to); err != nil {
		return err
	}
	if err := c.Write(message); err != nil {
		return err
	}
	return c.End()
}

// Begin sends the envelope in one write and waits for the go-ahead for the
// message.
func (c *SMTP) Begin(from string, to []string) error {
	if err := c.conn.SetDeadline(time.Now().Add(patience)); err != nil {
		return err
	}
	c.buf = append(append(append(c.buf[:0], "MAIL FROM:<"...), from...), ">\r\n"...)
	for _, t := range to {
		c.buf = append(append(append(c.buf, "RCPT TO:<"...), t...), ">\r\n"...)
	}
	c.buf = append(c.buf, "DATA\r\n"...)
	if _, err := c.conn.Write(c.buf); err != nil {
		return err
	}
	for range len(to) + 1 {
		if err := c.expect(250); err != nil {
			return err
		}
	}
	return c.expect(354)
}

// Write sends a part of the message.
func (c *SMTP) Write(part []byte) error {
	if err := c.conn.SetDeadline(time.Now().Add(patience)); err != nil {
		return err
	}
	_, err := c.conn.Write(part)
	return err
}

// End ends the message and waits for the server's word that it has it.
func (c *SMTP) End() error {
	if err := c.say(".\r\n"); err != nil {
		return err
	}
	return c.expect(250)
}

// Quit says goodbye, waits for the answer and closes.
func (c *SMTP) Quit() error {
	return errors.Join(c.say("QUIT\r\n"), c.expect(221), c.conn.Close())
}

// Close closes the connection.
func (c *SMTP) Close() error { return c.conn.Close() }

func (c *SMTP) say(line string) error {
	_, err := c.conn.Write(append(c.buf[:0], line...))
	return err
}

// expect reads one reply, of any number of lines.
func (c *SMTP) expect(code int) error {
	for range maxLines {
		line, err := c.r.ReadSlice('\n')
		if err != nil {
			return fmt.Errorf("read reply: %w", err)
		}
		if len(line) < 4 {
			return fmt.Errorf("read reply %q: too short", line)
		}
		if line[3] == '-' {
			continue
		}
		if got, err := strconv.Atoi(string(line[:3])); err != nil || got != code {
			return fmt.Errorf("%w: got %q, want %d", ErrRefused, line, code)
		}
		return nil
	}
	return errors.New("read reply: too many lines")
}
