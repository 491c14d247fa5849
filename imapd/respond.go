package imapd

import (
	"bytes"
	"strconv"
	"strings"

	"github.com/emersion/go-imap/v2"

	"mailstead/imapd/wire"
	"mailstead/storage"
)

// writeFetchFlags writes the flags of one message as a FETCH response.
func (s *session) writeFetchFlags(row storage.Row, uid bool) {
	s.openFetch(&row)
	s.writeFlagItem(&row)
	if uid {
		s.writeUIDItem(&row)
	}
	if s.condstore {
		s.w.Raw(" ")
		s.writeModSeqItem(&row)
	}
	s.w.Raw(")\r\n")
}

func (s *session) writeFlagItem(row *storage.Row) {
	w := s.w
	w.Raw("FLAGS (")
	space := ""
	for i := range systemFlagBits {
		if f := &systemFlagBits[i]; row.Flags&f.bit != 0 {
			w.Raw(space)
			w.Raw(string(f.name))
			space = " "
		}
	}
	for _, k := range row.Keywords {
		w.Raw(space)
		w.Raw(k)
		space = " "
	}
	if !s.rev2 && s.view.isRecent(row.UID) {
		w.Raw(space)
		w.Raw(`\Recent`)
	}
	w.Raw(")")
}

func (s *session) writeUIDItem(row *storage.Row) {
	s.w.Raw(" UID ")
	s.w.Num(int64(row.UID))
}

// write writes the response for one message. The order is that of the request;
// flags and UID that were not asked for come last.
func (f *fetching) write(row *storage.Row, marked bool) error {
	w := f.s.w
	if (f.needs.flags || marked) && len(row.Keywords) > 0 && f.s.view.newKeywords(*row) {
		f.s.writeKeywords()
	}
	f.s.openFetch(row)
	for i := range f.items {
		if i > 0 {
			w.Raw(" ")
		}
		if err := f.writeItem(row, i); err != nil {
			return err
		}
	}
	if marked && !f.needs.flags {
		w.Raw(" ")
		f.s.writeFlagItem(row)
	}
	if f.uid && !f.needs.uid && !f.s.uidOnly {
		f.s.writeUIDItem(row)
	}
	if f.addModSeq() {
		w.Raw(" ")
		f.s.writeModSeqItem(row)
	}
	w.Raw(")\r\n")
	return nil
}

func (f *fetching) writeItem(row *storage.Row, n int) error {
	w, item := f.s.w, &f.items[n]
	switch item.Kind {
	case wire.FetchUID:
		w.Raw("UID ")
		w.Num(int64(row.UID))
	case wire.FetchFlags:
		f.s.writeFlagItem(row)
	case wire.FetchModSeq:
		f.s.writeModSeqItem(row)
	case wire.FetchEmailID:
		w.Raw("EMAILID (" + emailID(row.Blob) + ")")
	case wire.FetchThreadID:
		w.Raw("THREADID (" + threadID(row.Thread) + ")")
	case wire.FetchSaveDate:
		w.Raw("SAVEDATE ")
		w.InternalDate(row.SaveDate)
	case wire.FetchPreview:
		w.Raw("PREVIEW ")
		if p := &f.pieces[n]; !p.absent {
			w.String(p.text)
		} else {
			w.Raw("NIL")
		}
	case wire.FetchInternalDate:
		w.Raw("INTERNALDATE ")
		w.InternalDate(row.InternalDate)
	case wire.FetchSize:
		w.Raw("RFC822.SIZE ")
		w.Num(row.Size)
	case wire.FetchEnvelope:
		w.Raw("ENVELOPE ")
		w.Envelope(row.Message.Envelope)
	case wire.FetchBody, wire.FetchBodyStructure:
		w.Raw(string(item.Kind))
		w.Raw(" ")
		w.BodyStructure(row.Message.Root, item.Kind == wire.FetchBodyStructure)
	case wire.FetchBinarySize:
		w.Raw("BINARY.SIZE[" + partNumber(item.Part) + "] ")
		w.Num(f.pieces[n].size)
	default:
		return f.writePiece(n)
	}
	return nil
}

// writePiece writes bytes of a message as a literal.
func (f *fetching) writePiece(n int) error {
	w, p := f.s.w, &f.pieces[n]
	w.Raw(f.asked[n].label)
	binary := f.items[n].Kind == wire.FetchBinary && p.nul
	switch {
	case p.absent:
		w.Raw("NIL")
		return nil
	case p.data != nil && !binary:
		w.LiteralBytes(p.data)
		return nil
	case p.data != nil:
		return w.LiteralBinary(p.size, bytes.NewReader(p.data))
	case binary:
		return w.LiteralBinary(p.size, p.reader)
	}
	return w.Literal(p.size, noNUL{p.reader})
}

// label names the piece as it was asked for (RFC 9051 §7.5.2): without PEEK,
// and of a partial only where it begins.
func (s *session) label(item wire.FetchItem) string {
	var b strings.Builder
	switch item.Kind {
	case wire.FetchRFC822, wire.FetchRFC822Header, wire.FetchRFC822Text:
		return string(item.Kind) + " "
	case wire.FetchBinary:
		b.WriteString("BINARY[" + partNumber(item.Part) + "]")
	default:
		b.WriteString("BODY[" + partNumber(item.Part))
		if len(item.Part) > 0 && item.Text != "" {
			b.WriteString(".")
		}
		b.WriteString(string(item.Text))
		s.writeFields(&b, item)
		b.WriteString("]")
	}
	if item.Partial != nil {
		b.WriteString("<" + strconv.FormatInt(item.Partial.Offset, 10) + ">")
	}
	return b.String() + " "
}

func (s *session) writeFields(b *strings.Builder, item wire.FetchItem) {
	if len(item.Fields) == 0 {
		return
	}
	b.WriteString(".FIELDS")
	if item.Not {
		b.WriteString(".NOT")
	}
	b.WriteString(" (")
	for i, name := range item.Fields {
		if i > 0 {
			b.WriteString(" ")
		}
		if isFieldName(name) {
			b.WriteString(name)
		} else {
			b.WriteString(s.w.Quoted(name))
		}
	}
	b.WriteString(")")
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
