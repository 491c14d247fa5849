package imapd

import (
	"mailstead/imapd/wire"
	"mailstead/mail"
	"mailstead/storage"
)

// maxLazyPreview is the size of a message, in bytes, beyond which PREVIEW (LAZY)
// gives NIL: to open a bigger one takes its time (RFC 8970 §3.1).
const maxLazyPreview = 1 << 20

// takesPreview tells whether the body is needed for PREVIEW.
func takesPreview(row *storage.Row, i *wire.FetchItem) bool {
	return i.Kind == wire.FetchPreview && (!i.Lazy || row.Size <= maxLazyPreview) && mail.PreviewPart(row.Message) != nil
}

// previewPiece is PREVIEW of one message: NIL only when the client has said that
// it does not want to wait.
func previewPiece(row *storage.Row, body storage.Content, i *wire.FetchItem) (piece, error) {
	switch {
	case i.Lazy && row.Size > maxLazyPreview:
		return piece{absent: true}, nil
	case !takesPreview(row, i):
		return piece{}, nil
	}
	text, err := mail.Preview(row.Message, body)
	return piece{text: text}, err
}
