package wire

// NotifyArgs of NOTIFY (RFC 5465 §8). None: NOTIFY NONE.
type NotifyArgs struct {
	None   bool
	Status bool
	Groups []NotifyGroup
}

// NotifyGroup is mailboxes and their events, none for NONE.
type NotifyGroup struct {
	MailboxFilter // SUBTREE-ONE is none of them, SELECTED-DELAYED is one
	Events        []NotifyEvent
}

// NotifyEvent is one event, in upper case, with what FETCH shall tell of new
// messages.
type NotifyEvent struct {
	Name  string
	Items []FetchItem
}

func (r *Reader) notify() (a NotifyArgs) {
	switch r.arg(r.keyword) {
	case "NONE":
		a.None = true
		return a
	case "SET":
	default:
		r.fail("NOTIFY takes SET or NONE")
	}
	r.need(' ')
	if r.peek() != '(' {
		if r.keyword() != "STATUS" {
			r.fail("a group of events is missing")
		}
		a.Status = true
		r.need(' ')
	}
	for r.err == nil {
		if len(a.Groups) >= maxListed {
			r.fail("list too long")
		}
		a.Groups = append(a.Groups, r.notifyGroup())
		if !r.take(' ') {
			break
		}
	}
	return a
}

func (r *Reader) notifyGroup() (g NotifyGroup) {
	r.need('(')
	switch kind := r.keyword(); kind {
	case "SELECTED-DELAYED":
		g.Kind = kind
	case "SUBTREE-ONE": // RFC 7377 §2.2: of ESEARCH only
		r.fail("%q names no mailboxes", kind)
	default:
		g.MailboxFilter = r.mailboxFilterOf(kind)
	}
	r.need(' ')
	if r.peek() != '(' {
		if r.keyword() != "NONE" {
			r.fail("events are missing")
		}
	} else {
		g.Events = r.notifyEvents()
	}
	r.need(')')
	return g
}

func (r *Reader) notifyEvents() (list []NotifyEvent) {
	r.need('(')
	for r.err == nil {
		if len(list) >= maxListed {
			r.fail("list too long")
		}
		if n := len(list); n > 0 && r.peek() == '(' {
			if last := &list[n-1]; last.Name == "MESSAGENEW" && last.Items == nil {
				r.list(func() { last.Items = append(last.Items, r.fetchItem()) })
				if len(last.Items) == 0 {
					r.fail("a data item is missing")
				}
			}
		} else {
			list = append(list, NotifyEvent{Name: r.keyword()})
		}
		if !r.take(' ') {
			break
		}
	}
	r.need(')')
	return list
}

// Wait returns when the client has sent something, or never will: the error is
// then the connection's.
func (r *Reader) Wait() error {
	_, err := r.br.Peek(1)
	return err
}

// opens tells whether a list follows, after a space or none.
func (r *Reader) opens() bool {
	if r.peek() != ' ' {
		return r.peek() == '('
	}
	b, err := r.br.Peek(2)
	return err == nil && b[1] == '('
}
