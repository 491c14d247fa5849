package imapd

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"os"
	"sync"
	"time"

	"mailstead/sasl"
)

// handshakeTimeout bounds a TLS handshake, and lastWordsTimeout the writing of
// a BYE after a panic.
const (
	handshakeTimeout = 30 * time.Second
	lastWordsTimeout = time.Second
)

// conn is the connection of a session with its deadlines. Read is called by one
// goroutine, Write by one, interrupt by any.
type conn struct {
	raw            net.Conn
	net            net.Conn // raw or TLS over it
	secure         bool
	channel        sasl.Channel
	coded          bool // what is written was compressed
	commandTimeout time.Duration
	writeTimeout   time.Duration

	in, out int64 // bytes since the start, without those of handshakes

	mu          sync.Mutex
	next        time.Time // deadline of the next read, zero: commandTimeout from then
	latest      time.Time // no read waits longer, when not zero
	interrupted bool
}

func newConn(c net.Conn, o Options) *conn {
	_, secure := c.(*tls.Conn)
	return &conn{
		raw: c, net: c, secure: secure,
		commandTimeout: o.CommandTimeout, writeTimeout: o.WriteTimeout,
		latest: time.Now().Add(o.LoginTimeout),
	}
}

// startTLS makes all further bytes TLS.
func (c *conn) startTLS(ctx context.Context, config *tls.Config) error {
	t, shook := tls.Server(c.raw, config), sasl.Handshake(config)
	ctx, cancel := context.WithTimeout(ctx, handshakeTimeout)
	defer cancel()
	if err := c.raw.SetDeadline(time.Time{}); err != nil {
		return fmt.Errorf("clear deadline: %w", err)
	}
	if err := t.HandshakeContext(ctx); err != nil {
		return fmt.Errorf("tls handshake: %w", err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.net, c.secure, c.channel = t, true, shook(t.ConnectionState())
	return nil
}

// loggedIn ends the time limit for logging in.
func (c *conn) loggedIn() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.latest = time.Time{}
}

// loggedOut begins it anew.
func (c *conn) loggedOut(limit time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.latest = time.Now().Add(limit)
}

// await lets the next read wait for d: the client need not say anything.
func (c *conn) await(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.next = time.Now().Add(d)
}

// interrupt makes the read that waits, and all later ones, fail with
// os.ErrDeadlineExceeded.
func (c *conn) interrupt() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.interrupted = true
	_ = c.net.SetReadDeadline(time.Unix(1, 0)) // a closed connection fails by itself
}

func (c *conn) armRead() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.interrupted {
		return os.ErrDeadlineExceeded
	}
	deadline := c.next
	c.next = time.Time{}
	if deadline.IsZero() {
		deadline = time.Now().Add(c.commandTimeout)
	}
	if !c.latest.IsZero() && c.latest.Before(deadline) {
		deadline = c.latest
	}
	return c.net.SetReadDeadline(deadline)
}

func (c *conn) Read(p []byte) (int, error) {
	if err := c.armRead(); err != nil {
		return 0, err
	}
	n, err := c.net.Read(p)
	c.in += int64(n)
	return n, err
}

func (c *conn) Write(p []byte) (int, error) {
	if err := c.net.SetWriteDeadline(time.Now().Add(c.writeTimeout)); err != nil {
		return 0, err
	}
	n, err := c.net.Write(p)
	c.out += int64(n)
	return n, err
}

// lastWords writes a line past all buffers, when the session can't.
func (c *conn) lastWords(line string) {
	if c.coded || c.net.SetWriteDeadline(time.Now().Add(lastWordsTimeout)) != nil {
		return
	}
	_, _ = c.net.Write([]byte(line)) // nobody is left to handle it
}

// close ends TLS; the listener's owner closes the connection itself.
func (c *conn) close() {
	if c.net != c.raw {
		_ = c.net.Close() // sends the alert; the peer may be gone
	}
}
