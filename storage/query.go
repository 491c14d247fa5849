package storage

import "time"

// Query is a node of a search: every field that is set must hold (RFC 9051
// §6.4.4). The zero Query matches every message. Strings are UTF-8 and match
// as substrings without regard to case (i;unicode-casemap, RFC 5051) in decoded
// text.
type Query struct {
	UIDs      []UIDSet // each must contain the message
	Has       Flags
	HasNot    Flags
	Keyword   []string
	NoKeyword []string

	// Days, compared by date alone: the date as written, its time and zone
	// disregarded (RFC 9051 §6.4.4). Zero: not asked.
	Since, Before, On                time.Time // internal date
	SentSince, SentBefore, SentOn    time.Time // Date: field
	SavedSince, SavedBefore, SavedOn time.Time // RFC 8514

	Larger, Smaller *int64        // bytes, exclusive
	Younger, Older  time.Duration // RFC 5032; zero: not asked
	ModSeq          ModSeq        // at least

	Header []HeaderMatch // FROM, TO, CC, BCC, SUBJECT and HEADER
	Body   []string      // text of the body
	Text   []string      // header or body
	Fuzzy  []FuzzyMatch  // RFC 6203

	Blob   BlobID // EMAILID, zero: not asked
	Thread uint64 // THREADID, zero: not asked

	Not  []Query
	Or   [][2]Query
	None bool // matches nothing
}

// HeaderMatch asks for a header field that contains Value; an empty Value asks
// for the field's presence.
type HeaderMatch struct{ Field, Value string }

// Order says which messages a search must name, so that it can stop early.
type Order uint8

// What a search is to return.
const (
	All   Order = iota
	First       // the lowest UID
	Last        // the highest UID
)
