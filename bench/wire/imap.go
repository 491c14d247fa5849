package wire

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"time"
)

// window is how many pipelined commands may be without an answer.
const window = 128

// IMAP is one connection to a server, logged in. It is for one goroutine.
type IMAP struct {
	conn net.Conn
	r    *bufio.Reader
	buf  []byte
	long []byte // a line longer than the reader's buffer
	tag  int    // of the last command sent
	read int64  // octets of all responses until now
}

// DialIMAP connects and logs in.
func DialIMAP(ctx context.Context, addr, user, password string) (*IMAP, error) {
	return dialIMAP(ctx, addr, user, password, readSize)
}

// DialQuietIMAP is DialIMAP for a connection over which little is read, and of
// which there are many: it takes less memory.
func DialQuietIMAP(ctx context.Context, addr, user, password string) (*IMAP, error) {
	return dialIMAP(ctx, addr, user, password, 2<<10)
}

func dialIMAP(ctx context.Context, addr, user, password string, buffer int) (*IMAP, error) {
	conn, err := dial(ctx, addr)
	if err != nil {
		return nil, err
	}
	c := &IMAP{conn: conn, r: bufio.NewReaderSize(conn, buffer)}
	if _, err = c.line(); err == nil {
		err = c.Do("LOGIN "+user+" "+password, nil)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("log in as %s: %w", user, err), conn.Close())
	}
	return c, nil
}

// Close closes the connection.
func (c *IMAP) Close() error { return c.conn.Close() }

// Do sends one command and waits for its end. Each untagged response goes to
// each, without its literals; the bytes are valid during the call only. A nil
// each drops them.
func (c *IMAP) Do(command string, each func(line []byte)) error {
	c.start()
	c.buf = append(append(c.buf, command...), "\r\n"...)
	if err := c.flush(); err != nil {
		return err
	}
	return c.end(c.tag, each)
}

// Messages asks for the number of messages in a mailbox with STATUS.
func (c *IMAP) Messages(mailbox string) (int, error) {
	n := -1
	err := c.Do("STATUS "+mailbox+" (MESSAGES)", func(line []byte) {
		if _, after, ok := bytes.Cut(line, []byte("(MESSAGES ")); ok {
			n = number(after)
		}
	})
	if err == nil && n < 0 {
		err = fmt.Errorf("STATUS of %s: no number of messages", mailbox)
	}
	return n, err
}

// Select opens a mailbox and tells how many messages are in it.
func (c *IMAP) Select(mailbox string) (int, error) {
	n := -1
	err := c.Do("SELECT "+mailbox, func(line []byte) {
		if bytes.HasSuffix(line, []byte(" EXISTS")) {
			n = number(bytes.TrimPrefix(line, []byte("* ")))
		}
	})
	return n, err
}

// Append stores one message and waits for the answer.
func (c *IMAP) Append(mailbox string, message []byte) error {
	c.start()
	c.append(mailbox, "", message)
	if err := c.flush(); err != nil {
		return err
	}
	return c.end(c.tag, nil)
}

// Import stores n messages, each made by message, without waiting for one answer
// before the next message; it returns when all are answered. LITERAL+ must be
// offered.
func (c *IMAP) Import(mailbox string, n int, message func(dst []byte, i int) []byte) error {
	return c.ImportWith(mailbox, n, func(int) string { return "" }, message)
}

// ImportWith is Import with what APPEND takes before a message: flags in
// parentheses, a date in quotes, or both.
func (c *IMAP) ImportWith(mailbox string, n int, with func(i int) string, message func(dst []byte, i int) []byte) error {
	first := c.tag + 1
	slots, stop, sent := make(chan struct{}, window), make(chan struct{}), make(chan error, 1)
	go func() { sent <- c.pour(mailbox, n, with, message, slots, stop) }()
	for i := range n {
		if err := c.end(first+i, nil); err != nil {
			close(stop)
			return errors.Join(err, c.conn.Close(), <-sent)
		}
		<-slots
	}
	return <-sent
}

// pour is the writing half of Import.
func (c *IMAP) pour(mailbox string, n int, with func(int) string, message func([]byte, int) []byte, slots chan<- struct{}, stop <-chan struct{}) error {
	var text []byte
	for i := range n {
		select {
		case slots <- struct{}{}:
		case <-stop:
			return nil
		}
		text = message(text[:0], i)
		c.start()
		c.append(mailbox, with(i), text)
		if err := c.flush(); err != nil {
			return errors.Join(err, c.conn.Close()) // the reading half must not wait
		}
	}
	return nil
}

// append adds an APPEND with a literal that needs no go-ahead.
func (c *IMAP) append(mailbox, with string, message []byte) {
	c.buf = append(append(append(c.buf, "APPEND "...), mailbox...), ' ')
	if with != "" {
		c.buf = append(append(c.buf, with...), ' ')
	}
	c.buf = append(c.buf, '{')
	c.buf = append(strconv.AppendInt(c.buf, int64(len(message)), 10), "+}\r\n"...)
	c.buf = append(append(c.buf, message...), "\r\n"...)
}

// start begins a command with a new tag.
func (c *IMAP) start() {
	c.tag++
	c.buf = append(strconv.AppendInt(append(c.buf[:0], 'a'), int64(c.tag), 10), ' ')
}

func (c *IMAP) flush() error {
	if err := c.conn.SetDeadline(time.Now().Add(patience)); err != nil {
		return err
	}
	_, err := c.conn.Write(c.buf)
	return err
}

// end reads up to the tagged response.
func (c *IMAP) end(tag int, each func([]byte)) error {
	for {
		line, err := c.line()
		if err != nil {
			return fmt.Errorf("read response: %w", err)
		}
		if len(line) > 0 && line[0] == 'a' {
			word, rest, _ := bytes.Cut(line, []byte(" "))
			if number(word[1:]) != tag {
				return fmt.Errorf("read response: got %q, want tag a%d", line, tag)
			}
			if !bytes.HasPrefix(rest, []byte("OK")) {
				return fmt.Errorf("%w: %s", ErrRefused, rest)
			}
			return nil
		}
		if each != nil {
			each(line)
		}
	}
}

// line reads a response, without its literals and without CR LF.
func (c *IMAP) line() ([]byte, error) {
	c.long = c.long[:0]
	for {
		part, err := c.r.ReadSlice('\n')
		if err != nil && !errors.Is(err, bufio.ErrBufferFull) {
			return nil, err
		}
		c.read += int64(len(part))
		if err == nil {
			trimmed := bytes.TrimRight(part, "\r\n")
			n, ok := literal(trimmed)
			if !ok && len(c.long) == 0 {
				return trimmed, nil
			}
			c.long = append(c.long, trimmed...)
			if !ok {
				return c.long, nil
			}
			if _, err := c.r.Discard(n); err != nil {
				return nil, err
			}
			c.read += int64(n)
			continue
		}
		c.long = append(c.long, part...)
	}
}

// literal tells whether a line ends with one, and its length.
func literal(line []byte) (n int, ok bool) {
	if !bytes.HasSuffix(line, []byte("}")) {
		return 0, false
	}
	at := bytes.LastIndexByte(line, '{')
	if at < 0 {
		return 0, false
	}
	n = number(line[at+1:])
	return n, n >= 0
}

// number reads the digits at the start; -1 without any.
func number(b []byte) int {
	n := -1
	for i := 0; i < len(b) && i < 12 && b[i] >= '0' && b[i] <= '9'; i++ {
		n = max(n, 0)*10 + int(b[i]-'0')
	}
	return n
}
