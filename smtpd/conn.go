package smtpd

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"sync"
	"time"

	"mailstead/internal/logkey"
	"mailstead/internal/netd"
	"mailstead/sasl"
)

// conn stands between the socket and go-smtp. go-smtp reads one command at a
// time from it, checked already, and writes its replies into it, to be
// corrected where they differ from the RFCs. Messages pass go-smtp by: the
// session reads them from conn.body.
//
// Everything runs in go-smtp's goroutine of the connection, but for drain and
// cut.
type conn struct {
	net.Conn          // the socket
	stream   net.Conn // the same, or TLS over it
	srv      *Server
	log      *slog.Logger
	remote   netip.Addr
	br       *bufio.Reader // plain text of the peer
	bw       *bufio.Writer // plain text to the peer
	begun    bool          // greeted or refused

	// Towards go-smtp.
	feed    []byte // what it reads next
	verb    string // the command it is answering
	reply   []byte // its reply so far
	swallow bool   // its next reply is not for the peer
	inAuth  bool   // it waits for a line of a SASL exchange

	// Towards the peer.
	ended    bool   // go-smtp reads EOF next
	silent   bool   // the last line has been said
	farewell string // a line to send after the next reply, before the end
	replay   []byte // a command read ahead
	chunk    chunk  // of a BDAT that go-smtp is asked about
	skip     int64  // bytes of a refused chunk still to come
	body     *body  // the message being received
	name     string // what the peer calls itself in the EHLO go-smtp is asked about
	helo     string // the same once accepted; empty before EHLO
	esmtp    bool   // EHLO, not HELO
	tls      *tls.ConnectionState
	channel  sasl.Channel
	authed   bool
	bad      int // commands not understood
	refusals int // senders and recipients refused
	idle     int // commands that lead nowhere, since the last message

	mu       sync.Mutex // guards what follows
	waiting  waiting
	draining bool
	left     bool
}

// waiting is what a connection is waiting for.
type waiting uint8

const (
	forUs        waiting = iota // for nothing, or for a message under way
	forCommand                  // for the peer's next command
	forHandshake                // for the peer to begin
)

// Replies that end a connection.
const (
	tooManyConnections = "421 4.7.0 Too many connections, try again later"
	shuttingDown       = "421 4.3.2 The server is shutting down, try again later"
	timedOut           = "421 4.4.2 Nothing heard for too long, closing"
	tooManyErrors      = "421 4.7.0 Too many errors, closing"
	talkedTooSoon      = "554 5.5.1 You spoke before the greeting"
	notHTTP            = "421 4.7.0 This is a mail server, not a web server"
)

func newConn(s *Server, c net.Conn) *conn {
	remote := netd.RemoteAddr(c)
	w := &conn{Conn: c, stream: c, srv: s, remote: remote, br: bufio.NewReaderSize(c, 16<<10)}
	w.log = s.log.With(logkey.Conn, s.lastID.Add(1), logkey.Remote, remote.String())
	w.bw = bufio.NewWriter(timedWriter{c, s.o.WriteTimeout})
	return w
}

// timedWriter gives each write to the socket its own time limit.
type timedWriter struct {
	net.Conn
	timeout time.Duration
}

// Write implements io.Writer.
func (w timedWriter) Write(p []byte) (int, error) {
	if err := w.SetWriteDeadline(time.Now().Add(w.timeout)); err != nil {
		return 0, err
	}
	return w.Conn.Write(p)
}

// Read gives go-smtp its next command, or the end of a message that the
// session has already read.
func (c *conn) Read(p []byte) (int, error) {
	for len(c.feed) == 0 {
		switch {
		case c.ended:
			return 0, io.EOF
		case c.body != nil:
			c.body.discard()
			if c.body.chunked && c.body.err == errAborted {
				c.swallow = true
			}
			c.body = nil
			c.feed = []byte(".\r\n")
		case c.inAuth:
			c.readAuth()
		default:
			c.readCommand()
		}
	}
	n := copy(p, c.feed)
	c.feed = c.feed[n:]
	return n, nil
}

