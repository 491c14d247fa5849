package storage

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"mailstead/mail"
)

// Limits of keywords (RFC 9051 §2.3.2 sets none).
const (
	MaxKeywords     = 1000 // of an account
	MaxKeywordBytes = 200
)

// SetFlags changes the flags of the messages of the set that are there.
// Errors: ErrNoMailbox, ErrLimit for keywords.
func (s *Store) SetFlags(ctx context.Context, ref Ref, uids UIDSet, c FlagChange) (FlagResult, error) {
	if c.Except.Keywords {
		c.Keywords = nil
	}
	if c.Op != RemoveFlags {
		if err := s.checkKeywords(ref.Account, c.Keywords); err != nil {
			return FlagResult{}, err
		}
	}
	r := record{kind: kindFlags, account: ref.Account, mailbox: ref.Mailbox, uids: uids, op: c.Op, flags: c.Flags, keywords: c.Keywords, mask: c.Except}
	if c.UnchangedSince != nil {
		r.unchanged, r.since = true, *c.UnchangedSince
	}
	out, err := s.change(ctx, r)
	return out.flags, err
}

// checkKeywords tells whether the account may have these keywords too.
func (s *Store) checkKeywords(id mail.AccountID, words []string) error {
	if len(words) == 0 {
		return nil
	}
	for _, k := range words {
		if len(k) > MaxKeywordBytes || k == "" {
			return fmt.Errorf("keyword of %d bytes: %w", len(k), ErrLimit)
		}
	}
	return s.view(func(x index) error {
		have := slices.Collect(maps.Values(x.keywordNames(id)))
		fresh := 0
		for _, k := range words {
			if !slices.ContainsFunc(have, func(h string) bool { return strings.EqualFold(h, k) }) {
				have = append(have, k)
				fresh++
			}
		}
		if fresh > 0 && len(have) > MaxKeywords {
			return fmt.Errorf("keywords of the account: %w", ErrLimit)
		}
		return nil
	})
}

// Copy puts the messages of the set into another mailbox too; see Transfer.
func (s *Store) Copy(ctx context.Context, src Ref, uids UIDSet, dst Ref) (CopyResult, error) {
	return s.Transfer(ctx, src, uids, dst, TransferOptions{})
}

// Move is Copy and Expunge of the same messages in one step (RFC 6851 §3.3); see
// Transfer.
func (s *Store) Move(ctx context.Context, src Ref, uids UIDSet, dst Ref) (CopyResult, error) {
	return s.Transfer(ctx, src, uids, dst, TransferOptions{Move: true})
}

// Expunge removes the messages of the set, or with onlyDeleted those of them
// with \Deleted; a nil set means all. It gives what was removed.
func (s *Store) Expunge(ctx context.Context, ref Ref, uids UIDSet, onlyDeleted bool) (UIDSet, ModSeq, error) {
	out, err := s.change(ctx, record{kind: kindExpunge, account: ref.Account, mailbox: ref.Mailbox, uids: uids, all: uids == nil, on: onlyDeleted, keep: s.opts.KeepExpunged > 0})
	return out.removed, out.modseq, err
}

// CreateAccount makes an account with INBOX and the special-use mailboxes
// Archive, Drafts, Junk, Sent and Trash, all subscribed. ErrExists when the
// store knows the number.
func (s *Store) CreateAccount(ctx context.Context, id mail.AccountID, name string) error {
	_, err := s.change(ctx, record{kind: kindCreateAccount, account: id, name: name})
	return err
}

// RemoveAccount removes an account with all its mail. ErrNoAccount.
func (s *Store) RemoveAccount(ctx context.Context, id mail.AccountID) error {
	_, err := s.change(ctx, record{kind: kindRemoveAccount, account: id})
	if err == nil {
		s.text.remove(id)
	}
	return err
}

// CreateMailbox makes a mailbox and the levels above it that are missing.
// Errors: ErrBadName, ErrExists, ErrNoAccount.
func (s *Store) CreateMailbox(ctx context.Context, id mail.AccountID, name string, use SpecialUse) (Mailbox, error) {
	return s.AdoptMailbox(ctx, id, name, use, 0)
}

// AdoptMailbox is CreateMailbox with the UIDVALIDITY that the mailbox had
// elsewhere, so that clients know its messages again; 0 is as CreateMailbox.
func (s *Store) AdoptMailbox(ctx context.Context, id mail.AccountID, name string, use SpecialUse, uidValidity uint32) (Mailbox, error) {
	name, err := CleanName(name)
	if err != nil {
		return Mailbox{}, err
	}
	out, err := s.change(ctx, record{kind: kindCreateMailbox, account: id, name: name, use: use, validity: uidValidity})
	return out.mailbox, err
}

// AdoptUIDs makes a mailbox go on with the UIDs of one that was elsewhere: when
// it never had a message it takes that one's UIDValidity, unless it is 0, and
// its UIDNext and HighestModSeq are that one's at least. It gives the mailbox as
// it is then. ErrNoMailbox.
func (s *Store) AdoptUIDs(ctx context.Context, ref Ref, was Mailbox) (Mailbox, error) {
	out, err := s.change(ctx, record{kind: kindReserve, account: ref.Account, mailbox: ref.Mailbox, validity: was.UIDValidity, uidNext: was.UIDNext, since: was.HighestModSeq})
	return out.mailbox, err
}

// DeleteMailbox removes a mailbox with its messages. Errors: ErrNoMailbox,
// ErrInUse for INBOX, ErrHasChildren.
func (s *Store) DeleteMailbox(ctx context.Context, id mail.AccountID, name string) error {
	name, err := CleanName(name)
	if err != nil {
		return ErrNoMailbox
	}
	_, err = s.change(ctx, record{kind: kindDeleteMailbox, account: id, name: name, keep: s.opts.KeepExpunged > 0})
	return err
}

// RenameMailbox gives a mailbox and all below it another name; of INBOX the
// messages move and it stays, empty (RFC 9051 §6.3.6). Errors: ErrNoMailbox,
// ErrExists, ErrBadName.
func (s *Store) RenameMailbox(ctx context.Context, id mail.AccountID, from, to string) error {
	from, err := CleanName(from)
	if err != nil {
		return ErrNoMailbox
	}
	if to, err = CleanName(to); err != nil {
		return err
	}
	_, err = s.change(ctx, record{kind: kindRenameMailbox, account: id, name: from, to: to})
	return err
}

// Subscribe puts a name on the list of subscriptions or takes it off; the
// mailbox need not exist (RFC 9051 §6.3.7).
func (s *Store) Subscribe(ctx context.Context, id mail.AccountID, name string, on bool) error {
	name, err := CleanName(name)
	if err != nil {
		return err
	}
	_, err = s.change(ctx, record{kind: kindSubscribe, account: id, name: name, on: on})
	return err
}
