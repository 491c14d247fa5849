package storage

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"mailstead/mail"
)

// MaxGrants is how many entries the access control list of one mailbox holds.
const MaxGrants = 200

// Anyone stands for every account in a Grant.
const Anyone mail.AccountID = 0

// Grant is one entry of the access control list of a mailbox (RFC 4314 §2):
// rights that an account, or Anyone, has, or with Negative does not have
// whatever else gives them.
type Grant struct {
	To       mail.AccountID
	Negative bool
	Rights   Rights
}

// Shared is a mailbox of another account in which a user has rights.
type Shared struct {
	Ref
	Mailbox Mailbox // Subscribed is what its owner has
	Rights  Rights
}

// ownerKeeps are the rights that an owner can't lose.
const ownerKeeps = RightLookup | RightAdmin

// SetRights changes one entry of a mailbox's list: adds rights to it, removes
// them or replaces them. An entry left without rights is removed; that of the
// owner, who has all rights without one, stays and never loses l and a. Errors:
// ErrNoMailbox, ErrNoAccount for one that does not exist, ErrLimit.
func (s *Store) SetRights(ctx context.Context, ref Ref, op FlagOp, g Grant) error {
	return s.share(ctx, record{kind: kindShare, account: ref.Account, mailbox: ref.Mailbox, op: op, grant: g})
}

// Unshare removes one entry of a mailbox's list; without its own the owner has
// all rights again. Errors: ErrNoMailbox.
func (s *Store) Unshare(ctx context.Context, ref Ref, to mail.AccountID, negative bool) error {
	return s.share(ctx, record{kind: kindShare, account: ref.Account, mailbox: ref.Mailbox, all: true, grant: Grant{To: to, Negative: negative}})
}

func (s *Store) share(ctx context.Context, r record) error {
	ref := Ref{r.account, r.mailbox}
	s.sharing.Lock() // what is there when it is counted is there when it is applied
	defer s.sharing.Unlock()
	err := s.view(func(x index) error {
		m, err := x.mailbox(ref)
		if err != nil {
			return err
		}
		r.name = m.Name
		if r.grant.To != Anyone && !r.all && !x.has(bucketAcct, accountKey(r.grant.To)) {
			return ErrNoAccount
		}
		if n := len(x.under(bucketACL, refKey(ref))); n >= MaxGrants && !r.all && !x.has(bucketACL, grantKey(ref, r.grant)) {
			return fmt.Errorf("%d entries in the list of %q: %w", n, m.Name, ErrLimit)
		}
		return nil
	})
	if err != nil {
		return err
	}
	_, err = s.change(ctx, r)
	return err
}

// Grants lists the entries of a mailbox, the owner's first, which is there
// always. ErrNoMailbox.
func (s *Store) Grants(ref Ref) (list []Grant, err error) {
	err = s.view(func(x index) error {
		if !x.has(bucketMbox, refKey(ref)) {
			return ErrNoMailbox
		}
		list, err = x.grants(ref)
		return err
	})
	owner := func(g Grant) bool { return g.To == ref.Account && !g.Negative }
	if i := slices.IndexFunc(list, owner); i >= 0 {
		g := list[i]
		g.Rights |= ownerKeeps
		list = slices.Insert(slices.Delete(list, i, i+1), 0, g)
	} else if err == nil {
		list = slices.Insert(list, 0, Grant{To: ref.Account, Rights: AllRights})
	}
	return list, err
}

// RightsIn tells what a user may do with a mailbox: what the user's own entry
// and that of Anyone give together, less what their negative ones take (RFC
// 4314 §2). ErrNoMailbox.
func (s *Store) RightsIn(ref Ref, user mail.AccountID) (r Rights, err error) {
	err = s.view(func(x index) error {
		if !x.has(bucketMbox, refKey(ref)) {
			return ErrNoMailbox
		}
		r, err = x.rights(ref, user)
		return err
	})
	return r, err
}

// MailboxFor is Mailbox with what a user may do with it.
func (s *Store) MailboxFor(user, owner mail.AccountID, name string) (m Mailbox, r Rights, err error) {
	if name, err = CleanName(name); err != nil {
		return m, 0, ErrNoMailbox
	}
	err = s.view(func(x index) error {
		id, ok := x.byName(owner, name)
		if !ok {
			return ErrNoMailbox
		}
		ref := Ref{owner, id}
		if m, err = x.mailbox(ref); err != nil {
			return err
		}
		r, err = x.rights(ref, user)
		return err
	})
	return m, r, err
}

