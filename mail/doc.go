// Package mail owns the vocabulary of a message: addresses, header fields, the
// ENVELOPE, and the MIME structure with the byte offset of every part.
//
// It parses bytes from strangers: every function has a limit on depth, count
// and memory, and none fails on a malformed message. A message that cannot be
// understood is described as one text/plain part (RFC 2045 §5.2).
//
// It never does I/O of its own (it reads what it is handed), never changes a
// message, and keeps no state. Every package may import it; it imports none of
// ours.
package mail
