package storage_test

import (
	"slices"
	"strings"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"mailstead/mail"
	"mailstead/storage"
)

// Deliver stores a message in the INBOX of several accounts. It may be visible
// only later: Settle tells when.
func (h *machine) Deliver(t *rapid.T) {
	text := h.message(t)
	to := rapid.SliceOfNDistinct(rapid.Custom(h.drawAccount), 0, 3, rapid.ID[mail.AccountID]).Draw(t, "to")
	msg := storage.Incoming{Body: strings.NewReader(text)}
	next := map[mail.AccountID]storage.UID{}
	for _, id := range to {
		msg.Targets = append(msg.Targets, storage.Target{Ref: storage.Ref{Account: id}, OrInbox: true})
		if a := h.m.accounts[id]; a != nil {
			next[id] = a.boxes["INBOX"].next
		}
	}
	err := h.s.Deliver(t.Context(), msg.Body, to...)
	want := h.m.appendErrors([]storage.Incoming{msg})
	if !oneOf(err, want) {
		t.Fatalf("deliver: got %v, want one of %v", err, want)
	}
	if err := h.s.Settle(t.Context()); err != nil {
		t.Fatalf("settle: %v", err)
	}
	if err != nil {
		return
	}
	blob := storage.BlobID(0)
	for _, id := range to {
		b := h.m.accounts[id].boxes["INBOX"]
		m := &modelMessage{text: text}
		h.arrive(t, b, next[id], m)
		if blob == 0 {
			h.newBlob(t, m)
		} else if m.blob != blob {
			t.Fatalf("deliver: one message is body %d and body %d", blob, m.blob)
		}
		blob = m.blob
	}
}

// Compact, Checkpoint and Purge change nothing that callers can see.
func (h *machine) Compact(t *rapid.T) {
	if _, err := h.s.Compact(t.Context(), storage.CompactOptions{All: rapid.Bool().Draw(t, "all")}); err != nil {
		t.Fatalf("compact: %v", err)
	}
	h.readBodies(t)
}

// Checkpoint is what a rebuild begins with from now on.
func (h *machine) Checkpoint(t *rapid.T) {
	if err := h.s.Checkpoint(t.Context()); err != nil {
		t.Fatalf("checkpoint: %v", err)
	}
}

// expunged lists what can be brought back.
func (h *machine) expunged(t *rapid.T, id mail.AccountID) (list []storage.Expunged) {
	if err := h.s.Expunged(id, func(e storage.Expunged) bool { list = append(list, e); return true }); err != nil {
		t.Fatalf("expunged: %v", err)
	}
	return list
}

// bury is called with messages that were expunged.
func (h *machine) bury(b *modelMailbox, list []*modelMessage) {
	if h.opts.KeepExpunged == 0 {
		return
	}
	a := h.m.accounts[b.ref.Account]
	for _, m := range list {
		a.buried = append(a.buried, buried{m, b.name})
	}
}

// compareExpunged holds what can be brought back against the model.
func (h *machine) compareExpunged(t *rapid.T, a *modelAccount) {
	type one struct {
		Mailbox string
		UID     storage.UID
		Blob    storage.BlobID
		Flags   storage.Flags
	}
	var want, got []one
	for _, b := range a.buried {
		want = append(want, one{b.mailbox, b.uid, b.blob, b.flags})
	}
	for _, e := range h.expunged(t, a.id) {
		got = append(got, one{e.Mailbox, e.UID, e.Row.Blob, e.Row.Flags})
	}
	order := func(x, y one) int {
		if x.Mailbox != y.Mailbox {
			return strings.Compare(x.Mailbox, y.Mailbox)
		}
		return int(x.Blob)*1000 + int(x.UID) - int(y.Blob)*1000 - int(y.UID)
	}
	slices.SortFunc(want, order)
	slices.SortFunc(got, order)
	if d := cmp.Diff(want, got); d != "" {
		t.Fatalf("expunged of account %d (-want +got):\n%s", a.id, d)
	}
}

// Purge gives up for good what was expunged.
func (h *machine) Purge(t *rapid.T) {
	a := h.m.accounts[h.drawAccount(t)]
	if a == nil {
		return
	}
	n, err := h.s.Purge(t.Context(), a.id, time.Now().Add(time.Hour))
	if err != nil || n != len(a.buried) {
		t.Fatalf("purge: got %d, %v, want %d", n, err, len(a.buried))
	}
	a.buried = nil
}

// Undelete brings some of the expunged messages back, to a mailbox that is there.
func (h *machine) Undelete(t *rapid.T) {
	a := h.m.accounts[h.drawAccount(t)]
	if a == nil || len(a.buried) == 0 {
		return
	}
	list := h.expunged(t, a.id)
	list = list[:rapid.IntRange(1, min(len(list), 3)).Draw(t, "messages")]
	to := rapid.SampledFrom(a.sorted()).Draw(t, "to")
	bytes := int64(0)
	for _, e := range list {
		bytes += e.Row.Size
	}
	got, err := h.s.Undelete(t.Context(), a.id, to.name, list)
	if over := h.m.overQuota(a.id, bytes); over != (err != nil) || over && !oneOf(err, []error{storage.ErrOverQuota}) {
		t.Fatalf("undelete: got %v, over quota %v", err, over)
	}
	if err != nil {
		return
	}
	if len(got) != len(list) {
		t.Fatalf("undelete: %d of %d messages are back", len(got), len(list))
	}
	for i, e := range list {
		n := slices.IndexFunc(a.buried, func(b buried) bool { return b.uid == e.UID && b.blob == e.Row.Blob && b.mailbox == e.Mailbox })
		m := *a.buried[n].modelMessage
		a.buried = slices.Delete(a.buried, n, n+1)
		m.flags &^= storage.Deleted
		blob := m.blob
		h.arrive(t, to, got[i].UID, &m)
		if got[i].Ref != to.ref || got[i].UIDValidity != to.validity || m.blob != blob {
			t.Fatalf("undelete: got %+v with body %d, want %+v with body %d", got[i], m.blob, to.ref, blob)
		}
	}
}
