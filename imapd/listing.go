package imapd

import (
	"cmp"
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
	below       bool // something below it is subscribed
	noSelect    bool // the user may not open it
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
	} else if l.noSelect {
		list = append(list, `\Noselect`)
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
	d := newDirectory(boxes, names)
	for i := range d.entries {
		l := &d.entries[i]
		// RFC 4314 §4: l lets a name be listed, r lets it be selected.
		l.noSelect = l.at.Account != s.account && !l.at.rights.Has(storage.RightRead)
	}
	return d, nil
}

func newDirectory(boxes []place, subscriptions []string) directory {
	by := make(map[string]*listing, len(boxes))
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

// find gives the entry of a name; one of nothing when there is none.
func (d directory) find(name string) listing {
	i, ok := slices.BinarySearchFunc(d.entries, name, func(l listing, name string) int { return cmp.Compare(l.name, name) })
	if !ok {
		return listing{name: name}
	}
	return d.entries[i]
}

// parent gives the level above a name, empty at the top.
func parent(name string) string {
	i := strings.LastIndexByte(name, '/')
	if i < 0 {
		return ""
	}
	return name[:i]
}

// maxMatching is how many steps the patterns of one command may take.
const maxMatching = 1 << 28

var errMatching = protocolError{no("LIMIT", "The patterns are too long for so many mailboxes")}

// patterns are those of one LIST or LSUB.
type patterns struct {
	list  []inboxPattern
	steps int
}

// inboxPattern is a pattern; INBOX fits it in any case of letters (RFC 9051
// §5.1).
type inboxPattern struct {
	wire.Pattern
	inbox, below wire.Pattern // for INBOX, and for what is below it
}

func newPatterns(a wire.ListArgs) *patterns {
	p := &patterns{}
	for _, text := range a.Patterns {
		text = a.Reference + text
		n := inboxPattern{wire.NewPattern(text, '/'), wire.NewPattern(strings.ToUpper(text), '/'), wire.NewPattern(text, '/')}
		if len(text) >= len(inbox) && strings.EqualFold(text[:len(inbox)], inbox) {
			n.below = wire.NewPattern(inbox+text[len(inbox):], '/')
		}
		p.list = append(p.list, n)
	}
	return p
}

const inbox = "INBOX"

// fit tells whether a name fits one of the patterns, and whether one that asks
// for levels of the hierarchy too.
func (p *patterns) fit(name string) (fits, level bool) {
	for _, n := range p.list {
		pattern := n.Pattern
		switch {
		case name == inbox:
			pattern = n.inbox
		case strings.HasPrefix(name, inbox+"/"):
			pattern = n.below
		}
		if fits && !pattern.Level() {
			continue
		}
		ok, steps := pattern.Match(name)
		p.steps += steps
		fits, level = fits || ok, level || ok && pattern.Level()
		if level {
			break
		}
	}
	return fits, level
}

// chosen is an entry that LIST names.
type chosen struct {
	listing
	children bool // CHILDINFO: something below it is selected
	indirect bool // named for that alone
}

// choose finds what LIST names (RFC 9051 §6.3.9.3).
func (d directory) choose(a wire.ListArgs) ([]chosen, error) {
	p := newPatterns(a)
	var list []chosen
	// The names above selected ones; hidden are those above one that fits no pattern.
	below, hidden := map[string]bool{}, map[string]bool{}
	for _, l := range d.entries {
		fits, level := p.fit(l.name)
		if p.steps > maxMatching {
			return nil, errMatching
		}
		picked := l.selected(a.Select)
		if picked && a.Select.RecursiveMatch {
			for up := parent(l.name); up != ""; up = parent(up) {
				below[up] = true
				hidden[up] = hidden[up] || !fits
			}
		}
		// A level that is no mailbox is named where "%" does not tell of those
		// below it (RFC 9051 §6.3.9, RFC 4314 §4).
		bare := level && l.hasChildren && !a.Select.Subscribed && !a.Select.SpecialUse
		if fits && (picked || bare || a.Select.RecursiveMatch) {
			list = append(list, chosen{listing: l, indirect: !picked})
		}
	}
	if !a.Select.RecursiveMatch {
		return list, nil
	}
	// RFC 9051 §6.3.9.6: a name is not told for the sake of those below it when
	// all of them are told themselves.
	list = slices.DeleteFunc(list, func(c chosen) bool { return c.indirect && !hidden[c.name] })
	for i := range list {
		list[i].children = below[list[i].name]
	}
	return list, nil
}

// selected tells whether an entry meets all of LIST's selection options. REMOTE
// adds nothing: no mailbox is on another server.
func (l listing) selected(o wire.ListSelect) bool {
	if !o.Subscribed && !o.SpecialUse {
		return l.at.box.ID != 0
	}
	return (!o.Subscribed || l.subscribed) && (!o.SpecialUse || l.at.box.SpecialUse != "")
}
