package storage

import (
	"context"
	"fmt"
	"path/filepath"

	bolt "go.etcd.io/bbolt"

	"mailstead/mail"
)

// What is left out when a backup is brought back: more than can have been given
// out between the backup and the loss.
const (
	skipUIDs      = 1 << 20
	skipMailboxes = 1 << 16
	skipModSeqs   = 1 << 32
	skipRecords   = 1 << 32
)

// renewSlice is how many messages one transaction of renew changes.
const renewSlice = 10_000

// renew makes a store that was brought back safe for clients that have seen
// what came after the backup, see Options.Restored. It is not in the log; a
// checkpoint makes it the truth. Before the stages run.
func (s *Store) renew() error {
	if err := s.seg.begin(s.seg.at.segment + 1); err != nil {
		return err
	}
	s.seq += skipRecords
	var boxes [][]byte
	err := s.db.Update(func(tx *bolt.Tx) (err error) {
		x := index{tx, &txState{}}
		if boxes, err = x.renewAccounts(); err != nil {
			return err
		}
		if err := x.putWatermark(s.seg.at, s.seq); err != nil {
			return err
		}
		return x.state.fault
	})
	for _, k := range boxes {
		if err == nil {
			err = s.renewMessages(Ref{mail.AccountID(be32(k)), MailboxID(be32(k[4:]))})
		}
	}
	if err == nil {
		err = s.safe.settle(s)
	}
	if err == nil {
		err = s.checkpoint(context.Background())
	}
	if err != nil {
		return fmt.Errorf("renew restored store: %w", err)
	}
	list, err := checkpoints(s.seg.dir)
	if err != nil {
		return err
	}
	for _, old := range list[1:] {
		if err := s.fs.Remove(filepath.Join(s.seg.dir, checkpointName(old))); err != nil {
			return fmt.Errorf("renew restored store: %w", err)
		}
	}
	return s.fs.SyncDir(s.seg.dir)
}

// renewAccounts moves the counters of accounts and mailboxes on and gives the
// keys of the mailboxes.
func (x index) renewAccounts() (boxes [][]byte, err error) {
	for _, k := range x.under(bucketAcct, nil) {
		id := mail.AccountID(be32(k))
		a, err := x.account(id)
		if err != nil {
			return nil, err
		}
		a.modseq += skipModSeqs
		a.nextMailbox += skipMailboxes
		if err := x.putAccount(id, a); err != nil {
			return nil, err
		}
		for _, k := range x.under(bucketMbox, accountKey(id)) {
			if err := x.renewMailbox(Ref{id, MailboxID(be32(k[4:]))}, a.modseq); err != nil {
				return nil, err
			}
			boxes = append(boxes, k)
		}
	}
	return boxes, nil
}

// renewMailbox leaves UIDs out and tells them as expunged.
func (x index) renewMailbox(ref Ref, modseq ModSeq) error {
	m, err := x.mailbox(ref)
	if err != nil {
		return err
	}
	from := m.UIDNext
	m.UIDNext = max(from, min(from, maxAskedUID)+skipUIDs)
	m.HighestModSeq = modseq
	if err := x.putMailbox(ref, m); err != nil || m.UIDNext == from {
		return err
	}
	return x.bury(ref, modseq, UIDSet{{from, m.UIDNext - 1}})
}

// renewMessages makes every message of a mailbox changed.
func (s *Store) renewMessages(ref Ref) error {
	for from, more := UID(1), true; more; {
		err := s.db.Update(func(tx *bolt.Tx) error {
			x := index{tx, &txState{}}
			m, err := x.mailbox(ref)
			if err != nil {
				return err
			}
			var list []hit
			if list, more, err = x.some(ref, from); err != nil {
				return err
			}
			for _, t := range list {
				t.hot.modseq = m.HighestModSeq
				if err := x.put(bucketHot, hotKey(ref, t.uid), t.hot.pack()); err != nil {
					return err
				}
				from = t.uid + 1
			}
			return x.state.fault
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// some reads the next messages of a mailbox; more tells that it was cut short.
func (x index) some(ref Ref, from UID) (list []hit, more bool, err error) {
	for k, v := range x.scanFrom(bucketHot, refKey(ref), hotKey(ref, from)) {
		if len(list) == renewSlice {
			return list, true, nil
		}
		h, err := decodeHot(v)
		if err != nil {
			return nil, false, err
		}
		list = append(list, hit{UID(be32(k[8:])), h})
	}
	return list, false, nil
}
