package storage

import (
	"context"
	"fmt"
	"time"
)

// Replace stores one message in one mailbox and expunges another from a mailbox
// in the same step, or does neither (RFC 8508 §3.4): nobody sees both messages,
// or none. Only what the new one takes more counts against the quota. Errors are
// those of Append, and ErrNoMessage when the old one is not there.
func (s *Store) Replace(ctx context.Context, from Ref, old UID, m Incoming) (Appended, error) {
	if len(m.Targets) != 1 {
		return Appended{}, fmt.Errorf("replace by a message with %d targets: %w", len(m.Targets), ErrNoMailbox)
	}
	saved := amount{}
	err := s.view(func(x index) error {
		list, err := x.hits(from, UIDs(old), false)
		if err == nil && len(list) == 0 {
			return ErrNoMessage
		}
		if err == nil && from.Account == m.Targets[0].Account {
			saved = amount{list[0].hot.size, 1}
		}
		return err
	})
	if err != nil {
		return Appended{}, err
	}
	req, err := s.prepareFor([]Incoming{m}, from.Account, saved)
	if err != nil {
		return Appended{}, err
	}
	r := record{kind: kindExpunge, time: time.Now().Unix(), account: from.Account, mailbox: from.Mailbox, uids: UIDs(old), keep: s.opts.KeepExpunged > 0}
	req.items = append(req.items, &item{rec: r, meta: r.pack()})
	if err := s.submit(ctx, req); err != nil {
		return Appended{}, err
	}
	<-req.done
	if req.err != nil {
		return Appended{}, s.failedAppend(req)
	}
	if err := req.out[0].err; err != nil {
		return Appended{}, err
	}
	return req.out[0].appended[0], nil
}
