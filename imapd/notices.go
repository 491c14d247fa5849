package imapd

import (
	"errors"
	"maps"
	"slices"

	"mailstead/imapd/wire"
	"mailstead/internal/logkey"
	"mailstead/mail"
	"mailstead/storage"
)

// attention is what a session is told of beside the selected mailbox: what
// happens in whole accounts.
type attention struct {
	origin   *storage.Origin        // of this session's own changes, of which it is not told
	watch    *storage.Watch         // nil: nothing is told
	shared   map[storage.Ref]string // mailboxes of others that the user can list, as the user knows them
	metadata bool                   // METADATA is enabled (RFC 5464 §4.4)
	removed  bool                   // the command has removed messages itself
	notify   *notification          // nil: there was no NOTIFY
}

// speaks tells whether the client is told of something while no command is in
// progress.
func (a *attention) speaks() bool {
	return a.notify != nil && (a.notify.selected != 0 || a.notify.all() != 0)
}

// asks tells whether the client wants to know of events anywhere but in the
// selected mailbox.
func (a *attention) asks(e events) bool { return a.notify != nil && a.notify.all()&e != 0 }

// attend begins or ends watching, as what is enabled needs it, in all accounts
// with mailboxes that the user can list.
func (s *session) attend() error {
	a := &s.attention
	if !a.metadata && (a.notify == nil || a.notify.all() == 0) {
		if a.watch != nil {
			a.watch.Close()
		}
		a.watch, a.shared = nil, nil
		return nil
	}
	if a.watch == nil {
		a.watch = s.srv.o.Store.Watch(a.origin, s.account, 0)
	}
	list, err := s.srv.o.Store.SharedWith(s.account)
	if err != nil {
		return err
	}
	a.shared = map[storage.Ref]string{}
	ids := map[mail.AccountID]bool{s.account: true, 0: true}
	for _, m := range list {
		if m.Rights.Has(storage.RightLookup) && s.srv.o.Authenticator.AddressOf(m.Account) != "" {
			a.shared[m.Ref], ids[m.Account] = s.nameOf(m.Ref, m.Mailbox.Name), true
		}
	}
	a.watch.Accounts(slices.Collect(maps.Keys(ids))...)
	return nil
}

// inattentive forgets all that was enabled.
func (s *session) inattentive() {
	if s.attention.watch != nil {
		s.attention.watch.Close()
	}
	s.attention = attention{origin: s.attention.origin}
}

// noticed is signalled when there are notices; never when there is no watch.
func (s *session) noticed() <-chan struct{} {
	if s.attention.watch == nil {
		return nil
	}
	return s.attention.watch.Wake()
}

// announceNotices tells the client what has happened in the accounts.
func (s *session) announceNotices() {
	a := &s.attention
	if a.watch == nil {
		return
	}
	list, overflow := a.watch.Take()
	if overflow {
		s.overflowed()
		return
	}
	t := &telling{session: s}
	for _, n := range list {
		if err := t.tell(n); err != nil {
			s.log.Error("changes not read", logkey.Err, err)
			s.overflowed() // the client would never learn of it
			return
		}
	}
}

// overflowed ends what NOTIFY has asked for (RFC 5465 §5.8).
func (s *session) overflowed() {
	if s.attention.notify == nil {
		s.log.Debug("changes of the account not told")
		return
	}
	s.w.Status("*", kindOK, "NOTIFICATIONOVERFLOW", "Too much has happened; ask for it again")
	s.attention.notify = &notification{}
	if err := s.attend(); err != nil {
		s.log.Error("accounts not looked at", logkey.Err, err)
	}
}

// telling is one round of announceNotices.
type telling struct {
	*session
	names *directory // read when it is needed first
}

// tell tells of one notice what the client has asked for.
func (t *telling) tell(n storage.Notice) error {
	switch n.Kind {
	case storage.NoticeAnnotated:
		return t.tellAnnotations(n)
	case storage.NoticeRightsGiven:
		return t.tellRights(n)
	}
	if t.attention.notify == nil {
		return nil
	}
	switch n.Kind {
	case storage.NoticeMessages:
		return t.tellMessages(n)
	case storage.NoticeSubscribed:
		if n.Account != t.account {
			return nil
		}
		return t.tellName(eventSubscription, n.Name, "", t.seenAs(n.Name))
	}
	return t.tellMailbox(n)
}

// seenAs tells whether a name that the user subscribes to is one of the user's
// own mailboxes.
func (t *telling) seenAs(name string) bool {
	_, _, foreign := t.foreign(name)
	return !foreign
}