// RightsAbove tells what a user may do with the nearest mailbox above a name;
// ErrNoMailbox when there is none.
func (s *Store) RightsAbove(user, owner mail.AccountID, name string) (r Rights, err error) {
	if name, err = CleanName(name); err != nil {
		return 0, err
	}
	err = s.view(func(x index) error {
		for i := strings.LastIndexByte(name, '/'); i >= 0; i = strings.LastIndexByte(name[:i], '/') {
			if id, ok := x.byName(owner, name[:i]); ok {
				r, err = x.rights(Ref{owner, id}, user)
				return err
			}
		}
		return ErrNoMailbox
	})
	return r, err
}

// SharedWith lists the mailboxes of others in which a user has any rights, by
// owner and name. What it costs depends on their number alone.
func (s *Store) SharedWith(user mail.AccountID) (list []Shared, err error) {
	err = s.view(func(x index) error {
		seen := map[Ref]bool{}
		for _, who := range []mail.AccountID{user, Anyone} {
			for k := range x.scan(bucketACL, sharedPrefix(who)) {
				ref, _, ok := splitShared(k)
				if !ok || ref.Account == user || seen[ref] {
					continue
				}
				seen[ref] = true
				r, err := x.rights(ref, user)
				if err != nil {
					return err
				}
				if r == 0 {
					continue
				}
				m, err := x.mailbox(ref)
				if err != nil {
					return err
				}
				list = append(list, Shared{ref, m, r})
			}
		}
		return nil
	})
	slices.SortFunc(list, func(a, b Shared) int {
		return cmp.Or(cmp.Compare(a.Account, b.Account), cmp.Compare(a.Mailbox.Name, b.Mailbox.Name))
	})
	return list, err
}

// errStray is a row of the list that has no counterpart.
var errStray = errors.New("stands alone")

// FlagMask is flags, and with Keywords all keywords, that an operation must not
// touch because the user lacks the rights to.
type FlagMask struct {
	Flags    Flags
	Keywords bool
}

const maskKeywords = 1 << 5

func (m FlagMask) pack() uint64 {
	n := uint64(m.Flags)
	if m.Keywords {
		n |= maskKeywords
	}
	return n
}

func unpackMask(n uint64) (FlagMask, bool) {
	return FlagMask{Flags(n & (maskKeywords - 1)), n&maskKeywords != 0}, n > 0 && n < 2*maskKeywords
}

// TransferOptions of Transfer.
type TransferOptions struct {
	// Move takes the messages out of the source in the same step.
	Move bool
	// Except are flags that the copies don't get.
	Except FlagMask
}

// Transfer puts messages of the set into another mailbox too, or moves them
// there, in one step: after a crash all of it is done or nothing. Bodies are
// shared, between accounts as well. Errors: ErrNoMailbox, ErrOverQuota of the
// destination's account, ErrNoSpace, ErrLimit for its keywords.
func (s *Store) Transfer(ctx context.Context, src Ref, uids UIDSet, dst Ref, o TransferOptions) (CopyResult, error) {
	r := record{kind: kindCopy, account: src.Account, mailbox: src.Mailbox, dst: dst.Mailbox, uids: uids, mask: o.Except}
	if o.Move {
		r.kind = kindMove
	}
	across := src.Account != dst.Account
	if across {
		r.dst, r.targets = 0, []target{{Ref: dst}}
		r.keep = o.Move && s.opts.KeepExpunged > 0
	}
	need, words, err := s.carried(src, uids)
	if err != nil {
		return CopyResult{}, err
	}
	if across && !o.Except.Keywords {
		if err := s.checkKeywords(dst.Account, words); err != nil {
			return CopyResult{}, err
		}
	}
	var release func()
	if !o.Move || across {
		if err := s.room(0); err != nil {
			return CopyResult{}, err
		}
		if release, err = s.reserve(map[mail.AccountID]amount{dst.Account: need}); err != nil {
			return CopyResult{}, err
		}
	}
	out, err := s.changeReserved(ctx, r, release)
	return out.copied, err
}

// carried adds up what messages take, and their keywords.
func (s *Store) carried(src Ref, uids UIDSet) (need amount, words []string, err error) {
	err = s.view(func(x index) error {
		list, err := x.hits(src, uids, false)
		if err != nil {
			return err
		}
		names := x.keywordNames(src.Account)
		used := map[uint32]bool{}
		for _, t := range list {
			need = need.plus(amount{t.hot.size, 1})
			for _, k := range t.hot.keywords {
				if !used[k] {
					used[k] = true
					words = append(words, names[k])
				}
			}
		}
		return nil
	})
	return need, words, err
}
