package mail

import (
	"encoding/base64"
	"io"
	"mime/quotedprintable"
	"strings"

	"golang.org/x/text/cases"
	"golang.org/x/text/transform"
	"golang.org/x/text/unicode/norm"
)

// base64Only drops what is no base64 (RFC 2045 §6.8: it must be ignored), the
// padding too, so that damaged parts stay readable.
type base64Only struct{ r io.Reader }

// Read implements io.Reader.
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

// DecodedReader streams a part with its transfer encoding undone (RFC 2045 §6).
// r is the whole message. An encoding that is not known is left as it is. Safe
// for concurrent use if r is.
func DecodedReader(p *Part, r io.ReaderAt) io.Reader {
	raw := io.NewSectionReader(r, p.BodyStart, p.End-p.BodyStart)
	switch p.Encoding {
	case "base64":
		return base64.NewDecoder(base64.RawStdEncoding, base64Only{raw})
	case "quoted-printable":
		return quotedprintable.NewReader(raw)
	}
	return raw
}

// TextReader streams the text of a part as UTF-8, its transfer encoding and
// charset undone. What can't be decoded ends the stream or is replaced. Markup
// is left in.
func TextReader(p *Part, r io.ReaderAt) io.Reader {
	in := DecodedReader(p, r)
	if enc, ok := Charset(param(p.Params, "charset")); ok && enc != nil {
		in = transform.NewReader(in, enc.NewDecoder())
	}
	return in
}

// FoldCase gives s in the form that searches compare: without case (RFC 5051),
// compatible characters made one, white space runs made one space.
func FoldCase(s string) string {
	return strings.Join(strings.Fields(cases.Fold().String(norm.NFKC.String(s))), " ")
}
