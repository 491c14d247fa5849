package imapd

import (
	"context"
	"slices"
	"strings"

	"mailstead/imapd/wire"
	"mailstead/storage"
)

// events is a set of the events of RFC 5465 §5.
type events uint8

const (
	eventNew events = 1 << iota
	eventExpunge
	eventFlags
	eventName
	eventSubscription
	eventMetadata
	eventServerMetadata

	messageEvents = eventNew | eventExpunge | eventFlags
)

// eventNames are those that are offered; AnnotationChange is not, as messages
// have no annotations.
var eventNames = []string{"MessageNew", "MessageExpunge", "FlagChange", "MailboxName", "SubscriptionChange", "MailboxMetadataChange", "ServerMetadataChange"}

// notification is what the client has asked for with NOTIFY.
type notification struct {
	selected events // of the selected mailbox
	delayed  bool   // its expunges wait for a command (RFC 5465 §6.1.2)
	items    []wire.FetchItem
	groups   []notifyGroup
}

// notifyGroup is a set of mailboxes beside the selected one, and their events.
type notifyGroup struct {
	wire.MailboxFilter
	events events
}

// has tells whether a mailbox is one of the group's (RFC 5465 §6).
func (g *notifyGroup) has(name string, subscribed, personal bool) bool {
	switch g.Kind {
	case "INBOXES", "PERSONAL":
		return personal && g.Takes(name, subscribed)
	case "MAILBOXES":
		return slices.Contains(g.Names, name)
	}
	return g.Takes(name, subscribed)
}

// of gives the events asked for of a mailbox: those of the first group that has
// it.
func (n *notification) of(name string, subscribed, personal bool) events {
	for i := range n.groups {
		if g := &n.groups[i]; g.has(name, subscribed, personal) {
			return g.events
		}
	}
	return 0
}

// all gives the events that some group asks for.
func (n *notification) all() (e events) {
	for _, g := range n.groups {
		e |= g.events
	}
	return e
}

// notify is RFC 5465 §3.1.
func (s *session) notify(_ context.Context, c *wire.Command) (reply, error) {
	a := c.Args.(wire.NotifyArgs)
	if a.None {
		s.attention.notify = &notification{}
		return done(), s.attend()
	}
	n, refusal := newNotification(a.Groups)
	if refusal.kind != "" {
		return refusal, nil
	}
	for i := range n.groups {
		n.groups[i].MailboxFilter = s.named(n.groups[i].MailboxFilter)
	}
	if err := s.nameShared(n); err != nil {
		return reply{}, err
	}
	s.attention.notify = n
	if err := s.attend(); err != nil {
		return reply{}, err
	}
	if a.Status {
		if err := s.notifyStatus(); err != nil {
			return reply{}, err
		}
	}
	return done(), nil
}

// newNotification holds what is asked for against the rules of RFC 5465 §5 and
// §6.1.
func newNotification(groups []wire.NotifyGroup) (*notification, reply) {
	n := &notification{}
	hasSelected := false
	for _, g := range groups {
		e, items, refusal := groupEvents(g.Events)
		if refusal.kind != "" {
			return nil, refusal
		}
		if g.Kind == "SELECTED" || g.Kind == "SELECTED-DELAYED" {
			switch {
			case hasSelected:
				return nil, bad("The selected mailbox is named twice")
			case e&^messageEvents != 0:
				return nil, bad("Only events of messages are possible for the selected mailbox")
			}
			hasSelected = true
			n.selected, n.items, n.delayed = e, items, g.Kind == "SELECTED-DELAYED"
			continue
		}
		if items != nil {
			return nil, bad("Data items are possible for the selected mailbox only")
		}
		n.groups = append(n.groups, notifyGroup{g.MailboxFilter, e})
	}
	return n, reply{}
}

// groupEvents reads the events of one group.
func groupEvents(list []wire.NotifyEvent) (e events, items []wire.FetchItem, refusal reply) {
	for _, event := range list {
		i := slices.IndexFunc(eventNames, func(name string) bool { return strings.EqualFold(name, event.Name) })
		if i < 0 {
			return 0, nil, no("BADEVENT ("+strings.Join(eventNames, " ")+")", "One of the events is not offered")
		}
		e |= 1 << i
		if event.Items != nil {
			items = event.Items
		}
	}
	const both = eventNew | eventExpunge
	switch {
	case e&both != 0 && e&both != both:
		return 0, nil, bad("MessageNew and MessageExpunge go together")
	case e&eventFlags != 0 && e&both != both:
		return 0, nil, bad("FlagChange needs MessageNew and MessageExpunge")
	}
	return e, items, reply{}
}

