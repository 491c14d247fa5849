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
// ErrOverQuota, ErrNoSpace, ErrTooBig, ErrClosed.
func (s *Store) Append(ctx context.Context, body Body, targets ...Target) ([]Appended, error) {
	out, err := s.AppendAll(ctx, []Incoming{{Body: body, Targets: targets}})
	if err != nil {
		return nil, err
	}
	return out[0], nil
}

// AppendAll stores several messages, all or none, in their order (RFC 3502).
func (s *Store) AppendAll(ctx context.Context, msgs []Incoming) ([][]Appended, error) {
	need := map[mail.AccountID]int64{}
	total := int64(0)
	for _, m := range msgs {
		if len(m.Targets) == 0 {
			return nil, fmt.Errorf("append: no target: %w", ErrNoMailbox)
		}
		if m.Body.Size() > MaxMessage {
			return nil, ErrTooBig
		}
		total += m.Body.Size()
		for _, t := range m.Targets {
			need[t.Account] += m.Body.Size()
		}
	}
	if len(msgs) == 0 {
		return nil, nil
	}
	if err := s.room(total); err != nil {
		return nil, err
	}
	release, err := s.reserve(need)
	if err != nil {
		return nil, err
	}
	defer release()
	items := make([]*item, len(msgs))
	for i, m := range msgs {
		if items[i], err = messageItem(m, time.Now()); err != nil {
			return nil, err
		}
	}
	res, err := s.commit(ctx, items...)
	if err != nil {
		return nil, err
	}
	out := make([][]Appended, len(res))
	for i, o := range res {
		if o.err != nil {
			return nil, o.err
		}
		out[i] = o.appended
	}
	return out, nil
}

// messageItem does all that needs the bytes of a message before the log does:
// the CRC and the parsing.
func messageItem(m Incoming, now time.Time) (*item, error) {
	size := m.Body.Size()
	crc, err := bodyCRC(m.Body, size)
	if err != nil {
		return nil, fmt.Errorf("read message to store: %w", err)
	}
	msg, err := mail.ParseMessage(m.Body, size)
	if err != nil {
		return nil, fmt.Errorf("read message to store: %w", err)
	}
	rec := record{kind: kindMessage, time: now.Unix(), size: size, crc: crc, cold: mail.AppendMessage(nil, msg), threads: threadHashes(msg)}
	for _, t := range m.Targets {
		date := t.InternalDate
		if date.IsZero() {
			date = now
		}
		_, zone := date.Zone()
		rec.targets = append(rec.targets, target{Ref: t.Ref, orInbox: t.OrInbox, flags: t.Flags, keywords: t.Keywords, date: date.Unix(), zone: int64(zone / 60)})
	}
	return &item{rec: rec, meta: rec.pack(), body: m.Body}, nil
}

// change commits one record without a body.
func (s *Store) change(ctx context.Context, r record) (outcome, error) {
	r.time = time.Now().Unix()
	if !r.uids.valid() {
		return outcome{}, fmt.Errorf("UID set not ascending: %w", ErrNoMessage)
	}
	res, err := s.commit(ctx, &item{rec: r, meta: r.pack()})
	if err != nil {
		return outcome{}, err
	}
	return res[0], res[0].err
}
