package storage

import (
	"errors"
	"io"
	"log/slog"
	"slices"
	"strings"
	"time"

	"mailstead/internal/durable"
	"mailstead/mail"
)

// Names of what must not be mixed up. A UID, MailboxID or ModSeq of zero is
// none.
type (
	MailboxID uint32 // unique within an account, never reused
	UID       uint32 // RFC 9051 §2.3.1.1
	ModSeq    uint64 // RFC 7162 §3.1, one counter for all mailboxes of an account
	BlobID    uint64 // a stored body; copies share it
)

// Errors that callers decide by. Anything else is a fault of the disk or the
// program and to be answered as temporary.
var (
	ErrNoAccount   = errors.New("no such account")
	ErrNoMailbox   = errors.New("no such mailbox")
	ErrExists      = errors.New("already exists")
	ErrBadName     = errors.New("not a valid mailbox name")
	ErrInUse       = errors.New("mailbox cannot be deleted") // INBOX
	ErrHasChildren = errors.New("mailbox has children")
	ErrOverQuota   = errors.New("over quota")
	ErrNoSpace     = errors.New("not enough free disk space") // temporary
	ErrTooBig      = errors.New("message too big")
	ErrLimit       = errors.New("limit reached")   // keywords, mailboxes
	ErrNoMessage   = errors.New("no such message") // expunged meanwhile
	ErrDamaged     = errors.New("message damaged on disk")
	ErrClosed      = errors.New("store closed")
	ErrNewerFormat = errors.New("store written by a newer version")
)

// Options of Open. The zero value works.
type Options struct {
	Logger *slog.Logger
	// Quota gives an account's limit in bytes, 0 for none. Called outside of
	// transactions, must be fast. Nil: no limits.
	Quota func(mail.AccountID) int64
	// Limits gives all limits of an account, instead of Quota when not nil. It is
	// called as Quota is.
	Limits func(mail.AccountID) Limits
	// SegmentSize is where a segment is sealed, in bytes; 0 means 128 MiB.
	SegmentSize int64
	// MinFree is the free disk space in bytes below which nothing that grows
	// the store is accepted; 0 means 64 MiB, negative none.
	MinFree int64
	// KeepExpunged is how long what was expunged can be brought back; 0 means
	// not at all.
	KeepExpunged time.Duration
	// History is how many ranges of expunged UIDs are remembered for a mailbox; 0
	// means 10,000.
	History int
	// Compress stores new bodies compressed where that saves space.
	Compress bool
	// Salvage opens a log that lacks whole segments and gives up what they held.
	Salvage bool
	// Housekeeping is how often the store looks whether there is dead space to
	// give back, or something to give up; 0 means ten minutes, negative never.
	Housekeeping time.Duration
	// Restored says that the store is a backup brought back to serve: UIDs,
	// modseqs and ids that were given out after the backup was made are left
	// out, and every message counts as changed, so that what clients remember
	// of that time cannot be mistaken for something else.
	Restored bool
	// Progress is called now and then while Open reads the log or a checkpoint;
	// may be nil.
	Progress func(Progress)
	// SearchIndex keeps an index of what messages say, in the directory text, so
	// that searches need not read them. Without it what there is stays, unused.
	SearchIndex bool
	// SearchBatch is how many new messages of an account are indexed at once; 0
	// means 256.
	SearchBatch int
	// FS is the file system; nil means the real one.
	FS durable.FS
}

// Ref names a mailbox.
type Ref struct {
	Account mail.AccountID
	Mailbox MailboxID
}

// UIDRange is First..Last, both included, First <= Last.
type UIDRange struct{ First, Last UID }

// UIDSet is ascending and without overlaps.
type UIDSet []UIDRange

// Flags is the set of system flags of a message (RFC 9051 §2.3.2).
type Flags uint8

// The system flags. \Recent is not stored.
const (
	Seen Flags = 1 << iota
	Answered
	Flagged
	Deleted
	Draft
)

// SpecialUse is a mailbox's use (RFC 6154), empty for none; several uses are
// divided by a space.
type SpecialUse string

// Without gives the uses that are not among others.
func (u SpecialUse) Without(others SpecialUse) SpecialUse {
	taken := strings.Fields(string(others))
	left := slices.DeleteFunc(strings.Fields(string(u)), func(use string) bool { return slices.Contains(taken, use) })
	return SpecialUse(strings.Join(left, " "))
}

// The uses of RFC 6154 that a mailbox can have.
const (
	UseAll     SpecialUse = `\All`
	UseArchive SpecialUse = `\Archive`
	UseDrafts  SpecialUse = `\Drafts`
	UseFlagged SpecialUse = `\Flagged`
	UseJunk    SpecialUse = `\Junk`
	UseSent    SpecialUse = `\Sent`
	UseTrash   SpecialUse = `\Trash`
)

