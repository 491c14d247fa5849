package wire

import (
	"encoding/base64"

	"github.com/emersion/go-imap/v2"
)

// Command is one command of a client. Args is the type named after the command
// (LoginArgs for LOGIN), nil for those without arguments.
type Command struct {
	Tag  string
	Name string // upper case, without UID
	UID  bool   // the UID form
	Args any
}

// The arguments of the commands. Mailbox names are UTF-8, INBOX in capitals.
type (
	// LoginArgs of LOGIN.
	LoginArgs struct{ User, Password string }
	// AuthenticateArgs of AUTHENTICATE. HasInitial: the first response came with
	// the command (RFC 4959), decoded.
	AuthenticateArgs struct {
		Mechanism  string
		Initial    []byte
		HasInitial bool
	}
	// SelectArgs of SELECT and EXAMINE; QResync is nil when not asked for.
	SelectArgs struct {
		Mailbox   string
		CondStore bool // RFC 7162 §3.1.8
		QResync   *QResync
	}
	// CreateArgs of CREATE; Uses as RFC 6154 §3 gives them.
	CreateArgs struct {
		Mailbox string
		Uses    []string
	}
	// DeleteArgs of DELETE.
	DeleteArgs struct{ Mailbox string }
	// RenameArgs of RENAME.
	RenameArgs struct{ From, To string }
	// SubscribeArgs of SUBSCRIBE and UNSUBSCRIBE.
	SubscribeArgs struct{ Mailbox string }
	// StatusArgs of STATUS; items in upper case.
	StatusArgs struct {
		Mailbox string
		Items   []string
	}
	// ListArgs of LIST and LSUB (RFC 5258). Extended: any of its syntax was used.
	ListArgs struct {
		Reference string
		Patterns  []string
		Extended  bool
		Select    ListSelect
		Return    ListReturn
	}
	// ListSelect are LIST's selection options.
	ListSelect struct{ Subscribed, Remote, RecursiveMatch, SpecialUse bool }
	// ListReturn are LIST's return options; Status is nil when not asked for.
	ListReturn struct {
		Subscribed, Children, SpecialUse bool
		MyRights                         bool // RFC 8440
		Status                           []string
		Metadata                         []string // entries, RFC 9590
	}
	// StoreArgs of STORE.
	StoreArgs struct {
		Set            imap.NumSet
		UnchangedSince *uint64 // RFC 7162 §3.1.3
		Op             imap.StoreFlagsOp
		Silent         bool
		Flags          []imap.Flag
	}
	// CopyArgs of COPY and MOVE.
	CopyArgs struct {
		Set     imap.NumSet
		Mailbox string
	}
	// ExpungeArgs of UID EXPUNGE.
	ExpungeArgs struct{ UIDs imap.NumSet }
	// EnableArgs of ENABLE; in upper case.
	EnableArgs struct{ Capabilities []string }
	// CompressArgs of COMPRESS; in upper case.
	CompressArgs struct{ Algorithm string }
	// IDArgs of ID (RFC 2971); nil for NIL.
	IDArgs struct{ Fields map[string]string }
)

// ReadCommand reads the next command. Errors: *SyntaxError and
// *BadCharsetError, after which the next command can be read; ErrTooLong, and
// those of the connection, after which it can't. After an APPEND, read its
// messages.
func (r *Reader) ReadCommand() (*Command, error) {
	r.line, r.used, r.literals, r.ended, r.err, r.message = r.line[:0], 0, 0, false, nil, appending{}
	c := &Command{Tag: "*"}
	tag := r.run(func(b byte) bool { return isAtomChar(b) && b != '+' || b == ']' })
	if tag == "" || len(tag) > maxTag {
		r.fail("a tag is missing")
	} else if r.need(' '); r.err == nil {
		c.Tag = tag
		c.Name = r.keyword()
		if c.Name == "UID" {
			r.need(' ')
			c.UID, c.Name = true, r.keyword()
		}
		r.args(c)
		if !r.message.open {
			r.lineEnd()
		}
	}
	if err := r.finish(c.Tag); err != nil {
		return nil, err
	}
	return c, nil
}

