package transfer

import (
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"slices"
	"sync"

	"mailstead/storage"
)

// Limits of one batch. A message larger than batchBytes travels alone.
const (
	MaxBatchMessages = 512
	MaxBatchBytes    = 8 << 20
)

// parcel is a message under way.
type parcel struct {
	Incoming
	item string
	key  uint64
	body storage.Content // the same as Incoming.Body
}

// feeder takes the messages of one mailbox: it leaves out what is there and
// hands the rest on in batches.
type feeder struct {
	im       *importer
	to       Mailbox
	keepUIDs bool // the source's UIDs mean the same in the destination
	out      chan []*parcel

	batch []*parcel // being filled
	bytes int64
	table *crc32.Table
	buf   []byte

	mu      sync.Mutex // guards what follows, and the importer's result
	seen    prints
	pending map[uint64][]*parcel // under way
}

// load reads what the destination has.
func (f *feeder) load(ctx context.Context) error {
	f.table, f.buf, f.pending = crc32.MakeTable(crc32.Castagnoli), make([]byte, copyBuffer), map[uint64][]*parcel{}
	if f.to.Messages == 0 {
		return nil
	}
	for p, err := range f.im.dst.Fingerprints(ctx, f.to) {
		if err != nil {
			return err
		}
		f.seen.add(printKey(p.Size, p.CRC), p.UID)
	}
	return nil
}

// read walks the source until it ends or ctx does.
func (f *feeder) read(ctx context.Context, from Mailbox) {
	for m, err := range f.im.src.Messages(ctx, from) {
		if ctx.Err() != nil {
			break
		}
		if err == nil {
			err = f.take(ctx, m)
		}
		if err != nil && ctx.Err() == nil {
			f.skip(m.Item, err)
		}
	}
	f.flush(ctx)
}

// take looks at one message.
func (f *feeder) take(ctx context.Context, m Message) error {
	body, err := m.Open(ctx)
	if err != nil {
		return err
	}
	crc, err := bodyCRC(body, f.table, f.buf)
	if err == nil && body.Size() > storage.MaxMessage {
		err = storage.ErrTooBig
	}
	if err != nil {
		return errors.Join(err, body.Close())
	}
	p := &parcel{Incoming: Incoming{Flags: m.Flags, Date: m.Date, Body: body}, item: m.Item, key: printKey(body.Size(), crc), body: body}
	if f.keepUIDs {
		p.UID = m.UID
	}
	same, err := f.duplicate(ctx, p)
	if err != nil {
		return errors.Join(err, body.Close())
	}
	if same {
		f.count(func(r *Result, b *MailboxResult) {
			r.Duplicates++
			b.Duplicates++
		})
		return body.Close()
	}
	var note error
	if p.Keywords, note = f.im.keywords(m.Keywords); note != nil {
		f.note(m.Item, note)
	}
	f.add(ctx, p)
	return nil
}

// duplicate tells whether the message is there, or under way.
func (f *feeder) duplicate(ctx context.Context, p *parcel) (bool, error) {
	f.mu.Lock()
	uids := f.seen.find(p.key)
	for _, other := range f.pending[p.key] {
		// Under the lock, since a parcel's body is closed once it has arrived.
		if same, err := sameBody(p.body, other.body); same || err != nil {
			f.mu.Unlock()
			return same, err
		}
	}
	f.mu.Unlock()
	for _, uid := range uids {
		if uid == 0 {
			if f.im.o.DryRun {
				return true, nil
			}
			continue
		}
		if same := f.stored(ctx, p, uid); same || ctx.Err() != nil {
			return same, ctx.Err()
		}
	}
	return false, nil
}

// stored tells whether the message is the one with the UID. One that is gone or
// damaged is no reason to leave this one out.
func (f *feeder) stored(ctx context.Context, p *parcel, uid storage.UID) bool {
	c, err := f.im.dst.Body(ctx, f.to, uid)
	if err != nil {
		return false
	}
	same, err := sameBody(p.body, c)
	return errors.Join(err, c.Close()) == nil && same
}

