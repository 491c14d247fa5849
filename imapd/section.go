package imapd

import (
	"bytes"
	"io"
	"strings"

	"github.com/emersion/go-imap/v2"

	"mailstead/imapd/wire"
	"mailstead/mail"
	"mailstead/storage"
)

// maxHeader bounds how much of one header is looked through for HEADER.FIELDS,
// in bytes: fields that do not end within it are left out. It is more than
// mail.ParseMessage describes.
const maxHeader = 1 << 20

// maxPicked is how many bytes of header fields may be held at once that one FETCH
// has picked out of one message: many items can ask for the same great header.
const maxPicked = 8 << 20

// errPicked refuses what is more.
var errPicked = protocolError{no("LIMIT", "Header fields are too long to be asked for so often at once")}

// errUnknownEncoding is a part whose Content-Transfer-Encoding can't be decoded.
var errUnknownEncoding = protocolError{no("UNKNOWN-CTE", "The part's transfer encoding is not known")}

// piece is some bytes of a message: size of them, in memory or ready to be
// streamed.
type piece struct {
	size   int64
	data   []byte // nil: from reader
	reader io.Reader
	absent bool   // NIL
	text   string // of PREVIEW, in place of reader
	nul    bool   // may hold NUL
	picked int    // bytes that were put into memory for it
}

// inMemory is a body that need not be copied: what Slice gives is good until the
// body is closed.
type inMemory interface{ Slice(from, to int64) []byte }

// fromRange is a piece of the message itself.
func fromRange(r io.ReaderAt, from, to int64) piece {
	if m, ok := r.(inMemory); ok && from <= to {
		data := m.Slice(from, to)
		return piece{size: int64(len(data)), data: data}
	}
	return piece{size: max(to-from, 0), reader: io.NewSectionReader(r, from, max(to-from, 0))}
}

// partial cuts a piece as "<offset.size>" asks (RFC 9051 §6.4.5): beyond the end
// is nothing.
func (p piece) partial(s *imap.SectionPartial) (piece, error) {
	if s == nil || p.absent {
		return p, nil
	}
	skip := min(s.Offset, p.size)
	if p.data != nil {
		p.size = min(s.Size, p.size-skip)
		p.data = p.data[skip : skip+p.size]
		return p, nil
	}
	if seeker, ok := p.reader.(io.Seeker); ok {
		if _, err := seeker.Seek(skip, io.SeekStart); err != nil {
			return p, err
		}
	} else if _, err := io.CopyN(io.Discard, p.reader, skip); err != nil {
		return p, err
	}
	p.size = min(s.Size, p.size-skip)
	p.reader = io.LimitReader(p.reader, p.size)
	return p, nil
}

// allCached tells whether an item asks for nothing but header fields that the
// description of a message holds.
func allCached(i wire.FetchItem) bool {
	if i.Kind != wire.FetchSection || len(i.Part) > 0 || len(i.Fields) == 0 || i.Not {
		return false
	}
	for _, f := range i.Fields {
		if !mail.CachedField(f) {
			return false
		}
	}
	return true
}

// pieceOf finds the bytes an item gives (RFC 9051 §6.4.5).
func pieceOf(m *mail.Message, body storage.Content, i wire.FetchItem) (piece, error) {
	switch i.Kind {
	case wire.FetchBinary, wire.FetchBinarySize:
		return binary(m, body, i.Part)
	case wire.FetchRFC822:
		return fromRange(body, 0, body.Size()), nil
	case wire.FetchRFC822Header:
		return fromRange(body, m.Root.HeaderStart, m.Root.BodyStart), nil
	case wire.FetchRFC822Text:
		return fromRange(body, m.Root.BodyStart, m.Root.End), nil
	}
	return section(m, body, i)
}

