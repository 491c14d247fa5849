package mail

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"strings"
	"time"
)

// Limits of ParseMessage. What lies beyond is kept in the message but not
// described: a header's later fields are passed over, a part too deep or one
// too many is described as one leaf.
const (
	maxHeaderBytes = 256 << 10
	maxDepth       = 40
	maxParts       = 2000
	maxBoundary    = 200
	maxToken       = 127 // of a media type (RFC 6838 §4.2) or an encoding
	// maxDescription bounds what is told of all parts of a message together, in
	// bytes as they are kept. Parts beyond are described by their type alone,
	// embedded messages by an empty envelope.
	maxDescription = 2 << 20
	// MaxCachedFields is the most bytes of header fields kept in Message.
	MaxCachedFields = 8 << 10
	maxReferences   = 32
)

// ParseMessage describes a message in one pass over its bytes, with memory
// that does not grow with its size. It never fails on a malformed message; the
// errors are those of r.
func ParseMessage(r io.ReaderAt, size int64) (*Message, error) {
	p := &parser{r: bufio.NewReaderSize(yielding{io.NewSectionReader(r, 0, size)}, int(min(max(size, 1<<10), 16<<10)))}
	p.next()
	m := &Message{Root: &Part{}}
	p.part(m.Root, 0, "text", "plain", func(h []byte) {
		m.Envelope = parseEnvelope(h)
		m.cacheFields(h)
	})
	if p.err != nil && !errors.Is(p.err, io.EOF) {
		return nil, p.err
	}
	return m, nil
}

// parser reads lines with their offsets. stop is the stack of boundaries that
// end the part being read.
type parser struct {
	r     *bufio.Reader
	err   error
	line  []byte // the current line, or the part of it that fits the buffer
	start int64  // offset of line
	whole bool   // line begins a line of the message
	eol   int    // bytes of its line break, 0 when there is none
	lines int64  // line breaks before start
	parts int
	told  int // bytes of description, see maxDescription
	stop  []string

	prevEnd   int64 // where the text of the line before ends
	prevLines int64 // line breaks before that place
}

// next moves to the next line; at the end line is empty and err set.
func (p *parser) next() {
	end := p.start + int64(len(p.line))
	p.prevEnd, p.prevLines = end-int64(p.eol), p.lines
	if p.eol > 0 {
		p.lines++
	}
	p.whole = p.eol > 0 || p.start == 0 && len(p.line) == 0
	p.start = end
	if p.err != nil {
		p.line, p.eol = nil, 0
		return
	}
	p.line, p.err = p.r.ReadSlice('\n')
	if errors.Is(p.err, bufio.ErrBufferFull) {
		p.err = nil
	}
	p.eol = 0
	if n := len(p.line); n > 0 && p.line[n-1] == '\n' {
		p.eol = 1
		if n > 1 && p.line[n-2] == '\r' {
			p.eol = 2
		}
	}
}

func (p *parser) eof() bool { return len(p.line) == 0 }

// boundary tells which boundary of the stack the current line is, -1 for none.
func (p *parser) boundary() (level int, last bool) {
	if !p.whole || len(p.line) < 2 || p.line[0] != '-' || p.line[1] != '-' {
		return -1, false
	}
	text := bytes.TrimRight(p.line[2:], " \t\r\n")
	for i := len(p.stop) - 1; i >= 0; i-- {
		if string(text) == p.stop[i] {
			return i, false
		}
		if rest, ok := bytes.CutSuffix(text, []byte("--")); ok && string(rest) == p.stop[i] {
			return i, true
		}
	}
	return -1, false
}

// end is where a part that began its body at from ends, and how many line
// breaks lie before that: the line break before a boundary belongs to the
// boundary (RFC 2046 §5.1.1).
func (p *parser) end(from, fromLines int64) (at, lines int64) {
	if p.eof() {
		return p.start, p.lines - fromLines
	}
	if p.prevEnd < from {
		return from, 0
	}
	return p.prevEnd, p.prevLines - fromLines
}

// part reads one part up to a boundary of the stack (left as the current line)
// or the end.
func (p *parser) part(part *Part, depth int, typ, sub string, header func([]byte)) {
	p.parts++
	part.HeaderStart = p.start
	h := p.header()
	part.BodyStart = p.start
	describe(part, h, typ, sub)
	if header != nil {
		header(h)
	}
	lines := p.lines
	level, _ := p.boundary()
	room := depth < maxDepth && p.parts < maxParts
	if !p.tell(weigh(part)) {
		room = false
		*part = Part{Type: part.Type, Subtype: part.Subtype, Encoding: part.Encoding, HeaderStart: part.HeaderStart, BodyStart: part.BodyStart}
	}
	switch {
	case level >= 0:
	case part.Type == "multipart" && room && p.multipart(part, depth):
	case part.Type == "message" && (part.Subtype == "rfc822" || part.Subtype == "global") && room && identity(part.Encoding):
		child := &Part{}
		p.part(child, depth+1, "text", "plain", func(h []byte) { part.Envelope = p.envelope(h) })
		part.Children = []*Part{child}
	default:
		p.skipBody()
	}
	part.End, part.Lines = p.end(part.BodyStart, lines)
	clipChildren(part)
	p.settle(part, room)
}

