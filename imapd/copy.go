package imapd

import (
	"context"
	"errors"

	"mailstead/imapd/wire"
	"mailstead/storage"
)

// copy is RFC 9051 §6.4.7.
func (s *session) copy(ctx context.Context, c *wire.Command) (reply, error) {
	set, to, refusal, err := s.copyArgs(c)
	if err != nil || refusal.kind != "" {
		return refusal, err
	}
	if len(set) == 0 {
		return reply{kind: kindOK, text: "No messages to copy"}, nil
	}
	if _, low := s.within(set); low != 0 {
		return s.overLimit(low), nil // all or nothing
	}
	o := storage.TransferOptions{Except: untouchable(to.rights)}
	out, err := s.transfer(ctx, set, to.Ref, o)
	if f, ok := errors.AsType[fatal](err); ok {
		return reply{}, f
	}
	if err != nil {
		return s.intoReply("COPY", err), nil
	}
	if len(out.Src) == 0 {
		return reply{kind: kindOK, text: "No messages to copy"}, nil
	}
	return okCode(copyUID(out), "COPY completed"), nil
}

// move is RFC 6851. The EXPUNGE responses come from the feed, as those for
// other sessions do.
func (s *session) move(ctx context.Context, c *wire.Command) (reply, error) {
	if s.view.readOnly {
		return readOnly(), nil
	}
	// It is COPY, STORE \Deleted and EXPUNGE in one (RFC 6851 §3.3).
	if !s.view.rights.Has(storage.RightTrash | storage.RightExpunge) {
		return noPermission(), nil
	}
	set, to, refusal, err := s.copyArgs(c)
	if err != nil || refusal.kind != "" {
		return refusal, err
	}
	if len(set) == 0 {
		return reply{kind: kindOK, text: "No messages to move"}, nil
	}
	set, low := s.within(set)
	o := storage.TransferOptions{Move: true, Except: untouchable(to.rights)}
	out, err := s.transfer(ctx, set, to.Ref, o)
	if f, ok := errors.AsType[fatal](err); ok {
		return reply{}, f
	}
	if err != nil {
		return s.intoReply("MOVE", err), nil
	}
	if len(out.Src) == 0 {
		return s.limited(reply{kind: kindOK, text: "No messages to move"}, low), nil
	}
	// RFC 6851 §4.3: before the EXPUNGE responses.
	s.w.Status("*", kindOK, copyUID(out), "Moved")
	s.view.gone(storage.UIDs(out.Src...))
	s.attention.removed = true
	return s.limited(reply{kind: kindOK, highest: true}, low), nil
}

// transfer has the store copy or move messages, which may take its time.
func (s *session) transfer(ctx context.Context, set storage.UIDSet, dst storage.Ref, o storage.TransferOptions) (out storage.CopyResult, err error) {
	err = s.patiently(context.WithoutCancel(ctx), s.view.through(set), func(ctx context.Context) (err error) {
		out, err = s.srv.o.Store.Transfer(ctx, s.view.ref, set, dst, o)
		return err
	})
	return out, err
}

// copyArgs finds the messages and the destination. When a message that the
// client still counts is gone, nothing is copied (RFC 9051 §6.4.7: all or
// nothing).
func (s *session) copyArgs(c *wire.Command) (storage.UIDSet, place, reply, error) {
	a := c.Args.(wire.CopyArgs)
	set, err := s.view.resolve(a.Set, s.saved)
	if err != nil {
		return nil, place{}, reply{}, err
	}
	to, err := s.locate(a.Mailbox, storage.RightInsert)
	if err != nil {
		return nil, place{}, s.intoReply(c.Name, err), nil
	}
	if !c.UID {
		if err := s.view.collect(s.srv.o.Store); err != nil {
			return nil, place{}, reply{}, err
		}
		for uid := range s.view.expunged {
			if set.Contains(uid) {
				return nil, place{}, expungeIssued(), nil
			}
		}
	}
	return set, to, reply{}, nil
}

// copyUID is the response code of RFC 4315 §3. Both sets are in the order of
// the pairs, which is ascending for both.
func copyUID(r storage.CopyResult) string {
	return wire.CopyUIDCode(r.UIDValidity, uidSetText(r.Src), uidSetText(r.Dst))
}
