package mail

import (
	"bufio"
	"errors"
	"io"
	"strings"
	"unicode"
)

// Limits of Preview.
const (
	// PreviewChars is how many characters a preview has at most (RFC 8970 §3.1).
	PreviewChars = 200
	// maxPreviewRead is how many bytes of a part are looked through for them: HTML
	// may begin with a long style sheet.
	maxPreviewRead = 256 << 10
	// maxPreviewText is how much text is looked through when it is all spaces.
	maxPreviewText = 64 << 10
)

// PreviewPart finds the part that a preview is taken from: the first text that
// is to be read and no attachment, of alternatives the plain one. It is nil when
// there is none, or when the message is encrypted.
func PreviewPart(m *Message) *Part {
	if m == nil {
		return nil
	}
	return previewPart(m.Root)
}

func previewPart(p *Part) *Part {
	switch {
	case p == nil || p.Disposition == "attachment":
		return nil
	case p.Type == "text" && (p.Subtype == "plain" || p.Subtype == "html"):
		return p
	case p.Type != "multipart" || p.Subtype == "encrypted":
		return nil
	}
	var first *Part
	for _, c := range p.Children {
		found := previewPart(c)
		if found == nil {
			continue
		}
		if first == nil {
			first = found
		}
		if p.Subtype != "alternative" || found.Subtype == "plain" {
			return found
		}
	}
	return first
}

// Preview gives the beginning of a message's text on one line, at most
// PreviewChars characters, empty when there is none. r is the whole message. It
// reads a bounded part of it; errors are r's.
func Preview(m *Message, r io.ReaderAt) (string, error) {
	p := PreviewPart(m)
	if p == nil {
		return "", nil
	}
	cut := *p
	cut.End = min(p.End, p.BodyStart+maxPreviewRead)
	f := &faults{r: r}
	in := bufio.NewReader(io.LimitReader(textReader(&cut, f, true), maxPreviewText))
	text := oneLine(in)
	return text, f.err
}

// oneLine reads words with single spaces between them, without control
// characters and signs that are not seen.
func oneLine(in io.RuneReader) string {
	var b strings.Builder
	space, n := false, 0
	for n < PreviewChars {
		c, _, err := in.ReadRune()
		switch {
		case err != nil:
			return b.String() // what can't be decoded ends the text
		case unicode.IsSpace(c):
			space = n > 0
		case c == unicode.ReplacementChar || !unicode.IsPrint(c):
		case space && n+2 > PreviewChars:
			return b.String()
		default:
			if space {
				b.WriteByte(' ')
				n++
				space = false
			}
			b.WriteRune(c)
			n++
		}
	}
	return b.String()
}

// faults notes the first error of a reader that is not its end.
type faults struct {
	r   io.ReaderAt
	err error
}

// ReadAt implements io.ReaderAt.
func (f *faults) ReadAt(b []byte, at int64) (int, error) {
	n, err := f.r.ReadAt(b, at)
	if err != nil && !errors.Is(err, io.EOF) && f.err == nil {
		f.err = err
	}
	return n, err
}
