// Package imapd owns IMAP: sessions of IMAP4rev1 (RFC 3501) and IMAP4rev2 (RFC
// 9051) with the extensions of capability.go, one file per command. Bytes are
// imapd/wire's, mailboxes storage's, passwords accounts'.
//
// One goroutine serves one connection. A session's view of its mailbox (view.go)
// is a sorted list of UIDs; a sequence number is an index in it plus one, and
// the list changes only where RFC 9051 §7.5 lets the client be told. Protocol
// text is made in reply.go alone.
//
// It never holds a message in memory, never writes to a client within a
// transaction of the store, never says OK before the store has. A session that
// panics ends alone. cmd/mailstead imports it, nobody else.
package imapd
