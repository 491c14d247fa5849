package storage

import (
	"context"
	"fmt"
	"time"

	"mailstead/mail"
)

// MaxMessage is the greatest message a record can hold, in bytes.
const MaxMessage = 1 << 32

// Append stores one message in every target, or in none. It returns when the
// message is durable and visible. Errors: ErrNoAccount, ErrNoMailbox,
// ErrOverQuota, ErrNoSpace, ErrTooBig, ErrLimit for keywords, ErrClosed.
func (s *Store) Append(ctx context.Context, body Body, targets ...Target) ([]Appended, error) {
	out, err := s.AppendAll(ctx, []Incoming{{Body: body, Targets: targets}})
	if err != nil {
		return nil, err
	}
	return out[0], nil
}

// AppendStart begins to store a message in one mailbox; messages get their UIDs
// in the order they were begun. body must stay until wait, which is called once,
// has returned. It returns when the message is durable and visible, or why it
// is not. Errors are those of Append.
func (s *Store) AppendStart(ctx context.Context, body Body, to Target) (wait func() (Appended, error), err error) {
	req, err := s.prepare([]Incoming{{Body: body, Targets: []Target{to}}})
	if err != nil {
		return nil, err
	}
	if err := s.submit(ctx, req); err != nil {
		return nil, err
	}
	return func() (Appended, error) {
		<-req.done
		if req.err != nil {
			return Appended{}, s.failedAppend(req)
		}
		if err := req.out[0].err; err != nil {
			return Appended{}, err
		}
		return req.out[0].appended[0], nil
	}, nil
}

// AppendAll stores several messages, all or none, in their order (RFC 3502).
func (s *Store) AppendAll(ctx context.Context, msgs []Incoming) ([][]Appended, error) {
	if len(msgs) == 0 {
		return nil, nil
	}
	req, err := s.prepare(msgs)
	if err != nil {
		return nil, err
	}
	if err := s.submit(ctx, req); err != nil {
		return nil, err
	}
	<-req.done
	if req.err != nil {
		return nil, s.failedAppend(req)
	}
	res := req.out
	out := make([][]Appended, len(res))
	for i, o := range res {
		if o.err != nil {
			return nil, o.err
		}
		out[i] = o.appended
	}
	return out, nil
}

// Deliver stores one message in the INBOX of every account. It returns when
// the message is durable: it may be visible only a moment later. An account
// that is gone by then is left out. Errors are those of Append.
func (s *Store) Deliver(ctx context.Context, body Body, to ...mail.AccountID) error {
	in := Incoming{Body: body}
	for _, id := range to {
		in.Targets = append(in.Targets, Target{Ref: Ref{Account: id}, OrInbox: true})
	}
	req, err := s.prepare([]Incoming{in})
	if err != nil {
		return err
	}
	if err := s.submit(ctx, req); err != nil {
		return err
	}
	<-req.logged
	if req.logErr != nil {
		return s.failedAppend(req)
	}
	return nil
}

// failedAppend cleans up after a request that failed. What is in the log, or
// may be since nobody knows what a stopped store has written, will be indexed by
// the next start, so its files stay.
func (s *Store) failedAppend(req *request) error {
	if req.logErr == nil {
		return req.err
	}
	if s.failure() == nil {
		s.discard(req)
	}
	return req.logErr
}

// Settle returns when all that was delivered before it is visible.
func (s *Store) Settle(ctx context.Context) error {
	_, err := s.commit(ctx, &request{})
	return err
}

// prepare does for messages all that can be done before the log: limits,
// quota, CRC, parsing, compression, the files of big bodies.
func (s *Store) prepare(msgs []Incoming) (*request, error) { return s.prepareFor(msgs, 0, amount{}) }

