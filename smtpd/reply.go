package smtpd

import (
	"errors"
	"fmt"
	"os"
	"strings"

	smtp "github.com/emersion/go-smtp"
	"golang.org/x/sys/unix"

	"mailstead/delivery"
	"mailstead/mail"
	"mailstead/sasl"
)

// refusal makes an error of go-smtp from a reply line with an enhanced status
// code (RFC 2034). The line is written in this package, not by a peer.
func refusal(line string) *smtp.SMTPError {
	e := &smtp.SMTPError{}
	if _, err := fmt.Sscanf(line, "%d %d.%d.%d", &e.Code, &e.EnhancedCode[0], &e.EnhancedCode[1], &e.EnhancedCode[2]); err != nil {
		panic("smtpd: not a reply line: " + line)
	}
	_, rest, _ := strings.Cut(line, " ")
	_, e.Message, _ = strings.Cut(rest, " ")
	return e
}

// Replies of the session.
const (
	loginFirst        = "530 5.7.0 Log in first"
	nestedMail        = "503 5.5.1 One message at a time, or RSET"
	badSender         = "553 5.1.7 Not a sender address"
	badRecipient      = "553 5.1.3 Not a recipient address"
	needsUTF8         = "553 5.6.7 An address that is not ASCII needs SMTPUTF8"
	notYourSender     = "550 5.7.1 You may not send as that address"
	notYourFrom       = "550 5.7.1 The message's From is not an address of yours"
	notYourSenderLine = "550 5.7.1 The message's Sender is not an address of yours"
	oneFrom           = "550 5.6.0 The message must have one From field with an address"
	oneSender         = "550 5.6.0 The message must not have more than one Sender field"
	bareBreak         = "550 5.6.0 The message has a CR or LF alone; lines must end in CR LF"
	headerTooBig      = "552 5.3.4 Header too big"
	looping           = "554 5.4.6 Too many Received fields, the message is in a loop"
	tlsFirst          = "538 5.7.11 Use STARTTLS before login"
	authInMail        = "503 5.5.1 No login within a mail transaction"
	unknownMechanism  = "504 5.5.4 Mechanism not known"
	badResponse       = "501 5.5.2 Not what the mechanism wants"
	badCredentials    = "535 5.7.8 Wrong user name or password"
	throttled         = "454 4.7.0 Too many failed logins, try again later"
	loginUnavailable  = "454 4.7.0 Login not possible at the moment"
	unfinished        = "451 4.4.2 Message not finished"
	unavailable       = "451 4.3.0 Not possible at the moment, try again later"
	noSpace           = "452 4.3.1 Not enough storage, try again later"
)

// answers is what a peer is told for errors that come from below.
var answers = []struct {
	err  error
	line string
}{
	{delivery.ErrUnknownRecipient, "550 5.1.1 No such mailbox here"},
	{delivery.ErrRelayDenied, "550 5.7.1 This server does not relay; that domain is not served here"},
	{delivery.ErrRemoteUnsupported, "550 5.7.1 This server does not send to other domains"},
	{delivery.ErrTooBig, tooBig},
	{delivery.ErrOverQuota, "452 4.2.2 Mailbox full"},
	{delivery.ErrNoSpace, noSpace},
	{delivery.ErrUnavailable, unavailable},
	{sasl.ErrBadCredentials, badCredentials},
	{sasl.ErrThrottled, throttled},
	{sasl.ErrBinding, badCredentials},
	{sasl.ErrActsForAnother, badCredentials},
	{os.ErrDeadlineExceeded, timedOut},
	{errEndless, tooBig},
	{errAborted, unfinished},
}

// reply turns any error into one for go-smtp, which would send the text of all
// others to the peer, as permanent. known is false when someone should look at
// the error: the peer is only told to come again.
func reply(err error) (e *smtp.SMTPError, known bool) {
	if e, ok := errors.AsType[*smtp.SMTPError](err); ok {
		return e, true
	}
	for _, a := range answers {
		if errors.Is(err, a.err) {
			return refusal(a.line), true
		}
	}
	// Wherever a disk is full, the spool's or the store's, mail must not bounce.
	if errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT) {
		return refusal(noSpace), false
	}
	return refusal(unavailable), false
}

// parsePath reads an address that go-smtp has taken the quotes off.
func parsePath(s string) (mail.Address, error) {
	i := strings.LastIndexByte(s, '@')
	if i < 0 {
		return mail.Address{}, mail.ErrBadAddress
	}
	return mail.ParseAddress(mail.Address{Local: s[:i], Domain: s[i+1:]}.String())
}

// ascii tells whether s has only ASCII bytes.
func ascii(s string) bool {
	for i := range len(s) {
		if s[i] >= 0x80 {
			return false
		}
	}
	return true
}
