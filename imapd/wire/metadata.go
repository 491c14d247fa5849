package wire

import (
	"io"
	"strings"
)

// MaxMetadata is the longest value of an annotation that SETMETADATA takes, in
// bytes. Longer ones are read over.
const MaxMetadata = 64 << 10

// maxMetadataAll is how long all values of one SETMETADATA may be.
const maxMetadataAll = 1 << 20

// DepthInfinity is GETMETADATA's DEPTH without end.
const DepthInfinity = -1

type (
	// GetMetadataArgs of GETMETADATA (RFC 5464 §4.2). An empty Mailbox is the
	// server.
	GetMetadataArgs struct {
		Mailbox string
		Entries []string // as they were written
		HasMax  bool     // MaxSize is given
		MaxSize int64
		Depth   int
	}
	// SetMetadataArgs of SETMETADATA (RFC 5464 §4.3). TooBig: a value was longer
	// than MaxMetadata; Entries may lack some then.
	SetMetadataArgs struct {
		Mailbox string
		Entries []MetadataEntry
		TooBig  bool
	}
	// MetadataEntry is the new value of an entry; Remove for NIL.
	MetadataEntry struct {
		Name   string
		Value  string
		Remove bool
	}
)

// getMetadata reads the options before the mailbox, where the syntax of RFC 5464
// §5 has them, or behind it, where its examples do.
func (r *Reader) getMetadata() (a GetMetadataArgs) {
	r.need(' ')
	if r.peek() == '(' {
		r.metadataOptions(&a)
		r.need(' ')
	}
	a.Mailbox = r.mailbox()
	r.need(' ')
	if r.peek() != '(' {
		a.Entries = []string{r.entry()}
		return a
	}
	r.need('(')
	if b := r.peek(); isAtomChar(b) && b != '/' {
		r.option(&a)
		for r.take(' ') {
			r.option(&a)
		}
		r.need(')')
		r.need(' ')
		a.Entries = r.entries()
		return a
	}
	a.Entries = []string{r.entry()}
	for r.take(' ') && len(a.Entries) < maxListed {
		a.Entries = append(a.Entries, r.entry())
	}
	r.need(')')
	return a
}

// entries reads one entry or a list of them.
func (r *Reader) entries() (list []string) {
	if r.peek() != '(' {
		return []string{r.entry()}
	}
	return r.entryList()
}

func (r *Reader) entryList() (list []string) {
	r.list(func() { list = append(list, r.entry()) })
	if len(list) == 0 {
		r.fail("an entry is missing")
	}
	return list
}

func (r *Reader) metadataOptions(a *GetMetadataArgs) { r.list(func() { r.option(a) }) }

func (r *Reader) option(a *GetMetadataArgs) {
	switch o := r.keyword(); o {
	case "MAXSIZE":
		r.need(' ')
		a.HasMax, a.MaxSize = true, int64(r.number())
	case "DEPTH":
		r.need(' ')
		switch r.keyword() {
		case "0":
			a.Depth = 0
		case "1":
			a.Depth = 1
		case "INFINITY":
			a.Depth = DepthInfinity
		default:
			r.fail("DEPTH is 0, 1 or infinity")
		}
	default:
		r.fail("GETMETADATA option %q is not known", o)
	}
}

// entry is the name of an annotation (RFC 5464 §3.2).
func (r *Reader) entry() string {
	s := r.astring()
	if r.err != nil {
		return ""
	}
	low := strings.ToLower(s) + "/"
	bad := strings.ContainsFunc(s, func(c rune) bool { return c < 0x1a || c > 0x7e || c == '*' || c == '%' })
	if bad || strings.Contains(low, "//") || !strings.HasPrefix(low, "/private/") && !strings.HasPrefix(low, "/shared/") {
		r.fail("%q is not the name of an annotation", s)
		return ""
	}
	return s
}

func (r *Reader) setMetadata() (a SetMetadataArgs) {
	a.Mailbox = r.arg(r.mailbox)
	r.need(' ')
	r.need('(')
	for r.err == nil {
		e := MetadataEntry{Name: r.entry()}
		if strings.Count(e.Name, "/") < 2 {
			r.fail("%q can't have a value", e.Name)
		}
		r.need(' ')
		if r.metadataValue(&e) {
			a.Entries = append(a.Entries, e)
		} else {
			a.TooBig = true
		}
		if r.ended {
			return a // the client waits for an answer and not to go on
		}
		if len(a.Entries) > maxListed {
			r.fail("list too long")
		}
		if !r.take(' ') {
			break
		}
	}
	r.need(')')
	return a
}

// metadataValue reads a string, NIL or a literal8; false when it is too long.
func (r *Reader) metadataValue(e *MetadataEntry) bool {
	switch r.peek() {
	case '"':
		e.Value = r.quoted()
	case '{', '~':
		return r.metadataLiteral(e)
	default:
		if r.keyword() != "NIL" {
			r.fail("a string or NIL is missing")
		}
		e.Remove = true
	}
	return len(e.Value) <= MaxMetadata
}

// metadataLiteral reads a literal; one that is too long is refused, or read over
// when the client does not wait.
func (r *Reader) metadataLiteral(e *MetadataEntry) bool {
	binary := r.take('~')
	size, sync := r.announce()
	if r.err != nil {
		return true
	}
	if r.literals += size; size > MaxMetadata || r.literals > maxMetadataAll {
		switch {
		case sync:
			r.ended = true
		case size > maxSkipped:
			r.err = ErrTooLong
		default:
			_, r.err = io.CopyN(io.Discard, r.br, size)
		}
		return false
	}
	s := r.literalBytes(size, sync)
	if !binary && strings.IndexByte(s, 0) >= 0 {
		r.fail("NUL in a literal")
	}
	e.Value = s
	return true
}
