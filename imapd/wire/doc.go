// Package wire turns IMAP's bytes into commands and responses into bytes
// (RFC 9051 §9, RFC 3501 §9 and the extensions announced). It knows the grammar
// and its limits, nothing of mailboxes or sessions. Only imapd imports it.
//
// Nothing here holds a whole message: the literal of APPEND is handed on as a
// stream, and literals are written from one.
package wire
