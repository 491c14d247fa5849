package wire

import (
	"strings"

	"github.com/emersion/go-imap/v2"
)

// FetchKind names a data item of FETCH.
type FetchKind string

// The data items of FETCH (RFC 9051 §6.4.5, RFC 3501 §6.4.5).
const (
	FetchUID           FetchKind = "UID"
	FetchFlags         FetchKind = "FLAGS"
	FetchInternalDate  FetchKind = "INTERNALDATE"
	FetchEnvelope      FetchKind = "ENVELOPE"
	FetchSize          FetchKind = "RFC822.SIZE"
	FetchBody          FetchKind = "BODY" // the structure without extension data
	FetchBodyStructure FetchKind = "BODYSTRUCTURE"
	FetchSection       FetchKind = "BODY[]"
	FetchRFC822        FetchKind = "RFC822"        // BODY[]
	FetchRFC822Header  FetchKind = "RFC822.HEADER" // BODY.PEEK[HEADER]
	FetchRFC822Text    FetchKind = "RFC822.TEXT"   // BODY[TEXT]
	FetchBinary        FetchKind = "BINARY"
	FetchBinarySize    FetchKind = "BINARY.SIZE"
	FetchModSeq        FetchKind = "MODSEQ"  // RFC 7162 §3.1.4.2
	FetchEmailID       FetchKind = "EMAILID" // RFC 8474 §5.1
	FetchThreadID      FetchKind = "THREADID"
	FetchSaveDate      FetchKind = "SAVEDATE" // RFC 8514 §4.2
	FetchPreview       FetchKind = "PREVIEW"  // RFC 8970
)

// FetchItem is one data item asked for. The fields below Kind are those of
// BODY[...] and BINARY.
type FetchItem struct {
	Kind    FetchKind
	Peek    bool
	Part    []int              // part number
	Text    imap.PartSpecifier // "", HEADER, TEXT or MIME
	Fields  []string           // of HEADER.FIELDS, as written; Text is HEADER
	Not     bool               // HEADER.FIELDS.NOT
	Partial *imap.SectionPartial
	Lazy    bool // of PREVIEW: NIL is better than to wait
}

// FetchArgs of FETCH.
type FetchArgs struct {
	Set   imap.NumSet
	Items []FetchItem
	// ChangedSince leaves out messages whose modseq is not above it; 0 when not
	// given. Vanished: expunged ones are told too (RFC 7162 §3.1.4.1, §3.2.6).
	ChangedSince uint64
	Vanished     bool
	Partial      *Partial // only these of the messages (RFC 9394 §3.3)
}

func (r *Reader) fetch(uid bool) (a FetchArgs) {
	r.need(' ')
	a.Set = r.set(uid)
	r.need(' ')
	listed := r.peek() == '('
	r.fetchItems(&a)
	if !r.take(' ') || r.peek() == '\n' {
		return a
	}
	// A list behind PREVIEW may be its own or that of the modifiers.
	if preview := !listed && len(a.Items) == 1 && a.Items[0].Kind == FetchPreview; preview && r.fetchModifiers(&a, true) {
		a.Items[0].Lazy = true
		if !r.take(' ') || r.peek() == '\n' {
			return a
		}
		r.fetchModifiers(&a, false)
	} else if !preview {
		r.fetchModifiers(&a, false)
	}
	return a
}

// fetchItems reads one item, a macro, or a list of items.
func (r *Reader) fetchItems(a *FetchArgs) {
	if r.peek() == '(' {
		r.list(func() {
			// The list of PREVIEW's modifiers comes as a member behind it.
			if n := len(a.Items); n > 0 && a.Items[n-1].Kind == FetchPreview && !a.Items[n-1].Lazy && r.peek() == '(' {
				a.Items[n-1].Lazy = r.previewModifiers()
				return
			}
			a.Items = append(a.Items, r.fetchItem())
		})
		if len(a.Items) == 0 {
			r.fail("FETCH needs items")
		}
		return
	}
	item := r.fetchItem()
	switch string(item.Kind) {
	case "ALL":
		a.Items = items(FetchFlags, FetchInternalDate, FetchSize, FetchEnvelope)
	case "FAST":
		a.Items = items(FetchFlags, FetchInternalDate, FetchSize)
	case "FULL":
		a.Items = items(FetchFlags, FetchInternalDate, FetchSize, FetchEnvelope, FetchBody)
	default:
		a.Items = []FetchItem{item}
	}
}

