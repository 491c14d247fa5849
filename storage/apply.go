package storage

import (
	"encoding/binary"
	"fmt"
	"hash/fnv"
	"slices"
	"strings"

	"mailstead/mail"
)

// outcome is what applying one record came to. err is the caller's; a record
// with err has changed nothing.
type outcome struct {
	err      error
	appended []Appended
	mailbox  Mailbox
	flags    FlagResult
	copied   CopyResult
	removed  UIDSet
	modseq   ModSeq
	count    int // messages purged or undeleted
	events   []addressed
	notices  []Notice
}

// addressed is an event and the mailbox it happened to.
type addressed struct {
	Ref
	Event
}

// apply brings the index forward by one record. It is a pure function of the
// index, the record and Options.History: live operation, replay and rebuild come
// to the same.
// The error is a fault of the index itself; the transaction must not commit.
func apply(x index, it *item) (outcome, error) {
	x.state.notices = nil
	out, err := x.apply(it)
	out.notices = x.state.notices
	return out, err
}

func (x index) apply(it *item) (outcome, error) {
	r := &it.rec
	if err := x.grow(it.pos.segment, it.length(), 0); err != nil {
		return outcome{}, err
	}
	switch r.kind {
	case kindMessage:
		return x.applyMessage(it)
	case kindFlags:
		return x.applyFlags(r)
	case kindCopy, kindMove:
		return x.applyCopy(r)
	case kindExpunge:
		return x.applyExpunge(r)
	case kindCreateAccount:
		return x.applyCreateAccount(r)
	case kindRemoveAccount:
		return x.applyRemoveAccount(r)
	case kindCreateMailbox:
		return x.applyCreateMailbox(r)
	case kindDeleteMailbox:
		return x.applyDeleteMailbox(r)
	case kindRenameMailbox:
		return x.applyRename(r)
	case kindSubscribe:
		return x.applySubscribe(r)
	case kindRelocate:
		return x.applyRelocate(it)
	case kindForget:
		return outcome{}, x.del(bucketSeg, segmentKey(r.segment))
	case kindPurge:
		return x.applyPurge(r)
	case kindUndelete:
		return x.applyUndelete(r)
	case kindReserve:
		return x.applyReserve(r)
	case kindAnnotate:
		return x.applyAnnotate(r)
	case kindShare:
		return x.applyShare(r)
	}
	return outcome{}, fmt.Errorf("record %d of kind %d: %w", r.seq, r.kind, errBadRecord)
}

func segmentKey(n uint32) []byte { return binary.BigEndian.AppendUint32(nil, n) }

// grow counts bytes written to a segment, and those of them that are messages
// somebody has. A segment that is gone has no row and gets none.
func (x index) grow(segment uint32, bytes, live int64) error {
	k := segmentKey(segment)
	d := rowReader{b: x.get(bucketSeg, k)}
	if len(d.b) > 0 {
		bytes, live = bytes+d.int(), live+d.int()
	} else if bytes == 0 {
		return nil
	}
	w := rowWriter{}
	w.int(bytes)
	w.int(live)
	return x.put(bucketSeg, k, w.b)
}

