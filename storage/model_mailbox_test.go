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

// Copy puts messages into a second mailbox.
func (h *machine) Copy(t *rapid.T) { h.transfer(t, false) }

// Move is Copy and Expunge at once (RFC 6851).
func (h *machine) Move(t *rapid.T) { h.transfer(t, true) }

func (h *machine) transfer(t *rapid.T, move bool) {
	from, to := h.drawRef(t, "from"), h.drawRef(t, "to")
	if rapid.IntRange(0, 3).Draw(t, "same account") > 0 {
		to = h.sibling(t, from)
	}
	set := h.drawSet(t, from)
	except := drawMask(t)
	src, dst := h.m.box(from), h.m.box(to)
	across := from.Account != to.Account
	var list []*modelMessage
	var allowed []error
	if src == nil || dst == nil {
		allowed = append(allowed, storage.ErrNoMailbox, storage.ErrNoAccount)
	}
	bytes := int64(0)
	if src != nil {
		list = src.in(set)
		for _, msg := range list {
			bytes += msg.size()
		}
	}
	if (!move || across) && h.m.overQuota(to.Account, bytes) {
		allowed = append(allowed, storage.ErrOverQuota)
	}
	got, err := h.s.Transfer(t.Context(), from, set, to, storage.TransferOptions{Move: move, Except: except})
	if !oneOf(err, allowed) {
		t.Fatalf("copy (move %v): got %v, want one of %v", move, err, allowed)
	}
	if err == nil {
		h.copied(t, src, dst, list, got, move, except)
	}
}

// sibling draws a mailbox of the same account.
func (h *machine) sibling(t *rapid.T, ref storage.Ref) storage.Ref {
	a := h.m.accounts[ref.Account]
	if a == nil {
		return ref
	}
	return rapid.SampledFrom(a.sorted()).Draw(t, "sibling").ref
}

// copied holds the answer of a copy or move against the rules (RFC 4315 §3) and
// brings it into the model.
func (h *machine) copied(t *rapid.T, src, dst *modelMailbox, list []*modelMessage, got storage.CopyResult, move bool, except storage.FlagMask) {
	var uids []storage.UID
	for _, msg := range list {
		uids = append(uids, msg.uid)
	}
	if d := cmp.Diff(uids, got.Src); d != "" || len(got.Dst) != len(uids) {
		t.Fatalf("copy of %d messages gave %d (-want +got):\n%s", len(uids), len(got.Dst), d)
	}
	if len(list) > 0 && got.UIDValidity != dst.validity {
		t.Fatalf("copy: UIDVALIDITY %d, want %d", got.UIDValidity, dst.validity)
	}
	h.settle(t, src, dst, list, got.Dst, move, except)
}

// settle brings messages that have gone to another mailbox into the model.
func (h *machine) settle(t *rapid.T, src, dst *modelMailbox, list []*modelMessage, uids []storage.UID, move bool, except storage.FlagMask) {
	for i, msg := range list {
		c := *msg
		c.flags &^= except.Flags
		if c.keywords = nil; !except.Keywords {
			c.keywords = h.m.accounts[dst.ref.Account].spell(msg.keywords, true)
		}
		h.arrive(t, dst, uids[i], &c)
		// Another account has other threads.
		if c.blob != msg.blob || c.thread != msg.thread && src.ref.Account == dst.ref.Account {
			t.Fatalf("copy of UID %d: body %d, thread %d, want %d, %d", msg.uid, c.blob, c.thread, msg.blob, msg.thread)
		}
	}
	if !move || len(list) == 0 {
		return
	}
	m, err := h.s.MailboxByID(src.ref)
	if err != nil {
		t.Fatal(err)
	}
	h.advance(t, src, m.HighestModSeq)
	src.remove(list, m.HighestModSeq)
	if src.ref.Account != dst.ref.Account {
		h.bury(src, list)
	}
}

// CreateMailbox makes a mailbox and the levels above it.
func (h *machine) CreateMailbox(t *rapid.T) {
	id, n := h.drawAccount(t), drawName(t, "name")
	use := rapid.SampledFrom([]storage.SpecialUse{"", storage.UseFlagged, storage.UseSent + " " + storage.UseTrash}).Draw(t, "use")
	a := h.m.accounts[id]
	var allowed []error
	if a == nil {
		allowed = append(allowed, storage.ErrNoAccount)
	} else if a.boxes[n.clean] != nil {
		allowed = append(allowed, storage.ErrExists)
	}
	if n.bad {
		allowed = []error{storage.ErrBadName, storage.ErrNoAccount}
	}
	got, err := h.s.CreateMailbox(t.Context(), id, n.raw, use)
	if !oneOf(err, allowed) {
		t.Fatalf("create %q: got %v, want one of %v", n.raw, err, allowed)
	}
	if err != nil {
		return
	}
	h.parents(t, a, n.clean)
	b := h.created(t, a, n.clean, use)
	want := a.mailbox(b)
	want.Subscribed = got.Subscribed // is not part of the answer
	if d := cmp.Diff(want, got); d != "" {
		t.Fatalf("create %q (-want +got):\n%s", n.clean, d)
	}
}

func (h *machine) drawAccount(t *rapid.T) mail.AccountID {
	if rapid.IntRange(0, 19).Draw(t, "no account") == 0 || len(h.m.accounts) == 0 {
		return 9999
	}
	return rapid.SampledFrom(h.m.sortedAccounts()).Draw(t, "account")
}

// parents brings the levels above name that were missing into the model.
func (h *machine) parents(t *rapid.T, a *modelAccount, name string) {
	levels := strings.Split(name, "/")
	for i := 1; i < len(levels); i++ {
		if above := strings.Join(levels[:i], "/"); a.boxes[above] == nil {
			h.created(t, a, above, "")
		}
	}
}

