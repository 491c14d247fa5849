package imapd

import (
	"context"
	"encoding/base64"
	"io"
	"iter"
	"mime/quotedprintable"

	"mailstead/mail"
	"mailstead/storage"
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
		return base64.NewDecoder(base64.StdEncoding, raw)
	case "quoted-printable":
		return quotedprintable.NewReader(raw)
	}
	return raw
}

// searcher is the store's search.
type searcher interface {
	Search(ctx context.Context, ref storage.Ref, q storage.Query, o storage.Order) iter.Seq2[storage.Row, error]
}

func searchStore(ctx context.Context, s *storage.Store, ref storage.Ref, q storage.Query, o storage.Order) iter.Seq2[storage.Row, error] {
	if s, ok := any(s).(searcher); ok {
		return s.Search(ctx, ref, q, o)
	}
	return func(yield func(storage.Row, error) bool) {
		yield(storage.Row{}, protocolError{no("CANNOT", "Searching is not possible")})
	}
}