func (x index) applyMessage(it *item) (out outcome, err error) {
	r := &it.rec
	for _, id := range r.makeAccounts {
		if _, err := x.applyCreateAccount(&record{account: id, name: fmt.Sprintf("account-%d", id), time: r.time}); err != nil {
			return out, err
		}
	}
	if err := x.noteAside(r.aside); err != nil {
		return out, err
	}
	blob := BlobID(r.seq)
	l := r.loc(it.pos, it.head+int64(len(it.meta)))
	refs, err := x.places(r)
	if err != nil {
		x.dropAside(r.aside)
		return outcome{err: err}, nil
	}
	for i, t := range r.targets {
		ref := refs[i]
		if ref.Account == 0 {
			continue
		}
		if len(out.appended) == 0 {
			if err := x.addBody(blob, l); err != nil {
				return out, err
			}
		}
		thread, err := x.thread(ref.Account, r.threads, r.seq)
		if err != nil {
			return out, err
		}
		words, err := x.keywords(ref.Account, t.keywords, true)
		if err != nil {
			return out, err
		}
		h := hotRow{flags: t.flags, keywords: words, date: t.date, zone: t.zone, saved: r.time, size: l.rawSize, blob: blob, thread: thread}
		a, ev, err := x.insert(ref, &h, r.cold, t.uid)
		if err != nil {
			return out, err
		}
		out.appended = append(out.appended, a)
		out.events = append(out.events, ev)
	}
	if len(out.appended) == 0 {
		x.dropAside(r.aside)
		return outcome{err: ErrNoAccount}, nil
	}
	return out, nil
}

// addBody notes where a new body lies.
func (x index) addBody(b BlobID, l locRow) error {
	if err := x.putLoc(b, l); err != nil {
		return err
	}
	if l.aside != 0 {
		if err := x.put(bucketAside, binary.BigEndian.AppendUint64(nil, l.aside), blobKey(b)); err != nil {
			return err
		}
	}
	return x.grow(l.pos.segment, 0, l.length())
}

// lastAside is the greatest number a body's own file has had: none is used
// twice.
func (x index) lastAside() uint64 {
	d := rowReader{b: x.get(bucketMeta, []byte("aside"))}
	if len(d.b) == 0 {
		return 0
	}
	return d.fixed64()
}

// noteAside remembers a number that was used, if only for a message that was
// refused.
func (x index) noteAside(n uint64) error {
	if n <= x.lastAside() {
		return nil
	}
	return x.put(bucketMeta, []byte("aside"), binary.BigEndian.AppendUint64(nil, n))
}

// dropAside has a body's own file removed once the transaction is committed.
func (x index) dropAside(n uint64) {
	if n != 0 {
		x.state.freed = append(x.state.freed, n)
	}
}

// places finds where all targets of a message go. It goes to all or to none; but
// a delivery is answered before this, and the other recipients must not lose it
// because one account is gone: that one is left out.
func (x index) places(r *record) ([]Ref, error) {
	refs := make([]Ref, len(r.targets))
	for i, t := range r.targets {
		ref, err := x.resolve(t)
		if err != nil && !t.orInbox {
			return nil, err
		}
		refs[i] = ref
	}
	return refs, nil
}

// resolve finds where a target goes now.
func (x index) resolve(t target) (Ref, error) {
	if !x.has(bucketAcct, accountKey(t.Account)) {
		return Ref{}, ErrNoAccount
	}
	if t.Mailbox != 0 && x.has(bucketMbox, refKey(t.Ref)) {
		return t.Ref, nil
	}
	if !t.orInbox {
		return Ref{}, ErrNoMailbox
	}
	inbox, ok := x.byName(t.Account, "INBOX")
	if !ok {
		return Ref{}, ErrNoMailbox
	}
	return Ref{t.Account, inbox}, nil
}

// maxAskedUID is the UID below which one asked for is given: what comes from
// elsewhere must not use up the numbers of a mailbox.
const maxAskedUID = 1 << 31

// maxAskedModSeq is the same for modseqs, which have 63 bits for clients (RFC
// 7162 §3.1).
const maxAskedModSeq = 1 << 62

