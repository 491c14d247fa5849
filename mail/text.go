package mail

import (
	"io"
	"unicode/utf8"

	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/transform"
)

// DecodedReader streams a part with its transfer encoding undone (RFC 2045 §6).
// r is the whole message. What is damaged is read as well as can be, an encoding
// that is not known is left as it is: errors are those of r.
func DecodedReader(p *Part, r io.ReaderAt) io.Reader {
	raw := io.NewSectionReader(r, p.BodyStart, p.End-p.BodyStart)
	switch p.Encoding {
	case "base64":
		return &base64Reader{r: raw}
	case "quoted-printable":
		return newQuotedReader(raw)
	}
	return raw
}

// TextReader streams the text of a part as UTF-8, its transfer encoding and
// charset undone; of HTML what a reader sees of it, see htmlText. What can't be
// decoded ends the stream or is guessed at.
func TextReader(p *Part, r io.ReaderAt) io.Reader { return textReader(p, r, false) }

// textReader is TextReader, with body without the title of HTML.
func textReader(p *Part, r io.ReaderAt, body bool) io.Reader {
	in := DecodedReader(p, r)
	if enc, ok := Charset(param(p.Params, "charset")); ok && enc != nil {
		in = transform.NewReader(in, enc.NewDecoder())
	} else {
		in = transform.NewReader(in, guessing{})
	}
	if p.Subtype == "html" {
		h := newHTMLText(in)
		h.body = body
		return h
	}
	return in
}

// guessing reads bytes of no known charset, or one that is wrong: what is no
// UTF-8 is windows-1252.
type guessing struct{ transform.NopResetter }

// Transform implements transform.Transformer.
func (guessing) Transform(dst, src []byte, atEOF bool) (nDst, nSrc int, err error) {
	for {
		n := 0
		for most := min(len(src)-nSrc, len(dst)-nDst); n < most && src[nSrc+n] < utf8.RuneSelf; n++ {
			dst[nDst+n] = src[nSrc+n]
		}
		if nSrc, nDst = nSrc+n, nDst+n; nSrc == len(src) {
			return nDst, nSrc, nil
		}
		if !atEOF && !utf8.FullRune(src[nSrc:]) {
			return nDst, nSrc, transform.ErrShortSrc
		}
		r, n := utf8.DecodeRune(src[nSrc:])
		if r == utf8.RuneError && n == 1 {
			r = charmap.Windows1252.DecodeByte(src[nSrc])
		}
		if nDst+utf8.RuneLen(r) > len(dst) {
			return nDst, nSrc, transform.ErrShortDst
		}
		nDst += utf8.EncodeRune(dst[nDst:], r)
		nSrc += n
	}
}