// args reads what a command takes.
func (r *Reader) args(c *Command) {
	if r.err != nil {
		return
	}
	read, known := arguments[c.Name]
	if !known {
		r.fail("command %q is not known", c.Name)
		return
	}
	if c.UID {
		switch c.Name {
		case "FETCH", "STORE", "SEARCH", "COPY", "MOVE", "EXPUNGE", "REPLACE", "SORT", "THREAD":
		default:
			r.fail("%s has no UID form", c.Name)
			return
		}
	}
	if read != nil {
		c.Args = read(r, c)
	}
}

// arguments has what reads the arguments of a command, nil for none.
var arguments = map[string]func(*Reader, *Command) any{
	"CAPABILITY": nil, "NOOP": nil, "LOGOUT": nil, "STARTTLS": nil, "NAMESPACE": nil, "IDLE": nil, "CLOSE": nil, "UNSELECT": nil, "CHECK": nil,
	"UNAUTHENTICATE": nil,
	"GETQUOTA":       func(r *Reader, _ *Command) any { return QuotaArgs{Root: r.arg(r.astring)} },
	"GETQUOTAROOT":   func(r *Reader, _ *Command) any { return SelectArgs{Mailbox: r.arg(r.mailbox)} },
	"SETQUOTA":       func(r *Reader, _ *Command) any { return r.setQuota() },
	"GETMETADATA":    func(r *Reader, _ *Command) any { return r.getMetadata() },
	"SETMETADATA":    func(r *Reader, _ *Command) any { return r.setMetadata() },
	"NOTIFY":         func(r *Reader, _ *Command) any { return r.notify() },
	"LOGIN":          func(r *Reader, _ *Command) any { return LoginArgs{r.arg(r.astring), r.arg(r.astring)} },
	"AUTHENTICATE":   func(r *Reader, _ *Command) any { return r.authenticate() },
	"SELECT":         func(r *Reader, _ *Command) any { return r.selectArgs() },
	"EXAMINE":        func(r *Reader, _ *Command) any { return r.selectArgs() },
	"CREATE":         func(r *Reader, _ *Command) any { return r.create() },
	"DELETE":         func(r *Reader, _ *Command) any { return DeleteArgs{r.arg(r.mailbox)} },
	"RENAME":         func(r *Reader, _ *Command) any { return RenameArgs{r.arg(r.mailbox), r.arg(r.mailbox)} },
	"SUBSCRIBE":      func(r *Reader, _ *Command) any { return SubscribeArgs{r.arg(r.mailbox)} },
	"UNSUBSCRIBE":    func(r *Reader, _ *Command) any { return SubscribeArgs{r.arg(r.mailbox)} },
	"LIST":           func(r *Reader, _ *Command) any { return r.listArgs() },
	"LSUB": func(r *Reader, _ *Command) any {
		return ListArgs{Reference: r.arg(r.mailbox), Patterns: []string{r.arg(r.pattern)}}
	},
	"SETACL": func(r *Reader, _ *Command) any {
		return SetACLArgs{r.arg(r.mailbox), r.arg(r.astring), r.arg(r.astring)}
	},
	"DELETEACL":    func(r *Reader, _ *Command) any { return IdentifierArgs{r.arg(r.mailbox), r.arg(r.astring)} },
	"LISTRIGHTS":   func(r *Reader, _ *Command) any { return IdentifierArgs{r.arg(r.mailbox), r.arg(r.astring)} },
	"GETACL":       func(r *Reader, _ *Command) any { return ACLArgs{r.arg(r.mailbox)} },
	"MYRIGHTS":     func(r *Reader, _ *Command) any { return ACLArgs{r.arg(r.mailbox)} },
	"STATUS":       func(r *Reader, _ *Command) any { return StatusArgs{r.arg(r.mailbox), r.statusItems()} },
	"APPEND":       func(r *Reader, _ *Command) any { return r.appendArgs() },
	"REPLACE":      func(r *Reader, c *Command) any { return r.replaceArgs(c.UID) },
	"SEARCH":       func(r *Reader, c *Command) any { return r.search() },
	"SORT":         func(r *Reader, _ *Command) any { return r.sort() },
	"THREAD":       func(r *Reader, _ *Command) any { return r.thread() },
	"ESEARCH":      func(r *Reader, _ *Command) any { return r.multiSearch() },
	"CANCELUPDATE": func(r *Reader, _ *Command) any { return r.cancelUpdate() },
	"FETCH":        func(r *Reader, c *Command) any { return r.fetch(c.UID) },
	"STORE":        func(r *Reader, c *Command) any { return r.store(c.UID) },
	"COPY":         func(r *Reader, c *Command) any { return r.copy(c.UID) },
	"MOVE":         func(r *Reader, c *Command) any { return r.copy(c.UID) },
	"EXPUNGE":      func(r *Reader, c *Command) any { return r.expunge(c.UID) },
	"UIDBATCHES":   func(r *Reader, _ *Command) any { return r.uidBatches() },
	"COMPRESS":     func(r *Reader, _ *Command) any { return CompressArgs{r.arg(r.keyword)} },
	"ENABLE":       func(r *Reader, _ *Command) any { return r.enable() },
	"ID":           func(r *Reader, _ *Command) any { return r.id() },
}

