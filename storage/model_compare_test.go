package storage_test

import (
	"errors"
	"io"
	"slices"
	"strings"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"mailstead/storage"
)

// compare holds all that callers can see of the store against the model.
func (h *machine) compare(t *rapid.T) {
	for _, id := range h.m.sortedAccounts() {
		h.compareAccount(t, h.m.accounts[id])
	}
	for _, b := range h.m.boxes {
		if _, err := h.s.MailboxByID(b.ref); b.deleted && !errors.Is(err, storage.ErrNoMailbox) {
			t.Fatalf("mailbox %+v is deleted: got %v", b.ref, err)
		}
	}
	list, err := h.s.Accounts()
	if err != nil || len(list) != len(h.m.accounts) {
		t.Fatalf("accounts: got %v, %v, want %v", list, err, h.m.sortedAccounts())
	}
	for _, f := range h.followers {
		f.drain(t)
		f.compare(t, h)
	}
}

func (h *machine) compareAccount(t *rapid.T, a *modelAccount) {
	var want []storage.Mailbox
	for _, b := range a.sorted() {
		want = append(want, a.mailbox(b))
		h.compareMailbox(t, a, b)
		h.compareGrants(t, b)
	}
	got, err := h.s.Mailboxes(a.id)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Fatalf("mailboxes of account %d (-want +got):\n%s", a.id, d)
	}
	names, err := h.s.Subscriptions(a.id)
	if err != nil {
		t.Fatal(err)
	}
	subscribed := []string{}
	for name := range a.subscribed {
		subscribed = append(subscribed, name)
	}
	if d := cmp.Diff(subscribed, names, cmpopts.SortSlices(strings.Compare), cmpopts.EquateEmpty()); d != "" {
		t.Fatalf("subscriptions of account %d (-want +got):\n%s", a.id, d)
	}
	h.compareShared(t, a.id)
	usage := a.usage()
	usage.Limit = h.m.limits[a.id]
	if u, err := h.s.Usage(a.id); err != nil || u != usage {
		t.Fatalf("usage of account %d: got %+v, %v, want %+v", a.id, u, err, usage)
	}
	h.compareExpunged(t, a)
}

func (h *machine) compareMailbox(t *rapid.T, a *modelAccount, b *modelMailbox) {
	snap, err := h.s.Snapshot(b.ref)
	if err != nil {
		t.Fatal(err)
	}
	snap.Feed.Close()
	var uids, unseen []storage.UID
	for _, msg := range b.messages {
		uids = append(uids, msg.uid)
		if msg.flags&storage.Seen == 0 {
			unseen = append(unseen, msg.uid)
		}
	}
	words := slices.Sorted(slices.Values(a.words))
	want := &storage.Snapshot{Mailbox: a.mailbox(b), Keywords: words, UIDs: storage.UIDs(uids...).List(), Unseen: storage.UIDs(unseen...).List()}
	want.FirstUnseen = want.Unseen.First()
	if d := cmp.Diff(want, snap, cmpopts.IgnoreFields(storage.Snapshot{}, "Feed"), cmpopts.EquateEmpty()); d != "" {
		t.Fatalf("snapshot of %q (-want +got):\n%s", b.name, d)
	}
	h.compareRows(t, b, 0)
	since := storage.ModSeq(rapid.Uint64Range(0, uint64(b.highest)).Draw(t, "since"))
	h.compareRows(t, b, since)
	for _, since := range []storage.ModSeq{0, since} {
		gone, _, err := h.s.Vanished(b.ref, since)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(storage.UIDs(b.vanished(since)...), gone); d != "" {
			t.Fatalf("vanished from %q since %d (-want +got):\n%s", b.name, since, d)
		}
	}
}

// compareRows compares the messages changed since a modseq.
func (h *machine) compareRows(t *rapid.T, b *modelMailbox, since storage.ModSeq) {
	want := slices.DeleteFunc(slices.Clone(b.messages), func(m *modelMessage) bool { return m.modseq <= since })
	i := 0
	for r, err := range h.s.Rows(b.ref, storage.UIDSet{{First: 1, Last: 1<<32 - 1}}, storage.ReadOptions{ChangedSince: since, Message: since == 0}) {
		if err != nil {
			t.Fatal(err)
		}
		if i >= len(want) {
			t.Fatalf("%q since %d: UID %d too many", b.name, since, r.UID)
		}
		compareRow(t, b, want[i], r)
		if r.Message != nil && subject(want[i].text) != r.Message.Envelope.Subject {
			t.Fatalf("%q: UID %d: subject %q, want %q", b.name, r.UID, r.Message.Envelope.Subject, subject(want[i].text))
		}
		i++
	}
	if i < len(want) {
		t.Fatalf("%q since %d: UID %d is missing", b.name, since, want[i].uid)
	}
}

func subject(text string) string {
	line, _, _ := strings.Cut(strings.TrimPrefix(text, "Subject: "), "\r\n")
	return line
}