// prepareFor is prepare for messages in whose place others of an account go.
func (s *Store) prepareFor(msgs []Incoming, id mail.AccountID, saved amount) (*request, error) {
	need, total, err := s.demand(msgs)
	if err != nil {
		return nil, err
	}
	if n := need[id]; saved != (amount{}) {
		need[id] = amount{max(n.bytes-saved.bytes, 0), max(n.messages-saved.messages, 0)}
		if need[id] == (amount{}) {
			delete(need, id) // taking less is possible beyond a limit too
		}
	}
	if err := s.room(total); err != nil {
		return nil, err
	}
	release, err := s.reserve(need)
	if err != nil {
		return nil, err
	}
	req := &request{settled: release}
	for _, m := range msgs {
		it, err := s.messageItem(m, time.Now())
		if err != nil {
			s.discard(req)
			release()
			return nil, err
		}
		req.items = append(req.items, it)
	}
	return req, nil
}

// submit sends messages to the log, or takes back all that was prepared.
func (s *Store) submit(ctx context.Context, req *request) error {
	err := s.send(ctx, req)
	if err != nil {
		s.discard(req)
		req.giveBack()
	}
	return err
}

// demand adds up what messages take of the accounts' quota and of the disk, and
// refuses those that can't be stored by anyone.
func (s *Store) demand(msgs []Incoming) (need map[mail.AccountID]amount, total int64, err error) {
	need = map[mail.AccountID]amount{}
	words := map[mail.AccountID][]string{}
	for _, m := range msgs {
		if len(m.Targets) == 0 {
			return nil, 0, fmt.Errorf("append: no target: %w", ErrNoMailbox)
		}
		if m.Body.Size() > MaxMessage {
			return nil, 0, ErrTooBig
		}
		total += m.Body.Size()
		for _, t := range m.Targets {
			need[t.Account] = need[t.Account].plus(amount{m.Body.Size(), 1})
			words[t.Account] = append(words[t.Account], t.Keywords...)
		}
	}
	for id, w := range words {
		if err := s.checkKeywords(id, w); err != nil {
			return nil, 0, err
		}
	}
	return need, total, nil
}

// discard removes what a request that will not be done has put on the disk.
func (s *Store) discard(req *request) {
	for _, it := range req.items {
		if it.rec.aside != 0 {
			s.removeAside([]uint64{it.rec.aside})
		}
	}
}

// messageItem does all that needs the bytes of a message before the log does.
func (s *Store) messageItem(m Incoming, now time.Time) (*item, error) {
	size := m.Body.Size()
	crc, err := bodyCRC(m.Body, size)
	if err != nil {
		return nil, fmt.Errorf("read message to store: %w", err)
	}
	msg, err := mail.ParseMessage(m.Body, size)
	if err != nil {
		return nil, fmt.Errorf("read message to store: %w", err)
	}
	rec := record{kind: kindMessage, time: now.Unix(), size: size, crc: crc, cold: packCold(mail.AppendMessage(nil, msg)), threads: threadHashes(msg)}
	for _, t := range m.Targets {
		date := t.InternalDate
		if date.IsZero() {
			date = now
		}
		_, zone := date.Zone()
		rec.targets = append(rec.targets, target{Ref: t.Ref, orInbox: t.OrInbox, flags: t.Flags, keywords: t.Keywords, date: date.Unix(), zone: int64(zone / 60), uid: t.UID})
	}
	it := &item{rec: rec, body: m.Body}
	if s.opts.Compress {
		if err := s.compress(it); err != nil {
			return nil, err
		}
	}
	if it.rec.size >= asideMin {
		if it.rec.aside, err = s.writeAside(it.body, it.rec.size, it.rec.crc); err != nil {
			return nil, err
		}
	}
	it.meta = it.rec.pack()
	return it, nil
}

// change commits one record without a body.
func (s *Store) change(ctx context.Context, r record) (outcome, error) {
	return s.changeReserved(ctx, r, nil)
}

// changeReserved is change for a record that quota is set aside for.
func (s *Store) changeReserved(ctx context.Context, r record, release func()) (outcome, error) {
	r.time, r.place = time.Now().Unix(), placeOf(ctx)
	req := &request{settled: release}
	if !r.uids.valid() {
		req.giveBack()
		return outcome{}, fmt.Errorf("UID set not ascending: %w", ErrNoMessage)
	}
	req.items = []*item{{rec: r, meta: r.pack()}}
	res, err := s.commit(ctx, req)
	if err != nil {
		return outcome{}, err
	}
	return res[0], res[0].err
}
