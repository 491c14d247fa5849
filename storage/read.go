package storage

import (
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
