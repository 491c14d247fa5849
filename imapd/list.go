package imapd

import (
	"context"
	"errors"
	"slices"

	"mailstead/imapd/wire"
	"mailstead/storage"
)

// list is RFC 9051 §6.3.9, with the options of RFC 6154, 5819, 8440 and 9590.
func (s *session) list(_ context.Context, c *wire.Command) (reply, error) {
	a := c.Args.(wire.ListArgs)
	if !a.Extended && len(a.Patterns) == 1 && a.Patterns[0] == "" {
		// RFC 9051 §6.3.9: asks for the delimiter.
		s.w.List([]string{`\Noselect`}, "", wire.ListExtra{})
		return done(), nil
	}
	if err := knownItems(a.Return.Status); err != nil {
		return reply{}, err
	}
	d, err := s.directory()
	if err != nil {
		return reply{}, err
	}
	list, err := d.choose(a)
	if err != nil {
		return reply{}, err
	}
	if slices.Contains(a.Return.Status, "HIGHESTMODSEQ") {
		s.watchModSeqs()
	}
	for _, l := range list {
		if err := s.writeChosen(l, a); err != nil {
			return reply{}, err
		}
	}
	return done(), nil
}

// facts are what LIST was asked to tell of a mailbox beside its name.
type facts struct {
	rights   storage.Rights
	status   string
	myRights bool
	opens    bool // status is there
	notes    bool // annotations are for the user
}

// writeChosen writes the LIST response of a name and what belongs to it.
func (s *session) writeChosen(l chosen, a wire.ListArgs) error {
	f, err := s.facts(&l, a.Return)
	if err != nil {
		return err
	}
	extra := wire.ListExtra{}
	if l.children {
		extra.ChildInfo = criteria(a.Select)
	}
	s.w.List(l.attributes(a.Return.Subscribed || a.Select.Subscribed), l.name, extra)
	if f.myRights {
		s.w.ACL("MYRIGHTS", l.name, f.rights.String())
	}
	if f.opens {
		s.w.StatusData(l.name, f.status)
	}
	if f.notes {
		return s.listMetadata(l.listing, a.Return.Metadata)
	}
	return nil
}

// facts finds what is asked for of an entry, before its LIST response: that says
// whether the mailbox can be opened (RFC 5819 §2). A name that is told only for
// those below it has none (RFC 5819 §3, RFC 8440 §4), and what the user may not
// know is left out.
func (s *session) facts(l *chosen, o wire.ListReturn) (f facts, err error) {
	if l.indirect || l.at.box.ID == 0 || !o.MyRights && o.Status == nil && o.Metadata == nil {
		return f, nil
	}
	if f.rights = l.at.rights; l.at.Account == s.account { // others' were just looked up
		f.rights, err = s.srv.o.Store.RightsIn(l.at.Ref, s.account)
	}
	if err == nil && o.Status != nil && f.rights.Has(storage.RightRead) {
		f.status, err = s.statusText(l.at, o.Status)
		f.opens = err == nil
	}
	switch {
	case errors.Is(err, storage.ErrNoMailbox): // deleted meanwhile
		l.at.box = storage.Mailbox{}
		return facts{}, nil
	case err != nil:
		return f, err
	}
	l.at.rights = f.rights
	l.noSelect = !f.rights.Has(storage.RightRead)
	f.myRights = o.MyRights && f.rights&tellsRights != 0
	f.notes = o.Metadata != nil && l.at.mayAnnotate()
	return f, nil
}

// criteria are the selection options that CHILDINFO repeats.
func criteria(o wire.ListSelect) (list []string) {
	if o.Subscribed {
		list = append(list, "SUBSCRIBED")
	}
	if o.SpecialUse {
		list = append(list, "SPECIAL-USE")
	}
	return list
}

// listingOf describes one mailbox outside of LIST.
func (s *session) listingOf(box storage.Mailbox) listing {
	return listing{name: box.Name, at: place{box: box}, subscribed: box.Subscribed, bare: true}
}

// writeList writes a LIST response outside of LIST.
func (s *session) writeList(l listing) {
	s.w.List(l.attributes(true), l.name, wire.ListExtra{OldName: l.oldName})
}

// lsub is RFC 3501 §6.3.9.
func (s *session) lsub(_ context.Context, c *wire.Command) (reply, error) {
	a := c.Args.(wire.ListArgs)
	d, err := s.directory()
	if err != nil {
		return reply{}, err
	}
	p := newPatterns(a)
	for _, l := range d.entries {
		if !l.subscribed && !l.below {
			continue
		}
		fits, level := p.fit(l.name)
		if p.steps > maxMatching {
			return reply{}, errMatching
		}
		switch {
		case !fits:
		case l.subscribed && l.at.box.ID != 0:
			s.w.LSub(nil, l.name)
		case l.subscribed:
			s.w.LSub([]string{`\Noselect`}, l.name)
		case level:
			// RFC 3501 §6.3.9: "%" stops at a level that is not subscribed
			// itself but has subscribed ones below.
			s.w.LSub([]string{`\Noselect`}, l.name)
		}
	}
	return done(), nil
}
