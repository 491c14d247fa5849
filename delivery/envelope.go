package delivery

import (
	"errors"
	"io"
	"net/netip"

	"mailstead/mail"
)

// Errors that callers decide by. The first four are permanent; the others, and
// any error not listed, are temporary: trying again later may succeed.
var (
	ErrUnknownRecipient  = errors.New("no such recipient")
	ErrRelayDenied       = errors.New("domain is not served here")
	ErrRemoteUnsupported = errors.New("this server does not send to other domains")
	ErrTooBig            = errors.New("message too big to store")

	ErrOverQuota   = errors.New("mailbox full")
	ErrNoSpace     = errors.New("not enough storage")
	ErrUnavailable = errors.New("delivery not possible at the moment")
)

// Envelope is what goes with a message besides its text.
type Envelope struct {
	// From is the reverse-path; the zero Address is the null one.
	From mail.Address
	// To are the forward-paths as given, one or more.
	To []mail.Address
	// Remote is the peer the message came from.
	Remote netip.Addr
	// Account is who submitted it; zero for mail from elsewhere.
	Account mail.AccountID
}

// Body is a message: read at any offset, more than once, until Deliver returns.
type Body interface {
	io.ReaderAt
	Size() int64
}

// Receipt tells where a message landed.
type Receipt struct {
	// Mailboxes is how many mailboxes hold the message now.
	Mailboxes int
}