// insert gives a message its UID and modseq in a mailbox and counts it. A UID
// that is asked for is given when it is not below UIDNEXT.
func (x index) insert(ref Ref, h *hotRow, cold []byte, want UID) (a Appended, ev addressed, err error) {
	acct, err := x.account(ref.Account)
	if err != nil {
		return a, ev, err
	}
	m, err := x.mailbox(ref)
	if err != nil {
		return a, ev, err
	}
	acct.modseq++
	acct.bytes += h.size
	acct.count++
	h.modseq = acct.modseq
	uid := m.UIDNext
	if want > uid && want < maxAskedUID {
		uid = want
	}
	if uid == 0 || uid == 1<<32-1 {
		return a, ev, fmt.Errorf("mailbox %d of account %d has no UID left: %w", ref.Mailbox, ref.Account, ErrLimit)
	}
	m.UIDNext = uid + 1
	m.HighestModSeq = h.modseq
	count(&m, h, 1)
	if err := x.putAccount(ref.Account, acct); err != nil {
		return a, ev, err
	}
	if err := x.putMailbox(ref, m); err != nil {
		return a, ev, err
	}
	if err := x.hold(ref.Account, h.blob, cold); err != nil {
		return a, ev, err
	}
	if err := x.put(bucketHot, hotKey(ref, uid), h.pack()); err != nil {
		return a, ev, err
	}
	row, err := x.row(ref.Account, uid, h)
	ev = addressed{ref, Event{Kind: EventAdded, ModSeq: h.modseq, Rows: []Row{row}}}
	return Appended{Ref: ref, UIDValidity: m.UIDValidity, UID: uid, ModSeq: h.modseq}, ev, err
}

// count adds (n 1) or takes away (n -1) a message in the mailbox's counters.
func count(m *Mailbox, h *hotRow, n int64) {
	m.Messages = uint32(int64(m.Messages) + n)
	m.Bytes += n * h.size
	if h.flags&Seen == 0 {
		m.Unseen = uint32(int64(m.Unseen) + n)
	}
	if h.flags&Deleted != 0 {
		m.Deleted = uint32(int64(m.Deleted) + n)
		m.DeletedBytes += n * h.size
	}
}

// hold notes one more message of the account with this body. cold is nil when
// the account is known to hold it already.
func (x index) hold(id mail.AccountID, b BlobID, cold []byte) error {
	k := wideKey(id, uint64(b))
	if x.has(bucketCold, k) {
		n := uint64(1)
		if v := x.get(bucketDup, k); v != nil {
			n, _ = binary.Uvarint(v)
		}
		return x.put(bucketDup, k, binary.AppendUvarint(nil, n+1))
	}
	l, ok := x.loc(b)
	if !ok {
		return fmt.Errorf("body %d: %w", b, errBadRow)
	}
	l.holders++
	if err := x.putLoc(b, l); err != nil {
		return err
	}
	return x.put(bucketCold, k, slices.Clone(cold))
}

// release notes one message less of the account with this body; what nobody
// holds any more is dead space of its segment.
func (x index) release(id mail.AccountID, b BlobID) error {
	k := wideKey(id, uint64(b))
	if v := x.get(bucketDup, k); v != nil {
		n, _ := binary.Uvarint(v)
		if n > 2 {
			return x.put(bucketDup, k, binary.AppendUvarint(nil, n-1))
		}
		return x.del(bucketDup, k)
	}
	if err := x.unthread(id, x.get(bucketCold, k)); err != nil {
		return err
	}
	if err := x.del(bucketCold, k); err != nil {
		return err
	}
	l, ok := x.loc(b)
	if !ok {
		return fmt.Errorf("body %d: %w", b, errBadRow)
	}
	if l.holders--; l.holders > 0 {
		return x.putLoc(b, l)
	}
	if err := x.grow(l.pos.segment, 0, -l.length()); err != nil {
		return err
	}
	if l.aside != 0 {
		x.dropAside(l.aside)
		if err := x.del(bucketAside, binary.BigEndian.AppendUint64(nil, l.aside)); err != nil {
			return err
		}
	}
	return x.del(bucketLoc, blobKey(b))
}

// threadHashes are what messages of one thread have in common: the hashes of
// their identifier and of those they refer to.
func threadHashes(m *mail.Message) []uint64 {
	var out []uint64
	ids := m.References
	if id := m.ID(); id != "" {
		ids = append([]string{id}, ids...)
	}
	for _, id := range ids {
		h := fnv.New64a()
		h.Write([]byte(id))
		if s := h.Sum64(); !slices.Contains(out, s) {
			out = append(out, s)
		}
	}
	return out
}

