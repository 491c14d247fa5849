package transfer

import (
	"context"
	"errors"
	"iter"
	"time"

	"mailstead/storage"
)

// ErrMessage is what Sink.Append gives, wrapped, when a message is at fault and
// not the store: the others of the batch can be appended without it.
var ErrMessage = errors.New("message cannot be stored")

// Mailbox is a mailbox of a source or of a sink.
type Mailbox struct {
	ID         storage.MailboxID  `json:"id,omitempty"` // of a store's; zero otherwise
	Name       string             `json:"name"`         // UTF-8, levels divided by "/"
	SpecialUse storage.SpecialUse `json:"special_use,omitempty"`
	Subscribed bool               `json:"subscribed"`
	// UIDValidity and UIDNext are zero when the source has no UIDs. Given to
	// Sink.Create they are a wish: what Create returns is what holds.
	UIDValidity uint32      `json:"uidvalidity,omitempty"`
	UIDNext     storage.UID `json:"uidnext,omitempty"`
	Messages    int64       `json:"messages"` // of files about as many: they are counted before they are read
}

// Message is one message of a source.
type Message struct {
	Item     string      // what the source calls it, to name it by when it is bad
	UID      storage.UID // zero: none
	Flags    storage.Flags
	Keywords []string
	Date     time.Time // INTERNALDATE; zero: unknown
	Size     int64     // bytes; of a store's, zero otherwise
	// Open gives the message's bytes. It is called at most once, before the
	// walk goes on; what it gives may be read and must be closed at any time.
	Open func(context.Context) (storage.Content, error)
}

// Incoming is a message on its way into a sink.
type Incoming struct {
	UID      storage.UID // wished for, at or above UIDNEXT; zero: any
	Flags    storage.Flags
	Keywords []string
	Date     time.Time // zero: now
	Body     storage.Body
}

// Source is where messages come from.
type Source interface {
	// Mailboxes lists what there is, in the order to take it.
	Mailboxes(context.Context) ([]Mailbox, error)
	// Messages walks a mailbox, by ascending UID where there are UIDs. An error
	// with a Message that has an Item concerns that one and the walk goes on;
	// any other error ends it.
	Messages(context.Context, Mailbox) iter.Seq2[Message, error]
}

// Catalog is the part of a Sink that knows mailboxes.
type Catalog interface {
	Mailboxes(context.Context) ([]Mailbox, error)
	// Create makes a mailbox and the levels above it. Name is needed; the other
	// fields are taken over as far as the store can.
	Create(context.Context, Mailbox) (Mailbox, error)
	Subscribe(ctx context.Context, name string) error
}

// Contents is the part of a Sink that knows messages. Mailboxes given to it are
// of its Catalog. Safe for concurrent use.
type Contents interface {
	// Fingerprints walks the mailbox's messages.
	Fingerprints(context.Context, Mailbox) iter.Seq2[storage.Fingerprint, error]
	// Body opens a message that is there.
	Body(context.Context, Mailbox, storage.UID) (storage.Content, error)
	// Append stores messages, all or none, and gives their UIDs. They are
	// durable when it returns. ErrMessage.
	Append(context.Context, Mailbox, []Incoming) ([]storage.UID, error)
	// RaiseUIDNext makes sure that no UID below next is given out any more.
	RaiseUIDNext(ctx context.Context, m Mailbox, next storage.UID) error
}

// Sink is an account that messages can be put into.
type Sink interface {
	Catalog
	Contents
}

// Account is what can be read and written: Local, or one over a socket.
type Account interface {
	Source
	Sink
}

// Progress tells how far an import or export is.
type Progress struct {
	Done, Total int64 // messages; Total is about right
	Bytes       int64
}

// Problem is something that was left out.
type Problem struct {
	Mailbox string `json:"mailbox,omitempty"`
	Item    string `json:"item,omitempty"`
	Reason  string `json:"reason"`
}

// maxProblems is how many are named; the rest is counted.
const maxProblems = 100

// Result is what an import or export did.
type Result struct {
	DryRun     bool            `json:"dry_run,omitempty"`
	Messages   int64           `json:"messages"`   // looked at
	Copied     int64           `json:"copied"`     // put in place, or would be
	Bytes      int64           `json:"bytes"`      // of those copied
	Duplicates int64           `json:"duplicates"` // there already, byte for byte
	Skipped    int64           `json:"skipped"`    // left out, each for a problem
	Mailboxes  []MailboxResult `json:"mailboxes"`
	Problems   []Problem       `json:"problems"` // the first hundred
}

// MailboxResult is what happened to one mailbox.
type MailboxResult struct {
	Name       string `json:"name"`
	New        bool   `json:"new,omitempty"`
	Copied     int64  `json:"copied"`
	Duplicates int64  `json:"duplicates"`
	Skipped    int64  `json:"skipped"`
}

// skip notes a problem with an item of the mailbox looked at last.
func (r *Result) skip(mailbox, item string, err error) {
	r.Skipped++
	if n := len(r.Mailboxes); n > 0 && r.Mailboxes[n-1].Name == mailbox {
		r.Mailboxes[n-1].Skipped++
	}
	if len(r.Problems) < maxProblems {
		r.Problems = append(r.Problems, Problem{mailbox, item, err.Error()})
	}
}
