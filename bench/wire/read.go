package wire

import (
	"bytes"
	"fmt"
	"strings"
	"time"
)

// Octets tells the length of all responses read until now.
func (c *IMAP) Octets() int64 { return c.read }

// Offers tells whether the server announces a capability to this client.
func (c *IMAP) Offers(capability string) (bool, error) {
	found := false
	err := c.Do("CAPABILITY", func(line []byte) {
		for _, word := range strings.Fields(string(line)) {
			found = found || strings.EqualFold(word, capability)
		}
	})
	return found, err
}

// Logout says goodbye and closes the connection.
func (c *IMAP) Logout() error {
	if err := c.Do("LOGOUT", nil); err != nil {
		return fmt.Errorf("%w; close: %w", err, c.conn.Close())
	}
	return c.conn.Close()
}

// Idle begins to wait for news (RFC 2177): it returns when the server has said
// that it does.
func (c *IMAP) Idle() error {
	c.start()
	c.buf = append(c.buf, "IDLE\r\n"...)
	if err := c.flush(); err != nil {
		return err
	}
	return c.await([]byte("+"), nil)
}

// News waits, after Idle, for a response with these words at its end.
func (c *IMAP) News(words string) error {
	if err := c.conn.SetDeadline(time.Now().Add(patience)); err != nil {
		return err
	}
	return c.await(nil, []byte(words))
}

// await reads up to a line with this beginning and end.
func (c *IMAP) await(prefix, suffix []byte) error {
	for {
		line, err := c.line()
		if err != nil {
			return fmt.Errorf("read response: %w", err)
		}
		if bytes.HasPrefix(line, prefix) && bytes.HasSuffix(line, suffix) {
			return nil
		}
		if len(line) > 0 && line[0] == 'a' {
			return fmt.Errorf("%w: %s", ErrRefused, line)
		}
	}
}

// Literals sums the lengths of the literals of a response that Do has given
// without them; text in quotes that looks like one counts as well.
func Literals(line []byte) int64 {
	var sum int64
	for {
		_, after, ok := bytes.Cut(line, []byte("{"))
		if !ok {
			return sum
		}
		line = after
		if n := number(after); n > 0 && bytes.IndexByte(after, '}') == digits(after) {
			sum += int64(n)
		}
	}
}

func digits(b []byte) int {
	n := 0
	for n < len(b) && b[n] >= '0' && b[n] <= '9' {
		n++
	}
	return n
}

// After reads the number that follows words in a response; -1 without it.
func After(line []byte, words string) int {
	_, after, ok := bytes.Cut(line, []byte(words))
	if !ok {
		return -1
	}
	return number(after)
}