// thread finds the thread of a new message or begins one named own, and
// remembers its identifiers. They are counted once per body and account.
func (x index) thread(id mail.AccountID, hashes []uint64, own uint64) (uint64, error) {
	thread := own
	for _, h := range hashes {
		if v := x.get(bucketThread, wideKey(id, h)); v != nil {
			thread, _ = binary.Uvarint(v)
			break
		}
	}
	if x.has(bucketCold, wideKey(id, own)) {
		return thread, nil
	}
	for _, h := range hashes {
		k := wideKey(id, h)
		t, n := thread, uint64(0)
		if d := (rowReader{b: x.get(bucketThread, k)}); len(d.b) > 0 {
			t, n = d.uint(), d.uint()
		}
		w := rowWriter{}
		w.uint(t)
		w.uint(n + 1)
		if err := x.put(bucketThread, k, w.b); err != nil {
			return 0, err
		}
	}
	return thread, nil
}

// unthread forgets the identifiers of a message that leaves the account.
func (x index) unthread(id mail.AccountID, cold []byte) error {
	m, err := unpackCold(cold)
	if err != nil || m == nil {
		return err
	}
	for _, h := range threadHashes(m) {
		k := wideKey(id, h)
		d := rowReader{b: x.get(bucketThread, k)}
		if len(d.b) == 0 {
			continue
		}
		t, n := d.uint(), d.uint()
		if n <= 1 {
			if err := x.del(bucketThread, k); err != nil {
				return err
			}
			continue
		}
		w := rowWriter{}
		w.uint(t)
		w.uint(n - 1)
		if err := x.put(bucketThread, k, w.b); err != nil {
			return err
		}
	}
	return nil
}

// keywords turns keywords into the account's numbers for them, ascending;
// unknown ones get the next number when create is set, else are left out.
func (x index) keywords(id mail.AccountID, words []string, create bool) ([]uint32, error) {
	if len(words) == 0 {
		return nil, nil
	}
	have := x.keywordNames(id)
	var ids []uint32
	for _, w := range words {
		n := uint32(0)
		for k, name := range have {
			if strings.EqualFold(name, w) {
				n = k
			}
		}
		if n == 0 && create {
			acct, err := x.account(id)
			if err != nil {
				return nil, err
			}
			acct.nextKeyword++
			n = acct.nextKeyword
			have[n] = w
			if err := x.putAccount(id, acct); err != nil {
				return nil, err
			}
			if err := x.put(bucketKw, binary.BigEndian.AppendUint32(accountKey(id), n), []byte(w)); err != nil {
				return nil, err
			}
		}
		if n != 0 && !slices.Contains(ids, n) {
			ids = append(ids, n)
		}
	}
	slices.Sort(ids)
	return ids, nil
}

// keywordNames are the account's keywords by number, from 1.
func (x index) keywordNames(id mail.AccountID) map[uint32]string {
	out := map[uint32]string{}
	for k, v := range x.scan(bucketKw, accountKey(id)) {
		if len(k) == 8 {
			out[binary.BigEndian.Uint32(k[4:])] = string(v)
		}
	}
	return out
}

// row turns a row of the index into what callers see, without its Message.
func (x index) row(id mail.AccountID, uid UID, h *hotRow) (Row, error) {
	r := h.row(uid)
	for _, k := range h.keywords {
		v := x.get(bucketKw, binary.BigEndian.AppendUint32(accountKey(id), k))
		if v == nil {
			return r, fmt.Errorf("keyword %d of account %d: %w", k, id, errBadRow)
		}
		r.Keywords = append(r.Keywords, string(v))
	}
	slices.Sort(r.Keywords)
	return r, nil
}