// known finds a mailbox that a notice is about, as the user knows it; false when
// the user does not, or not any more.
func (s *session) known(ref storage.Ref) (place, bool, error) {
	name := s.attention.shared[ref]
	if ref.Account == s.account {
		box, err := s.srv.o.Store.MailboxByID(ref)
		if errors.Is(err, storage.ErrNoMailbox) {
			return place{}, false, nil
		}
		if err != nil {
			return place{}, false, err
		}
		name = box.Name
	}
	if name == "" {
		return place{}, false, nil
	}
	at, err := s.locate(name, storage.RightLookup)
	if errors.Is(err, storage.ErrNoMailbox) || errors.Is(err, errNoPermission) {
		return place{}, false, nil
	}
	return at, err == nil && at.Ref == ref, err
}

// tellMessages tells what has become of the messages of a mailbox that is not the
// selected one (RFC 5465 §5.1 to §5.3).
func (t *telling) tellMessages(n storage.Notice) error {
	if !t.attention.asks(messageEvents) || t.view != nil && t.view.ref == n.Ref {
		return nil
	}
	at, ok, err := t.known(n.Ref)
	if err != nil || !ok || !at.rights.Has(storage.RightRead) {
		return err
	}
	e := t.attention.notify.of(at.box.Name, at.box.Subscribed, at.Account == t.account)
	var items []string
	if n.Added && e&eventNew != 0 || n.Expunged && e&eventExpunge != 0 {
		items = []string{"UIDNEXT", "MESSAGES"}
	}
	if n.Flags && e&eventFlags != 0 {
		items = append(items, "UIDVALIDITY")
	}
	if items == nil {
		return nil
	}
	if t.condstore || n.Flags && e&eventFlags != 0 {
		items = append(items, "HIGHESTMODSEQ")
	}
	return t.tellStatus(at, items)
}

// tellMailbox tells of a mailbox that has come, gone or got another name (RFC 5465
// §5.4).
func (t *telling) tellMailbox(n storage.Notice) error {
	if !t.attention.asks(eventName) {
		return nil
	}
	if n.Account == t.account {
		return t.tellName(eventName, n.Name, n.Was, true)
	}
	was := t.attention.shared[n.Ref]
	if err := t.attend(); err != nil {
		return err
	}
	return t.tellChange(was, t.attention.shared[n.Ref])
}

// tellRights takes in that what users may do has changed: a mailbox of somebody else
// comes or goes with l (RFC 5465 §5.9).
func (t *telling) tellRights(n storage.Notice) error {
	was := t.attention.shared[n.Ref]
	if err := t.attend(); err != nil {
		return err
	}
	if !t.attention.asks(eventName) {
		return nil
	}
	return t.tellChange(was, t.attention.shared[n.Ref])
}

// tellChange tells that somebody else's mailbox has a name now, empty for none, and
// had one.
func (t *telling) tellChange(was, is string) error {
	switch {
	case was == is:
		return nil
	case is == "":
		return t.tellName(eventName, was, "", false)
	}
	return t.tellName(eventName, is, was, false)
}

// tellName tells of a name as it is now, when an event of it is asked for; was is
// the one it had before, if any.
func (t *telling) tellName(e events, name, was string, personal bool) error {
	if !t.attention.asks(e) {
		return nil
	}
	if t.names == nil {
		d, err := t.directory()
		if err != nil {
			return err
		}
		t.names = &d
	}
	l := t.names.find(name)
	of := t.attention.notify.of(name, l.subscribed, personal)
	if was != "" {
		of |= t.attention.notify.of(was, false, personal)
	}
	if of&e == 0 {
		return nil
	}
	t.w.List(l.attributes(true), name, wire.ListExtra{OldName: was})
	return nil
}

// tellAnnotations names annotations that others have changed, without their values
// (RFC 5464 §4.4.2, RFC 5465 §5.6 and §5.7).
func (t *telling) tellAnnotations(n storage.Notice) error {
	if n.User != 0 && n.User != t.account {
		return nil
	}
	name := ""
	if n.Mailbox == 0 {
		if n.Account != 0 && n.Account != t.account || !t.attention.metadata && !t.attention.asks(eventServerMetadata) {
			return nil
		}
	} else {
		at, ok, err := t.known(n.Ref)
		if err != nil || !ok || !at.mayAnnotate() {
			return err
		}
		asked := t.attention.notify != nil && t.attention.notify.of(at.box.Name, at.box.Subscribed, at.Account == t.account)&eventMetadata != 0
		if !t.attention.metadata && !asked {
			return nil
		}
		name = at.box.Name
	}
	scope := scopeShared
	if n.User != 0 {
		scope = scopePrivate
	}
	t.w.Raw("* METADATA ")
	t.w.Mailbox(name)
	for _, e := range n.Entries {
		t.w.Raw(" ")
		t.writeEntry(scope + e)
	}
	t.w.End()
	return nil
}
