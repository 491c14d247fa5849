package storage

import (
	"encoding/binary"
	"fmt"

	bolt "go.etcd.io/bbolt"

	"mailstead/mail"
)

// salvage is how a log is replayed behind a hole: what was lost may have made
// the account, the mailbox or the UIDs that later records build on.
type salvage struct {
	uidNext map[Ref]UID  // when the hole was met
	renew   map[Ref]bool // UIDs that clients know were not given out again
	known   map[mail.AccountID]bool
}

func beginSalvage(s *Store) (*salvage, error) {
	v := &salvage{uidNext: map[Ref]UID{}, renew: map[Ref]bool{}, known: map[mail.AccountID]bool{}}
	return v, s.view(func(x index) error {
		for k, row := range x.scan(bucketMbox, nil) {
			ref := Ref{mail.AccountID(binary.BigEndian.Uint32(k)), MailboxID(binary.BigEndian.Uint32(k[4:]))}
			if m, err := decodeMailbox(ref.Mailbox, row); err == nil {
				v.uidNext[ref] = m.UIDNext
			}
			v.known[ref.Account] = true
		}
		return nil
	})
}

// adapt makes a record fit a store that may lack what the record relies on: a
// message goes to INBOX if its mailbox is not known, and UIDs that were given
// out after the hole may be another message's now, so nothing is done to them.
func (v *salvage) adapt(r *record) {
	switch r.kind {
	case kindFlags, kindCopy, kindMove, kindExpunge:
		r.uids, r.all = r.uids.below(v.uidNext[Ref{r.account, r.mailbox}], r.all), false
		if r.kind == kindCopy || r.kind == kindMove {
			v.renew[r.destination()] = true
		}
	}
	if r.kind == kindCreateAccount {
		v.known[r.account] = true
	}
	r.revive = true
	for i := range r.targets {
		r.targets[i].orInbox = true
		if id := r.targets[i].Account; !v.known[id] {
			r.makeAccounts = append(r.makeAccounts, id)
			v.known[id] = true
		}
	}
}

// lostRoom is how many UIDs and modseqs are left out behind a hole: what was
// lost may have used them, and clients may know them.
const lostRoom = 1 << 20

// finish sees to it that no client takes one message for another (RFC 9051
// §2.3.1.1): every mailbox that got messages after the hole, or copies that it
// may lack now, gets a new UIDVALIDITY; the others go on behind all UIDs that
// the hole can have given out.
func (v *salvage) finish(s *Store) error {
	return s.db.Update(func(tx *bolt.Tx) error {
		x := index{tx, &txState{}}
		for _, k := range x.under(bucketMbox, nil) {
			ref := Ref{mail.AccountID(be32(k)), MailboxID(be32(k[4:]))}
			m, err := x.mailbox(ref)
			if err != nil {
				continue // a damaged row is the transaction's fault already
			}
			a, err := x.account(ref.Account)
			if err != nil {
				return fmt.Errorf("renew UIDVALIDITY: %w", err)
			}
			if m.UIDNext != v.uidNext[ref] || v.renew[ref] {
				a.uidValidity++
				m.UIDValidity = a.uidValidity
			} else if m.UIDNext < 1<<32-1-lostRoom {
				m.UIDNext += lostRoom
			}
			a.modseq += lostRoom
			m.HighestModSeq = a.modseq
			if err := x.putAccount(ref.Account, a); err != nil {
				return err
			}
			if err := x.putMailbox(ref, m); err != nil {
				return err
			}
		}
		return x.state.fault
	})
}
