package mail

import "strings"

// Sections says which parts of a packed Message are wanted. Zero means all.
type Sections uint8

// The parts that can be left out.
const (
	WithEnvelope  Sections = 1 << iota // Envelope
	WithStructure                      // Root
	WithFields                         // Fields, FieldsComplete
	withAll       = WithEnvelope | WithStructure | WithFields
)

// DecodeMessage reads what AppendMessage wrote. It is safe on any bytes; what
// it can't read gives ErrBadRow.
func DecodeMessage(b []byte) (*Message, error) { return new(Decoder).Decode(string(b), 0) }

// Decoder reads packed messages one after the other, each into the place of the
// one before. The zero value is ready. It is for one goroutine.
type Decoder struct {
	message   Message
	fields    []byte
	envelopes slab[Envelope]
	parts     slab[Part]
	children  slab[*Part]
	boxes     slab[Mailbox]
	params    slab[Param]
	texts     slab[string]
}

// Decode reads what AppendMessage wrote, and of that what is wanted. Strings of
// the message are parts of b. The message is good until the next call. ErrBadRow.
func (d *Decoder) Decode(b string, want Sections) (*Message, error) {
	all := want == 0 || want == withAll
	if all {
		want = withAll
	}
	d.reset()
	r, ok := unpack(b)
	if !ok {
		return nil, ErrBadRow
	}
	r.d = d
	m := &d.message
	if want&WithEnvelope != 0 {
		from := len(r.s)
		m.Envelope = r.envelope()
		r.took(from, r.envelopeLen)
	} else {
		r.passEnvelope()
	}
	switch {
	case want&WithStructure != 0:
		from := len(r.s)
		m.Root = r.root()
		r.took(from, r.rootLen)
	case want&WithFields != 0:
		r.passRoot()
	}
	if want&WithFields != 0 {
		m.SentDate, m.SentZone = r.int(), int(r.int())
		if all {
			m.References = r.texts()
		} else {
			r.skipStrings(r.len())
		}
		d.fields = append(d.fields[:0], r.str()...)
		m.Fields, m.FieldsComplete = d.fields, r.bool()
	}
	if r.bad || want&WithFields != 0 && len(r.s) > 0 {
		return nil, ErrBadRow
	}
	return m, nil
}

func (d *Decoder) reset() {
	d.message = Message{}
	d.envelopes.used, d.parts.used, d.children.used = 0, 0, 0
	d.boxes.used, d.params.used, d.texts.used = 0, 0, 0
}

// slab gives out pieces of one array, again and again.
type slab[T any] struct {
	room []T
	used int
}

// take gives n zero values.
func (s *slab[T]) take(n int) []T {
	if s.used+n > len(s.room) {
		s.room, s.used = make([]T, n+s.used), 0 // what was given out keeps the old array
	}
	out := s.room[s.used : s.used+n : s.used+n]
	clear(out)
	s.used += n
	return out
}

// The least that things take when packed: a damaged row must not ask for memory
// that it could not fill.
const (
	minMailbox = 4
	minParam   = 2
	minPart    = 17
)

type unpacker struct {
	s     string
	bad   bool
	parts int
	d     *Decoder

	envelopeLen, rootLen int // of the sections, -1 when not told
}

// unpack begins to read a packed message. The envelope comes next.
func unpack(b string) (r unpacker, ok bool) {
	r.envelopeLen, r.rootLen = -1, -1
	switch {
	case b == "":
		return r, false
	case b[0] == codecPlain:
		r.s = b[1:]
		return r, true
	case b[0] == codecVersion:
		r.s = b[1:]
		r.envelopeLen, r.rootLen = r.len(), r.len()
		return r, !r.bad && r.envelopeLen+r.rootLen <= len(r.s)
	}
	return r, false
}

func (r *unpacker) fail() { r.s, r.bad = "", true }

// took checks that a section had the length told; from is what there was to
// read before.
func (r *unpacker) took(from, told int) {
	if told >= 0 && from-len(r.s) != told {
		r.fail()
	}
}

// passEnvelope and passRoot pass over a section.
func (r *unpacker) passEnvelope() {
	if r.envelopeLen >= 0 {
		r.s = r.s[r.envelopeLen:]
		return
	}
	r.skipEnvelope()
}

func (r *unpacker) passRoot() {
	switch {
	case r.bad:
	case r.rootLen >= 0:
		r.s = r.s[r.rootLen:]
	default:
		r.skipPart(0)
	}
}

func (r *unpacker) uint() uint64 {
	if r.s != "" && r.s[0] < 0x80 {
		v := uint64(r.s[0])
		r.s = r.s[1:]
		return v
	}
	return r.longUint()
}

func (r *unpacker) longUint() uint64 {
	var v uint64
	for i := range min(len(r.s), 10) {
		c := r.s[i]
		if i == 9 && c > 1 {
			break
		}
		v |= uint64(c&0x7f) << (7 * i)
		if c < 0x80 {
			r.s = r.s[i+1:]
			return v
		}
	}
	r.fail()
	return 0
}

