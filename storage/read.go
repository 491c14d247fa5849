package storage

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"iter"
	"slices"
	"sync"

	"mailstead/internal/logkey"
	"mailstead/mail"
)

// readSlice is how many rows one read transaction copies.
const readSlice = 2000

// HasAccount tells whether the store knows the account.
func (s *Store) HasAccount(id mail.AccountID) (ok bool, err error) {
	err = s.view(func(x index) error {
		ok = x.has(bucketAcct, accountKey(id))
		return nil
	})
	return ok, err
}

// Mailboxes lists the account's mailboxes by name. ErrNoAccount.
func (s *Store) Mailboxes(id mail.AccountID) (list []Mailbox, err error) {
	err = s.view(func(x index) error {
		if !x.has(bucketAcct, accountKey(id)) {
			return ErrNoAccount
		}
		for _, k := range x.under(bucketName, accountKey(id)) {
			box, _ := x.byName(id, string(k[4:]))
			m, err := x.mailbox(Ref{id, box})
			if isDamage(err) || box == 0 {
				s.log.Error("mailbox left out", logkey.Account, id, logkey.Mailbox, string(k[4:]), logkey.Err, err)
				continue
			}
			if err != nil {
				return err
			}
			list = append(list, m)
		}
		return nil
	})
	return list, err
}

// Subscriptions lists the subscribed names, those without a mailbox too.
func (s *Store) Subscriptions(id mail.AccountID) (names []string, err error) {
	err = s.view(func(x index) error {
		for _, k := range x.under(bucketSub, accountKey(id)) {
			names = append(names, string(k[4:]))
		}
		return nil
	})
	return names, err
}

// Mailbox finds a mailbox by its name. ErrNoMailbox.
func (s *Store) Mailbox(id mail.AccountID, name string) (m Mailbox, err error) {
	if name, err = CleanName(name); err != nil {
		return m, ErrNoMailbox
	}
	err = s.view(func(x index) error {
		box, ok := x.byName(id, name)
		if !ok {
			return ErrNoMailbox
		}
		m, err = x.mailbox(Ref{id, box})
		return err
	})
	return m, err
}

// MailboxByID reads a mailbox's row. ErrNoMailbox.
func (s *Store) MailboxByID(ref Ref) (m Mailbox, err error) {
	err = s.view(func(x index) error {
		m, err = x.mailbox(ref)
		return err
	})
	return m, err
}

// Snapshot gives a mailbox as it is now and a feed of what happens to it from
// now on. Its cost does not grow with the mailbox. Close the feed. ErrNoMailbox.
func (s *Store) Snapshot(ref Ref) (*Snapshot, error) {
	snap := &Snapshot{Feed: s.feeds.open(ref, maxFeedRows)}
	c, err := s.Contents(ref)
	if err == nil {
		err = s.view(func(x index) (err error) {
			if snap.Mailbox, err = x.mailbox(ref); err != nil {
				return err
			}
			for _, w := range x.keywordNames(ref.Account) {
				snap.Keywords = append(snap.Keywords, w)
			}
			return nil
		})
	}
	if err != nil {
		snap.Feed.Close()
		return nil, err
	}
	slices.Sort(snap.Keywords)
	snap.UIDs, snap.Unseen, snap.FirstUnseen = c.UIDs, c.Unseen, c.Unseen.First()
	if m := &snap.Mailbox; m.HighestModSeq > c.ModSeq {
		// The row is ahead of what the feed has told.
		m.HighestModSeq, m.Messages, m.Unseen = c.ModSeq, uint32(c.UIDs.Len()), uint32(c.Unseen.Len())
	}
	return snap, nil
}

