package smtpd

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"os"
	"regexp"
	"strconv"
	"strings"

	"mailstead/internal/logkey"
)

// nextLine reads a line that ends in CR LF, of at most limit bytes with it. ok
// is false when there is none to act on: the peer was answered, or is gone.
func (c *conn) nextLine(limit int) (line []byte, ok bool) {
	if !c.skipChunk() {
		return nil, false
	}
	if buf, _ := c.br.Peek(c.br.Buffered()); bytes.IndexByte(buf, '\n') < 0 {
		c.flush()
	}
	if c.ended {
		return nil, false
	}
	if !c.wait(forCommand, c.srv.o.CommandTimeout) {
		c.hangUp(shuttingDown)
		return nil, false
	}
	line, err := c.br.ReadSlice('\n')
	if err == nil {
		c.busy()
		return c.checkLine(line, limit)
	}
	if errors.Is(err, bufio.ErrBufferFull) {
		err = c.skipLine(len(line))
	}
	c.busy()
	switch {
	case err == nil:
		c.answer("500 5.5.2 Line too long")
	case errors.Is(err, os.ErrDeadlineExceeded):
		c.mu.Lock()
		draining := c.draining
		c.mu.Unlock()
		if draining {
			c.hangUp(shuttingDown)
		} else {
			c.hangUp(timedOut)
		}
	default:
		c.ended = true
	}
	return nil, false
}

// skipLine passes over the rest of a line that is too long.
func (c *conn) skipLine(n int) error {
	for {
		part, err := c.br.ReadSlice('\n')
		if n += len(part); !errors.Is(err, bufio.ErrBufferFull) {
			return err
		}
		if n > maxSkippedLine {
			c.answer("500 5.5.2 Line too long")
			return io.ErrUnexpectedEOF
		}
	}
}

// skipChunk passes over the chunk of a BDAT that was refused (RFC 3030 §2).
func (c *conn) skipChunk() bool {
	if c.skip == 0 {
		return true
	}
	c.flush()
	b := &body{c: c, chunked: true, left: c.skip, last: true}
	c.skip = 0
	if b.left > maxSkippedChunk {
		c.ended = true
		return false
	}
	b.discard()
	return !c.ended
}

// checkLine takes the line break off and refuses what can't be a command line
// (RFC 5321 §2.3.8, §4.1.1).
func (c *conn) checkLine(line []byte, limit int) ([]byte, bool) {
	if len(line) > limit {
		c.answer("500 5.5.2 Line too long")
		return nil, false
	}
	text, ok := bytes.CutSuffix(line, []byte("\r\n"))
	if !ok {
		c.answer("500 5.5.2 Lines must end in CR LF")
		return nil, false
	}
	for _, b := range text {
		if b < ' ' && b != '\t' || b == 0x7f {
			c.answer("500 5.5.2 Control characters are not allowed")
			return nil, false
		}
	}
	return text, true
}

// readAuth gives go-smtp the next line of a SASL exchange.
func (c *conn) readAuth() {
	if line, ok := c.nextLine(maxAuthLine); ok {
		c.feed = append(bytes.Clone(line), "\r\n"...)
	} else if !c.ended {
		// The line was answered already, so the exchange has failed; go-smtp
		// has yet to learn it.
		c.swallow = true
		c.feed = []byte("*\r\n")
	}
}

// readCommand reads a command and answers it, or hands it to go-smtp.
func (c *conn) readCommand() {
	line := c.replay
	c.replay = nil
	if line == nil {
		var ok bool
		if line, ok = c.nextLine(maxAuthLine); !ok {
			return
		}
	}
	verb, arg, ok := c.parse(line)
	if !ok {
		return
	}
	c.verb = verb
	if c.helo == "" && needsGreeting(verb) {
		c.answer("503 5.5.1 Say EHLO first")
		return
	}
	switch verb {
	case "STARTTLS":
		c.startTLS(arg)
	case "BDAT":
		c.startChunks(arg)
	case "MAIL":
		c.checkSize(arg)
	case "RCPT":
		c.pass(verb, barePostmaster(arg))
	case "AUTH":
		c.checkAuth(arg)
	case "HELO", "EHLO", "NOOP", "RSET", "VRFY":
		c.passIdle(verb, arg)
	default:
		c.pass(verb, arg)
	}
}