func compareRow(t *rapid.T, b *modelMailbox, m *modelMessage, got storage.Row) {
	want := storage.Row{UID: m.uid, ModSeq: m.modseq, Flags: m.flags, Keywords: m.keywords, InternalDate: m.date, SaveDate: m.saved, Size: m.size(), Blob: m.blob, Thread: m.thread}
	if d := cmp.Diff(want, got, cmpopts.EquateEmpty(), cmpopts.IgnoreFields(storage.Row{}, "Message"), cmpopts.IgnoreUnexported(storage.Row{})); d != "" {
		t.Fatalf("%q: UID %d (-want +got):\n%s", b.name, m.uid, d)
	}
	_, zone := got.InternalDate.Zone()
	if _, old := m.date.Zone(); zone != old {
		t.Fatalf("%q: UID %d: date %v, want %v", b.name, m.uid, got.InternalDate, m.date)
	}
}

// readBodies compares every message byte for byte.
func (h *machine) readBodies(t *rapid.T) {
	for _, b := range h.m.boxes {
		for _, msg := range b.messages {
			if b.deleted {
				break
			}
			c, err := h.s.OpenBody(t.Context(), b.ref, msg.uid)
			if err != nil {
				t.Fatalf("%q: UID %d: %v", b.name, msg.uid, err)
			}
			text, err := io.ReadAll(io.NewSectionReader(c, 0, c.Size()))
			if err != nil || string(text) != msg.text || c.Close() != nil {
				t.Fatalf("%q: UID %d: got %d bytes, %v, want %d: %.500q", b.name, msg.uid, len(text), err, len(msg.text), text)
			}
		}
	}
}

// follower keeps a mailbox as a session does: from a snapshot and its feed.
type follower struct {
	box              *modelMailbox
	feed             *storage.Feed
	from, last       storage.ModSeq // modseq of the snapshot, of the last event
	rows             map[storage.UID]storage.Row
	renamed, renames int
	deleted          bool
}

// Follow begins to follow a mailbox.
func (h *machine) Follow(t *rapid.T) {
	b := h.m.box(h.drawRef(t, "mailbox"))
	if b == nil || len(h.followers) >= 4 {
		return
	}
	snap, err := h.s.Snapshot(b.ref)
	if err != nil {
		t.Fatal(err)
	}
	f := &follower{box: b, feed: snap.Feed, from: snap.Mailbox.HighestModSeq, renamed: b.renamed, rows: map[storage.UID]storage.Row{}}
	for r, err := range h.s.Rows(b.ref, snap.UIDs.Set(), storage.ReadOptions{}) {
		if err != nil {
			t.Fatal(err)
		}
		f.rows[r.UID] = r
	}
	h.followers = append(h.followers, f)
}

// drain takes what the feed has.
func (f *follower) drain(t *rapid.T) {
	woken := false
	select {
	case <-f.feed.Wake():
		woken = true
	default:
	}
	events, overflow := f.feed.Take()
	if overflow || len(events) > 0 && !woken {
		t.Fatalf("feed of %q: overflow %v, woken %v", f.box.name, overflow, woken)
	}
	for _, e := range events {
		if e.Kind < storage.EventDeleted && e.ModSeq <= max(f.last, f.from) {
			t.Fatalf("feed of %q: modseq %d after %d", f.box.name, e.ModSeq, max(f.last, f.from))
		}
		f.take(t, e)
	}
}

func (f *follower) take(t *rapid.T, e storage.Event) {
	switch e.Kind {
	case storage.EventDeleted:
		f.deleted = true
		return
	case storage.EventRenamed:
		f.renames++
		return
	}
	f.last = e.ModSeq
	for _, r := range e.Rows {
		if _, known := f.rows[r.UID]; known != (e.Kind == storage.EventFlags) {
			t.Fatalf("feed of %q: event %d for UID %d, known %v", f.box.name, e.Kind, r.UID, known)
		}
		f.rows[r.UID] = r
	}
	for u := range e.UIDs.All() {
		if _, known := f.rows[u]; !known {
			t.Fatalf("feed of %q: UID %d expunged, but it was not there", f.box.name, u)
		}
		delete(f.rows, u)
	}
}

// compare holds what the follower has against the model.
func (f *follower) compare(t *rapid.T, h *machine) {
	if f.deleted != f.box.deleted || f.renames != f.box.renamed-f.renamed {
		t.Fatalf("feed of %q: told of deletion %v, renames %d; happened %v, %d", f.box.name, f.deleted, f.renames, f.box.deleted, f.box.renamed-f.renamed)
	}
	if f.deleted {
		return
	}
	if len(f.rows) != len(f.box.messages) {
		t.Fatalf("follower of %q has %d messages, want %d", f.box.name, len(f.rows), len(f.box.messages))
	}
	for _, m := range f.box.messages {
		compareRow(t, f.box, m, f.rows[m.uid])
	}
	if f.last > f.box.highest || len(f.box.messages) > 0 && f.last > 0 && f.last != f.box.highest {
		t.Fatalf("follower of %q is at modseq %d, the mailbox at %d", f.box.name, f.last, f.box.highest)
	}
}
