// Package pop3d serves an account's INBOX by POP3 (RFC 1939, 2449, 2595, 5034):
// a maildrop that is downloaded and deleted from.
//
// A session works on the snapshot of INBOX taken when the user logged in. DELE
// only marks; QUIT removes all marked messages in one step and says +OK when
// that is durable. A connection that breaks deletes nothing. One session at a
// time has the maildrop (RFC 1939 §4).
//
// It never parses messages and keeps no state beyond its sessions. Only main
// imports it.
package pop3d
