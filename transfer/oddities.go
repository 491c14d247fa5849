package transfer

import "errors"

// oddities are what a source passes over while it looks for mailboxes. They
// are told with the messages of the first.
type oddities struct{ list []Problem }

func (o *oddities) note(item, reason string) {
	o.list = append(o.list, Problem{Item: item, Reason: reason})
}

// tell hands them out once.
func (o *oddities) tell(yield func(Message, error) bool) bool {
	list := o.list
	o.list = nil
	for _, p := range list {
		if !yield(Message{Item: p.Item}, errors.New(p.Reason)) {
			return false
		}
	}
	return true
}
