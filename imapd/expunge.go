package imapd

import (
	"context"

	"mailstead/imapd/wire"
	"mailstead/storage"
)

// expunge is RFC 9051 §6.4.3, and UID EXPUNGE §6.4.9: that alone has a limit
// (RFC 9738 §3.1).
func (s *session) expunge(ctx context.Context, c *wire.Command) (reply, error) {
	v := s.view
	if v.readOnly {
		return readOnly(), nil
	}
	if !v.rights.Has(storage.RightExpunge) {
		return noPermission(), nil
	}
	var set storage.UIDSet // nil: all
	var low storage.UID
	if c.UID {
		var err error
		set, err = v.resolve(c.Args.(wire.ExpungeArgs).UIDs, s.saved)
		if err != nil || len(set) == 0 {
			return done(), err
		}
		if set, low, err = s.deletedWithin(ctx, set); err != nil {
			return reply{}, err
		}
	}
	var gone storage.UIDSet
	p := &progress{} // of EXPUNGE, nobody knows of how many messages
	if set != nil {
		p = v.through(set)
	}
	err := s.patiently(context.WithoutCancel(ctx), p, func(ctx context.Context) (err error) {
		gone, _, err = s.srv.o.Store.Expunge(ctx, v.ref, set, true)
		return err
	})
	if err != nil {
		return reply{}, err
	}
	v.gone(gone)
	s.attention.removed = true
	return s.limited(reply{kind: kindOK, highest: len(gone) > 0}, low), nil
}
