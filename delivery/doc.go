// Package delivery owns the question where one accepted message goes. For now
// that is mailboxes of this server: forward-paths are resolved to accounts, and
// the message is put into the INBOX of each with one operation of the store.
//
// It answers when a message is safe for all recipients or for none; nothing in
// between. It never talks a protocol, never changes a message but for the
// Return-Path it puts before it (final delivery, RFC 5321 §4.4), and keeps no
// state of its own. The front doors import it; it imports storage and accounts.
package delivery
