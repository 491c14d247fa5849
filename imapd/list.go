package imapd

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"

	"mailstead/imapd/wire"
	"mailstead/storage"
)

// listing is one LIST response.
type listing struct {
	name        string
	at          place // of no mailbox: no mailbox has the name
	hasChildren bool
	subscribed  bool
	below       bool // CHILDINFO: something below it is subscribed
	oldName     string
	bare        bool // attributes of children are not known
}

// attributes of a listing (RFC 9051 §7.3.1).
func (l listing) attributes(subscribed bool) []string {
	var list []string
	switch {
	case l.bare:
	case l.hasChildren:
		list = append(list, `\HasChildren`)
	default:
		list = append(list, `\HasNoChildren`)
	}
	if l.at.box.ID == 0 {
		list = append(list, `\NonExistent`)
		if l.hasChildren {
			list = append(list, `\Noselect`) // for clients that know RFC 3501 only
		}
	}
	if subscribed && l.subscribed {
		list = append(list, `\Subscribed`)
	}
	if l.at.box.SpecialUse != "" {
		list = append(list, string(l.at.box.SpecialUse))
	}
	return list
}

// directory is all that LIST can name: mailboxes, subscribed names, and the
// levels above both.
type directory struct {
	entries []listing // sorted by name
}

func (s *session) directory() (directory, error) {
	names, err := s.srv.o.Store.Subscriptions(s.account)
	if err != nil {
		return directory{}, err
	}
	boxes, err := s.places(names)
	if err != nil {
		return directory{}, err
	}
	return newDirectory(boxes, names), nil
}

func newDirectory(boxes []place, subscriptions []string) directory {
	by := map[string]*listing{}
	entry := func(name string) *listing {
		if by[name] == nil {
			by[name] = &listing{name: name}
		}
		return by[name]
	}
	for _, b := range boxes {
		entry(b.box.Name).at = b
		for p := parent(b.box.Name); p != ""; p = parent(p) {
			entry(p).hasChildren = true
		}
	}
	for _, n := range subscriptions {
		entry(n).subscribed = true
		for p := parent(n); p != ""; p = parent(p) {
			entry(p).below = true
		}
	}
	d := directory{entries: make([]listing, 0, len(by))}
	for _, l := range by {
		d.entries = append(d.entries, *l)
	}
	slices.SortFunc(d.entries, func(a, b listing) int { return cmp.Compare(a.name, b.name) })
	return d
}

// parent gives the level above a name, empty at the top.
func parent(name string) string {
	i := strings.LastIndexByte(name, '/')
	if i < 0 {
		return ""
	}
	return name[:i]
}

// matches tells whether a name fits a pattern; INBOX does in any case of
// letters (RFC 9051 §5.1).
func matches(pattern, name string) bool {
	if wire.MatchPattern(pattern, name, '/') {
		return true
	}
	const inbox = "INBOX"
	if name == inbox {
		return wire.MatchPattern(strings.ToUpper(pattern), name, '/')
	}
	return strings.HasPrefix(name, inbox+"/") && len(pattern) >= len(inbox) && strings.EqualFold(pattern[:len(inbox)], inbox) &&
		wire.MatchPattern(inbox+pattern[len(inbox):], name, '/')
}

// list is RFC 9051 §6.3.9, with RFC 6154's options.
func (s *session) list(_ context.Context, c *wire.Command) (reply, error) {
	a := c.Args.(wire.ListArgs)
	if !a.Extended && len(a.Patterns) == 1 && a.Patterns[0] == "" {
		// RFC 9051 §6.3.9: asks for the delimiter.
		s.w.List([]string{`\Noselect`}, "", wire.ListExtra{})
		return done(), nil
	}
	d, err := s.directory()
	if err != nil {
		return reply{}, err
	}
	for _, l := range d.entries {
		if !wanted(l, a) {
			continue
		}
		s.writeListing(l, a)
		if l.at.box.ID == 0 {
			continue
		}
		if err := s.describeListed(l.at, a.Return); err != nil {
			return reply{}, err
		}
		if l.at.box.ID != 0 && a.Return.Metadata != nil {
			if err := s.listMetadata(l, a.Return.Metadata); err != nil {
				return reply{}, err
			}
		}
	}
	return done(), nil
}

// describeListed writes what LIST was asked to tell of a mailbox beside its name.
// What the user may not know is left out (RFC 5819 §2, RFC 8440 §3.1).
func (s *session) describeListed(at place, o wire.ListReturn) error {
	if !o.MyRights && o.Status == nil {
		return nil
	}
	rights, err := s.srv.o.Store.RightsIn(at.Ref, s.account)
	if errors.Is(err, storage.ErrNoMailbox) {
		return nil // deleted meanwhile
	}
	if err != nil {
		return err
	}
	if o.MyRights && rights&tellsRights != 0 {
		s.w.ACL("MYRIGHTS", at.box.Name, rights.String())
	}
	if o.Status != nil && rights.Has(storage.RightRead) {
		return s.writeStatus(at, o.Status)
	}
	return nil
}

// wanted tells whether LIST names an entry.
func wanted(l listing, a wire.ListArgs) bool {
	level := false // "%" has stopped at it
	if !slices.ContainsFunc(a.Patterns, func(p string) bool {
		fits := matches(a.Reference+p, l.name)
		level = level || fits && strings.HasSuffix(p, "%")
		return fits && (level || l.at.box.ID != 0 || l.subscribed || l.below)
	}) {
		return false
	}
	o := a.Select
	if o.SpecialUse && l.at.box.SpecialUse == "" {
		return false
	}
	switch {
	case o.Subscribed && o.RecursiveMatch:
		return l.subscribed || l.below
	case o.Subscribed:
		return l.subscribed
	}
	// A level that is no mailbox is named where "%" does not tell of those below
	// it (RFC 9051 §6.3.9, RFC 4314 §4).
	return l.at.box.ID != 0 || l.hasChildren && level
}

func (s *session) writeListing(l listing, a wire.ListArgs) {
	extra := wire.ListExtra{ChildInfo: a.Select.RecursiveMatch && l.below}
	s.w.List(l.attributes(a.Return.Subscribed || a.Select.Subscribed), l.name, extra)
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
	for _, l := range d.entries {
		if !slices.ContainsFunc(a.Patterns, func(p string) bool { return matches(a.Reference+p, l.name) }) {
			continue
		}
		switch {
		case l.subscribed && l.at.box.ID != 0:
			s.w.LSub(nil, l.name)
		case l.subscribed:
			s.w.LSub([]string{`\Noselect`}, l.name)
		case l.below && strings.HasSuffix(a.Patterns[0], "%"):
			// RFC 3501 §6.3.9: "%" stops at a level that is not subscribed
			// itself but has subscribed ones below.
			s.w.LSub([]string{`\Noselect`}, l.name)
		}
	}
	return done(), nil
}
