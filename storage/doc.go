// Package storage owns the mailboxes of every account: an index (index.db, one
// bbolt database) and the messages (append-only segments), changed only by
// whole operations that go through one log in two stages: the segment log is
// written and synced, then the index is brought up to it in log order.
//
// A method that changes the store returns after its change is durable and
// visible. It never talks to clients, never parses protocols, and knows
// accounts by number only.
//
// Invariants, verified by Check: a UID is below UIDNEXT and never used twice in
// one UIDVALIDITY; modseqs only grow; counters equal the sums of what they
// count; every message has a body whose CRC is right; no two mailboxes of an
// account share a name; every account has INBOX.
//
// Everything here is safe for concurrent use unless it says otherwise.
package storage
