package storage

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"
)

// hit is a row of the index a change works on.
type hit struct {
	uid UID
	hot hotRow
}

// hits reads the messages of a mailbox that are in the set (or all), ascending.
func (x index) hits(ref Ref, set UIDSet, all bool) (list []hit, err error) {
	if all {
		set = UIDSet{{1, 1<<32 - 1}}
	}
	prefix := refKey(ref)
	c := x.tx.Bucket([]byte(bucketHot)).Cursor()
	for _, r := range set {
		for k, v := x.seek(c, bucketHot, hotKey(ref, r.First)); bytes.HasPrefix(k, prefix); k, v = c.Next() {
			uid := UID(binary.BigEndian.Uint32(k[8:]))
			if uid > r.Last {
				break
			}
			h, err := x.hot(k, v)
			if err != nil {
				return nil, fmt.Errorf("UID %d of mailbox %d: %w", uid, ref.Mailbox, err)
			}
			list = append(list, hit{uid, h})
		}
	}
	return list, nil
}

func (x index) applyFlags(r *record) (out outcome, err error) {
	ref := Ref{r.account, r.mailbox}
	m, err := x.mailbox(ref)
	if err != nil {
		return outcome{err: err}, nil
	}
	words, err := x.keywords(r.account, r.keywords, r.op != RemoveFlags)
	if err != nil {
		return out, err
	}
	a, err := x.account(r.account)
	if err != nil {
		return out, err
	}
	list, err := x.hits(ref, r.uids, r.all)
	if err != nil {
		return out, err
	}
	next := a.modseq + 1
	for _, t := range list {
		r.place.come(t.uid)
		if r.unchanged && t.hot.modseq > r.since {
			out.flags.Modified.add(t.uid)
			continue
		}
		flags, kw := combine(r.op, t.hot.flags, t.hot.keywords, r.flags, words)
		flags = flags&^r.mask.Flags | t.hot.flags&r.mask.Flags
		if r.mask.Keywords {
			kw = t.hot.keywords
		}
		if flags == t.hot.flags && slices.Equal(kw, t.hot.keywords) {
			continue
		}
		count(&m, &t.hot, -1)
		t.hot.flags, t.hot.keywords, t.hot.modseq = flags, kw, next
		count(&m, &t.hot, 1)
		if err := x.put(bucketHot, hotKey(ref, t.uid), t.hot.pack()); err != nil {
			return out, err
		}
		row, err := x.row(r.account, t.uid, &t.hot)
		if err != nil {
			return out, err
		}
		out.flags.Changed = append(out.flags.Changed, row)
	}
	if len(out.flags.Changed) == 0 {
		return out, nil
	}
	a.modseq, m.HighestModSeq, out.flags.ModSeq = next, next, next
	out.events = []addressed{{ref, Event{Kind: EventFlags, ModSeq: next, Rows: out.flags.Changed}}}
	if err := x.putAccount(r.account, a); err != nil {
		return out, err
	}
	return out, x.putMailbox(ref, m)
}

// combine is STORE's arithmetic (RFC 9051 §6.4.6).
func combine(op FlagOp, flags Flags, kw []uint32, by Flags, words []uint32) (Flags, []uint32) {
	switch op {
	case ReplaceFlags:
		return by, slices.Clone(words)
	case RemoveFlags:
		return flags &^ by, slices.DeleteFunc(slices.Clone(kw), func(k uint32) bool { return slices.Contains(words, k) })
	}
	out := append(slices.Clone(kw), words...)
	slices.Sort(out)
	return flags | by, slices.Compact(out)
}

func (x index) applyCopy(r *record) (out outcome, err error) {
	src, dst := Ref{r.account, r.mailbox}, r.destination()
	for _, ref := range []Ref{src, dst} {
		if !x.has(bucketMbox, refKey(ref)) {
			return outcome{err: ErrNoMailbox}, nil
		}
	}
	return x.transfer(src, dst, r)
}

// transfer copies messages to another mailbox and, to move, takes them out of
// the first. A body is never copied.
func (x index) transfer(src, dst Ref, r *record) (out outcome, err error) {
	list, err := x.hits(src, r.uids, r.all)
	if err != nil {
		return out, err
	}
	names := x.keywordNames(src.Account)
	for _, t := range list {
		r.place.come(t.uid)
		h := t.hot
		h.saved = r.time // RFC 8514 §2: the date a copy was saved is its own
		r.mask.without(&h)
		var cold []byte
		if src.Account != dst.Account {
			if cold, err = x.across(src.Account, dst.Account, &h, names); err != nil {
				return out, err
			}
		}
		a, ev, err := x.insert(dst, &h, cold, 0)
		if err != nil {
			return out, err
		}
		out.copied.UIDValidity = a.UIDValidity
		out.copied.Src = append(out.copied.Src, t.uid)
		out.copied.Dst = append(out.copied.Dst, a.UID)
		if n := len(out.events); n > 0 {
			out.events[0].Rows = append(out.events[0].Rows, ev.Rows...)
			out.events[0].ModSeq = ev.ModSeq
		} else {
			out.events = append(out.events, ev)
		}
	}
	if r.kind == kindCopy || len(list) == 0 {
		return out, nil
	}
	var by *record
	if src.Account != dst.Account {
		by = r // it leaves the account, as with an expunge
	}
	removed, modseq, err := x.remove(src, list, by)
	out.events = append(out.events, addressed{src, Event{Kind: EventExpunged, ModSeq: modseq, UIDs: removed}})
	out.removed, out.modseq = removed, modseq
	return out, err
}

func (x index) applyExpunge(r *record) (out outcome, err error) {
	ref := Ref{r.account, r.mailbox}
	if !x.has(bucketMbox, refKey(ref)) {
		return outcome{err: ErrNoMailbox}, nil
	}
	list, err := x.hits(ref, r.uids, r.all)
	if err != nil {
		return out, err
	}
	if r.on {
		list = slices.DeleteFunc(list, func(t hit) bool { return t.hot.flags&Deleted == 0 })
	}
	if len(list) == 0 {
		return out, nil
	}
	out.removed, out.modseq, err = x.remove(ref, list, r)
	out.events = []addressed{{ref, Event{Kind: EventExpunged, ModSeq: out.modseq, UIDs: out.removed}}}
	return out, err
}

// remove takes messages out of a mailbox and leaves one tombstone. With an
// expunge that says so they can be brought back.
func (x index) remove(ref Ref, list []hit, by *record) (gone UIDSet, modseq ModSeq, err error) {
	a, err := x.account(ref.Account)
	if err != nil {
		return nil, 0, err
	}
	m, err := x.mailbox(ref)
	if err != nil {
		return nil, 0, err
	}
	a.modseq++
	m.HighestModSeq = a.modseq
	for _, t := range list {
		if by != nil {
			by.place.come(t.uid)
		}
		gone.add(t.uid)
		count(&m, &t.hot, -1)
		a.bytes -= t.hot.size
		a.count--
		if err := x.del(bucketHot, hotKey(ref, t.uid)); err != nil {
			return nil, 0, err
		}
		if by != nil && by.keep {
			err = x.keep(ref, m.Name, by.time, t)
		} else {
			err = x.release(ref.Account, t.hot.blob)
		}
		if err != nil {
			return nil, 0, err
		}
	}
	if err := x.putAccount(ref.Account, a); err != nil {
		return nil, 0, err
	}
	if err := x.putMailbox(ref, m); err != nil {
		return nil, 0, err
	}
	return gone, a.modseq, x.bury(ref, a.modseq, gone)
}