// needsGreeting tells whether RFC 5321 §4.1.4 wants EHLO or HELO before.
func needsGreeting(verb string) bool {
	switch verb {
	case "MAIL", "RCPT", "DATA", "BDAT", "AUTH":
		return true
	}
	return false
}

// parse splits a command line, and answers it when it is none of SMTP's.
func (c *conn) parse(line []byte) (verb, arg string, ok bool) {
	verb, arg, _ = strings.Cut(string(line), " ")
	verb, arg = strings.ToUpper(verb), strings.Trim(arg, " \t")
	switch verb {
	case "AUTH":
		return verb, arg, true
	case "HELO", "EHLO", "MAIL", "RCPT", "DATA", "BDAT", "RSET", "NOOP", "QUIT", "VRFY", "EXPN", "HELP", "STARTTLS":
		if len(line)+2 > maxCommand {
			c.answer("500 5.5.2 Line too long")
			return "", "", false
		}
		return verb, arg, true
	case "GET", "POST", "PUT", "HEAD", "OPTIONS", "DELETE", "PATCH", "CONNECT", "TRACE", "PRI":
		// A browser made to talk to a mail server by a page: what it was made
		// to say must not be taken for commands.
		c.log.Info("connection refused", logkey.Err, "spoke HTTP")
		c.hangUp(notHTTP)
		return "", "", false
	}
	c.answer("500 5.5.2 Command not recognized")
	return "", "", false
}

// pass hands a command to go-smtp.
func (c *conn) pass(verb, arg string) {
	c.feed = append(c.feed[:0:0], verb...)
	if arg != "" {
		c.feed = append(append(c.feed, ' '), arg...)
	}
	c.feed = append(c.feed, "\r\n"...)
}

// passIdle hands on a command that brings no message nearer, a number of times.
func (c *conn) passIdle(verb, arg string) {
	if c.idle++; c.idle > maxIdleCommands {
		c.hangUp(tooManyErrors)
		return
	}
	if verb == "HELO" || verb == "EHLO" {
		for i := range len(arg) {
			if arg[i] >= 0x80 {
				c.answer("501 5.5.2 A host name is ASCII") // RFC 6531 §3.7.1
				return
			}
		}
		c.name, _, _ = strings.Cut(arg, " ")
	}
	c.pass(verb, arg)
}

// checkSize answers a MAIL with a SIZE too great for any server (RFC 1870 §6.1;
// go-smtp takes a number over 32 bits for a syntax error).
func (c *conn) checkSize(arg string) {
	for p := range strings.FieldsSeq(arg) {
		if len(p) < 6 || !strings.EqualFold(p[:5], "SIZE=") || strings.Trim(p[5:], "0123456789") != "" {
			continue
		}
		if n, err := strconv.ParseInt(p[5:], 10, 64); err != nil || n > c.srv.o.MaxMessageSize {
			c.log.Info("message refused", logkey.Size, n, logkey.Code, 552, logkey.Err, tooBig)
			c.answer(tooBig)
			return
		}
	}
	c.pass("MAIL", arg)
}

// checkAuth answers what go-smtp would not refuse: AUTH where there is none,
// and AUTH within a mail transaction (RFC 4954 §4).
func (c *conn) checkAuth(arg string) {
	if c.srv.o.Role != Submission {
		c.answer("502 5.5.1 There is no login on this port")
		return
	}
	c.pass("AUTH", arg)
}

// postmasterDomain stands in for the domain of a forward-path "<postmaster>",
// which has none (RFC 5321 §4.5.1) and which go-smtp can't parse.
const postmasterDomain = "postmaster.invalid"

// barePostmaster gives "<postmaster>" in the argument of RCPT that domain.
func barePostmaster(arg string) string {
	return postmasterPath.ReplaceAllString(arg, "${1}@"+postmasterDomain+">")
}

var postmasterPath = regexp.MustCompile(`(?i)^(TO:[ \t]*<postmaster)>`)