// Rows reads the messages of the set that are there, by ascending UID. No
// transaction is held while the caller's loop runs: rows of one slice are as
// they were when the slice was read. It ends with the first error.
func (s *Store) Rows(ref Ref, uids UIDSet, o ReadOptions) iter.Seq2[Row, error] {
	return func(yield func(Row, error) bool) {
		if o.ChangedSince > 0 {
			d, err := s.describe(ref)
			if err != nil && !errors.Is(err, ErrNoMailbox) {
				yield(Row{}, err)
				return
			}
			if few, ok := d.changedSince(o.ChangedSince, uids); ok && err == nil {
				uids = few
			}
		}
		for rest := uids; len(rest) > 0; {
			var rows []Row
			err := s.view(func(x index) (err error) {
				rows, rest, err = x.rows(ref, rest, o)
				return err
			})
			if err != nil {
				yield(Row{}, err)
				return
			}
			for _, r := range rows {
				var err error
				if r.damaged {
					err = fmt.Errorf("message with UID %d: %w", r.UID, ErrDamaged)
				}
				if !yield(r, err) {
					return
				}
			}
		}
	}
}

// rows reads a slice of the set and gives what is left of it.
func (x index) rows(ref Ref, set UIDSet, o ReadOptions) (rows []Row, rest UIDSet, err error) {
	prefix := refKey(ref)
	c := x.tx.Bucket([]byte(bucketHot)).Cursor()
	looked := 0
	for i, r := range set {
		from := hotKey(ref, r.First)
		k, v := c.Seek(from)
		if k != nil && bytes.Compare(k, from) < 0 { // see seek; here nothing may be left out in silence
			return nil, nil, x.state.damaged(bucketHot, from)
		}
		for ; bytes.HasPrefix(k, prefix); k, v = c.Next() {
			uid := UID(binary.BigEndian.Uint32(k[8:]))
			if uid > r.Last {
				break
			}
			if looked++; looked > readSlice {
				return rows, append(UIDSet{{uid, r.Last}}, set[i+1:]...), nil
			}
			h, err := x.hot(k, v)
			if err != nil {
				rows = append(rows, Row{UID: uid, damaged: true})
				continue
			}
			if h.modseq <= o.ChangedSince {
				continue
			}
			row, err := x.row(ref.Account, uid, &h)
			if err != nil {
				return nil, nil, err
			}
			if o.Message {
				row.Message = x.message(ref.Account, h.blob)
			}
			rows = append(rows, row)
		}
	}
	return rows, nil, nil
}

// message reads the parsed form of a message, nil when it is damaged.
func (x index) message(id mail.AccountID, b BlobID) *mail.Message {
	m, err := unpackCold(x.get(bucketCold, wideKey(id, uint64(b))))
	if err != nil {
		return nil
	}
	return m
}

// Vanished gives the UIDs expunged from a mailbox after a modseq (RFC 7162
// §3.2.10). It is complete unless what was expunged so long ago is not
// remembered any more. ErrNoMailbox.
func (s *Store) Vanished(ref Ref, since ModSeq) (gone UIDSet, complete bool, err error) {
	var list []UID
	complete = true
	err = s.view(func(x index) error {
		if _, err := x.mailbox(ref); err != nil {
			return err
		}
		prefix := refKey(ref)
		c := x.tx.Bucket([]byte(bucketGone)).Cursor()
		for k, v := c.Seek(binary.BigEndian.AppendUint64(refKey(ref), uint64(since)+1)); bytes.HasPrefix(k, prefix); k, v = c.Next() {
			val, ok := openRow(k, v)
			if !ok {
				return x.state.damaged(bucketGone, k)
			}
			d := rowReader{b: val}
			d.uint()
			for u := range d.uids().All() {
				list = append(list, u)
			}
		}
		return nil
	})
	return UIDs(list...), complete, err
}

// maxVerified bounds the bodies remembered as sound.
const maxVerified = 16384

// verified remembers the bodies whose CRC was right.
type verified struct {
	mu  sync.Mutex
	set map[BlobID]bool
}

func (v *verified) has(b BlobID) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.set[b]
}

// forget has the body proved again before the next one reads it.
func (v *verified) forget(b BlobID) {
	v.mu.Lock()
	defer v.mu.Unlock()
	delete(v.set, b)
}

func (v *verified) add(b BlobID) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if len(v.set) >= maxVerified {
		clear(v.set)
	}
	v.set[b] = true
}