// arg reads a space and what follows it.
func (r *Reader) arg(read func() string) string {
	r.need(' ')
	if r.err != nil {
		return ""
	}
	return read()
}

func (r *Reader) authenticate() (a AuthenticateArgs) {
	a.Mechanism = upper(r.arg(r.atom))
	if !r.take(' ') {
		return a
	}
	s := r.run(func(b byte) bool { return b > ' ' && b < 0x7f })
	a.HasInitial = true
	if s == "=" {
		return a
	}
	b, err := base64.StdEncoding.DecodeString(s)
	if err != nil || s == "" {
		r.fail("initial response is not base64")
	}
	a.Initial = b
	return a
}

func (r *Reader) create() (a CreateArgs) {
	a.Mailbox = r.arg(r.mailbox)
	if !r.take(' ') {
		return a
	}
	r.need('(')
	if r.keyword() != "USE" {
		r.fail("CREATE knows only USE")
	}
	r.need(' ')
	r.list(func() {
		r.need('\\')
		a.Uses = append(a.Uses, `\`+r.atom())
	})
	r.need(')')
	return a
}

// pattern is RFC 9051 §9 list-mailbox.
func (r *Reader) pattern() string {
	s := ""
	switch r.peek() {
	case '"', '{':
		s = r.str()
	default:
		s = r.run(func(b byte) bool { return isAtomChar(b) || b == ']' || b == '%' || b == '*' || b >= 0x80 })
		if s == "" {
			r.fail("a pattern is missing")
		}
	}
	return r.name(s)
}

func (r *Reader) statusItems() (items []string) {
	r.need(' ')
	r.list(func() { items = append(items, r.keyword()) })
	if len(items) == 0 {
		r.fail("STATUS needs items")
	}
	return items
}

func (r *Reader) listArgs() (a ListArgs) {
	r.need(' ')
	if r.peek() == '(' {
		a.Extended = true
		r.list(func() {
			switch o := r.keyword(); o {
			case "SUBSCRIBED":
				a.Select.Subscribed = true
			case "REMOTE":
				a.Select.Remote = true
			case "RECURSIVEMATCH":
				a.Select.RecursiveMatch = true
			case "SPECIAL-USE":
				a.Select.SpecialUse = true
			default:
				r.fail("LIST option %q is not known", o)
			}
		})
		// RFC 5258 §3: RECURSIVEMATCH needs an option it modifies.
		if a.Select.RecursiveMatch && !a.Select.Subscribed && !a.Select.SpecialUse {
			r.fail("RECURSIVEMATCH needs another option")
		}
		r.need(' ')
	}
	a.Reference = r.mailbox()
	r.need(' ')
	if r.peek() == '(' {
		a.Extended = true
		r.list(func() { a.Patterns = append(a.Patterns, r.pattern()) })
		if len(a.Patterns) == 0 {
			r.fail("LIST needs a pattern")
		}
	} else {
		a.Patterns = []string{r.pattern()}
	}
	if r.take(' ') {
		a.Extended = true
		r.listReturn(&a.Return)
	}
	return a
}

func (r *Reader) listReturn(o *ListReturn) {
	if r.keyword() != "RETURN" {
		r.fail("RETURN is missing")
	}
	r.need(' ')
	r.list(func() {
		switch k := r.keyword(); k {
		case "SUBSCRIBED":
			o.Subscribed = true
		case "CHILDREN":
			o.Children = true
		case "SPECIAL-USE":
			o.SpecialUse = true
		case "MYRIGHTS":
			o.MyRights = true
		case "STATUS":
			o.Status = r.statusItems()
		case "METADATA": // RFC 9590 §5
			r.need(' ')
			o.Metadata = r.entryList()
		default:
			r.fail("LIST return option %q is not known", k)
		}
	})
}

func (r *Reader) store(uid bool) (a StoreArgs) {
	r.need(' ')
	a.Set = r.set(uid)
	r.need(' ')
	if r.peek() == '(' {
		a.UnchangedSince = r.storeModifiers()
		r.need(' ')
	}
	switch {
	case r.take('+'):
		a.Op = imap.StoreFlagsAdd
	case r.take('-'):
		a.Op = imap.StoreFlagsDel
	default:
		a.Op = imap.StoreFlagsSet
	}
	switch r.keyword() {
	case "FLAGS":
	case "FLAGS.SILENT":
		a.Silent = true
	default:
		r.fail("STORE knows FLAGS, +FLAGS and -FLAGS")
	}
	r.need(' ')
	if r.peek() == '(' {
		a.Flags = r.flags()
		return a
	}
	for n := 0; r.err == nil; n++ {
		a.Flags = append(a.Flags, r.flag())
		if n >= maxListed {
			r.fail("list too long")
		}
		if !r.take(' ') {
			break
		}
	}
	return a
}

func (r *Reader) copy(uid bool) (a CopyArgs) {
	r.need(' ')
	a.Set = r.set(uid)
	a.Mailbox = r.arg(r.mailbox)
	return a
}

func (r *Reader) expunge(uid bool) any {
	if !uid {
		return nil
	}
	r.need(' ')
	return ExpungeArgs{r.set(true)}
}

func (r *Reader) enable() (a EnableArgs) {
	for r.take(' ') && r.err == nil && r.peek() != '\n' {
		if len(a.Capabilities) >= maxListed {
			r.fail("list too long")
			break
		}
		a.Capabilities = append(a.Capabilities, r.keyword())
	}
	if len(a.Capabilities) == 0 {
		r.fail("ENABLE needs a capability")
	}
	return a
}

// maxIDFields is RFC 2971 §3.3's.
const maxIDFields = 30

func (r *Reader) id() (a IDArgs) {
	r.need(' ')
	if r.peek() != '(' {
		if r.keyword() != "NIL" {
			r.fail("ID takes a list or NIL")
		}
		return a
	}
	a.Fields = map[string]string{}
	r.list(func() {
		k := r.str()
		r.need(' ')
		if b := r.peek(); b == '"' || b == '{' {
			a.Fields[k] = r.str()
		} else if r.keyword() != "NIL" {
			r.fail("a string or NIL is missing")
		}
		if len(a.Fields) > maxIDFields {
			r.fail("ID has 30 fields at most")
		}
	})
	return a
}
