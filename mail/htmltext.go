package mail

import (
	"io"

	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"
)

// maxHTMLToken bounds one tag, comment or run of text, in bytes. HTML with a
// longer one (an image written into an attribute) ends there.
const maxHTMLToken = 8 << 20

// htmlText reads HTML and gives what a reader sees of it: tags, comments, style
// and script left out, entities decoded, a line break where the text does not
// run on. Any bytes are HTML of some kind; it takes one pass, and memory for the
// longest token.
type htmlText struct {
	z    *html.Tokenizer
	left []byte    // text not given out yet
	skip atom.Atom // what stands within this element is no text
	body bool      // the title is left out too
	err  error
}

func newHTMLText(r io.Reader) *htmlText {
	h := &htmlText{z: html.NewTokenizer(r)}
	h.z.SetMaxBuf(maxHTMLToken)
	return h
}

// Read implements io.Reader.
func (h *htmlText) Read(b []byte) (int, error) {
	for len(h.left) == 0 {
		if h.err != nil {
			return 0, h.err
		}
		h.next()
	}
	n := copy(b, h.left)
	h.left = h.left[n:]
	return n, nil
}

// next takes one token.
func (h *htmlText) next() {
	switch kind := h.z.Next(); kind {
	case html.ErrorToken:
		h.err = io.EOF // a token that is too long ends it too
		if err := h.z.Err(); err != io.EOF && err != html.ErrBufferExceeded {
			h.err = err
		}
	case html.TextToken:
		if h.skip == 0 {
			h.left = h.z.Text()
		}
	case html.StartTagToken, html.EndTagToken, html.SelfClosingTagToken:
		name, _ := h.z.TagName()
		tag := atom.Lookup(name)
		switch {
		case kind == html.EndTagToken && tag == h.skip:
			h.skip = 0
		case kind == html.StartTagToken && h.skip == 0 && (tag == atom.Script || tag == atom.Style || h.body && tag == atom.Title):
			h.skip = tag
		}
		if h.skip == 0 && !runsOn(tag) {
			h.left = []byte{'\n'}
		}
	}
}

// runsOn tells whether a word may go on behind a tag.
func runsOn(tag atom.Atom) bool {
	switch tag {
	case atom.A, atom.Abbr, atom.Acronym, atom.B, atom.Bdi, atom.Bdo, atom.Big, atom.Cite, atom.Code, atom.Data, atom.Del, atom.Dfn,
		atom.Em, atom.Font, atom.I, atom.Ins, atom.Kbd, atom.Label, atom.Mark, atom.Q, atom.S, atom.Samp, atom.Small, atom.Span,
		atom.Strike, atom.Strong, atom.Sub, atom.Sup, atom.Time, atom.Tt, atom.U, atom.Var, atom.Wbr:
		return true
	}
	return false
}
