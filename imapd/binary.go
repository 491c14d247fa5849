package imapd

import (
	"bytes"
	"encoding/base64"
	"io"
	"strings"

	"mailstead/mail"
)

// withoutNUL writes a message that came as a literal8 so that IMAP can give it
// to any client: its parts that hold NUL are encoded in base64 (RFC 3516 §4.4),
// and nothing else is touched, so that signatures over the rest stay good. NUL
// anywhere else can't be told without a loss: UNKNOWN-CTE.
func withoutNUL(w io.Writer, body *io.SectionReader) error {
	m, err := mail.ParseMessage(body, body.Size())
	if err != nil {
		return err
	}
	c := &converter{w: w, body: body, root: m.Root}
	if err := c.part(m.Root); err != nil {
		return err
	}
	return c.copyTo(body.Size())
}

// converter copies a message; at is how far it has come.
type converter struct {
	w    io.Writer
	body *io.SectionReader
	root *mail.Part
	at   int64
}

// part converts what must be of a part and of those in it, in their order.
func (c *converter) part(p *mail.Part) error {
	for _, child := range p.Children {
		if err := c.part(child); err != nil {
			return err
		}
	}
	if len(p.Children) > 0 || p.BodyStart < c.at {
		return nil
	}
	count := &counter{}
	if _, err := io.Copy(count, io.NewSectionReader(c.body, p.BodyStart, p.End-p.BodyStart)); err != nil {
		return err
	}
	if !count.nul {
		return nil
	}
	switch strings.ToLower(p.Encoding) {
	case "", "7bit", "8bit", "binary":
	default:
		return errUnknownEncoding
	}
	if err := c.copyTo(p.HeaderStart); err != nil {
		return err
	}
	if err := c.header(p); err != nil {
		return err
	}
	lines := &lineWriter{w: c.w}
	encoder := base64.NewEncoder(base64.StdEncoding, lines)
	if _, err := io.Copy(encoder, io.NewSectionReader(c.body, p.BodyStart, p.End-p.BodyStart)); err != nil {
		return err
	}
	if err := encoder.Close(); err != nil {
		return err
	}
	c.at = p.End
	if p == c.root {
		_, err := io.WriteString(c.w, "\r\n")
		return err
	}
	return nil
}

// header writes a part's header with its new encoding.
func (c *converter) header(p *mail.Part) error {
	size := p.BodyStart - p.HeaderStart
	if size > maxHeader {
		return errUnknownEncoding
	}
	raw := make([]byte, size)
	if _, err := io.ReadFull(io.NewSectionReader(c.body, p.HeaderStart, size), raw); err != nil {
		return err
	}
	var out []byte
	at, mime := 0, false
	for f := range mail.HeaderFields(raw) {
		mime = mime || f.Is("MIME-Version")
		if f.Is("Content-Transfer-Encoding") {
			out = append(out, raw[at:f.Start]...)
			at = f.End
		}
	}
	rest := raw[at:]
	for _, blank := range []string{"\r\n", "\n"} {
		if cut, ok := bytes.CutSuffix(rest, []byte(blank)); ok {
			rest = cut
			break
		}
	}
	out = append(out, rest...)
	if len(out) > 0 && out[len(out)-1] != '\n' || bytes.IndexByte(out, 0) >= 0 {
		return errUnknownEncoding
	}
	if p == c.root && !mime {
		out = append(out, "MIME-Version: 1.0\r\n"...)
	}
	out = append(out, "Content-Transfer-Encoding: base64\r\n\r\n"...)
	_, err := c.w.Write(out)
	return err
}

// copyTo copies up to an offset what must hold no NUL.
func (c *converter) copyTo(to int64) error {
	count := &counter{}
	from := io.NewSectionReader(c.body, c.at, to-c.at)
	if _, err := io.Copy(io.MultiWriter(c.w, count), from); err != nil {
		return err
	}
	if c.at = to; count.nul {
		return errUnknownEncoding
	}
	return nil
}

// lineWriter breaks base64 into lines (RFC 2045 §6.8).
type lineWriter struct {
	w   io.Writer
	col int
}

func (l *lineWriter) Write(p []byte) (int, error) {
	const width = 76
	n := len(p)
	for len(p) > 0 {
		if l.col == width {
			if _, err := io.WriteString(l.w, "\r\n"); err != nil {
				return 0, err
			}
			l.col = 0
		}
		k := min(len(p), width-l.col)
		if _, err := l.w.Write(p[:k]); err != nil {
			return 0, err
		}
		l.col += k
		p = p[k:]
	}
	return n, nil
}