// add puts a message into the batch.
func (f *feeder) add(ctx context.Context, p *parcel) {
	size := p.body.Size()
	if len(f.batch) >= MaxBatchMessages || len(f.batch) > 0 && f.bytes+size > MaxBatchBytes {
		f.flush(ctx)
	}
	f.mu.Lock()
	if f.im.o.DryRun {
		f.seen.add(p.key, 0)
	} else {
		f.pending[p.key] = append(f.pending[p.key], p)
	}
	f.mu.Unlock()
	f.batch, f.bytes = append(f.batch, p), f.bytes+size
}

// flush hands the batch on.
func (f *feeder) flush(ctx context.Context) {
	if len(f.batch) == 0 {
		return
	}
	select {
	case f.out <- f.batch:
	case <-ctx.Done():
		f.arrived(f.batch, nil)
	}
	f.batch, f.bytes = nil, 0
}

// append stores a batch, and when one of it is bad the others one by one.
func (f *feeder) append(ctx context.Context, batch []*parcel) error {
	if ctx.Err() != nil || f.im.o.DryRun {
		f.arrived(batch, make([]storage.UID, len(batch)))
		return nil
	}
	msgs := make([]Incoming, len(batch))
	for i, p := range batch {
		msgs[i] = p.Incoming
	}
	uids, err := f.im.dst.Append(ctx, f.to, msgs)
	switch {
	case err == nil && len(uids) != len(batch):
		err = fmt.Errorf("got %d UIDs for %d messages", len(uids), len(batch))
	case errors.Is(err, ErrMessage) && len(batch) > 1:
		for _, p := range batch {
			if err := f.append(ctx, []*parcel{p}); err != nil {
				return err
			}
		}
		return nil
	case errors.Is(err, ErrMessage):
		f.arrived(batch, nil)
		f.skip(batch[0].item, err)
		return nil
	}
	f.arrived(batch, uids)
	return err
}

// arrived ends the journey of parcels; without UIDs they came nowhere.
func (f *feeder) arrived(batch []*parcel, uids []storage.UID) {
	f.mu.Lock()
	for i, p := range batch {
		if rest := slices.DeleteFunc(f.pending[p.key], func(o *parcel) bool { return o == p }); len(rest) > 0 {
			f.pending[p.key] = rest
		} else {
			delete(f.pending, p.key)
		}
		if uids != nil && !f.im.o.DryRun && uids[i] != 0 {
			f.seen.add(p.key, uids[i])
		}
	}
	f.mu.Unlock()
	for i, p := range batch {
		size := p.body.Size()
		_ = p.body.Close() // only read
		if uids == nil || !f.im.o.DryRun && uids[i] == 0 {
			continue
		}
		f.count(func(r *Result, b *MailboxResult) {
			r.Copied++
			r.Bytes += size
			b.Copied++
		})
	}
}

// skip notes a message that is left out.
func (f *feeder) skip(item string, err error) {
	f.count(func(r *Result, _ *MailboxResult) { r.skip(f.to.Name, item, err) })
}

// note names a problem with a message that is taken all the same.
func (f *feeder) note(item string, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if r := f.im.res; len(r.Problems) < maxProblems {
		r.Problems = append(r.Problems, Problem{f.to.Name, item, err.Error()})
	}
}

// count changes the result and tells the progress.
func (f *feeder) count(change func(*Result, *MailboxResult)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	r := f.im.res
	change(r, &r.Mailboxes[len(r.Mailboxes)-1])
	r.Messages = r.Copied + r.Duplicates + r.Skipped
	if f.im.o.Progress != nil {
		f.im.o.Progress(Progress{Done: r.Messages, Total: max(f.im.total, r.Messages), Bytes: r.Bytes})
	}
}
