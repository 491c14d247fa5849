package imapd

import (
	"context"
	"slices"
	"strings"

	"mailstead/imapd/wire"
	"mailstead/storage"
)

// creatable are the uses a mailbox can be created with (RFC 6154 §3). \All and
// \Flagged would be views of other mailboxes, which there are none of.
var creatable = []storage.SpecialUse{
	storage.UseArchive, storage.UseDrafts, storage.UseJunk, storage.UseSent, storage.UseTrash,
}

// create is RFC 9051 §6.3.4, with the use of RFC 6154.
func (s *session) create(ctx context.Context, c *wire.Command) (reply, error) {
	a := c.Args.(wire.CreateArgs)
	// RFC 9051 §6.3.4: a delimiter at the end declares that mailboxes will be
	// created below it, and is not part of the name.
	name := strings.TrimSuffix(a.Mailbox, "/")
	use, ok := specialUse(a.Uses)
	if !ok {
		return no("USEATTR", "A mailbox can't be created with that use"), nil
	}
	if name == "INBOX" {
		return s.replyTo("CREATE", storage.ErrExists), nil
	}
	owner, rest, err := s.placeFor(name)
	if err != nil {
		return reply{}, err
	}
	if use != "" && owner != s.account {
		// RFC 6154 §7: the owner's clients would put the owner's mail there.
		return no("USEATTR", "Uses are of the user's own mailboxes"), nil
	}
	box, err := s.srv.o.Store.CreateMailbox(context.WithoutCancel(ctx), owner, rest, use)
	if err != nil {
		return reply{}, err
	}
	box.Name = s.nameOf(storage.Ref{Account: owner}, box.Name)
	s.tellNormalized(name, s.listingOf(box))
	id := mailboxID(storage.Ref{Account: owner, Mailbox: box.ID})
	return okCode("MAILBOXID ("+id+")", "CREATE completed"), nil // RFC 8474 §4.1
}

// specialUse reads the USE of CREATE; ok is false when it can't be had. Several
// stand as one text, as LIST and the annotation tell them (RFC 6154 §4).
func specialUse(names []string) (use storage.SpecialUse, ok bool) {
	var list []string
	for _, name := range names {
		known := func(known storage.SpecialUse) bool { return strings.EqualFold(string(known), name) }
		i := slices.IndexFunc(creatable, known)
		if i < 0 {
			return "", false
		}
		list = append(list, string(creatable[i]))
	}
	slices.Sort(list)
	return storage.SpecialUse(strings.Join(slices.Compact(list), " ")), true
}

// deleteMailbox is RFC 9051 §6.3.5. Sessions that have the mailbox selected
// learn it from their feeds; this one has it closed.
func (s *session) deleteMailbox(ctx context.Context, c *wire.Command) (reply, error) {
	at, err := s.locate(c.Args.(wire.DeleteArgs).Mailbox, storage.RightDelete)
	if err != nil {
		return reply{}, err
	}
	if err := s.srv.o.Store.DeleteMailbox(context.WithoutCancel(ctx), at.Account, at.name); err != nil {
		return reply{}, err
	}
	if s.view != nil && s.view.ref == at.Ref {
		s.deselect()
		s.w.Status("*", kindOK, "CLOSED", "Selected mailbox was deleted")
	}
	s.tellNormalized(c.Args.(wire.DeleteArgs).Mailbox, listing{name: at.box.Name, bare: true})
	return done(), nil
}

// tellNormalized says what became of a name that is not told as it was given
// (RFC 9051 §6.3.9.7).
func (s *session) tellNormalized(given string, l listing) {
	if s.rev2 && l.name != given {
		l.oldName = given
		s.writeList(l)
	}
}

// rename is RFC 9051 §6.3.6.
func (s *session) rename(ctx context.Context, c *wire.Command) (reply, error) {
	a := c.Args.(wire.RenameArgs)
	from, err := s.locate(a.From, storage.RightDelete)
	if err != nil {
		return reply{}, err
	}
	name := strings.TrimSuffix(a.To, "/")
	owner, to, err := s.placeFor(name)
	if err != nil {
		return reply{}, err
	}
	if owner != from.Account {
		return no("CANNOT", "A mailbox can't be given to somebody else"), nil
	}
	if err := s.srv.o.Store.RenameMailbox(context.WithoutCancel(ctx), from.Account, from.name, to); err != nil {
		return reply{}, err
	}
	if s.rev2 {
		if at, err := s.look(name); err == nil { // else it is gone again
			s.tellNormalized(name, s.listingOf(at.box))
		}
	}
	return done(), nil
}

// subscribe is RFC 9051 §6.3.7. The mailbox need not exist.
func (s *session) subscribe(ctx context.Context, c *wire.Command) (reply, error) {
	return s.setSubscribed(ctx, c, true)
}

// unsubscribe is RFC 9051 §6.3.8.
func (s *session) unsubscribe(ctx context.Context, c *wire.Command) (reply, error) {
	return s.setSubscribed(ctx, c, false)
}

func (s *session) setSubscribed(ctx context.Context, c *wire.Command, on bool) (reply, error) {
	name := c.Args.(wire.SubscribeArgs).Mailbox
	if owner, rest, ok := s.foreign(name); ok {
		name = s.nameOf(storage.Ref{Account: owner}, rest)
	}
	if err := s.srv.o.Store.Subscribe(context.WithoutCancel(ctx), s.account, name, on); err != nil {
		return reply{}, err
	}
	return done(), nil
}
