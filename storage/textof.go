package storage

import (
	"io"
	"iter"
	"strings"

	"mailstead/mail"
)

// What a message says, as searches compare it: decoded and folded. Search and
// the text index take it from here, so that both see the same.

// Bounds of the text that is looked into, in bytes. What lies beyond is not
// searched.
const (
	maxPartText    = 8 << 20  // of one part
	maxMessageText = 32 << 20 // of one message
	maxInnerHeader = 1 << 20  // of a message within
)

// readHeader reads the header of a message as it stands.
func readHeader(m *mail.Message, r io.ReaderAt) []byte {
	h := make([]byte, min(m.Root.BodyStart, maxPartText))
	n, _ := r.ReadAt(h, 0) // what could be read is searched
	return h[:n]
}

// headerText is all of a header.
func headerText(raw []byte) string {
	var b strings.Builder
	writeHeader(&b, raw)
	return mail.FoldCase(b.String())
}

func writeHeader(b *strings.Builder, raw []byte) {
	for f := range mail.HeaderFields(raw) {
		b.WriteString(f.Name + ": " + mail.DecodeHeader(f.Value()) + "\n")
	}
}

// fieldTexts gives each field of a name.
func fieldTexts(raw []byte, name string) iter.Seq[string] {
	return func(yield func(string) bool) {
		for f := range mail.HeaderFields(raw) {
			if f.Is(name) && !yield(mail.FoldCase(mail.DecodeHeader(f.Value()))) {
				return
			}
		}
	}
}

// bodyText is the text of every text part and the header of every message
// within.
func bodyText(m *mail.Message, r io.ReaderAt) string {
	var b strings.Builder
	collectText(&b, m.Root, r, false)
	return mail.FoldCase(b.String())
}

func collectText(b *strings.Builder, p *mail.Part, r io.ReaderAt, inner bool) {
	if b.Len() >= maxMessageText {
		return
	}
	if inner {
		h := make([]byte, min(p.BodyStart-p.HeaderStart, maxInnerHeader))
		n, _ := r.ReadAt(h, p.HeaderStart) // what could be read is searched
		writeHeader(b, h[:n])
	}
	if p.Type == "text" {
		room := min(maxPartText, maxMessageText-int64(b.Len()))
		_, _ = io.Copy(b, io.LimitReader(mail.TextReader(p, r), room)) // the same
		b.WriteByte('\n')
	}
	for _, c := range p.Children {
		collectText(b, c, r, p.Type == "message")
	}
}
