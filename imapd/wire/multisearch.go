package wire

import "strings"

// MailboxFilter names mailboxes by what they have in common (RFC 5465 §6).
type MailboxFilter struct {
	Kind  string   // SELECTED, INBOXES, PERSONAL, SUBSCRIBED, SUBTREE, SUBTREE-ONE, MAILBOXES
	Names []string // of the last three
}

// MultiSearchArgs of ESEARCH (RFC 7377); In is nil without IN.
type MultiSearchArgs struct {
	In []MailboxFilter
	SearchArgs
}

func (r *Reader) multiSearch() (a MultiSearchArgs) {
	r.need(' ')
	word := r.searchWord()
	if word == "IN" {
		r.need(' ')
		r.need('(')
		for r.err == nil {
			if a.In = append(a.In, r.mailboxFilter()); len(a.In) > maxListed {
				r.fail("list too long")
			}
			if !r.take(' ') {
				break
			}
			if r.peek() == '(' {
				r.fail("no option of a search's scope is known") // RFC 7377 §2.2
			}
		}
		r.need(')')
		r.need(' ')
		word = r.searchWord()
	}
	r.searchFrom(&a.SearchArgs, word)
	return a
}

func (r *Reader) mailboxFilter() MailboxFilter { return r.mailboxFilterOf(r.keyword()) }

// mailboxFilterOf reads what a filter takes beside its kind.
func (r *Reader) mailboxFilterOf(kind string) (f MailboxFilter) {
	switch f.Kind = kind; kind {
	case "SELECTED", "INBOXES", "PERSONAL", "SUBSCRIBED":
	case "SUBTREE", "SUBTREE-ONE", "MAILBOXES":
		r.need(' ')
		if r.peek() != '(' {
			f.Names = []string{r.mailbox()}
			return f
		}
		r.list(func() { f.Names = append(f.Names, r.mailbox()) })
		if len(f.Names) == 0 {
			r.fail("mailboxes are missing")
		}
	default:
		// RFC 7377 §2.2: SELECTED-DELAYED is for NOTIFY only.
		r.fail("%q names no mailboxes", f.Kind)
	}
	return f
}

// Takes tells whether the filter takes a mailbox with that name. SELECTED and
// MAILBOXES, which name theirs outright, take none.
func (f MailboxFilter) Takes(name string, subscribed bool) bool {
	switch f.Kind {
	case "INBOXES": // RFC 5465 §6.2: where mail is delivered to
		return name == "INBOX"
	case "PERSONAL":
		return true
	case "SUBSCRIBED":
		return subscribed
	}
	for _, top := range f.Names {
		if f.Kind == "MAILBOXES" {
			break
		}
		if name == top {
			return true
		}
		below, ok := strings.CutPrefix(name, top+"/")
		if top == "" {
			below, ok = name, true
		}
		if ok && (f.Kind == "SUBTREE" || !strings.Contains(below, "/")) {
			return true
		}
	}
	return false
}
