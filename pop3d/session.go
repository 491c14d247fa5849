package pop3d

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
	"time"

	"mailstead/internal/logkey"
	"mailstead/internal/netd"
	"mailstead/sasl"
)

const (
	maxLine      = 512 // RFC 2449 §4 says 255; AUTH's data are longer
	maxAuthLine  = 4096
	maxBadLines  = 10 // commands not understood, in a row
	maxFailed    = 5  // logins
	writeTimeout = 2 * time.Minute
)

// errLineTooLong is a line beyond the limit; the session ends.
var errLineTooLong = errors.New("line too long")

// session is one connection.
type session struct {
	srv    *Server
	ctx    context.Context
	conn   net.Conn
	r      *bufio.Reader
	w      *bufio.Writer
	remote netip.Addr
	secure bool

	channel sasl.Channel

	user   string
	bad    int
	failed int
	drop   *maildrop // nil before login
	quit   bool
}

func (s *Server) handle(ctx context.Context, c net.Conn) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	x := &session{srv: s, ctx: ctx, conn: c, remote: netd.RemoteAddr(c)}
	x.attach(c)
	if s.o.ImplicitTLS && !x.beginTLS() {
		return
	}
	defer func() { _ = x.conn.Close() }() // after STLS: sends the alert; the peer may be gone
	defer x.release()
	// A read is what a session waits in: its end interrupts it.
	stop := context.AfterFunc(ctx, func() { _ = c.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	x.ok("%s ready", s.o.Hostname)
	for !x.quit {
		line, err := x.readLine(maxLine)
		if err != nil {
			x.goodbye(err)
			return
		}
		x.command(line)
	}
	x.flush()
}

func (x *session) attach(c net.Conn) {
	x.conn, x.r, x.w = c, bufio.NewReaderSize(c, maxAuthLine), bufio.NewWriterSize(timedWriter{c}, 16<<10)
}

// timedWriter gives every write its own time: a listing or a message may take
// as long as it likes while the client keeps reading.
type timedWriter struct{ net.Conn }

// Write implements io.Writer.
func (w timedWriter) Write(b []byte) (int, error) {
	if err := w.SetWriteDeadline(time.Now().Add(writeTimeout)); err != nil {
		return 0, err
	}
	return w.Conn.Write(b)
}

// goodbye says why a session ends that the client did not end.
func (x *session) goodbye(err error) {
	switch {
	case x.ctx.Err() != nil:
		x.fail("SYS/TEMP", "session ended by the server, try again later")
	case errors.Is(err, errLineTooLong):
		x.fail("", "line too long")
	default:
		var timeout net.Error
		if errors.As(err, &timeout) && timeout.Timeout() {
			x.fail("", "idle for too long")
		}
	}
	x.flush()
}

// readLine flushes what was answered when no whole command is waiting (RFC 2449
// §6.6: PIPELINING), and reads a line.
func (x *session) readLine(limit int) (string, error) {
	waiting, err := x.r.Peek(x.r.Buffered())
	if err != nil {
		return "", err
	}
	if bytes.IndexByte(waiting, '\n') < 0 {
		if err := x.w.Flush(); err != nil {
			return "", err
		}
	}
	if err := x.conn.SetReadDeadline(time.Now().Add(x.srv.o.IdleTimeout)); err != nil {
		return "", err
	}
	if x.ctx.Err() != nil {
		return "", x.ctx.Err()
	}
	line, err := x.r.ReadSlice('\n')
	if errors.Is(err, bufio.ErrBufferFull) || len(line) > limit {
		return "", errLineTooLong
	}
	if err != nil {
		return "", err
	}
	return strings.TrimRight(string(line), "\r\n"), nil
}

func (x *session) flush() {
	_ = x.w.Flush() // an error stays in the writer and ends the session at the next read
}

func (x *session) ok(format string, args ...any) {
	fmt.Fprintf(x.w, "+OK "+format+"\r\n", args...)
}

// fail answers -ERR, with a response code (RFC 2449 §8) when there is one.
func (x *session) fail(code, text string) {
	if code != "" {
		text = "[" + code + "] " + text
	}
	fmt.Fprintf(x.w, "-ERR %s\r\n", text)
}

// trouble answers what went wrong inside; the log has the rest.
func (x *session) trouble(what string, err error) {
	x.log(what, err)
	x.fail("SYS/TEMP", "temporary problem, try again later")
}

// log tells what someone must look at.
func (x *session) log(event string, err error, more ...any) {
	x.srv.o.Logger.Error(event, append(more, logkey.Proto, "pop3", logkey.Remote, x.remote.String(), logkey.Err, err)...)
}

// release gives the maildrop back and tells the log what the session did.
func (x *session) release() {
	if x.drop == nil {
		return
	}
	x.drop.unwatch()
	x.srv.o.Maildrops.unlock(x.drop.account)
	x.srv.o.Logger.Info("session ended", logkey.Proto, "pop3", logkey.Remote, x.remote.String(), logkey.Account, x.user,
		"retrieved", x.drop.retrieved, "deleted", x.drop.deleted, logkey.Size, x.drop.sent)
}

// command answers one line.
func (x *session) command(line string) {
	name, arg, _ := strings.Cut(line, " ")
	name = strings.ToUpper(name)
	handler, known := x.table()[name]
	if !known {
		if x.bad++; x.bad >= maxBadLines {
			x.fail("", "too many bad commands")
			x.quit = true
			return
		}
		x.fail("", "unknown command, or not now")
		return
	}
	x.bad = 0
	handler(arg)
}

// table is what can be said in the session's state (RFC 1939 §3).
func (x *session) table() map[string]func(string) {
	t := map[string]func(string){"CAPA": x.capa, "QUIT": x.end}
	if x.drop == nil {
		t["USER"], t["PASS"], t["AUTH"], t["STLS"] = x.userName, x.pass, x.auth, x.stls
		return t
	}
	d := map[string]func(string){"STAT": x.stat, "LIST": x.list, "UIDL": x.uidl, "RETR": x.retr, "TOP": x.top, "DELE": x.dele,
		"NOOP": func(string) { x.ok("") }, "RSET": x.rset}
	for k, v := range d {
		t[k] = v
	}
	return t
}

// mayAuth tells whether a password may be sent here.
func (x *session) mayAuth() bool {
	return x.secure || x.srv.o.AllowInsecureAuth && x.remote.IsLoopback()
}

func (x *session) canSTLS() bool { return x.srv.o.TLS != nil && !x.secure && x.drop == nil }

func (x *session) capa(string) {
	caps := []string{"TOP", "UIDL", "RESP-CODES", "AUTH-RESP-CODE", "PIPELINING", "EXPIRE NEVER", "IMPLEMENTATION Mailstead"}
	if x.drop == nil && x.mayAuth() {
		caps = append(caps, "USER", "SASL "+strings.Join(x.sasl().Mechanisms(), " "))
	}
	if x.canSTLS() {
		caps = append(caps, "STLS")
	}
	x.ok("capabilities follow")
	for _, c := range caps {
		io.WriteString(x.w, c+"\r\n")
	}
	io.WriteString(x.w, ".\r\n")
}

// stls begins TLS (RFC 2595 §4). What was sent in clear behind the command is
// an injection and ends the session.
func (x *session) stls(string) {
	if !x.canSTLS() {
		x.fail("", "TLS is active already or not offered")
		return
	}
	if x.r.Buffered() > 0 {
		x.fail("", "nothing may follow STLS before TLS")
		x.quit = true
		return
	}
	x.ok("begin TLS")
	x.flush()
	if !x.beginTLS() {
		x.quit = true
	}
	x.user = ""
}

// beginTLS makes all further bytes TLS.
func (x *session) beginTLS() bool {
	t, shook := tls.Server(x.conn, x.srv.o.TLS), sasl.Handshake(x.srv.o.TLS)
	ctx, cancel := context.WithTimeout(x.ctx, 30*time.Second)
	defer cancel()
	if err := t.HandshakeContext(ctx); err != nil {
		x.srv.o.Logger.Debug("tls handshake failed", logkey.Proto, "pop3", logkey.Remote, x.remote.String(), logkey.Err, err)
		return false
	}
	x.attach(t)
	x.secure, x.channel = true, shook(t.ConnectionState())
	return true
}
