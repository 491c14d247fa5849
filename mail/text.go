package mail

import (
	"encoding/base64"
	"io"
	"mime/quotedprintable"
	"unicode/utf8"

	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/transform"
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
// charset undone; of HTML what a reader sees of it, see htmlText. What can't be
// decoded ends the stream or is guessed at.
func TextReader(p *Part, r io.ReaderAt) io.Reader {
	in := DecodedReader(p, r)
	if enc, ok := Charset(param(p.Params, "charset")); ok && enc != nil {
		in = transform.NewReader(in, enc.NewDecoder())
	} else {
		in = transform.NewReader(in, guessing{})
	}
	if p.Subtype == "html" {
		return newHTMLText(in)
	}
	return in
}

// guessing reads bytes of no known charset, or one that is wrong: what is no
// UTF-8 is windows-1252.
type guessing struct{ transform.NopResetter }

// Transform implements transform.Transformer.
func (guessing) Transform(dst, src []byte, atEOF bool) (nDst, nSrc int, err error) {
	for nSrc < len(src) {
		out := src[nSrc : nSrc+1]
		if src[nSrc] >= utf8.RuneSelf {
			if !atEOF && !utf8.FullRune(src[nSrc:]) {
				return nDst, nSrc, transform.ErrShortSrc
			}
			r, n := utf8.DecodeRune(src[nSrc:])
			if out = src[nSrc : nSrc+n]; r == utf8.RuneError && n == 1 {
				out = utf8.AppendRune(nil, charmap.Windows1252.DecodeByte(src[nSrc]))
				n = 1
			}
			if nDst+len(out) > len(dst) {
				return nDst, nSrc, transform.ErrShortDst
			}
			nDst += copy(dst[nDst:], out)
			nSrc += n
			continue
		}
		if nDst == len(dst) {
			return nDst, nSrc, transform.ErrShortDst
		}
		dst[nDst] = out[0]
		nDst, nSrc = nDst+1, nSrc+1
	}
	return nDst, nSrc, nil
}
