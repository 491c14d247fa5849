package admin

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"strconv"
	"time"

	"mailstead/internal/logkey"
	"mailstead/internal/spool"
	"mailstead/storage"
	"mailstead/transfer"
)

const (
	rowsSlice      = 2000    // messages of one answer to transfer/rows
	maxBatchHeader = 4 << 20 // bytes of JSON before the messages of transfer/append
	printBytes     = 16      // of one fingerprint: UID, CRC and size, big-endian
)

// TransferQuery asks for part of an account's mail; each operation says which
// fields it reads.
type TransferQuery struct {
	Address string            `json:"address"`
	Mailbox transfer.Mailbox  `json:"mailbox"`         // of which ID is read, other than by transfer/create
	UID     storage.UID       `json:"uid,omitempty"`   // transfer/body: of the message; transfer/rows: of the last one had; transfer/uidnext: the next
	Batch   []TransferMessage `json:"batch,omitempty"` // for transfer/append
}

// TransferMessage describes a message without its bytes.
type TransferMessage struct {
	UID      storage.UID   `json:"uid,omitempty"`
	Flags    storage.Flags `json:"flags,omitempty"` // bits as in docs/storage.md
	Keywords []string      `json:"keywords,omitempty"`
	Date     time.Time     `json:"date,omitzero"`
	Size     int64         `json:"size"`              // bytes
	Damaged  string        `json:"damaged,omitempty"` // why the rest is not known
}

// TransferUIDs answers transfer/append.
type TransferUIDs struct {
	UIDs []storage.UID `json:"uids"`
}

// local gives direct access to an account's mail.
func (s *Service) local(address string) (*transfer.Local, error) {
	a, err := s.find(address)
	if err != nil {
		return nil, err
	}
	return transfer.NewLocal(s.o.Store, a.ID), nil
}

// TransferMailboxes lists an account's mailboxes for an import or export. Reads
// Address.
func (s *Service) TransferMailboxes(ctx context.Context, q TransferQuery) ([]transfer.Mailbox, error) {
	l, err := s.local(q.Address)
	if err != nil {
		return nil, err
	}
	return l.Mailboxes(ctx)
}

// TransferCreate makes a mailbox. Reads Address and Mailbox.
func (s *Service) TransferCreate(ctx context.Context, q TransferQuery) (transfer.Mailbox, error) {
	l, err := s.local(q.Address)
	if err != nil {
		return transfer.Mailbox{}, err
	}
	m, err := l.Create(ctx, q.Mailbox)
	if err == nil {
		s.log.Info("mailbox created", logkey.Account, q.Address, logkey.Mailbox, m.Name)
	}
	return m, err
}

// TransferSubscribe subscribes to a mailbox. Reads Address and the name in
// Mailbox.
func (s *Service) TransferSubscribe(ctx context.Context, q TransferQuery) (struct{}, error) {
	l, err := s.local(q.Address)
	if err != nil {
		return struct{}{}, err
	}
	return struct{}{}, l.Subscribe(ctx, q.Mailbox.Name)
}

// TransferUIDNext raises the UIDNEXT of a mailbox to UID. Reads Address, Mailbox
// and UID.
func (s *Service) TransferUIDNext(ctx context.Context, q TransferQuery) (struct{}, error) {
	l, err := s.local(q.Address)
	if err != nil {
		return struct{}{}, err
	}
	return struct{}{}, l.RaiseUIDNext(ctx, q.Mailbox, q.UID)
}

// TransferRows tells of the messages of a mailbox with UIDs above the one
// given; an empty answer is the end. Reads Address, Mailbox and UID.
func (s *Service) TransferRows(ctx context.Context, q TransferQuery) ([]TransferMessage, error) {
	l, err := s.local(q.Address)
	if err != nil {
		return nil, err
	}
	list := []TransferMessage{}
	for m, err := range l.MessagesAfter(ctx, q.Mailbox, q.UID) {
		if err != nil && m.UID == 0 {
			return nil, err
		}
		row := TransferMessage{UID: m.UID, Flags: m.Flags, Keywords: m.Keywords, Date: m.Date, Size: m.Size}
		if err != nil {
			row.Damaged = err.Error()
		}
		list = append(list, row)
		if len(list) == rowsSlice {
			break
		}
	}
	return list, nil
}