// nameShared looks at mailboxes that were named. RFC 5465 §3.1: those that the
// client can list but not read are told as such, others that it has no right to
// are passed over.
func (s *session) nameShared(n *notification) error {
	for _, g := range n.groups {
		for _, name := range g.Names {
			at, err := s.locate(name, storage.RightLookup)
			if err != nil {
				if r := s.replyTo("NOTIFY", err); r.code == unavailable().code {
					return err
				}
				continue
			}
			if !at.rights.Has(storage.RightRead) {
				s.w.List([]string{`\NoAccess`}, at.box.Name, wire.ListExtra{})
				continue
			}
		}
	}
	return nil
}

// notifyStatus tells the state of the mailboxes whose messages are asked for, but
// of the selected one (RFC 5465 §3.1).
func (s *session) notifyStatus() error {
	n := s.attention.notify
	d, err := s.directory()
	if err != nil {
		return err
	}
	items := []string{"MESSAGES", "UIDNEXT", "UIDVALIDITY"}
	if s.condstore {
		items = append(items, "HIGHESTMODSEQ")
	}
	for _, l := range d.entries {
		at := l.at
		readable := at.Account == s.account || at.rights.Has(storage.RightRead)
		if at.box.ID == 0 || !readable || s.view != nil && s.view.ref == at.Ref {
			continue
		}
		if n.of(l.name, l.subscribed, at.Account == s.account)&messageEvents == 0 {
			continue
		}
		if err := s.tellStatus(at, items); err != nil {
			return err
		}
	}
	return nil
}

// listen waits for the client's next command. Meanwhile it is told what it has
// asked for with NOTIFY; a second goroutine waits for what it says.
func (s *session) listen(ctx context.Context) error {
	if !s.attention.speaks() || s.r.Buffered() > 0 {
		return nil
	}
	if err := s.settle(); err != nil {
		return err
	}
	if err := s.w.Flush(); err != nil {
		return err
	}
	s.autoFlush, s.tag = false, "" // no command is in progress
	heard := make(chan error, 1)
	go func() { heard <- s.r.Wait() }()
	for {
		select {
		case err := <-heard:
			s.autoFlush = true
			return err
		case <-ctx.Done():
			<-heard // the connection is interrupted
			s.autoFlush = true
			return context.Cause(ctx)
		case <-s.wakeSelected():
		case <-s.noticed():
		}
		if err := s.speak(); err != nil {
			s.conn.interrupt()
			<-heard
			s.autoFlush = true
			return err
		}
	}
}

// wakeSelected is wake when the selected mailbox is asked for.
func (s *session) wakeSelected() <-chan struct{} {
	if s.attention.notify.selected == 0 {
		return nil
	}
	return s.wake()
}

// speak tells what has happened while no command is in progress.
func (s *session) speak() error {
	n := s.attention.notify
	if s.view != nil && n.selected != 0 {
		if err := s.announce(!n.delayed); err != nil {
			return err
		}
	}
	if s.leaving {
		if err := s.w.Flush(); err != nil {
			return err
		}
		return errMailboxGone
	}
	s.announceNotices()
	return s.w.Flush()
}

// dropFlags forgets changed flags that the client does not want to know of, and
// tells whether there may have been any.
func (s *session) dropFlags() bool {
	n := s.attention.notify
	if n == nil || n.selected&eventFlags != 0 {
		return false
	}
	clear(s.view.flags)
	s.view.since = 0
	return true
}

// fetchAdded tells what the client wants to know of new messages of the selected
// mailbox (RFC 5465 §5.2).
func (s *session) fetchAdded(added storage.UIDSet) error {
	if n := s.attention.notify; n != nil {
		return s.fetchItems(n.items, added)
	}
	return nil
}

// fetchFresh tells what the client wants to know of new messages that have come
// into the result of a search (RFC 5465 §7); not of those whose flags have
// brought them there.
func (s *session) fetchFresh(items []wire.FetchItem, added []change) error {
	var list []storage.UID
	for _, c := range added {
		for _, u := range c.uids {
			if s.view.fresh.Contains(u) {
				list = append(list, u)
			}
		}
	}
	return s.fetchItems(items, storage.UIDs(list...))
}

// fetchItems writes FETCH responses that no FETCH has asked for.
func (s *session) fetchItems(items []wire.FetchItem, set storage.UIDSet) error {
	if len(items) == 0 || len(set) == 0 {
		return nil
	}
	f := &fetching{s: s, ctx: context.WithoutCancel(s.ctx), items: items, uid: true, needs: needsOf(items)}
	f.prepare()
	f.needs.seen = f.needs.seen && !s.view.readOnly && s.view.rights.Has(storage.RightSeen)
	if f.needs.modseq {
		s.watchModSeqs()
	}
	err := f.run(set)
	f.markSeen()
	return err
}
