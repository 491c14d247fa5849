package transfer

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"

	"mailstead/mail"
	"mailstead/storage"
)

// Filter chooses what StoreSource gives. The zero value is everything.
type Filter struct {
	Mailboxes  []string // names; empty: all
	MessageIDs []string // with or without "<>"; empty: all
}

// Local is an account of a store: a Source and a Sink. Make it with NewLocal.
type Local struct {
	store   *storage.Store
	account mail.AccountID
	filter  Filter
}

// NewLocal makes a source and sink of an account of an open store.
func NewLocal(s *storage.Store, account mail.AccountID) *Local {
	return &Local{store: s, account: account}
}

// StoreSource reads an account of an open store, as far as the filter lets.
func StoreSource(s *storage.Store, account mail.AccountID, f Filter) Source {
	c := Filter{}
	for _, name := range f.Mailboxes {
		if clean, err := storage.CleanName(name); err == nil {
			name = clean
		}
		c.Mailboxes = append(c.Mailboxes, name)
	}
	for _, id := range f.MessageIDs {
		c.MessageIDs = append(c.MessageIDs, strings.Trim(id, "<> "))
	}
	return &Local{s, account, c}
}

func (l *Local) ref(m Mailbox) storage.Ref {
	return storage.Ref{Account: l.account, Mailbox: m.ID}
}

func fromStore(m storage.Mailbox) Mailbox {
	return Mailbox{m.ID, m.Name, m.SpecialUse, m.Subscribed, m.UIDValidity, m.UIDNext, int64(m.Messages)}
}

// Mailboxes implements Source and Catalog.
func (l *Local) Mailboxes(context.Context) ([]Mailbox, error) {
	boxes, err := l.store.Mailboxes(l.account)
	if err != nil {
		return nil, err
	}
	list := []Mailbox{}
	for _, m := range boxes {
		if len(l.filter.Mailboxes) == 0 || slices.Contains(l.filter.Mailboxes, m.Name) {
			list = append(list, fromStore(m))
		}
	}
	return list, nil
}

// Messages implements Source.
func (l *Local) Messages(ctx context.Context, m Mailbox) iter.Seq2[Message, error] {
	return l.MessagesAfter(ctx, m, 0)
}

func itemName(uid storage.UID) string { return fmt.Sprintf("UID %d", uid) }

// MessagesAfter walks the messages with a UID above after.
func (l *Local) MessagesAfter(ctx context.Context, m Mailbox, after storage.UID) iter.Seq2[Message, error] {
	return func(yield func(Message, error) bool) {
		rest := storage.UIDSet{{First: after + 1, Last: 1<<32 - 1}}
		if after == 1<<32-1 {
			return
		}
		for row, err := range l.store.Rows(l.ref(m), rest, storage.ReadOptions{Message: len(l.filter.MessageIDs) > 0}) {
			if ctx.Err() != nil || err != nil && row.UID == 0 {
				yield(Message{}, errors.Join(err, ctx.Err()))
				return
			}
			if err != nil { // this one is damaged
				if !yield(Message{Item: itemName(row.UID), UID: row.UID}, err) {
					return
				}
				continue
			}
			if len(l.filter.MessageIDs) > 0 && (row.Message == nil || !slices.Contains(l.filter.MessageIDs, row.Message.ID())) {
				continue
			}
			msg := Message{Item: itemName(row.UID), UID: row.UID, Flags: row.Flags, Keywords: row.Keywords, Date: row.InternalDate, Size: row.Size}
			msg.Open = func(ctx context.Context) (storage.Content, error) { return l.store.OpenBlob(ctx, row.Blob) }
			if !yield(msg, nil) {
				return
			}
		}
	}
}

// Create implements Catalog. A UIDVALIDITY is kept, so that clients know the
// messages again; their UIDs come with them.
func (l *Local) Create(ctx context.Context, m Mailbox) (Mailbox, error) {
	made, err := l.store.AdoptMailbox(ctx, l.account, m.Name, m.SpecialUse, m.UIDValidity)
	return fromStore(made), err
}

// Subscribe implements Catalog.
func (l *Local) Subscribe(ctx context.Context, name string) error {
	return l.store.Subscribe(ctx, l.account, name, true)
}

// Fingerprints implements Contents.
func (l *Local) Fingerprints(_ context.Context, m Mailbox) iter.Seq2[storage.Fingerprint, error] {
	return l.store.Fingerprints(l.ref(m))
}

// Body implements Contents.
func (l *Local) Body(ctx context.Context, m Mailbox, uid storage.UID) (storage.Content, error) {
	return l.store.OpenBody(ctx, l.ref(m), uid)
}

// Append implements Contents.
func (l *Local) Append(ctx context.Context, m Mailbox, msgs []Incoming) ([]storage.UID, error) {
	batch := make([]storage.Incoming, len(msgs))
	for i, in := range msgs {
		batch[i] = storage.Incoming{Body: in.Body, Targets: []storage.Target{{Ref: l.ref(m), Flags: in.Flags, Keywords: in.Keywords, InternalDate: in.Date, UID: in.UID}}}
	}
	done, err := l.store.AppendAll(ctx, batch)
	if errors.Is(err, storage.ErrTooBig) {
		err = fmt.Errorf("%w: %w", ErrMessage, err)
	}
	if err != nil {
		return nil, err
	}
	uids := make([]storage.UID, len(done))
	for i, a := range done {
		uids[i] = a[0].UID
	}
	return uids, nil
}

// RaiseUIDNext implements Contents: UIDs that messages had which are gone must
// not be met again under the same UIDVALIDITY (RFC 9051 §2.3.1.1). The store
// knows one way to use a UID up, which is a message.
func (l *Local) RaiseUIDNext(ctx context.Context, m Mailbox, next storage.UID) error {
	now, err := l.store.MailboxByID(l.ref(m))
	if err != nil || now.UIDNext >= next {
		return err
	}
	to := storage.Target{Ref: l.ref(m), Flags: storage.Seen | storage.Deleted, UID: next - 1}
	done, err := l.store.Append(ctx, strings.NewReader("Subject: UIDs of expunged messages\r\n\r\n"), to)
	if err != nil {
		return err
	}
	_, _, err = l.store.Expunge(ctx, l.ref(m), storage.UIDs(done[0].UID), false)
	return err
}
