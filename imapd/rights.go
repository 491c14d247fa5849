package imapd

import (
	"strings"

	"github.com/emersion/go-imap/v2"

	"mailstead/internal/logkey"
	"mailstead/storage"
)

// anyFlag are the rights to change flags: all flags of a mailbox are shared by
// those who use it, \Seen as well (RFC 4314 §5.2, "shared flag rights").
const anyFlag = storage.RightSeen | storage.RightWrite | storage.RightTrash

// writable tells whether a mailbox opens READ-WRITE (RFC 4314 §5.2).
func writable(r storage.Rights) bool {
	return r&(storage.RightInsert|storage.RightExpunge|anyFlag) != 0
}

// untouchable are the flags that a user must not change (RFC 4314 §4).
func untouchable(r storage.Rights) (m storage.FlagMask) {
	if !r.Has(storage.RightSeen) {
		m.Flags |= storage.Seen
	}
	if !r.Has(storage.RightTrash) {
		m.Flags |= storage.Deleted
	}
	if !r.Has(storage.RightWrite) {
		m.Flags |= storage.Answered | storage.Flagged | storage.Draft
		m.Keywords = true
	}
	return m
}

// permitted takes from flags that a new message shall have those that the user
// must not set. RFC 4314 §4: that is no reason to refuse the message.
func permitted(r storage.Rights, flags storage.Flags, keywords []string) (storage.Flags, []string) {
	m := untouchable(r)
	if m.Keywords {
		keywords = nil
	}
	return flags &^ m.Flags, keywords
}

// mayStore tells whether STORE can do anything for the user. RFC 4314 §4: it
// does not fail when one of its flags can be changed.
func mayStore(r storage.Rights, flags storage.Flags, keywords []string) bool {
	if r&anyFlag == 0 {
		return false
	}
	if flags == 0 && len(keywords) == 0 {
		return true
	}
	flags, keywords = permitted(r, flags, keywords)
	return flags != 0 || len(keywords) > 0
}

// permanentFlags lists what the user can change for good (RFC 4314 §5.1.1); fresh
// tells whether new keywords are among it.
func permanentFlags(r storage.Rights, keywords []string) (flags string, fresh bool) {
	m := untouchable(r)
	var list []string
	for _, f := range strings.Fields(systemFlags) {
		if bit, _ := flagBit(imap.Flag(f)); bit&m.Flags == 0 {
			list = append(list, f)
		}
	}
	if !m.Keywords {
		list = append(append(list, keywords...), `\*`)
	}
	return strings.Join(list, " "), !m.Keywords
}

// stillAllowed takes in what others have done to the rights in the selected
// mailbox before a command relies on them. It is false when the user may not read
// it any more: the session ends (RFC 4314 §5.1.1).
func (s *session) stillAllowed() bool {
	v := s.view
	if err := v.collect(s.srv.o.Store); err != nil {
		s.log.Error("changes not read", logkey.Err, err)
		return true // announce tries again
	}
	if !v.rightsChanged || v.deleted {
		return true
	}
	v.rightsChanged = false
	rights, err := s.srv.o.Store.RightsIn(v.ref, s.account)
	if err != nil {
		v.rightsChanged = true
		s.log.Error("rights not read", logkey.Err, err)
		return true
	}
	if !rights.Has(storage.RightRead) {
		s.bye("", "The selected mailbox may not be read any more")
		return false
	}
	if rights != v.rights {
		v.permit(rights)
		s.writeKeywords()
	}
	return true
}

// permit notes what the user may do with the mailbox.
func (v *view) permit(r storage.Rights) {
	v.rights = r
	v.readOnly = v.examined || !writable(r)
}
