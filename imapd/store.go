package imapd

import (
	"context"

	"github.com/emersion/go-imap/v2"

	"mailstead/imapd/wire"
	"mailstead/storage"
)

// store is RFC 9051 §6.4.6.
func (s *session) store(ctx context.Context, c *wire.Command) (reply, error) {
	a := c.Args.(wire.StoreArgs)
	v := s.view
	if v.readOnly {
		return readOnly(), nil
	}
	set, err := v.resolve(a.Set, s.saved)
	if err != nil || len(set) == 0 {
		return done(), err
	}
	flags, keywords := storeFlags(a.Flags)
	change := storage.FlagChange{Op: flagOp(a.Op), Flags: flags, Keywords: keywords}
	out, err := s.srv.o.Store.SetFlags(context.WithoutCancel(ctx), v.ref, set, change)
	if err != nil {
		return reply{}, err
	}
	v.claim(out.ModSeq)
	if a.Silent {
		if v.newKeywords(out.Changed...) {
			s.writeKeywords()
		}
		return done(), nil
	}
	found := 0
	for row, err := range s.srv.o.Store.Rows(v.ref, set, storage.ReadOptions{}) {
		if err != nil {
			return reply{}, err
		}
		if v.seq(row.UID) == 0 {
			continue
		}
		found++
		s.writeFlags(row, c.UID)
	}
	if !c.UID && found < v.count(set) {
		return expungeIssued(), nil
	}
	return done(), nil
}

func flagOp(op imap.StoreFlagsOp) storage.FlagOp {
	switch op {
	case imap.StoreFlagsAdd:
		return storage.AddFlags
	case imap.StoreFlagsDel:
		return storage.RemoveFlags
	}
	return storage.ReplaceFlags
}
