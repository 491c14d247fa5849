package storage_test

import (
	"maps"
	"slices"
	"strings"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"mailstead/mail"
	"mailstead/storage"
)

// Append stores one to three messages, each in one or more mailboxes.
func (h *machine) Append(t *rapid.T) {
	var msgs []storage.Incoming
	var texts []string
	for range rapid.SampledFrom([]int{1, 1, 1, 2, 3}).Draw(t, "messages") {
		text := h.message(t)
		in := storage.Incoming{Body: strings.NewReader(text)}
		for range rapid.SampledFrom([]int{1, 1, 1, 2, 3, 4}).Draw(t, "targets") {
			tg := storage.Target{Ref: h.drawRef(t, "to"), OrInbox: rapid.Bool().Draw(t, "or INBOX"), Flags: drawFlags(t), Keywords: drawKeywords(t), InternalDate: drawDate(t)}
			if tg.OrInbox && rapid.IntRange(0, 3).Draw(t, "INBOX") == 0 {
				tg.Mailbox = 0
			}
			in.Targets = append(in.Targets, tg)
		}
		msgs, texts = append(msgs, in), append(texts, text)
	}
	got, err := h.s.AppendAll(t.Context(), msgs)
	want := h.m.appendErrors(msgs)
	if !oneOf(err, want) {
		t.Fatalf("append: got %v, want one of %v", err, want)
	}
	if err != nil {
		return
	}
	for i, in := range msgs {
		if len(got[i]) != len(in.Targets) {
			t.Fatalf("append: got %d places for %d targets", len(got[i]), len(in.Targets))
		}
		var first *modelMessage
		for j, tg := range in.Targets {
			msg := h.appended(t, tg, got[i][j], texts[i])
			if first == nil {
				first = msg
				h.newBlob(t, msg)
			} else if msg.blob != first.blob {
				t.Fatalf("append: one message is body %d and body %d", first.blob, msg.blob)
			}
		}
	}
}

// newBlob remembers a body, which must not be one that was.
func (h *machine) newBlob(t *rapid.T, msg *modelMessage) {
	if _, ok := h.m.blobs[msg.blob]; ok || msg.blob == 0 {
		t.Fatalf("body %d is given to a second message", msg.blob)
	}
	h.m.blobs[msg.blob] = msg.text
}

// appended holds one answer of an append against the rules and brings it into
// the model.
func (h *machine) appended(t *rapid.T, tg storage.Target, got storage.Appended, text string) *modelMessage {
	a := h.m.accounts[tg.Account]
	b := h.m.box(tg.Ref)
	if b == nil {
		b = a.boxes["INBOX"]
	}
	if got.Ref != b.ref || got.UIDValidity != b.validity {
		t.Fatalf("append to %+v: got %+v, want %+v with UIDVALIDITY %d", tg.Ref, got, b.ref, b.validity)
	}
	msg := &modelMessage{flags: tg.Flags, keywords: a.spell(tg.Keywords, true), date: tg.InternalDate, text: text}
	h.arrive(t, b, got.UID, msg)
	if msg.modseq != got.ModSeq {
		t.Fatalf("UID %d: told modseq %d, has %d", got.UID, got.ModSeq, msg.modseq)
	}
	return msg
}

// arrive gives a new message of a mailbox its UID and learns from the store what
// the store may choose: modseq, save date, thread, body.
func (h *machine) arrive(t *rapid.T, b *modelMailbox, uid storage.UID, msg *modelMessage) {
	if uid < b.next {
		t.Fatalf("%q: new UID %d, UIDNEXT was %d", b.name, uid, b.next)
	}
	row := h.row(t, b.ref, uid)
	if row.ModSeq <= b.highest {
		t.Fatalf("%q: UID %d: modseq %d, HIGHESTMODSEQ was %d", b.name, uid, row.ModSeq, b.highest)
	}
	if msg.date.IsZero() {
		msg.date = row.InternalDate
	}
	msg.uid, msg.modseq, msg.saved, msg.blob, msg.thread = uid, row.ModSeq, row.SaveDate, row.Blob, row.Thread
	b.messages, b.next, b.highest = append(b.messages, msg), uid+1, row.ModSeq
	a := h.m.accounts[b.ref.Account]
	a.modseq = max(a.modseq, row.ModSeq)
}

