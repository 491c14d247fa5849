package mail

import (
	"encoding/binary"
	"errors"
)

// codecVersion begins every packed Message; codecPlain is the version before,
// which lacks the lengths of the first two sections.
const (
	codecPlain   = 1
	codecVersion = 2
)

// ErrBadRow is what DecodeMessage gives for bytes AppendMessage did not write.
var ErrBadRow = errors.New("packed message is damaged")

// AppendMessage packs m for a store: a version byte and the lengths of envelope
// and structure, so that either can be passed over, then varints and
// length-prefixed strings in the order of the fields.
func AppendMessage(b []byte, m *Message) []byte {
	var sections packer
	sections.envelope(m.Envelope)
	envelope := len(sections.b)
	sections.part(m.Root, 0)

	w := packer{append(b, codecVersion)}
	w.len(envelope)
	w.len(len(sections.b) - envelope)
	w.b = append(w.b, sections.b...)
	w.int(m.SentDate)
	w.int(int64(m.SentZone))
	w.strs(m.References)
	w.str(string(m.Fields))
	w.bool(m.FieldsComplete)
	return w.b
}

type packer struct{ b []byte }

func (w *packer) int(v int64)  { w.b = binary.AppendVarint(w.b, v) }
func (w *packer) len(n int)    { w.b = binary.AppendUvarint(w.b, uint64(n)) }
func (w *packer) str(s string) { w.len(len(s)); w.b = append(w.b, s...) }
func (w *packer) bool(v bool) {
	if v {
		w.b = append(w.b, 1)
	} else {
		w.b = append(w.b, 0)
	}
}

func (w *packer) strs(l []string) {
	w.len(len(l))
	for _, s := range l {
		w.str(s)
	}
}

func (w *packer) params(l []Param) {
	w.len(len(l))
	for _, p := range l {
		w.str(p.Name)
		w.str(p.Value)
	}
}

func (w *packer) envelope(e *Envelope) {
	w.bool(e != nil)
	if e == nil {
		return
	}
	for _, s := range []string{e.Date, e.Subject, e.InReplyTo, e.MessageID} {
		w.str(s)
	}
	for _, l := range [][]Mailbox{e.From, e.Sender, e.ReplyTo, e.To, e.Cc, e.Bcc} {
		w.len(len(l))
		for _, m := range l {
			w.str(m.Name)
			w.str(m.Route)
			w.str(m.Local)
			w.str(m.Host)
		}
	}
}

// part packs offsets as distances: most fit one or two bytes.
func (w *packer) part(p *Part, from int64) {
	for _, s := range []string{p.Type, p.Subtype, p.ID, p.Description, p.Encoding, p.MD5, p.Disposition, p.Location} {
		w.str(s)
	}
	w.params(p.Params)
	w.params(p.DispParams)
	w.strs(p.Language)
	w.int(p.HeaderStart - from)
	w.int(p.BodyStart - p.HeaderStart)
	w.int(p.End - p.BodyStart)
	w.int(p.Lines)
	w.envelope(p.Envelope)
	w.len(len(p.Children))
	for _, c := range p.Children {
		w.part(c, p.HeaderStart)
	}
}
