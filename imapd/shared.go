package imapd

import (
	"mailstead/storage"
)

// place is a mailbox as the user of a session may use it.
type place struct {
	storage.Ref
	box    storage.Mailbox // its Name is the one this user knows it by
	rights storage.Rights
}

// locate is how a command gets from the name of a mailbox to the mailbox: the one
// place that knows whose it is and what the user may do with it. need are rights
// that the command can't do without. A name that can't exist is one that does
// not. Errors: storage.ErrNoMailbox, also for a mailbox that the user must not
// know of; errNoPermission.
func (s *session) locate(name string, need storage.Rights) (place, error) {
	clean, err := storage.CleanName(name)
	if err != nil {
		return place{}, storage.ErrNoMailbox
	}
	box, err := s.srv.o.Store.Mailbox(s.account, clean)
	if err != nil {
		return place{}, err
	}
	return s.own(box).permit(need)
}

// own is a mailbox of the user's own account.
func (s *session) own(box storage.Mailbox) place {
	return place{Ref: storage.Ref{Account: s.account, Mailbox: box.ID}, box: box, rights: storage.AllRights}
}

// permit refuses a command that needs more than the user may do. RFC 4314 §6:
// of a mailbox that the user can't list not even that it exists is told.
func (p place) permit(need storage.Rights) (place, error) {
	switch {
	case p.rights.Has(need):
		return p, nil
	case !p.rights.Has(storage.RightLookup):
		return place{}, storage.ErrNoMailbox
	}
	return place{}, errNoPermission
}
