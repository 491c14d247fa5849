package mail

// Mailbox is one address of a header field as IMAP's ENVELOPE shows it
// (RFC 9051 §7.5.2): strings are as they stand in the header, encoded words
// are not decoded. A group start has an empty Host and its name in Local; a
// group end has both empty.
type Mailbox struct {
	Name, Route, Local, Host string
}

// Envelope is the parsed header of a message for IMAP's ENVELOPE. Strings are
// unfolded, otherwise as they stand in the header (raw 8-bit and encoded words
// included).
type Envelope struct {
	Date      string
	Subject   string
	From      []Mailbox
	Sender    []Mailbox // From when the header has none
	ReplyTo   []Mailbox // From when the header has none
	To        []Mailbox
	Cc        []Mailbox
	Bcc       []Mailbox
	InReplyTo string
	MessageID string
}

// Param is one parameter of a Content-Type or Content-Disposition, name in
// lower case, RFC 2231 continuations joined and decoded to UTF-8.
type Param struct{ Name, Value string }

// Part is one node of a message's MIME tree. Offsets count bytes from the
// start of the message. [HeaderStart,BodyStart) is the header with its empty
// line, [BodyStart,End) the body without the line break before the boundary.
type Part struct {
	Type, Subtype string // upper case not forced: lower case
	Params        []Param
	ID            string
	Description   string
	Encoding      string // lower case, "7bit" when absent
	MD5           string
	Disposition   string // lower case, empty when absent
	DispParams    []Param
	Language      []string
	Location      string

	HeaderStart, BodyStart, End int64
	Lines                       int64 // lines of the body

	Children []*Part   // of a multipart, in order
	Envelope *Envelope // of an embedded message/rfc822 (Children[0] is its root part)
}

// Message is what a store keeps of a message so that it need not be parsed
// again: its ENVELOPE, its MIME tree and the header fields asked for most.
type Message struct {
	Envelope   *Envelope
	Root       *Part
	SentDate   int64    // Date: as Unix seconds, 0 when absent or unreadable
	SentZone   int      // Date: its zone, in minutes east of UTC
	References []string // message identifiers of References and In-Reply-To, without <>, oldest first, at most 32
	// Fields are the header fields clients list mailboxes with (CachedFields),
	// raw, each with its line break, in the order of the message.
	Fields []byte
	// FieldsComplete tells that no cached field was left out for its size.
	FieldsComplete bool
}
