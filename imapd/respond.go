package imapd

import (
	"strconv"
	"strings"

	"github.com/emersion/go-imap/v2"

	"mailstead/imapd/wire"
	"mailstead/storage"
)

// writeFetchFlags writes the flags of one message as a FETCH response.
func (s *session) writeFetchFlags(seq uint32, row storage.Row, uid bool) {
	s.w.Raw("* " + strconv.FormatUint(uint64(seq), 10) + " FETCH (")
	s.writeFlagItem(row)
	if uid {
		s.writeUIDItem(row)
	}
	if s.condstore {
		s.w.Raw(" ")
		s.writeModSeqItem(row)
	}
	s.w.Raw(")")
	s.w.End()
}

func (s *session) writeFlagItem(row storage.Row) {
	s.w.Raw("FLAGS (")
	for i, f := range s.flagList(row) {
		if i > 0 {
			s.w.Raw(" ")
		}
		s.w.Raw(string(f))
	}
	s.w.Raw(")")
}

func (s *session) writeUIDItem(row storage.Row) {
	s.w.Raw(" UID " + strconv.FormatUint(uint64(row.UID), 10))
}

// write writes the response for one message. The order is that of the request;
// flags and UID that were not asked for come last.
func (f *fetching) write(row storage.Row, pieces []piece, marked bool) error {
	w := f.s.w
	if (f.needs.flags || marked) && f.s.view.newKeywords(row) {
		f.s.writeKeywords()
	}
	w.Raw("* " + strconv.FormatUint(uint64(f.s.view.seq(row.UID)), 10) + " FETCH (")
	for i, item := range f.items {
		if i > 0 {
			w.Raw(" ")
		}
		if err := f.writeItem(row, item, pieces[i]); err != nil {
			return err
		}
	}
	if marked && !f.needs.flags {
		w.Raw(" ")
		f.s.writeFlagItem(row)
	}
	if f.uid && !f.needs.uid {
		f.s.writeUIDItem(row)
	}
	if f.addModSeq() {
		w.Raw(" ")
		f.s.writeModSeqItem(row)
	}
	w.Raw(")")
	w.End()
	return nil
}

func (f *fetching) writeItem(row storage.Row, item wire.FetchItem, p piece) error {
	w := f.s.w
	switch item.Kind {
	case wire.FetchUID:
		w.Raw("UID " + strconv.FormatUint(uint64(row.UID), 10))
	case wire.FetchFlags:
		f.s.writeFlagItem(row)
	case wire.FetchModSeq:
		f.s.writeModSeqItem(row)
	case wire.FetchInternalDate:
		w.Raw("INTERNALDATE ")
		w.InternalDate(row.InternalDate)
	case wire.FetchSize:
		w.Raw("RFC822.SIZE " + strconv.FormatInt(row.Size, 10))
	case wire.FetchEnvelope:
		w.Raw("ENVELOPE ")
		w.Envelope(row.Message.Envelope)
	case wire.FetchBody, wire.FetchBodyStructure:
		w.Raw(string(item.Kind) + " ")
		w.BodyStructure(row.Message.Root, item.Kind == wire.FetchBodyStructure)
	case wire.FetchBinarySize:
		w.Raw("BINARY.SIZE[" + partNumber(item.Part) + "] " + strconv.FormatInt(p.size, 10))
	default:
		return f.writePiece(item, p)
	}
	return nil
}

// writePiece writes bytes of a message as a literal.
func (f *fetching) writePiece(item wire.FetchItem, p piece) error {
	w := f.s.w
	f.writeLabel(item)
	switch {
	case p.absent:
		w.Raw("NIL")
		return nil
	case item.Kind == wire.FetchBinary && p.nul:
		return w.LiteralBinary(p.size, p.reader)
	}
	return w.Literal(p.size, noNUL{p.reader})
}

// writeLabel names the piece as it was asked for (RFC 9051 §7.5.2): without
// PEEK, and of a partial only where it begins.
func (f *fetching) writeLabel(item wire.FetchItem) {
	w := f.s.w
	switch item.Kind {
	case wire.FetchRFC822, wire.FetchRFC822Header, wire.FetchRFC822Text:
		w.Raw(string(item.Kind) + " ")
		return
	case wire.FetchBinary:
		w.Raw("BINARY[" + partNumber(item.Part) + "]")
	default:
		w.Raw("BODY[" + partNumber(item.Part))
		if len(item.Part) > 0 && item.Text != "" {
			w.Raw(".")
		}
		w.Raw(string(item.Text))
		f.writeFields(item)
		w.Raw("]")
	}
	if item.Partial != nil {
		w.Raw("<" + strconv.FormatInt(item.Partial.Offset, 10) + ">")
	}
	w.Raw(" ")
}

func (f *fetching) writeFields(item wire.FetchItem) {
	if len(item.Fields) == 0 {
		return
	}
	w := f.s.w
	w.Raw(".FIELDS")
	if item.Not {
		w.Raw(".NOT")
	}
	w.Raw(" (")
	for i, name := range item.Fields {
		if i > 0 {
			w.Raw(" ")
		}
		if isFieldName(name) {
			w.Raw(name)
		} else {
			w.String(name)
		}
	}
	w.Raw(")")
}

// isFieldName tells whether a header name can be written as an atom.
func isFieldName(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool {
		return r <= ' ' || r >= 0x7f || strings.ContainsRune(`(){%*"\]`, r)
	})
}

func partNumber(path []int) string {
	var b strings.Builder
	for i, n := range path {
		if i > 0 {
			b.WriteByte('.')
		}
		b.WriteString(strconv.Itoa(n))
	}
	return b.String()
}

// raw lets fmt print into a response.
type raw struct{ w *wire.Writer }

func (r raw) Write(p []byte) (int, error) {
	r.w.Raw(string(p))
	return len(p), nil
}

// uidSetText writes UIDs as a set, as COPYUID has them.
func uidSetText(uids []storage.UID) string {
	var set imap.UIDSet
	for _, r := range storage.UIDs(uids...) {
		set = append(set, imap.UIDRange{Start: imap.UID(r.First), Stop: imap.UID(r.Last)})
	}
	return set.String()
}
