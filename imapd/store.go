package imapd

import (
	"context"
	"slices"

	"github.com/emersion/go-imap/v2"

	"mailstead/imapd/wire"
	"mailstead/storage"
)

// store is RFC 9051 §6.4.6, with the condition of RFC 7162 §3.1.3.
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
	if !mayStore(v.rights, flags, keywords) {
		return noPermission(), nil
	}
	set, low := s.within(set)
	change := storage.FlagChange{Op: flagOp(a.Op), Flags: flags, Keywords: keywords, Except: untouchable(v.rights)}
	if a.UnchangedSince != nil {
		s.watchModSeqs()
		change.UnchangedSince = (*storage.ModSeq)(a.UnchangedSince)
	}
	var out storage.FlagResult
	err = s.patiently(context.WithoutCancel(ctx), v.through(set), func(ctx context.Context) (err error) {
		out, err = s.srv.o.Store.SetFlags(ctx, v.ref, set, change)
		return err
	})
	if err != nil {
		return reply{}, err
	}
	v.claim(out.ModSeq)
	var complete bool
	if a.Silent && a.UnchangedSince == nil {
		complete = true
		s.silent(out, c.UID, low != 0)
	} else if complete, err = s.stored(a, set, low, out, c.UID); err != nil {
		return reply{}, err
	}
	answer := done()
	if !c.UID && !complete {
		answer = expungeIssued()
	}
	if len(out.Modified) > 0 {
		answer.code, answer.text = s.modified(out.Modified, c.UID), "Some of the messages were changed by others"
	}
	return s.limited(answer, low), nil
}

// silent ends a STORE that is not to be answered with flags. A client that is
// told modseqs gets them all the same (RFC 7162 §3.1.3).
func (s *session) silent(out storage.FlagResult, uid, down bool) {
	if s.view.newKeywords(out.Changed...) {
		s.writeKeywords()
	}
	if !s.condstore {
		return
	}
	if down {
		slices.Reverse(out.Changed)
	}
	for _, row := range out.Changed {
		s.writeModSeq(row, uid)
	}
}

// stored tells what became of the messages of a STORE, but for those it has left
// alone; complete is false when some are gone.
func (s *session) stored(a wire.StoreArgs, set storage.UIDSet, low storage.UID, out storage.FlagResult, uid bool) (complete bool, err error) {
	v, found := s.view, 0
	if a.Silent && v.newKeywords(out.Changed...) {
		s.writeKeywords()
	}
	for row, err := range s.rows(set, low, storage.ReadOptions{}) {
		if err != nil {
			return false, err
		}
		if v.seq(row.UID) == 0 {
			continue
		}
		found++
		switch {
		case out.Modified.Contains(row.UID):
		case a.Silent:
			s.writeModSeq(row, uid)
		default:
			s.writeFlags(row, uid)
		}
	}
	return found == v.count(set), nil
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
