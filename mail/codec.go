package mail

import (
	"encoding/binary"
	"errors"
)

// codecVersion begins every packed Message.
const codecVersion = 1

// ErrBadRow is what DecodeMessage gives for bytes AppendMessage did not write.
var ErrBadRow = errors.New("packed message is damaged")

// AppendMessage packs m for a store: a version byte, then varints and
// length-prefixed strings in the order of the fields.
func AppendMessage(b []byte, m *Message) []byte {
	w := packer{append(b, codecVersion)}
	w.envelope(m.Envelope)
	w.part(m.Root, 0)
	w.int(m.SentDate)
	w.int(int64(m.SentZone))
	w.strs(m.References)
	w.str(string(m.Fields))
	w.bool(m.FieldsComplete)
	return w.b
}

// DecodeMessage reads what AppendMessage wrote. It is safe on any bytes; what
// it can't read gives ErrBadRow.
func DecodeMessage(b []byte) (*Message, error) {
	if len(b) == 0 || b[0] != codecVersion {
		return nil, ErrBadRow
	}
	r := unpacker{b: b[1:]}
	m := &Message{Envelope: r.envelope()}
	m.Root = r.part(0, 0)
	m.SentDate, m.SentZone = r.int(), int(r.int())
	m.References = r.strs()
	m.Fields = []byte(r.str())
	m.FieldsComplete = r.bool()
	if r.bad || len(r.b) > 0 {
		return nil, ErrBadRow
	}
	return m, nil
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

type unpacker struct {
	b     []byte
	bad   bool
	parts int
}

func (r *unpacker) fail() { r.b, r.bad = nil, true }

func (r *unpacker) int() int64 {
	v, n := binary.Varint(r.b)
	if n <= 0 {
		r.fail()
		return 0
	}
	r.b = r.b[n:]
	return v
}

// len reads a count of things that take at least one byte each, so that a
// damaged row can't ask for memory it does not hold.
func (r *unpacker) len() int {
	v, n := binary.Uvarint(r.b)
	if n <= 0 || v > uint64(len(r.b)-n) {
		r.fail()
		return 0
	}
	r.b = r.b[n:]
	return int(v)
}

func (r *unpacker) str() string {
	n := r.len()
	s := string(r.b[:n])
	r.b = r.b[n:]
	return s
}

func (r *unpacker) bool() bool {
	if len(r.b) == 0 || r.b[0] > 1 {
		r.fail()
		return false
	}
	v := r.b[0] == 1
	r.b = r.b[1:]
	return v
}

func (r *unpacker) strs() []string {
	n := r.len()
	if n == 0 {
		return nil
	}
	l := make([]string, n)
	for i := range l {
		l[i] = r.str()
	}
	return l
}

func (r *unpacker) params() []Param {
	n := r.len()
	if n == 0 {
		return nil
	}
	l := make([]Param, n)
	for i := range l {
		l[i] = Param{r.str(), r.str()}
	}
	return l
}

func (r *unpacker) envelope() *Envelope {
	if !r.bool() {
		return nil
	}
	e := &Envelope{}
	for _, s := range []*string{&e.Date, &e.Subject, &e.InReplyTo, &e.MessageID} {
		*s = r.str()
	}
	for _, l := range []*[]Mailbox{&e.From, &e.Sender, &e.ReplyTo, &e.To, &e.Cc, &e.Bcc} {
		n := r.len()
		for range n {
			*l = append(*l, Mailbox{Name: r.str(), Route: r.str(), Local: r.str(), Host: r.str()})
			if r.bad {
				return e
			}
		}
	}
	return e
}

func (r *unpacker) part(from int64, depth int) *Part {
	p := &Part{}
	if r.parts++; r.parts > maxParts+maxDepth || depth > maxDepth+1 {
		r.fail()
		return p
	}
	for _, s := range []*string{&p.Type, &p.Subtype, &p.ID, &p.Description, &p.Encoding, &p.MD5, &p.Disposition, &p.Location} {
		*s = r.str()
	}
	p.Params, p.DispParams, p.Language = r.params(), r.params(), r.strs()
	p.HeaderStart = from + r.int()
	p.BodyStart = p.HeaderStart + r.int()
	p.End = p.BodyStart + r.int()
	p.Lines = r.int()
	p.Envelope = r.envelope()
	for range r.len() {
		p.Children = append(p.Children, r.part(p.HeaderStart, depth+1))
		if r.bad {
			break
		}
	}
	if p.HeaderStart < from || p.BodyStart < p.HeaderStart || p.End < p.BodyStart {
		r.fail()
	}
	return p
}