// clipChildren ends with a part what is last in it: where the line before a boundary is
// one of a header, or itself a boundary, its line break belongs to the outermost
// (RFC 2046 §5.1.1).
func clipChildren(part *Part) {
	for len(part.Children) > 0 {
		last := part.Children[len(part.Children)-1]
		if last.End <= part.End {
			return
		}
		last.End = part.End
		last.BodyStart = min(last.BodyStart, part.End)
		last.HeaderStart = min(last.HeaderStart, part.End)
		part = last
	}
}

// settle makes a leaf of what claims to hold parts and doesn't, so that IMAP
// can describe it.
func (p *parser) settle(part *Part, room bool) {
	if part.Type == "multipart" && len(part.Children) == 0 {
		part.Type, part.Subtype, part.Params = "text", "plain", nil
		if !room {
			part.Type, part.Subtype = "application", "octet-stream"
		}
	}
	if part.Type == "message" && (part.Subtype == "rfc822" || part.Subtype == "global") && len(part.Children) == 0 {
		if room && identity(part.Encoding) {
			part.Envelope = &Envelope{}
			part.Children = []*Part{{Type: "text", Subtype: "plain", Encoding: "7bit", HeaderStart: part.BodyStart, BodyStart: part.End, End: part.End}}
			return
		}
		part.Type, part.Subtype = "application", "octet-stream"
	}
}

func identity(enc string) bool { return enc == "7bit" || enc == "8bit" || enc == "binary" }

// header reads up to and with the empty line; a boundary ends it too.
func (p *parser) header() []byte {
	var h []byte
	for !p.eof() {
		if level, _ := p.boundary(); level >= 0 {
			return h
		}
		empty := p.whole && len(p.line) == p.eol
		if len(h)+len(p.line) <= maxHeaderBytes {
			h = append(h, p.line...)
		}
		p.next()
		if empty {
			return h
		}
	}
	return h
}

func (p *parser) skipBody() {
	for !p.eof() {
		if level, _ := p.boundary(); level >= 0 {
			return
		}
		p.next()
	}
}

// multipart reads the children; false when there is no usable boundary.
func (p *parser) multipart(part *Part, depth int) bool {
	b := strings.TrimRight(param(part.Params, "boundary"), " \t")
	if b == "" || len(b) > maxBoundary {
		return false
	}
	p.stop = append(p.stop, b)
	mine := len(p.stop) - 1
	defer func() { p.stop = p.stop[:mine] }()
	typ, sub := "text", "plain"
	if part.Subtype == "digest" {
		typ, sub = "message", "rfc822"
	}
	p.skipBody() // the preamble
	for p.parts < maxParts {
		level, last := p.boundary()
		if level != mine {
			return true
		}
		p.next()
		if last {
			break
		}
		child := &Part{}
		p.part(child, depth+1, typ, sub, nil)
		part.Children = append(part.Children, child)
	}
	p.stop = p.stop[:mine]
	p.skipBody() // the epilogue
	return true
}

// describe fills in a part from its header (RFC 2045 §5.2: what is missing or
// unreadable is the default).
func describe(part *Part, h []byte, typ, sub string) {
	part.Type, part.Subtype, part.Encoding = typ, sub, "7bit"
	seen := map[string]bool{}
	for f := range HeaderFields(h) {
		name := strings.ToLower(f.Name)
		if !strings.HasPrefix(name, "content-") || seen[name] {
			continue
		}
		seen[name] = true
		v := f.Value()
		switch name {
		case "content-type":
			value, params := parseParams(v)
			if t, s, ok := strings.Cut(strings.ToLower(value), "/"); ok && isToken(strings.TrimSpace(t)) && isToken(strings.TrimSpace(s)) {
				part.Type, part.Subtype, part.Params = strings.TrimSpace(t), strings.TrimSpace(s), params
			} else {
				part.Type, part.Subtype = "text", "plain"
			}
		case "content-transfer-encoding":
			if e, _ := parseParams(v); isToken(e) {
				part.Encoding = strings.ToLower(e)
			}
		case "content-id":
			part.ID = v
		case "content-description":
			part.Description = v
		case "content-md5":
			part.MD5 = v
		case "content-disposition":
			if d, params := parseParams(v); isToken(d) {
				part.Disposition, part.DispParams = strings.ToLower(d), params
			}
		case "content-language":
			for l := range strings.SplitSeq(v, ",") {
				if l = strings.TrimSpace(l); l != "" && len(part.Language) < maxParams {
					part.Language = append(part.Language, l)
				}
			}
		case "content-location":
			part.Location = strings.Join(strings.Fields(v), "")
		}
	}
}

func isToken(s string) bool {
	if s == "" || len(s) > maxToken {
		return false
	}
	for i := range len(s) {
		if s[i] <= ' ' || s[i] >= 0x7f || strings.IndexByte(`()<>@,;:\"/[]?=`, s[i]) >= 0 {
			return false
		}
	}
	return true
}

// yielding rests now and then, so that other goroutines run and the network is
// looked at: parsing a message of 50 MB
// must not keep the processor from small ones.
type yielding struct{ r *io.SectionReader }

// Read implements io.Reader.
func (y yielding) Read(p []byte) (int, error) {
	if at, err := y.r.Seek(0, io.SeekCurrent); err == nil && at%(256<<10) == 0 && at > 0 {
		time.Sleep(50 * time.Microsecond)
	}
	return y.r.Read(p)
}
