// Package accounts owns who this server has mail for: domains, accounts with
// their addresses and passwords, aliases and catch-alls, in one bbolt database
// (accounts.db). It answers who receives an address, who may send as it, and
// who someone is who logs in.
//
// It never touches mailboxes (storage knows accounts by number only), never
// talks to clients, and never logs or returns a password or its hash.
//
// Everything is also in memory, in a snapshot that is never changed: a writer
// makes a new one and swaps it in after its transaction is on disk. Look-ups
// read the snapshot without locks or I/O.
//
// Invariants, verified by Check: an address belongs to one account or one alias
// and to a domain of ours; an account's number is never given out again; every
// alias and catch-all leads to an account, without loops and within the limits;
// every password record can be read.
//
// Everything here is safe for concurrent use. Imported by delivery, imapd,
// pop3d, admin and cmd/mailstead.
package accounts
