// Package logkey names the attributes of log lines: one name for one thing in
// every package, so that a line can be searched for. Any package may import it;
// it imports nothing.
package logkey

// The keys of log attributes.
const (
	Conn    = "conn"    // number of the connection
	Proto   = "proto"   // smtp, submission, imap, pop3
	Remote  = "remote"  // the peer's address
	Account = "account" // the account's number or login
	Mailbox = "mailbox"
	UID     = "uid"
	MsgID   = "msgid" // Message-ID of a message
	QID     = "qid"   // our own name of a message, also in Received
	From    = "from"  // reverse-path
	Rcpt    = "rcpt"  // forward-path
	Size    = "size"  // bytes
	Code    = "code"  // reply code
	Dur     = "dur"   // how long it took
	Err     = "err"
	Count   = "count"
)