func items(kinds ...FetchKind) (l []FetchItem) {
	for _, k := range kinds {
		l = append(l, FetchItem{Kind: k})
	}
	return l
}

// fetchItem reads one item; a macro comes as a Kind of its name.
func (r *Reader) fetchItem() (it FetchItem) {
	word := upper(r.run(func(b byte) bool { return isAtomChar(b) && b != '[' }))
	section := r.peek() == '['
	switch word {
	case "UID", "FLAGS", "INTERNALDATE", "ENVELOPE", "RFC822.SIZE", "BODYSTRUCTURE", "RFC822", "RFC822.HEADER", "RFC822.TEXT", "MODSEQ", "EMAILID", "THREADID", "SAVEDATE", "PREVIEW":
		it.Kind = FetchKind(word)
	case "ALL", "FAST", "FULL":
		it.Kind = FetchKind(word)
	case "BODY":
		if it.Kind = FetchBody; section {
			it.Kind = FetchSection
			r.section(&it)
		}
		return it
	case "BODY.PEEK":
		it.Kind, it.Peek = FetchSection, true
		r.section(&it)
		return it
	case "BINARY", "BINARY.PEEK", "BINARY.SIZE":
		it.Kind, it.Peek = FetchBinary, word == "BINARY.PEEK"
		if word == "BINARY.SIZE" {
			it.Kind = FetchBinarySize
		}
		r.need('[')
		r.part(&it)
		r.need(']')
		if it.Kind == FetchBinary {
			r.partial(&it)
		}
		return it
	default:
		r.fail("FETCH item %q is not known", word)
	}
	if section {
		r.fail("%s has no section", word)
	}
	return it
}

// maxPartDepth bounds a part number; deeper ones can't exist.
const maxPartDepth = 100

// part reads "1.2.3"; it stops before what is no number.
func (r *Reader) part(it *FetchItem) {
	for r.err == nil && r.peek() >= '0' && r.peek() <= '9' {
		n := r.number()
		if n == 0 || len(it.Part) >= maxPartDepth {
			r.fail("bad part number")
			return
		}
		it.Part = append(it.Part, int(min(n, 1<<30)))
		if !r.take('.') {
			return
		}
		if b := r.peek(); b < '0' || b > '9' {
			r.sectionText(it)
			return
		}
	}
}

// section reads "[...]<...>" (RFC 9051 §9 section).
func (r *Reader) section(it *FetchItem) {
	r.need('[')
	if b := r.peek(); b >= '0' && b <= '9' {
		r.part(it)
	} else if b != ']' {
		r.sectionText(it)
	}
	r.need(']')
	r.partial(it)
}

func (r *Reader) sectionText(it *FetchItem) {
	if it.Kind != FetchSection {
		r.fail("BINARY takes part numbers only")
		return
	}
	switch word := upper(r.run(func(b byte) bool { return isAtomChar(b) && b != ']' })); word {
	case "HEADER", "TEXT":
		it.Text = imap.PartSpecifier(word)
	case "MIME":
		it.Text = imap.PartSpecifierMIME
		if len(it.Part) == 0 {
			r.fail("MIME needs a part number")
		}
	case "HEADER.FIELDS", "HEADER.FIELDS.NOT":
		it.Text, it.Not = imap.PartSpecifierHeader, strings.HasSuffix(word, ".NOT")
		r.need(' ')
		r.list(func() { it.Fields = append(it.Fields, r.astring()) })
		if len(it.Fields) == 0 {
			r.fail("a header name is missing")
		}
	default:
		r.fail("section %q is not known", word)
	}
}

func (r *Reader) partial(it *FetchItem) {
	if !r.take('<') {
		return
	}
	p := &imap.SectionPartial{Offset: r.number64()}
	r.need('.')
	p.Size = r.number64()
	r.need('>')
	if p.Size == 0 {
		r.fail("a partial fetch of no bytes")
	}
	it.Partial = p
}
