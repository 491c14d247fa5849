package imapd

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"mailstead/imapd/wire"
	"mailstead/storage"
)

// listing is one LIST response.
type listing struct {
	name        string
	box         storage.Mailbox // zero ID: no mailbox has the name
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
	if l.box.ID == 0 {
		list = append(list, `\NonExistent`)
	}
	if subscribed && l.subscribed {
		list = append(list, `\Subscribed`)
	}
	if l.box.SpecialUse != "" {
		list = append(list, string(l.box.SpecialUse))
	}
	return list
}

// directory is all that LIST can name: mailboxes, subscribed names, and the
// levels above both.
type directory struct {
	entries []listing // sorted by name
}

func (s *session) directory() (directory, error) {
	boxes, err := s.srv.o.Store.Mailboxes(s.account)
	if err != nil {
		return directory{}, err
	}
	names, err := s.srv.o.Store.Subscriptions(s.account)
	if err != nil {
		return directory{}, err
	}
	return newDirectory(boxes, names), nil
}

func newDirectory(boxes []storage.Mailbox, subscriptions []string) directory {
	by := map[string]*listing{}
	entry := func(name string) *listing {
		if by[name] == nil {
			by[name] = &listing{name: name}
		}
		return by[name]
	}
	for _, b := range boxes {
		entry(b.Name).box = b
		for p := parent(b.Name); p != ""; p = parent(p) {
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
		if l.box.ID != 0 && a.Return.Status != nil {
			if err := s.writeStatus(s.own(l.box), a.Return.Status); err != nil {
				return reply{}, err
			}
		}
	}
	return done(), nil
}

// wanted tells whether LIST names an entry.
func wanted(l listing, a wire.ListArgs) bool {
	if !slices.ContainsFunc(a.Patterns, func(p string) bool { return matches(a.Reference+p, l.name) }) {
		return false
	}
	o := a.Select
	if o.SpecialUse && l.box.SpecialUse == "" {
		return false
	}
	switch {
	case o.Subscribed && o.RecursiveMatch:
		return l.subscribed || l.below
	case o.Subscribed:
		return l.subscribed
	}
	// A level that is no mailbox is named when there are some below it.
	return l.box.ID != 0 || l.hasChildren
}

func (s *session) writeListing(l listing, a wire.ListArgs) {
	extra := wire.ListExtra{ChildInfo: a.Select.RecursiveMatch && l.below}
	s.w.List(l.attributes(a.Return.Subscribed || a.Select.Subscribed), l.name, extra)
}

// listingOf describes one mailbox outside of LIST.
func (s *session) listingOf(box storage.Mailbox) listing {
	return listing{name: box.Name, box: box, subscribed: box.Subscribed, bare: true}
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
		case l.subscribed && l.box.ID != 0:
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
