package smtpd

import (
	"strings"

	"mailstead/internal/logkey"
)

// corrections replaces replies of go-smtp whose codes are not those of the
// RFCs, or whose text repeats the peer's.
var corrections = map[string]string{
	"454 4.7.0 Invalid base64 data":                       "501 5.5.2 Not base64",                   // RFC 4954 §4
	"502 5.5.4 Missing parameter":                         "501 5.5.4 Name a mechanism",             // RFC 5321 §4.2.2
	"502 5.5.1 Missing RCPT TO command.":                  "503 5.5.1 No valid recipient was named", // RFC 5321 §4.1.1.4
	"502 5.5.1 Missing MAIL FROM command.":                "503 5.5.1 Say MAIL first",               // RFC 5321 §4.1.1.3
	"500 5.5.4 Unknown MAIL FROM argument":                "555 5.5.4 Parameter not known",          // RFC 5321 §4.1.1.11
	"500 5.5.4 Unknown RCPT TO argument":                  "555 5.5.4 Parameter not known",
	"252 2.5.0 Cannot VRFY user, but will accept message": "252 2.1.5 Not telling; send mail and see",
	"250 2.0.0 I have successfully done nothing":          "250 2.0.0 OK",
	"250 2.0.0 Session reset":                             "250 2.0.0 OK",
	"235 2.0.0 Authentication succeeded":                  "235 2.7.0 Authentication succeeded", // RFC 4954 §6
}

// tooBig is said to a message over the limit of size, at whatever point it is
// known (RFC 1870 §6).
const tooBig = "552 5.3.4 Message too big"

// answer is a reply of our own to a command that go-smtp does not get to see.
func (c *conn) answer(line string) {
	c.say(line)
	c.count(line)
}

// hangUp says a last line.
func (c *conn) hangUp(line string) {
	c.say(line)
	c.flush()
	c.ended, c.silent = true, true
}

// finish sends go-smtp's reply to the peer, as it should be.
func (c *conn) finish(r []byte) {
	text := strings.TrimSuffix(string(r), "\r\n")
	code := text[:3]
	c.inAuth = c.verb == "AUTH" && code == "334"
	switch {
	case c.swallow:
		c.swallow = false
		return
	case code == "354":
		if c.body = c.receive(); c.body.chunked {
			return // RFC 3030 §2: BDAT has no such reply
		}
		c.say("354 End with CR LF . CR LF")
		c.flush()
		return
	case code == "250":
		text = c.accepted(text)
	default:
		if better, ok := corrections[text]; ok {
			text = better
		}
	}
	if c.verb == "BDAT" {
		// The chunk follows the command even when it was refused.
		c.skip, c.chunk = c.chunk.size, chunk{}
	}
	c.say(text)
	c.count(text)
	if c.farewell != "" && !c.ended {
		c.hangUp(c.farewell)
	}
}

// accepted is what the peer gets for a command that went well.
func (c *conn) accepted(text string) string {
	switch c.verb {
	case "EHLO", "HELO":
		return c.hello(text)
	case "MAIL":
		return "250 2.1.0 Sender OK"
	case "RCPT":
		return "250 2.1.5 Recipient OK"
	}
	if better, ok := corrections[text]; ok {
		return better
	}
	return text
}

// hello rewrites the reply to EHLO: the first word is our name (RFC 5321
// §4.1.1.1), and STARTTLS is offered by us, not by go-smtp.
func (c *conn) hello(text string) string {
	c.helo, c.esmtp = c.name, c.verb == "EHLO"
	if !c.esmtp {
		return "250 " + c.srv.o.Hostname
	}
	lines := strings.Split(text, "\r\n")
	lines[0] = "250-" + c.srv.o.Hostname
	if c.canStartTLS() {
		lines = append(lines[:1:1], append([]string{"250-STARTTLS"}, lines[1:]...)...)
	}
	return strings.Join(lines, "\r\n")
}

// count ends connections whose peers talk nonsense or try out addresses.
func (c *conn) count(line string) {
	switch line[:3] {
	case "500", "501", "502", "503", "504", "555":
		c.bad++
	case "550", "551", "553":
		c.refusals++
	}
	if (c.bad > maxBadCommands || c.refusals > maxRefusals) && !c.ended {
		c.log.Info("connection refused", logkey.Err, "too many errors", logkey.Count, c.bad+c.refusals)
		c.hangUp(tooManyErrors)
	}
}

// canStartTLS tells whether STARTTLS is possible now.
func (c *conn) canStartTLS() bool {
	return c.tls == nil && !c.authed && c.srv.o.TLS() != nil
}

// startTLS answers STARTTLS (RFC 3207).
func (c *conn) startTLS(arg string) {
	switch {
	case arg != "":
		c.answer("501 5.5.4 STARTTLS has no parameter")
		return
	case c.tls != nil:
		c.answer("503 5.5.1 TLS is on already")
		return
	case c.authed:
		c.answer("503 5.5.1 Too late for TLS, you are logged in")
		return
	case c.srv.o.TLS() == nil:
		c.answer("502 5.5.1 No TLS here")
		return
	case c.br.Buffered() > 0:
		// What was sent along in plain text would be taken for a command said
		// under TLS: someone in between may have put it there.
		c.log.Info("connection refused", logkey.Err, "plain text after STARTTLS")
		c.hangUp("503 5.5.1 Wait for the reply to STARTTLS")
		return
	}
	c.say("220 2.0.0 Go ahead")
	c.flush()
	if c.ended || !c.handshake() {
		c.ended = true
		return
	}
	// RFC 3207 §4.2: what the peer said before is forgotten.
	c.helo, c.name, c.esmtp = "", "", false
	c.verb, c.swallow = "RSET", true
	c.feed = []byte("RSET\r\n")
}