// section is BODY[...] (RFC 9051 §6.4.5.1).
func section(m *mail.Message, body storage.Content, i wire.FetchItem) (piece, error) {
	if len(i.Part) == 0 && i.Text == imap.PartSpecifierNone {
		return fromRange(body, 0, body.Size()), nil
	}
	part := m.Root
	if len(i.Part) > 0 {
		if part = findPart(m.Root, i.Part); part == nil {
			return piece{absent: true}, nil
		}
		switch i.Text {
		case imap.PartSpecifierNone:
			return fromRange(body, part.BodyStart, part.End), nil
		case imap.PartSpecifierMIME:
			return fromRange(body, part.HeaderStart, part.BodyStart), nil
		}
		// HEADER and TEXT of a part are those of the message in it.
		if part.Envelope == nil || len(part.Children) == 0 {
			return piece{absent: true}, nil
		}
		part = part.Children[0]
	}
	if i.Text == imap.PartSpecifierText {
		return fromRange(body, part.BodyStart, part.End), nil
	}
	if len(i.Fields) == 0 {
		return fromRange(body, part.HeaderStart, part.BodyStart), nil
	}
	return headerFields(body, part.HeaderStart, part.BodyStart-part.HeaderStart, i)
}

// headerFields picks fields out of the header at from, which is size bytes
// long. The result ends with an empty line.
func headerFields(r io.ReaderAt, from, size int64, i wire.FetchItem) (piece, error) {
	raw := make([]byte, min(size, maxHeader))
	if n, err := r.ReadAt(raw, from); err != nil && n < len(raw) {
		return piece{}, err
	}
	if size > maxHeader {
		raw = raw[:mail.WholeFields(raw)]
	}
	data := endHeader(mail.NewFieldNames(i.Fields).Pick(nil, raw, i.Not), 0)
	return piece{size: int64(len(data)), data: data, picked: len(data)}, nil
}

// endHeader puts an empty line behind the fields that begin at from.
func endHeader(b []byte, from int) []byte {
	if len(b) > from && b[len(b)-1] != '\n' {
		b = append(b, "\r\n"...)
	}
	return append(b, "\r\n"...)
}

// binary finds the decoded bytes of BINARY[...] (RFC 9051 §6.4.5.2). They are
// decoded twice: once for their number.
func binary(m *mail.Message, body storage.Content, path []int) (piece, error) {
	part := m.Root
	if len(path) > 0 {
		if part = findPart(m.Root, path); part == nil {
			return piece{absent: true}, nil
		}
	}
	if len(path) == 0 || len(part.Children) > 0 {
		p := fromRange(body, part.BodyStart, part.End)
		if len(path) == 0 {
			p = fromRange(body, 0, body.Size())
		}
		p.nul = true
		return p, nil
	}
	if !decodable(part.Encoding) {
		return piece{}, errUnknownEncoding
	}
	count := &counter{}
	if _, err := io.Copy(count, mail.DecodedReader(part, body)); err != nil {
		return piece{}, err
	}
	return piece{size: count.size, nul: count.nul, reader: mail.DecodedReader(part, body)}, nil
}

// counter measures what is written to it.
type counter struct {
	size int64
	nul  bool
}

func (c *counter) Write(p []byte) (int, error) {
	c.size += int64(len(p))
	c.nul = c.nul || bytes.IndexByte(p, 0) >= 0
	return len(p), nil
}

// decodable tells whether a transfer encoding is known (RFC 2045 §6.1).
func decodable(encoding string) bool {
	switch strings.ToLower(encoding) {
	case "", "7bit", "8bit", "binary", "base64", "quoted-printable":
		return true
	}
	return false
}

// noNUL gives 0x80 for each NUL: a literal must not contain NUL (RFC 9051 §4.3),
// and the size must stay. BINARY gives the message as it is.
type noNUL struct{ r io.Reader }

func (n noNUL) Read(p []byte) (int, error) {
	k, err := n.r.Read(p)
	for b := p[:k]; ; {
		i := bytes.IndexByte(b, 0)
		if i < 0 {
			return k, err
		}
		b[i] = 0x80
		b = b[i+1:]
	}
}
