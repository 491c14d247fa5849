package imapd

import (
	"encoding/base64"
	"io"
	"mime/quotedprintable"

	"mailstead/mail"
)

// findPart finds a part by its number (RFC 9051 §6.4.5.1): the parts of a
// multipart count from one, a message that is no multipart has part 1, and the
// parts of an embedded message follow its own number.
func findPart(root *mail.Part, path []int) *mail.Part {
	p := root
	for i, n := range path {
		if i > 0 && p.Envelope != nil && len(p.Children) > 0 {
			p = p.Children[0]
		} else if i > 0 && p.Type != "multipart" {
			return nil
		}
		switch {
		case p.Type == "multipart":
			if n > len(p.Children) {
				return nil
			}
			p = p.Children[n-1]
		case n != 1:
			return nil
		}
	}
	return p
}

// decodedReader undoes a part's transfer encoding.
func decodedReader(p *mail.Part, r io.ReaderAt) io.Reader {
	raw := io.NewSectionReader(r, p.BodyStart, p.End-p.BodyStart)
	switch p.Encoding {
	case "base64":
		return base64.NewDecoder(base64.RawStdEncoding, base64Only{raw})
	case "quoted-printable":
		return quotedprintable.NewReader(raw)
	}
	return raw
}

// base64Only drops what is no base64 (RFC 2045 §6.8: it must be ignored), the
// padding too.
type base64Only struct{ r io.Reader }

func (f base64Only) Read(b []byte) (int, error) {
	for {
		n, err := f.r.Read(b)
		k := 0
		for _, c := range b[:n] {
			if c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '+' || c == '/' {
				b[k] = c
				k++
			}
		}
		if k > 0 || err != nil {
			return k, err
		}
	}
}
