package storage

import (
	"bytes"
	"cmp"
	"container/list"
	"encoding/binary"
	"slices"
	"sync"
)

// Limits of the descriptions of mailboxes in memory.
const (
	maxChanges    = 2048     // remembered of one mailbox
	firstChanges  = 128      // of those, as many are looked for when it is described
	describedRoom = 64 << 20 // bytes for all together
)

// Contents is the messages of a mailbox at one moment.
type Contents struct {
	UIDs   UIDList
	Unseen UIDList // those without \Seen
	ModSeq ModSeq  // of the latest change that is in it
}

// described is what is kept in memory of a mailbox that somebody has looked at:
// read from the index once, then brought forward by every event that is
// published.
type described struct {
	ref    Ref
	making sync.Mutex // held while it is read from the index

	// What follows is guarded by the mu of feeds.
	description
	ready  bool
	used   *list.Element
	weight int
}

// description is a mailbox at one moment and its latest changes: a value that
// can be shared.
type description struct {
	Contents
	// changes are messages and the modseqs they got, ascending by modseq. All
	// changes after modseq since are there. Never written to but at its end.
	changes []changedAt
	since   ModSeq
}

// changedAt says that a message was changed, or came, at a modseq.
type changedAt struct {
	modseq ModSeq
	uid    UID
}

// Contents gives the messages of a mailbox as they are now, at a cost that does
// not grow with them. ErrNoMailbox.
func (s *Store) Contents(ref Ref) (Contents, error) {
	d, err := s.describe(ref)
	return d.Contents, err
}

// describe gives the description of a mailbox as it is now.
func (s *Store) describe(ref Ref) (description, error) {
	d := s.feeds.described(ref)
	if now, ready := s.feeds.current(d); ready {
		return now, nil
	}
	d.making.Lock()
	defer d.making.Unlock()
	if now, ready := s.feeds.current(d); ready {
		return now, nil
	}
	// What happens meanwhile comes over a feed without limit: it is taken as
	// soon as the index is read.
	f := s.feeds.open(ref, 0)
	defer f.Close()
	now, sound, err := s.scanMailbox(ref)
	if err != nil {
		s.feeds.forget(ref)
		return description{}, err
	}
	return s.feeds.install(d, now, f, sound), nil
}

// scanMailbox reads the description of a mailbox from the index. It is sound when
// nothing of it was damaged.
func (s *Store) scanMailbox(ref Ref) (d description, sound bool, err error) {
	err = s.view(func(x index) error {
		m, err := x.mailbox(ref)
		if err != nil {
			return err
		}
		d.ModSeq = m.HighestModSeq
		prefix := refKey(ref)
		c := x.tx.Bucket([]byte(bucketHot)).Cursor()
		for k, v := c.Seek(prefix); bytes.HasPrefix(k, prefix); k, v = c.Next() {
			val, ok := openRow(k, v)
			if !ok {
				// Its UID may be what is damaged. The next start brings it back.
				_ = x.state.damaged(bucketHot, k) // noted
				continue
			}
			row := rowReader{b: val}
			row.uint()
			uid, modseq, flags := UID(binary.BigEndian.Uint32(k[8:])), ModSeq(row.uint()), Flags(row.uint())
			d.UIDs.extend(uid, uid)
			if flags&Seen == 0 {
				d.Unseen.extend(uid, uid)
			}
			if modseq > d.since {
				d.found(changedAt{modseq, uid})
			}
		}
		d.latest()
		d.changes = slices.Clone(d.changes)
		sound = x.state.fault == nil
		return nil
	})
	return d, sound, err
}

// found notes a change while the mailbox is read, in whatever order.
func (d *description) found(c changedAt) {
	if d.changes = append(d.changes, c); len(d.changes) >= 16*firstChanges {
		d.latest()
	}
}

// latest keeps the latest of the changes found.
func (d *description) latest() {
	slices.SortFunc(d.changes, func(a, b changedAt) int { return cmp.Compare(a.modseq, b.modseq) })
	if over := len(d.changes) - firstChanges; over > 0 {
		d.since = d.changes[over-1].modseq
		d.changes = append(d.changes[:0], d.changes[over:]...)
	}
	for len(d.changes) > 0 && d.changes[0].modseq <= d.since {
		d.changes = d.changes[1:]
	}
}