// addTransfer adds the operations that answer or take bytes.
func (s *Service) addTransfer(add func(string, http.HandlerFunc)) {
	add("transfer/mailboxes", answer(s.TransferMailboxes))
	add("transfer/create", answer(s.TransferCreate))
	add("transfer/subscribe", answer(s.TransferSubscribe))
	add("transfer/uidnext", answer(s.TransferUIDNext))
	add("transfer/rows", answer(s.TransferRows))
	add("transfer/fingerprints", s.fingerprints)
	add("transfer/body", s.body)
	add("transfer/append", func(w http.ResponseWriter, r *http.Request) {
		out, err := s.appendBatch(r.Context(), r.Body)
		if err != nil {
			fail(w, AsError(err))
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(out) // the client may be gone
	})
}

// fingerprints answers with those of a mailbox, and one of zeros at the end, so
// that an answer cut short is told from a whole one.
func (s *Service) fingerprints(w http.ResponseWriter, r *http.Request) {
	var q TransferQuery
	l, err := (*transfer.Local)(nil), decode(w, r, &q)
	if err == nil {
		l, err = s.local(q.Address)
	}
	if err != nil {
		fail(w, AsError(err))
		return
	}
	var buf [printBytes]byte
	for p, err := range l.Fingerprints(r.Context(), q.Mailbox) {
		if err != nil {
			s.log.Warn("fingerprints not read", logkey.Account, q.Address, logkey.Err, err)
			return
		}
		binary.BigEndian.PutUint32(buf[:], uint32(p.UID))
		binary.BigEndian.PutUint32(buf[4:], p.CRC)
		binary.BigEndian.PutUint64(buf[8:], uint64(p.Size))
		if _, err := w.Write(buf[:]); err != nil {
			return
		}
	}
	_, _ = w.Write(make([]byte, printBytes)) // the client may be gone
}

// body answers with a message.
func (s *Service) body(w http.ResponseWriter, r *http.Request) {
	var q TransferQuery
	l, err := (*transfer.Local)(nil), decode(w, r, &q)
	if err == nil {
		l, err = s.local(q.Address)
	}
	var c storage.Content
	if err == nil {
		c, err = l.Body(r.Context(), q.Mailbox, q.UID)
	}
	if err != nil {
		fail(w, AsError(err))
		return
	}
	defer c.Close()
	w.Header().Set("Content-Type", "message/rfc822")
	w.Header().Set("Content-Length", strconv.FormatInt(c.Size(), 10))
	_, _ = io.Copy(w, io.NewSectionReader(c, 0, c.Size())) // too short an answer is an error at the client
}

// appendBatch stores messages: 4 bytes big-endian with the length of a
// TransferQuery as JSON, that, and the bytes of the messages in its Batch one
// after the other.
func (s *Service) appendBatch(ctx context.Context, r io.Reader) (out TransferUIDs, err error) {
	q, err := readBatchHeader(r)
	if err != nil {
		return out, err
	}
	l, err := s.local(q.Address)
	if err != nil {
		return out, err
	}
	dir := spool.Dir{Path: filepath.Join(s.o.DataDir, "spool")}
	msgs := make([]transfer.Incoming, 0, len(q.Batch))
	defer func() {
		for _, m := range msgs {
			err = errors.Join(err, m.Body.(*spool.File).Close())
		}
	}()
	for _, m := range q.Batch {
		f := dir.New()
		msgs = append(msgs, transfer.Incoming{UID: m.UID, Flags: m.Flags, Keywords: m.Keywords, Date: m.Date, Body: f})
		if _, err := io.CopyN(f, r, m.Size); err != nil {
			return out, fmt.Errorf("read message: %w", err)
		}
	}
	if out.UIDs, err = l.Append(ctx, q.Mailbox, msgs); err == nil {
		s.log.Debug("messages imported", logkey.Account, q.Address, logkey.Count, len(msgs))
	}
	return out, err
}

func readBatchHeader(r io.Reader) (q TransferQuery, err error) {
	var length [4]byte
	if _, err := io.ReadFull(r, length[:]); err != nil {
		return q, &Error{Invalid, fmt.Sprintf("read batch: %v", err)}
	}
	n := binary.BigEndian.Uint32(length[:])
	if n > maxBatchHeader {
		return q, &Error{Invalid, fmt.Sprintf("batch header has %d bytes, at most %d are taken", n, maxBatchHeader)}
	}
	b := make([]byte, n)
	if _, err := io.ReadFull(r, b); err != nil {
		return q, &Error{Invalid, fmt.Sprintf("read batch: %v", err)}
	}
	if err := json.Unmarshal(b, &q); err != nil {
		return q, &Error{Invalid, fmt.Sprintf("read batch: %v", err)}
	}
	total := int64(0)
	for _, m := range q.Batch {
		if m.Size < 0 || m.Size > storage.MaxMessage {
			return q, &Error{Invalid, fmt.Sprintf("message of %d bytes", m.Size)}
		}
		total += m.Size
	}
	if len(q.Batch) > transfer.MaxBatchMessages || len(q.Batch) > 1 && total > transfer.MaxBatchBytes {
		return q, &Error{Invalid, fmt.Sprintf("batch of %d messages with %d bytes, at most %d with %d are taken, or one", len(q.Batch), total, transfer.MaxBatchMessages, transfer.MaxBatchBytes)}
	}
	return q, nil
}
