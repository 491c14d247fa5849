package imapd

import (
	"context"

	"mailstead/imapd/wire"
	"mailstead/storage"
)

// expunge is RFC 9051 §6.4.3, and UID EXPUNGE §6.4.9.
func (s *session) expunge(ctx context.Context, c *wire.Command) (reply, error) {
	v := s.view
	if v.readOnly {
		return readOnly(), nil
	}
	if !v.rights.Has(storage.RightExpunge) {
		return noPermission(), nil
	}
	var set storage.UIDSet // nil: all
	if c.UID {
		var err error
		set, err = v.resolve(c.Args.(wire.ExpungeArgs).UIDs, s.saved)
		if err != nil || len(set) == 0 {
			return done(), err
		}
	}
	var gone storage.UIDSet
	err := s.patiently(func() (err error) {
		gone, _, err = s.srv.o.Store.Expunge(context.WithoutCancel(ctx), v.ref, set, true)
		return err
	})
	if err != nil {
		return reply{}, err
	}
	v.gone(gone)
	s.attention.removed = true
	return reply{kind: kindOK, highest: len(gone) > 0}, nil
}