// Mailbox is one row of the list of mailboxes. Every number in it is kept, not
// counted: reading it costs the same for any size of mailbox.
type Mailbox struct {
	ID            MailboxID
	Name          string // UTF-8 NFC, levels divided by "/", INBOX in capitals
	UIDValidity   uint32
	UIDNext       UID
	HighestModSeq ModSeq
	Messages      uint32
	Unseen        uint32
	Deleted       uint32 // messages with \Deleted
	Bytes         int64
	DeletedBytes  int64 // RFC 9208 DELETED-STORAGE
	SpecialUse    SpecialUse
	Subscribed    bool
}

// Row is one message in one mailbox.
type Row struct {
	UID          UID
	ModSeq       ModSeq
	Flags        Flags
	Keywords     []string // as first written in the account, sorted; shared, do not change
	InternalDate time.Time
	SaveDate     time.Time // RFC 8514, whole seconds
	Size         int64
	Blob         BlobID
	Thread       uint64 // RFC 8474 THREADID
	// Relevancy, 1 to 100, is set by a search with fuzzy keys (RFC 6203 §4).
	Relevancy uint8
	// Message is set only when asked for; nil when the body can't be read.
	Message *mail.Message

	damaged bool
	place   *locRow // of the body, when it was asked for
}

// Body is a message handed in: read at any offset, more than once, until the
// operation returns.
type Body interface {
	io.ReaderAt
	Size() int64
}

// Target is where one append puts a message.
type Target struct {
	Ref
	// OrInbox delivers to the account's INBOX when Mailbox is zero or is gone
	// by the time the message is indexed; otherwise that is ErrNoMailbox.
	OrInbox      bool
	Flags        Flags
	Keywords     []string
	InternalDate time.Time // zero: now
	// UID asks for a UID; it is given when it is not below UIDNEXT, else the
	// next one is. Zero: the next.
	UID UID
}

// Appended is where a message landed.
type Appended struct {
	Ref
	UIDValidity uint32
	UID         UID
	ModSeq      ModSeq
}

// Incoming is one message and all the mailboxes it goes to.
type Incoming struct {
	Body    Body
	Targets []Target
}

// FlagOp says how SetFlags combines flags.
type FlagOp uint8

// The three forms of STORE (RFC 9051 §6.4.6).
const (
	AddFlags FlagOp = iota
	RemoveFlags
	ReplaceFlags
)

// FlagChange is one change to the flags of many messages.
type FlagChange struct {
	Op       FlagOp
	Flags    Flags
	Keywords []string
	// UnchangedSince, when not nil, leaves messages with a greater modseq
	// alone and reports them (RFC 7162 §3.1.3).
	UnchangedSince *ModSeq
	// Except are flags that stay as they are on every message.
	Except FlagMask
}

// FlagResult is what SetFlags did.
type FlagResult struct {
	Changed  []Row  // messages whose flags are now other than before, without Message
	Modified UIDSet // failed UnchangedSince
	ModSeq   ModSeq // of this change; zero when nothing changed
}

// CopyResult pairs source and destination UIDs (RFC 4315): Src[i] became Dst[i].
type CopyResult struct {
	UIDValidity uint32 // of the destination
	Src, Dst    []UID
}

// EventKind tells what happened to a mailbox.
type EventKind uint8

// The kinds of Event.
const (
	EventAdded    EventKind = iota // Rows: new messages
	EventFlags                     // Rows: messages with changed flags
	EventExpunged                  // UIDs: removed
	EventDeleted                   // the mailbox itself is gone
	EventRenamed                   // the mailbox has another name
	EventRights                    // who may do what with the mailbox has changed
)

// Event is one change to one mailbox, as one operation made it.
type Event struct {
	Kind   EventKind
	ModSeq ModSeq
	Rows   []Row // without Message
	UIDs   UIDSet
}

// Snapshot is a mailbox at one moment, with a Feed of all that happens to it
// after that moment. The feed may repeat events up to Mailbox.HighestModSeq.
type Snapshot struct {
	Mailbox     Mailbox
	Keywords    []string // all keywords of the account
	UIDs        UIDList
	Unseen      UIDList // those without \Seen
	FirstUnseen UID     // zero when all are seen
	Feed        *Feed
}

// ReadOptions chooses what Rows reads.
type ReadOptions struct {
	Message bool // fill Row.Message
	// Brief lets Row.Message be good only until the next row is read, which spares
	// its memory; Want is then what it is filled with.
	Brief bool
	Want  mail.Sections
	// Place looks up where the bodies lie, for OpenRow.
	Place bool
	// ChangedSince leaves out messages with a modseq not above it.
	ChangedSince ModSeq
}

// Usage is what an account holds. A message in two mailboxes counts twice.
type Usage struct {
	Bytes    int64
	Messages int64
	Limit    int64 // 0: none

	MessageLimit int64 // 0: none
}

// Content is an open body. Close it. Its bytes are verified against the CRC
// before the first one is given out; a body that fails gives ErrDamaged.
type Content interface {
	io.ReaderAt
	io.Closer
	Size() int64
}