// int reads what binary.AppendVarint writes.
func (r *unpacker) int() int64 {
	u := r.uint()
	v := int64(u >> 1)
	if u&1 != 0 {
		v = ^v
	}
	return v
}

// len reads a count of bytes.
func (r *unpacker) len() int {
	v := r.uint()
	if v > uint64(len(r.s)) {
		r.fail()
		return 0
	}
	return int(v)
}

// count reads a number of things that take at least size bytes each.
func (r *unpacker) count(size int) int {
	v := r.uint()
	if v > uint64(len(r.s)/size) {
		r.fail()
		return 0
	}
	return int(v)
}

func (r *unpacker) str() string {
	if s := r.s; s != "" && int(s[0]) < min(len(s), 0x80) { // one byte of length
		n := 1 + int(s[0])
		r.s = s[n:]
		return s[1:n]
	}
	return r.longStr()
}

func (r *unpacker) longStr() string {
	n := r.len()
	s := r.s[:n]
	r.s = r.s[n:]
	return s
}

func (r *unpacker) bool() bool {
	if r.s == "" || r.s[0] > 1 {
		r.fail()
		return false
	}
	v := r.s[0] == 1
	r.s = r.s[1:]
	return v
}

func (r *unpacker) texts() []string {
	n := r.len()
	if n == 0 {
		return nil
	}
	l := r.d.texts.take(n)
	for i := range l {
		l[i] = r.str()
	}
	return l
}

func (r *unpacker) params() []Param {
	n := r.count(minParam)
	if n == 0 {
		return nil
	}
	l := r.d.params.take(n)
	for i := range l {
		l[i] = Param{r.str(), r.str()}
	}
	return l
}

func (r *unpacker) mailboxes() []Mailbox {
	n := r.count(minMailbox)
	if n == 0 {
		return nil
	}
	l := r.d.boxes.take(n)
	for i := range l {
		l[i] = Mailbox{Name: r.str(), Route: r.str(), Local: r.str(), Host: r.str()}
	}
	return l
}

// mailboxesLike is mailboxes for a list that often is the same as another one,
// whose bytes are given; then it shares the memory too.
func (r *unpacker) mailboxesLike(packed string, list []Mailbox) []Mailbox {
	if packed == "" || !strings.HasPrefix(r.s, packed) {
		return r.mailboxes()
	}
	r.s = r.s[len(packed):]
	return list
}

func (r *unpacker) envelope() *Envelope {
	if !r.bool() {
		return nil
	}
	e := &r.d.envelopes.take(1)[0]
	e.Date, e.Subject, e.InReplyTo, e.MessageID = r.str(), r.str(), r.str(), r.str()
	from := r.s
	e.From = r.mailboxes()
	from = from[:len(from)-len(r.s)]
	e.Sender = r.mailboxesLike(from, e.From)
	e.ReplyTo = r.mailboxesLike(from, e.From)
	e.To, e.Cc, e.Bcc = r.mailboxes(), r.mailboxes(), r.mailboxes()
	return e
}

func (r *unpacker) root() *Part { return r.part(&r.d.parts.take(1)[0], 0, 0) }

func (r *unpacker) part(p *Part, from int64, depth int) *Part {
	if r.parts++; r.parts > maxParts+maxDepth || depth > maxDepth+1 {
		r.fail()
		return p
	}
	p.Type, p.Subtype, p.ID, p.Description = r.str(), r.str(), r.str(), r.str()
	p.Encoding, p.MD5, p.Disposition, p.Location = r.str(), r.str(), r.str(), r.str()
	p.Params, p.DispParams, p.Language = r.params(), r.params(), r.texts()
	p.HeaderStart = from + r.int()
	p.BodyStart = p.HeaderStart + r.int()
	p.End = p.BodyStart + r.int()
	p.Lines = r.int()
	p.Envelope = r.envelope()
	if n := r.count(minPart); n > 0 {
		p.Children = r.d.children.take(n)
		parts := r.d.parts.take(n)
		for i := range parts {
			p.Children[i] = r.part(&parts[i], p.HeaderStart, depth+1)
			if r.bad {
				break
			}
		}
	}
	if p.HeaderStart < from || p.BodyStart < p.HeaderStart || p.End < p.BodyStart {
		r.fail()
	}
	return p
}

func (r *unpacker) skipStrings(n int) {
	for range n {
		r.str()
	}
}

func (r *unpacker) skipEnvelope() {
	if !r.bool() {
		return
	}
	r.skipStrings(4)
	for range 6 {
		r.skipMailboxes()
	}
}

func (r *unpacker) skipPart(depth int) {
	if r.parts++; r.parts > maxParts+maxDepth || depth > maxDepth+1 {
		r.fail()
		return
	}
	r.skipStrings(8)
	r.skipStrings(2 * r.count(minParam))
	r.skipStrings(2 * r.count(minParam))
	r.skipStrings(r.len())
	for range 4 {
		r.uint()
	}
	r.skipEnvelope()
	for range r.count(minPart) {
		if r.skipPart(depth + 1); r.bad {
			return
		}
	}
}
