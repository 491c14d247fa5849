package imapd

import (
	"context"
	"errors"
	"fmt"

	"mailstead/internal/logkey"
	"mailstead/sasl"
	"mailstead/storage"
)

// Lines that are written where there is no session.
const (
	refuseLine = "* BYE [UNAVAILABLE] Too many connections; close one and try again\r\n"
	panicLine  = "* BYE [SERVERBUG] Internal error; it has been logged\r\n"
)

// reply is the tagged answer to a command.
type reply struct {
	kind, code, text string
	// highest: messages were expunged, and HIGHESTMODSEQ is the code for a client
	// that is told modseqs (RFC 7162 §3.2.7, §3.2.9).
	highest bool
}

// The kinds of reply (RFC 9051 §7.1).
const (
	kindOK  = "OK"
	kindNo  = "NO"
	kindBad = "BAD"
	// kindLater is no answer yet: it was handed to session.later.
	kindLater = "LATER"
)

// done answers a command that has done its work: "OK NAME completed".
func done() reply { return reply{kind: kindOK} }

func okCode(code, text string) reply { return reply{kind: kindOK, code: code, text: text} }
func no(code, text string) reply     { return reply{kind: kindNo, code: code, text: text} }
func bad(text string) reply          { return reply{kind: kindBad, text: text} }

// Answers that more than one command gives.
func wrongState() reply   { return bad("Not possible in this state") }
func readOnly() reply     { return no("READ-ONLY", "Mailbox is open for reading only") }
func noPermission() reply { return no("NOPERM", "You may not do that with this mailbox") }
func noSuchMailbox() reply {
	return no("NONEXISTENT", "No such mailbox")
}
func tryCreate() reply { return no("TRYCREATE", "No such mailbox; create it first") }
func expungeIssued() reply {
	return no("EXPUNGEISSUED", "Some of the messages no longer exist")
}
func tooBig(limit int64) reply {
	return no("TOOBIG", fmt.Sprintf("Message is bigger than %d bytes", limit))
}
func overQuota() reply { return no("OVERQUOTA", "Mailboxes are full") }

// damaged answers a command that has left out messages nobody can read any
// more. RFC 5530 §3: CORRUPTION, which a client need not try again for.
func damaged() reply {
	return no("CORRUPTION", "Some messages are damaged and were left out")
}
func unavailable() reply { return no("UNAVAILABLE", "Temporarily not possible; try again later") }

// errNoPermission is a command that the rights of the user do not allow (RFC
// 4314 §4, RFC 5530 §3 NOPERM).
var errNoPermission = errors.New("no permission")

// fatal ends a session: the connection is lost, or out of step.
type fatal struct{ err error }

func (f fatal) Error() string { return f.err.Error() }
func (f fatal) Unwrap() error { return f.err }

// protocolError is a fault of the client that a function deep inside a command
// has found.
type protocolError struct{ reply reply }

func (p protocolError) Error() string { return p.reply.text }

// answers gives the reply to the errors that callers of the store decide by.
var answers = []struct {
	err   error
	reply reply
}{
	{storage.ErrNoMailbox, noSuchMailbox()},
	{storage.ErrNoAccount, no("UNAVAILABLE", "The account is gone")},
	{storage.ErrExists, no("ALREADYEXISTS", "A mailbox of that name exists")},
	{storage.ErrBadName, no("CANNOT", "That can't be the name of a mailbox")},
	{storage.ErrInUse, no("CANNOT", "INBOX can't be deleted")},
	{storage.ErrHasChildren, no("HASCHILDREN", "The mailbox has mailboxes below it; delete them first")},
	{storage.ErrOverQuota, overQuota()},
	{storage.ErrNoSpace, no("UNAVAILABLE", "Not enough space on the server; try again later")},
	{storage.ErrTooBig, no("TOOBIG", "Message is too big")},
	{storage.ErrLimit, no("LIMIT", "There are too many of these already")},
	{storage.ErrNoMessage, expungeIssued()},
	{storage.ErrClosed, no("UNAVAILABLE", "Server is shutting down")},
	{context.Canceled, no("UNAVAILABLE", "Server is shutting down")},
	{context.DeadlineExceeded, unavailable()},
	{errNoPermission, noPermission()},
	{sasl.ErrBadCredentials, no("AUTHENTICATIONFAILED", "Wrong user name or password")},
	{sasl.ErrThrottled, no("UNAVAILABLE", "Too many failed logins; try again later")},
	{sasl.ErrBinding, no("AUTHENTICATIONFAILED", "The channel binding does not fit")},
	{sasl.ErrActsForAnother, no("AUTHORIZATIONFAILED", "Acting for another user is not possible")},
	{sasl.ErrMechanism, no("CANNOT", "That mechanism is not offered")},
}

// replyTo turns the error of a command into its answer. What it does not know
// is temporary, and is told to the log only.
func (s *session) replyTo(name string, err error) reply {
	if p, ok := errors.AsType[protocolError](err); ok {
		return p.reply
	}
	for _, a := range answers {
		if errors.Is(err, a.err) {
			return a.reply
		}
	}
	s.log.Error("command failed", "command", name, logkey.Account, uint32(s.account), logkey.Err, err)
	if errors.Is(err, storage.ErrDamaged) {
		return damaged()
	}
	return unavailable()
}

// intoReply is replyTo for an operation that puts messages into a mailbox: a
// missing mailbox can be created (RFC 9051 §6.3.12).
func (s *session) intoReply(name string, err error) reply {
	if errors.Is(err, storage.ErrNoMailbox) {
		return tryCreate()
	}
	return s.replyTo(name, err)
}