// take brings the description forward by an event.
func (d *description) take(e *Event) {
	if e.ModSeq <= d.ModSeq {
		return // it was in the index already
	}
	var seen, unseen UIDSet
	for i := range e.Rows {
		r := &e.Rows[i]
		if r.Flags&Seen != 0 {
			seen.add(r.UID)
		} else {
			unseen.add(r.UID)
		}
		d.changes = append(d.changes, changedAt{r.ModSeq, r.UID})
	}
	switch e.Kind {
	case EventAdded:
		for i := range e.Rows {
			d.UIDs.extend(e.Rows[i].UID, e.Rows[i].UID)
		}
		d.Unseen = d.Unseen.With(unseen)
	case EventFlags:
		d.Unseen = d.Unseen.Without(seen).With(unseen)
	case EventExpunged:
		d.UIDs, d.Unseen = d.UIDs.Without(e.UIDs), d.Unseen.Without(e.UIDs)
	}
	if over := len(d.changes) - maxChanges; over > 0 {
		d.since = d.changes[over-1].modseq
		d.changes = d.changes[over:]
	}
	d.ModSeq = e.ModSeq
}

// share gives the description to somebody else.
func (d *description) share() description {
	return description{Contents{d.UIDs.Share(), d.Unseen.Share(), d.ModSeq}, d.changes, d.since}
}

// changedSince gives those messages of a set that may have a modseq above one;
// ok tells whether that is remembered.
func (d *description) changedSince(since ModSeq, of UIDSet) (set UIDSet, ok bool) {
	if since < d.since {
		return nil, false
	}
	i, _ := slices.BinarySearchFunc(d.changes, since+1, func(c changedAt, m ModSeq) int { return cmp.Compare(c.modseq, m) })
	var list []UID
	for _, c := range d.changes[i:] {
		if of.Contains(c.uid) {
			list = append(list, c.uid)
		}
	}
	return UIDs(list...), true
}

func (d *description) size() int {
	const run, change, rest = 12, 16, 320
	return rest + run*(cap(d.UIDs.head)+cap(d.Unseen.head)) + change*cap(d.changes)
}

// described finds a description, or makes room for one that is not ready yet.
func (fs *feeds) described(ref Ref) *described {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	d := fs.boxes[ref]
	if d == nil {
		d = &described{ref: ref}
		d.used = fs.order.PushFront(d)
		fs.boxes[ref] = d
	}
	fs.order.MoveToFront(d.used)
	return d
}

func (fs *feeds) current(d *described) (now description, ready bool) {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	return d.share(), d.ready
}

// install puts in what was read from the index, and the events since. What is not
// sound, or was forgotten meanwhile, is not kept.
func (fs *feeds) install(d *described, read description, f *Feed, sound bool) description {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	events, _ := f.Take()
	for i := range events {
		read.take(&events[i])
		sound = sound && events[i].Kind != EventDeleted
	}
	if !sound || fs.boxes[d.ref] != d {
		fs.drop(d)
		return read
	}
	d.description, d.ready = read, true
	fs.weigh(d)
	return d.share()
}

// weigh notes what a description takes, and forgets those that were not used for
// longest when all together take too much.
func (fs *feeds) weigh(d *described) {
	fs.weight -= d.weight
	d.weight = d.size()
	fs.weight += d.weight
	for fs.weight > fs.room && fs.order.Len() > 1 {
		fs.drop(fs.order.Back().Value.(*described))
	}
}

// drop forgets a description. Somebody who makes it ready right now finds out.
func (fs *feeds) drop(d *described) {
	if fs.boxes[d.ref] != d {
		return
	}
	fs.order.Remove(d.used)
	fs.weight -= d.weight
	d.weight, d.ready = 0, false
	delete(fs.boxes, d.ref)
}

// forget drops the description of a mailbox whose row has changed otherwise than
// by an event, or that is gone.
func (fs *feeds) forget(ref Ref) {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	if d := fs.boxes[ref]; d != nil {
		fs.drop(d)
	}
}

// forgetAll drops all descriptions: the index may not be what they say.
func (fs *feeds) forgetAll() {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	for _, d := range fs.boxes {
		fs.drop(d)
	}
}

// follow brings descriptions forward. Called with mu held, by publish alone.
func (fs *feeds) follow(e *addressed) {
	d := fs.boxes[e.Ref]
	switch {
	case d == nil:
	case e.Kind == EventDeleted:
		fs.drop(d)
	case d.ready && e.Kind != EventRenamed && e.Kind != EventRights:
		d.take(&e.Event)
		fs.weigh(d)
	}
}
