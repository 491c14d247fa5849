package imapd

import (
	"errors"
	"slices"
	"strings"

	"mailstead/imapd/wire"
	"mailstead/mail"
	"mailstead/storage"
)

// Mailboxes of others that a user has rights in are named
// Shared/ADDRESS-OF-THE-OWNER/name: the namespace of other users' mailboxes (RFC
// 2342 §5, RFC 9051 §6.3.10).
const (
	sharedLevel  = "Shared"
	sharedPrefix = sharedLevel + "/"
)

// place is a mailbox as the user of a session may use it.
type place struct {
	storage.Ref
	box    storage.Mailbox // its Name is the one this user knows it by
	name   string          // the one its owner knows it by
	rights storage.Rights
}

// locate is how a command gets from the name of a mailbox to the mailbox: the one
// place that knows whose it is and what the user may do with it. need are rights
// that the command can't do without. A name that can't exist is one that does
// not. Errors: storage.ErrNoMailbox, also for a mailbox that the user must not
// know of; errNoPermission.
func (s *session) locate(name string, need storage.Rights) (place, error) {
	p, err := s.look(name)
	if err != nil {
		return place{}, err
	}
	switch {
	case p.rights.Has(need):
		return p, nil
	case !p.rights.Has(storage.RightLookup):
		// RFC 4314 §6: of a mailbox that the user can't list not even that it
		// exists is told.
		return place{}, storage.ErrNoMailbox
	}
	return place{}, errNoPermission
}

// look is locate without asking for rights. The user's own mailbox comes before
// one of somebody else, if an old one should have such a name.
func (s *session) look(name string) (place, error) {
	if clean, err := storage.CleanName(name); err == nil {
		p, err := s.lookIn(s.account, clean)
		if !errors.Is(err, storage.ErrNoMailbox) {
			return p, err
		}
	}
	owner, rest, ok := s.foreign(name)
	if !ok {
		return place{}, storage.ErrNoMailbox
	}
	p, err := s.lookIn(owner, rest)
	if err != nil {
		return place{}, err
	}
	names, err := s.srv.o.Store.Subscriptions(s.account)
	if err != nil {
		return place{}, err
	}
	return s.seen(p, slices.Contains(names, s.nameOf(p.Ref, p.name))), nil
}

func (s *session) lookIn(owner mail.AccountID, name string) (place, error) {
	box, rights, err := s.srv.o.Store.MailboxFor(s.account, owner, name)
	if err != nil {
		return place{}, err
	}
	return place{storage.Ref{Account: owner, Mailbox: box.ID}, box, box.Name, rights}, nil
}

// foreign takes the name of somebody else's mailbox apart; the mailbox need not
// exist, but the owner does.
func (s *session) foreign(name string) (owner mail.AccountID, rest string, ok bool) {
	name, ok = strings.CutPrefix(name, sharedPrefix)
	if !ok {
		return 0, "", false
	}
	address, rest, ok := strings.Cut(name, "/")
	if !ok {
		return 0, "", false
	}
	owner, ok = s.srv.o.Authenticator.AccountAt(address)
	if !ok || owner == s.account {
		return 0, "", false
	}
	rest, err := storage.CleanName(rest)
	return owner, rest, err == nil
}

// seen turns what an owner calls a mailbox into what this user does. Its use is
// its owner's: nobody's client shall put its own sent mail there (RFC 6154 §2).
func (s *session) seen(p place, subscribed bool) place {
	if p.Account == s.account {
		return p
	}
	p.box.Name = s.nameOf(p.Ref, p.name)
	p.box.SpecialUse = ""
	p.box.Subscribed = subscribed
	return p
}

// nameOf is what the user calls a mailbox that its owner calls name.
func (s *session) nameOf(ref storage.Ref, name string) string {
	if ref.Account == s.account {
		return name
	}
	return sharedPrefix + s.srv.o.Authenticator.AddressOf(ref.Account) + "/" + name
}

// named is a filter with the names by which mailboxes are listed, as it compares
// them: a client may write them in other characters that mean the same, and
// addresses in any case of letters.
func (s *session) named(f wire.MailboxFilter) wire.MailboxFilter {
	f.Names = slices.Clone(f.Names)
	for i, name := range f.Names {
		owner, rest, ok := s.foreign(name)
		if !ok {
			// The address alone is the level above the mailboxes.
			owner, ok = s.srv.o.Authenticator.AccountAt(strings.TrimPrefix(name, sharedPrefix))
			ok = ok && owner != s.account && strings.HasPrefix(name, sharedPrefix)
		}
		if ok {
			f.Names[i] = strings.TrimSuffix(s.nameOf(storage.Ref{Account: owner}, rest), "/")
		} else if clean, err := storage.CleanName(name); err == nil {
			f.Names[i] = clean
		}
	}
	return f
}

// placeFor finds where a mailbox that is to be made goes. RFC 4314 §4: it needs
// k on the nearest mailbox above it; at the top of an account only the owner can
// make one.
func (s *session) placeFor(name string) (owner mail.AccountID, rest string, err error) {
	owner, rest = s.account, name
	if name == sharedLevel || strings.HasPrefix(name, sharedPrefix) {
		var ok bool
		if owner, rest, ok = s.foreign(name); !ok {
			return 0, "", errNoPermission
		}
	}
	rights, err := s.srv.o.Store.RightsAbove(s.account, owner, rest)
	switch {
	case errors.Is(err, storage.ErrNoMailbox) && owner == s.account:
		return owner, rest, nil
	case errors.Is(err, storage.ErrNoMailbox), err == nil && !rights.Has(storage.RightCreate):
		return 0, "", errNoPermission
	}
	return owner, rest, err
}

// places lists the mailboxes that the user can list: the user's own, and those
// of others with l.
func (s *session) places(subscribed []string) ([]place, error) {
	boxes, err := s.srv.o.Store.Mailboxes(s.account)
	if err != nil {
		return nil, err
	}
	list := make([]place, 0, len(boxes))
	for _, b := range boxes {
		list = append(list, place{Ref: storage.Ref{Account: s.account, Mailbox: b.ID}, box: b, name: b.Name})
	}
	shared, err := s.srv.o.Store.SharedWith(s.account)
	if err != nil {
		return nil, err
	}
	on := make(map[string]bool, len(subscribed))
	for _, n := range subscribed {
		on[n] = true
	}
	owners := map[mail.AccountID]string{}
	for _, m := range shared {
		if !m.Rights.Has(storage.RightLookup) {
			continue
		}
		owner, known := owners[m.Account]
		if !known {
			owner = s.srv.o.Authenticator.AddressOf(m.Account)
			owners[m.Account] = owner
		}
		if owner == "" {
			continue
		}
		p := place{m.Ref, m.Mailbox, m.Mailbox.Name, m.Rights}
		p.box.Name = sharedPrefix + owner + "/" + p.name
		p.box.SpecialUse = ""
		p.box.Subscribed = on[p.box.Name]
		list = append(list, p)
	}
	return list, nil
}