// Write takes go-smtp's replies. It never fails: a peer that is gone is noticed
// at the next read.
func (c *conn) Write(p []byte) (int, error) {
	if !c.begun {
		c.begun = true
		if !c.begin() {
			c.ended, c.silent = true, true
		}
	}
	c.reply = append(c.reply, p...)
	if lastLine(c.reply) {
		r := c.reply
		c.reply = nil
		c.finish(r)
	}
	return len(p), nil
}

// lastLine tells whether a reply is complete: its last line has no "-" after
// the code (RFC 5321 §4.2).
func lastLine(r []byte) bool {
	if !bytes.HasSuffix(r, []byte("\r\n")) {
		return false
	}
	last := r[bytes.LastIndexByte(r[:len(r)-2], '\n')+1:]
	return len(last) > 3 && last[3] != '-'
}

// Close implements net.Conn for go-smtp, which closes each connection at its
// end, some of them twice.
func (c *conn) Close() error {
	if c.begun {
		c.flush()
	}
	c.mu.Lock()
	first := !c.left
	c.left = true
	c.mu.Unlock()
	if !first {
		return nil
	}
	c.ended = true
	err := c.stream.Close() // with TLS it says so to the peer
	c.srv.leave(c)
	return err
}

// drain tells a peer to go as soon as it is not in the middle of something.
func (c *conn) drain() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.draining = true
	switch c.waiting {
	case forCommand:
		_ = c.Conn.SetReadDeadline(time.Now()) // wakes the reader, which says goodbye
	case forHandshake:
		_ = c.Conn.Close() // nothing can be said yet
	}
}

// cut ends a connection that did not go by itself.
func (c *conn) cut() { _ = c.Conn.Close() }

// wait notes what the connection waits for, for at most d; false when the
// server is shutting down, and so it should rather end.
func (c *conn) wait(w waiting, d time.Duration) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.waiting = w
	if c.draining && w != forUs {
		c.waiting = forUs
		return false
	}
	_ = c.Conn.SetReadDeadline(time.Now().Add(d)) // of a connection that is gone the next read tells
	return true
}

// busy ends a wait.
func (c *conn) busy() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.waiting = forUs
}

// begin does what comes before the greeting: the TLS handshake, or a moment of
// silence.
func (c *conn) begin() bool {
	if c.srv.o.ImplicitTLS {
		return c.handshake()
	}
	delay := c.srv.o.GreetDelay
	if delay <= 0 {
		return true
	}
	if !c.wait(forHandshake, delay) {
		return false
	}
	defer c.busy()
	_, err := c.br.Peek(1)
	if err == nil {
		c.log.Info("connection refused", logkey.Err, "spoke before the greeting")
		c.hangUp(talkedTooSoon)
		return false
	}
	return errors.Is(err, os.ErrDeadlineExceeded)
}

// handshake puts TLS around the connection.
func (c *conn) handshake() bool {
	cfg := c.srv.o.TLS()
	if cfg == nil {
		c.log.Error("tls handshake failed", logkey.Err, "no certificate configured")
		return false
	}
	if !c.wait(forHandshake, handshakeTimeout) {
		return false
	}
	defer c.busy()
	t, shook := tls.Server(c.Conn, cfg), sasl.Handshake(cfg)
	ctx, cancel := context.WithTimeout(c.srv.ctx, handshakeTimeout)
	defer cancel()
	if err := t.HandshakeContext(ctx); err != nil {
		c.log.Info("tls handshake failed", logkey.Err, err)
		return false
	}
	state := t.ConnectionState()
	c.stream, c.tls, c.channel = t, &state, shook(state)
	c.br.Reset(t)
	c.bw.Reset(timedWriter{t, c.srv.o.WriteTimeout})
	return true
}

// flush sends what was said.
func (c *conn) flush() {
	if err := c.bw.Flush(); err != nil {
		c.ended = true
	}
}

// say queues a line for the peer.
func (c *conn) say(line string) {
	if c.silent {
		return
	}
	_, _ = c.bw.WriteString(line) // an error stays in the writer until flush
	_, _ = c.bw.WriteString("\r\n")
}
