package storage

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"fmt"
)

// What was expunged is remembered in the bucket gone, one row for each expunge
// under its modseq, so that clients can be told (RFC 7162 §3.2.5). It does not
// grow without end: the oldest rows of a mailbox are dropped when all of them
// hold more than maxGone ranges of UIDs. How many there are, and up to which
// modseq they were dropped, is in the row with modseq 0.

// maxGone is how many ranges of expunged UIDs are remembered for a mailbox unless
// Options.History says otherwise; the latest expunge is in any case.
const maxGone = 10_000

func (s *Store) remembered() uint64 { return uint64(max(0, s.opts.History)) }

// maxGone is how many ranges are remembered here.
func (t *txState) maxGone() uint64 { return cmp.Or(t.remembered, maxGone) }

// history is what the row with modseq 0 says.
type history struct {
	ranges uint64 // in the rows of the mailbox
	floor  ModSeq // of the latest row that was dropped, 0 for none
}

func goneKey(ref Ref, m ModSeq) []byte {
	return binary.BigEndian.AppendUint64(refKey(ref), uint64(m))
}

// bury remembers UIDs as expunged at a modseq, which is above all before, and
// forgets the oldest that are too many.
func (x index) bury(ref Ref, m ModSeq, uids UIDSet) error {
	h, err := x.history(ref)
	if err != nil {
		return err
	}
	w := rowWriter{}
	w.uint(rowVersion)
	w.uids(uids)
	if err := x.put(bucketGone, goneKey(ref, m), w.b); err != nil {
		return err
	}
	h.ranges += uint64(len(uids))
	if err := x.trimHistory(ref, &h, m); err != nil {
		return err
	}
	w = rowWriter{}
	w.uint(rowVersion)
	w.uint(h.ranges)
	w.uint(uint64(h.floor))
	return x.put(bucketGone, goneKey(ref, 0), w.b)
}

// trimHistory drops the oldest rows below last as long as there are too many
// ranges.
func (x index) trimHistory(ref Ref, h *history, last ModSeq) error {
	var drop [][]byte
	for k, v := range x.graves(ref, 0) {
		m := ModSeq(binary.BigEndian.Uint64(k[8:]))
		if h.ranges <= x.state.maxGone() || m >= last {
			break
		}
		uids, err := x.grave(k, v)
		if err != nil {
			return err
		}
		h.ranges -= min(h.ranges, uint64(len(uids)))
		h.floor = m
		drop = append(drop, bytes.Clone(k))
	}
	for _, k := range drop {
		if err := x.del(bucketGone, k); err != nil {
			return err
		}
	}
	return nil
}

// history reads the row with modseq 0. Before there were such rows nothing was
// dropped, and it is counted.
func (x index) history(ref Ref) (h history, err error) {
	if b := x.get(bucketGone, goneKey(ref, 0)); b != nil {
		d := rowReader{b: b}
		d.uint()
		h = history{d.uint(), ModSeq(d.uint())}
		if d.bad || len(d.b) > 0 {
			return h, x.state.damaged(bucketGone, goneKey(ref, 0))
		}
		return h, nil
	}
	if x.state.fault != nil {
		return h, x.state.fault
	}
	for k, v := range x.graves(ref, 0) {
		uids, err := x.grave(k, v)
		if err != nil {
			return h, err
		}
		h.ranges += uint64(len(uids))
	}
	return h, nil
}

// graves walks the rows of a mailbox above a modseq.
func (x index) graves(ref Ref, since ModSeq) func(yield func(k, v []byte) bool) {
	return func(yield func(k, v []byte) bool) {
		if since == 1<<64-1 {
			return
		}
		prefix := refKey(ref)
		c := x.tx.Bucket([]byte(bucketGone)).Cursor()
		for k, v := x.seek(c, bucketGone, goneKey(ref, since+1)); bytes.HasPrefix(k, prefix); k, v = c.Next() {
			if !yield(k, v) {
				return
			}
		}
	}
}

// grave reads one row.
func (x index) grave(k, v []byte) (UIDSet, error) {
	val, ok := openRow(k, v)
	d := rowReader{b: val}
	version := d.uint()
	uids := d.uids()
	if !ok || version != rowVersion || d.bad || len(d.b) > 0 || len(uids) == 0 || !uids.valid() {
		return nil, x.state.damaged(bucketGone, k)
	}
	return uids, nil
}

// Vanished gives the UIDs expunged from a mailbox after a modseq (RFC 7162
// §3.2.10). It is complete unless some of what was expunged after that modseq is
// not remembered any more. ErrNoMailbox.
func (s *Store) Vanished(ref Ref, since ModSeq) (gone UIDSet, complete bool, err error) {
	err = s.view(func(x index) error {
		gone = nil
		if _, err := x.mailbox(ref); err != nil {
			return err
		}
		h, err := x.history(ref)
		if err != nil {
			return err
		}
		complete = since >= h.floor
		for k, v := range x.graves(ref, since) {
			uids, err := x.grave(k, v)
			if err != nil {
				return err
			}
			gone = append(gone, uids...)
		}
		return nil
	})
	return gone.joined(), complete, err
}

// history checks what is remembered of a mailbox.
func (c *checker) history(ref Ref, m Mailbox) {
	problem := func(format string, args ...any) {
		c.problem("account %d: mailbox %q: expunged messages: "+format, append([]any{ref.Account, m.Name}, args...)...)
	}
	h, err := c.x.history(ref)
	if err != nil {
		problem("%v", err)
		return
	}
	ranges, rows := uint64(0), 0
	for k, v := range c.x.graves(ref, 0) {
		at := ModSeq(binary.BigEndian.Uint64(k[8:]))
		uids, err := c.x.grave(k, v)
		switch {
		case err != nil:
			problem("%v", err)
			return
		case at <= h.floor || at > m.HighestModSeq || uids[len(uids)-1].Last >= m.UIDNext:
			problem("row %d is below what was dropped or ahead of the mailbox", at)
		}
		ranges += uint64(len(uids))
		rows++
	}
	if ranges != h.ranges {
		problem("%s", fmt.Sprintf("counted as %d ranges, there are %d", h.ranges, ranges))
	}
	if c.x.has(bucketGone, goneKey(ref, 0)) && ranges > max(maxGone, c.x.state.maxGone()) && rows > 1 {
		problem("%d ranges, more than are remembered", ranges)
	}
}
