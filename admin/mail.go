package admin

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"sync"

	"mailstead/internal/spool"
	"mailstead/storage"
	"mailstead/transfer"
)

// copyBuffer is how much of a message is read at once, in bytes.
const copyBuffer = 32 << 10

// Mail gives access to all mail of an account, for imports and exports: over
// the socket, or directly in process. An address of nobody is an *Error.
func (c *Client) Mail(ctx context.Context, address string) (transfer.Account, error) {
	if c.service != nil {
		l, err := c.service.local(address)
		if err != nil {
			return nil, AsError(err)
		}
		return l, nil
	}
	var a Account
	if err := c.Ask(ctx, "account/show", AccountQuery{Address: address}, &a); err != nil {
		return nil, err
	}
	return &remote{c: c, address: a.Address, buffers: sync.Pool{New: func() any { b := make([]byte, copyBuffer); return &b }}}, nil
}

// remote is an account over the socket: transfer.Account.
type remote struct {
	c       *Client
	address string
	buffers sync.Pool // of *[]byte, for copying
}

// Mailboxes implements transfer.Source and transfer.Catalog.
func (r *remote) Mailboxes(ctx context.Context) (list []transfer.Mailbox, err error) {
	return list, r.c.Ask(ctx, "transfer/mailboxes", TransferQuery{Address: r.address}, &list)
}

// Messages implements transfer.Source.
func (r *remote) Messages(ctx context.Context, m transfer.Mailbox) iter.Seq2[transfer.Message, error] {
	return func(yield func(transfer.Message, error) bool) {
		for q := (TransferQuery{Address: r.address, Mailbox: m}); ; {
			var rows []TransferMessage
			if err := r.c.Ask(ctx, "transfer/rows", q, &rows); err != nil {
				yield(transfer.Message{}, err)
				return
			}
			for _, row := range rows {
				msg := transfer.Message{Item: fmt.Sprintf("UID %d", row.UID), UID: row.UID, Flags: row.Flags, Keywords: row.Keywords, Date: row.Date, Size: row.Size}
				msg.Open = func(ctx context.Context) (storage.Content, error) { return r.Body(ctx, m, row.UID) }
				var err error
				if row.Damaged != "" {
					err = errors.New(row.Damaged)
				}
				if !yield(msg, err) {
					return
				}
				q.UID = row.UID
			}
			if len(rows) == 0 {
				return
			}
		}
	}
}

// Create implements transfer.Catalog.
func (r *remote) Create(ctx context.Context, m transfer.Mailbox) (made transfer.Mailbox, err error) {
	return made, r.c.Ask(ctx, "transfer/create", TransferQuery{Address: r.address, Mailbox: m}, &made)
}

// Subscribe implements transfer.Catalog.
func (r *remote) Subscribe(ctx context.Context, name string) error {
	return r.c.Ask(ctx, "transfer/subscribe", TransferQuery{Address: r.address, Mailbox: transfer.Mailbox{Name: name}}, &struct{}{})
}

// RaiseUIDNext implements transfer.Contents.
func (r *remote) RaiseUIDNext(ctx context.Context, m transfer.Mailbox, next storage.UID) error {
	return r.c.Ask(ctx, "transfer/uidnext", TransferQuery{Address: r.address, Mailbox: m, UID: next}, &struct{}{})
}

// Fingerprints implements transfer.Contents.
func (r *remote) Fingerprints(ctx context.Context, m transfer.Mailbox) iter.Seq2[storage.Fingerprint, error] {
	return func(yield func(storage.Fingerprint, error) bool) {
		body, err := r.c.post(ctx, "transfer/fingerprints", TransferQuery{Address: r.address, Mailbox: m})
		if err != nil {
			yield(storage.Fingerprint{}, err)
			return
		}
		defer body.Close()
		for {
			var b [printBytes]byte
			if _, err := io.ReadFull(body, b[:]); err != nil {
				yield(storage.Fingerprint{}, fmt.Errorf("read fingerprints: %w", err))
				return
			}
			p := storage.Fingerprint{UID: storage.UID(binary.BigEndian.Uint32(b[:])), CRC: binary.BigEndian.Uint32(b[4:]), Size: int64(binary.BigEndian.Uint64(b[8:]))}
			if p.UID == 0 || !yield(p, nil) {
				return
			}
		}
	}
}

// Body implements transfer.Contents.
func (r *remote) Body(ctx context.Context, m transfer.Mailbox, uid storage.UID) (storage.Content, error) {
	body, err := r.c.post(ctx, "transfer/body", TransferQuery{Address: r.address, Mailbox: m, UID: uid})
	if err != nil {
		return nil, err
	}
	defer body.Close()
	f := spool.Dir{}.New()
	buf := r.buffers.Get().(*[]byte)
	defer r.buffers.Put(buf)
	if _, err := io.CopyBuffer(f, body, *buf); err != nil {
		return nil, errors.Join(fmt.Errorf("read message: %w", err), f.Close())
	}
	return f, nil
}

// Append implements transfer.Contents.
func (r *remote) Append(ctx context.Context, m transfer.Mailbox, msgs []transfer.Incoming) ([]storage.UID, error) {
	q := TransferQuery{Address: r.address, Mailbox: m}
	parts, size := make([]io.Reader, 1, len(msgs)+1), int64(0)
	for _, in := range msgs {
		q.Batch = append(q.Batch, TransferMessage{UID: in.UID, Flags: in.Flags, Keywords: in.Keywords, Date: in.Date, Size: in.Body.Size()})
		parts = append(parts, io.NewSectionReader(in.Body, 0, in.Body.Size()))
		size += in.Body.Size()
	}
	head, err := json.Marshal(q)
	if err != nil {
		return nil, fmt.Errorf("ask transfer/append: %w", err)
	}
	head = append(binary.BigEndian.AppendUint32(nil, uint32(len(head))), head...)
	parts[0] = bytes.NewReader(head)
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://mailstead/v1/transfer/append", io.MultiReader(parts...))
	if err != nil {
		return nil, fmt.Errorf("ask transfer/append: %w", err)
	}
	req.ContentLength = int64(len(head)) + size
	body, err := r.c.do("transfer/append", req)
	if e, ok := errors.AsType[*Error](err); ok && e.Code == Invalid {
		return nil, fmt.Errorf("%w: %w", transfer.ErrMessage, e)
	}
	if err != nil {
		return nil, err
	}
	defer body.Close()
	var out TransferUIDs
	if err := json.NewDecoder(body).Decode(&out); err != nil {
		return nil, fmt.Errorf("read answer to transfer/append: %w", err)
	}
	return out.UIDs, nil
}