// created brings a new, empty mailbox into the model and holds what the store
// chose for it against the rules: neither its id nor its UIDVALIDITY was ever
// another mailbox's.
func (h *machine) created(t *rapid.T, a *modelAccount, name string, use storage.SpecialUse) *modelMailbox {
	got, err := h.s.Mailbox(a.id, name)
	if err != nil {
		t.Fatalf("new mailbox %q: %v", name, err)
	}
	if got.ID == 0 || a.ids[got.ID] || got.UIDValidity == 0 || a.validities[got.UIDValidity] || got.UIDNext == 0 {
		t.Fatalf("new mailbox %q has numbers of another: %+v", name, got)
	}
	a.ids[got.ID], a.validities[got.UIDValidity] = true, true
	b := &modelMailbox{ref: storage.Ref{Account: a.id, Mailbox: got.ID}, name: name, use: use, validity: got.UIDValidity, next: 1}
	if m, err := h.s.MailboxByID(b.ref); err != nil {
		t.Fatal(err)
	} else if m.Messages == 0 {
		b.highest = m.HighestModSeq
		a.modseq = max(a.modseq, m.HighestModSeq)
	}
	a.boxes[name] = b
	if i := strings.LastIndexByte(name, '/'); i >= 0 {
		b.grants = maps.Clone(a.boxes[name[:i]].grants)
	}
	h.m.boxes = append(h.m.boxes, b)
	return b
}

// DeleteMailbox removes a mailbox with what is in it.
func (h *machine) DeleteMailbox(t *rapid.T) {
	id, n := h.drawAccount(t), drawName(t, "name")
	a := h.m.accounts[id]
	var allowed []error
	if a == nil || n.bad || a.boxes[n.clean] == nil {
		allowed = append(allowed, storage.ErrNoMailbox, storage.ErrNoAccount)
	}
	if n.clean == "INBOX" {
		allowed = append(allowed, storage.ErrInUse)
	}
	if a != nil && a.hasChildren(n.clean) {
		allowed = append(allowed, storage.ErrHasChildren)
	}
	err := h.s.DeleteMailbox(t.Context(), id, n.raw)
	if !oneOf(err, allowed) {
		t.Fatalf("delete %q: got %v, want one of %v", n.raw, err, allowed)
	}
	if err == nil {
		b := a.boxes[n.clean]
		b.deleted = true
		h.bury(b, b.messages)
		delete(a.boxes, n.clean)
	}
}

// RenameMailbox renames with all below; INBOX gives its messages away.
func (h *machine) RenameMailbox(t *rapid.T) {
	id, from, to := h.drawAccount(t), drawName(t, "from"), drawName(t, "to")
	if a := h.m.accounts[id]; a != nil && rapid.IntRange(0, 2).Draw(t, "there") > 0 {
		name := rapid.SampledFrom(a.sorted()).Draw(t, "from").name
		if rapid.IntRange(0, 3).Draw(t, "INBOX") == 0 {
			name = "INBOX"
		}
		from = boxName{raw: name, clean: name}
	}
	allowed := h.m.renameErrors(id, from, to)
	err := h.s.RenameMailbox(t.Context(), id, from.raw, to.raw)
	if !oneOf(err, allowed) {
		t.Fatalf("rename %q to %q: got %v, want one of %v", from.raw, to.raw, err, allowed)
	}
	if err != nil {
		return
	}
	a := h.m.accounts[id]
	h.parents(t, a, to.clean)
	if from.clean == "INBOX" {
		h.renamedInbox(t, a, to.clean)
		return
	}
	for _, b := range a.sorted() {
		if b.name == from.clean || strings.HasPrefix(b.name, from.clean+"/") {
			delete(a.boxes, b.name)
			b.name = to.clean + b.name[len(from.clean):]
			b.renamed++
			a.boxes[b.name] = b
		}
	}
}

// renamedInbox moves the messages of INBOX to the new mailbox, in their order;
// what is below INBOX stays (RFC 9051 §6.3.6).
func (h *machine) renamedInbox(t *rapid.T, a *modelAccount, to string) {
	inbox := a.boxes["INBOX"]
	b := h.created(t, a, to, "")
	var uids []storage.UID
	for r, err := range h.s.Rows(b.ref, storage.UIDSet{{First: 1, Last: 1<<32 - 1}}, storage.ReadOptions{}) {
		if err != nil {
			t.Fatal(err)
		}
		uids = append(uids, r.UID)
	}
	if len(uids) != len(inbox.messages) {
		t.Fatalf("INBOX renamed: %d of %d messages have moved", len(uids), len(inbox.messages))
	}
	h.settle(t, inbox, b, slices.Clone(inbox.messages), uids, true, storage.FlagMask{})
}

// Subscribe puts a name on the list or takes it off.
func (h *machine) Subscribe(t *rapid.T) {
	id, n, on := h.drawAccount(t), drawName(t, "name"), rapid.Bool().Draw(t, "on")
	a := h.m.accounts[id]
	var allowed []error
	if a == nil {
		allowed = append(allowed, storage.ErrNoAccount)
	}
	if n.bad {
		allowed = append(allowed, storage.ErrBadName)
	}
	err := h.s.Subscribe(t.Context(), id, n.raw, on)
	if !oneOf(err, allowed) {
		t.Fatalf("subscribe %q: got %v, want one of %v", n.raw, err, allowed)
	}
	if err == nil {
		if delete(a.subscribed, n.clean); on {
			a.subscribed[n.clean] = true
		}
	}
}
