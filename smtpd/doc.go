// Package smtpd owns the SMTP front doors: mail from other servers (port 25,
// inbound) and from our own users (587 and 465, submission).
//
// The work is split in three. A conn stands between the socket and go-smtp and
// owns the bytes: line endings, line lengths, TLS, timeouts, DATA and BDAT,
// error counts, shutdown. go-smtp parses commands and keeps their order. A
// session decides: who may log in, which addresses are taken, what is added to
// a message. Every decision ends in one reply (reply.go); what is not known
// there becomes a temporary failure.
//
// Invariants: a message is answered with 250 only after the Deliverer has it
// durably; a message ends only at CR LF "." CR LF; nothing said before TLS is
// believed after it; no input makes the server hold a whole message in memory.
//
// It never touches storage or accounts: both are behind small interfaces. main
// imports it.
package smtpd