// row reads one message that must be there.
func (h *machine) row(t *rapid.T, ref storage.Ref, uid storage.UID) storage.Row {
	for r, err := range h.s.Rows(ref, storage.UIDs(uid), storage.ReadOptions{}) {
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	t.Fatalf("mailbox %+v: UID %d is not there", ref, uid)
	return storage.Row{}
}

// SetFlags does every kind of STORE.
func (h *machine) SetFlags(t *rapid.T) {
	ref := h.drawRef(t, "mailbox")
	set := h.drawSet(t, ref)
	c := storage.FlagChange{Op: storage.FlagOp(rapid.IntRange(0, 2).Draw(t, "op")), Flags: drawFlags(t), Keywords: drawKeywords(t), Except: drawMask(t)}
	a, b := h.m.accounts[ref.Account], h.m.box(ref)
	if b != nil && rapid.IntRange(0, 2).Draw(t, "unchanged since") == 0 {
		since := storage.ModSeq(rapid.Uint64Range(0, uint64(b.highest)+1).Draw(t, "since"))
		c.UnchangedSince = &since
	}
	got, err := h.s.SetFlags(t.Context(), ref, set, c)
	if b == nil {
		if !oneOf(err, []error{storage.ErrNoMailbox, storage.ErrNoAccount}) {
			t.Fatalf("flags of no mailbox: got %v", err)
		}
		return
	}
	if err != nil {
		t.Fatalf("flags: %v", err)
	}
	if c.Except.Keywords {
		c.Keywords = nil
	}
	a.spell(c.Keywords, c.Op != storage.RemoveFlags)
	var changed, modified []storage.UID
	for _, msg := range b.in(set) {
		if c.UnchangedSince != nil && msg.modseq > *c.UnchangedSince {
			modified = append(modified, msg.uid)
		} else if a.store(msg, c) {
			changed = append(changed, msg.uid)
			msg.modseq = got.ModSeq
		}
	}
	h.flagged(t, b, got, changed, modified)
}

// flagged holds the answer to SetFlags against the model after it.
func (h *machine) flagged(t *rapid.T, b *modelMailbox, got storage.FlagResult, changed, modified []storage.UID) {
	var told []storage.UID
	for _, r := range got.Changed {
		told = append(told, r.UID)
		if i := slices.IndexFunc(b.messages, func(m *modelMessage) bool { return m.uid == r.UID }); i >= 0 {
			compareRow(t, b, b.messages[i], r)
		}
	}
	if d := cmp.Diff(changed, told); d != "" {
		t.Fatalf("flags of %q: changed (-want +got):\n%s", b.name, d)
	}
	if d := cmp.Diff(storage.UIDs(modified...), got.Modified); d != "" {
		t.Fatalf("flags of %q: modified (-want +got):\n%s", b.name, d)
	}
	switch {
	case len(changed) == 0 && got.ModSeq != 0:
		t.Fatalf("flags of %q: modseq %d, but nothing changed", b.name, got.ModSeq)
	case len(changed) > 0:
		h.advance(t, b, got.ModSeq)
	}
}

// advance notes the modseq of a change to a mailbox, which must be a new one.
func (h *machine) advance(t *rapid.T, b *modelMailbox, modseq storage.ModSeq) {
	a := h.m.accounts[b.ref.Account]
	if modseq <= a.modseq {
		t.Fatalf("%q: change with modseq %d, the account had %d", b.name, modseq, a.modseq)
	}
	a.modseq, b.highest = modseq, modseq
}

// Expunge removes by set, all, or those with \Deleted.
func (h *machine) Expunge(t *rapid.T) {
	ref := h.drawRef(t, "mailbox")
	var set storage.UIDSet
	if rapid.Bool().Draw(t, "set") {
		set = h.drawSet(t, ref)
	}
	only := rapid.Bool().Draw(t, "only deleted")
	got, modseq, err := h.s.Expunge(t.Context(), ref, set, only)
	b := h.m.box(ref)
	if b == nil {
		if !oneOf(err, []error{storage.ErrNoMailbox, storage.ErrNoAccount}) {
			t.Fatalf("expunge of no mailbox: got %v", err)
		}
		return
	}
	if err != nil {
		t.Fatalf("expunge: %v", err)
	}
	list := slices.Clone(b.messages)
	if set != nil {
		list = b.in(set)
	}
	var uids []storage.UID
	list = slices.DeleteFunc(list, func(m *modelMessage) bool { return only && m.flags&storage.Deleted == 0 })
	for _, m := range list {
		uids = append(uids, m.uid)
	}
	if d := cmp.Diff(storage.UIDs(uids...), got); d != "" {
		t.Fatalf("expunge of %q (-want +got):\n%s", b.name, d)
	}
	if len(list) > 0 {
		h.advance(t, b, modseq)
		b.remove(list, modseq)
		h.bury(b, list)
	} else if modseq != 0 {
		t.Fatalf("expunge of %q: modseq %d for nothing", b.name, modseq)
	}
}

// SetQuota limits an account or frees it.
func (h *machine) SetQuota(t *rapid.T) {
	ids := h.m.sortedAccounts()
	if len(ids) == 0 {
		return
	}
	id := rapid.SampledFrom(ids).Draw(t, "account")
	h.m.limits[id] = 0
	if rapid.Bool().Draw(t, "limit") {
		h.m.limits[id] = max(1, h.m.accounts[id].usage().Bytes+rapid.Int64Range(-50, 500).Draw(t, "room"))
	}
}

// CreateAccount makes an account of a new number.
func (h *machine) CreateAccount(t *rapid.T) {
	if len(h.m.accounts) >= 3 {
		id := rapid.SampledFrom(h.m.sortedAccounts()).Draw(t, "account")
		if err := h.s.CreateAccount(t.Context(), id, "x"); !oneOf(err, []error{storage.ErrExists}) {
			t.Fatalf("create account %d again: got %v", id, err)
		}
		return
	}
	h.numbers++
	if err := h.s.CreateAccount(t.Context(), h.numbers, "user"); err != nil {
		t.Fatal(err)
	}
	a := &modelAccount{id: h.numbers, boxes: map[string]*modelMailbox{}, subscribed: map[string]bool{}, validities: map[uint32]bool{}, ids: map[storage.MailboxID]bool{}}
	h.m.accounts[a.id] = a
	for name, use := range map[string]storage.SpecialUse{"INBOX": "", "Archive": storage.UseArchive, "Drafts": storage.UseDrafts,
		"Junk": storage.UseJunk, "Sent": storage.UseSent, "Trash": storage.UseTrash} {
		h.created(t, a, name, use)
		a.subscribed[name] = true
	}
	slices.SortFunc(h.m.boxes, func(x, y *modelMailbox) int {
		if x.ref.Account != y.ref.Account {
			return int(x.ref.Account) - int(y.ref.Account)
		}
		return int(x.ref.Mailbox) - int(y.ref.Mailbox)
	})
}

// RemoveAccount takes an account away, seldom.
func (h *machine) RemoveAccount(t *rapid.T) {
	if rapid.IntRange(0, 2).Draw(t, "really") > 0 || len(h.m.accounts) == 0 {
		return
	}
	id := rapid.SampledFrom(append(h.m.sortedAccounts(), mail.AccountID(9999))).Draw(t, "account")
	err := h.s.RemoveAccount(t.Context(), id)
	a := h.m.accounts[id]
	if a == nil {
		if !oneOf(err, []error{storage.ErrNoAccount}) {
			t.Fatalf("remove no account: got %v", err)
		}
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range a.boxes {
		b.deleted = true
	}
	delete(h.m.accounts, id)
	for _, b := range h.m.boxes {
		maps.DeleteFunc(b.grants, func(k grantOf, _ storage.Rights) bool { return k.to == id })
	}
}
