package imapd

import (
	"errors"

	"mailstead/internal/logkey"
	"mailstead/storage"
)

// attention is what a session is told of beside the selected mailbox: what
// happens in whole accounts.
type attention struct {
	origin   *storage.Origin // of this session's own changes, of which it is not told
	watch    *storage.Watch  // nil: nothing is told
	metadata bool            // METADATA is enabled (RFC 5464 §4.4)
}

// attend begins or ends watching, as what is enabled needs it.
func (s *session) attend() {
	switch a := &s.attention; {
	case !a.metadata && a.watch != nil:
		a.watch.Close()
		a.watch = nil
	case a.metadata && a.watch == nil:
		a.watch = s.srv.o.Store.Watch(a.origin, s.account, 0)
	}
}

// inattentive forgets all that was enabled.
func (s *session) inattentive() {
	s.attention = attention{origin: s.attention.origin, watch: s.attention.watch}
	s.attend()
}

// noticed is signalled when there are notices; never when there is no watch.
func (s *session) noticed() <-chan struct{} {
	if s.attention.watch == nil {
		return nil
	}
	return s.attention.watch.Wake()
}

// announceNotices tells the client what has happened in the account.
func (s *session) announceNotices() {
	if s.attention.watch == nil {
		return
	}
	list, overflow := s.attention.watch.Take()
	if overflow {
		s.log.Debug("changes of the account not told")
	}
	for _, n := range list {
		if n.Kind == storage.NoticeAnnotated {
			s.announceAnnotated(n)
		}
	}
}

// announceAnnotated names annotations that others have changed, without their
// values (RFC 5464 §4.4.2).
func (s *session) announceAnnotated(n storage.Notice) {
	if n.User != 0 && n.User != s.account {
		return
	}
	name := ""
	if n.Mailbox != 0 {
		box, err := s.srv.o.Store.MailboxByID(n.Ref)
		if errors.Is(err, storage.ErrNoMailbox) {
			return
		}
		if err != nil {
			s.log.Error("changes not read", logkey.Err, err)
			return
		}
		name = box.Name
	}
	scope := scopeShared
	if n.User != 0 {
		scope = scopePrivate
	}
	s.w.Raw("* METADATA ")
	s.w.Mailbox(name)
	for _, e := range n.Entries {
		s.w.Raw(" ")
		s.writeEntry(scope + e)
	}
	s.w.End()
}
