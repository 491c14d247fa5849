package imapd

import (
	"context"
	"strconv"
	"strings"

	"mailstead/imapd/wire"
	"mailstead/storage"
)

// systemFlags are the flags of every mailbox, as FLAGS lists them.
const systemFlags = `\Answered \Flagged \Deleted \Seen \Draft`

// selectRW is RFC 9051 §6.3.2.
func (s *session) selectRW(_ context.Context, c *wire.Command) (reply, error) {
	return s.open(c.Args.(wire.SelectArgs), false)
}

// examine is RFC 9051 §6.3.3.
func (s *session) examine(_ context.Context, c *wire.Command) (reply, error) {
	return s.open(c.Args.(wire.SelectArgs), true)
}

func (s *session) open(a wire.SelectArgs, examine bool) (reply, error) {
	if a.QResync != nil && !s.qresync {
		return needQResync(), nil
	}
	if s.view != nil {
		// Whatever comes of this one, the old mailbox is closed.
		s.deselect()
		s.w.Status("*", kindOK, "CLOSED", "Previous mailbox is closed")
	}
	store := s.srv.o.Store
	at, err := s.locate(a.Mailbox, storage.RightRead)
	if err != nil {
		return reply{}, err
	}
	snap, err := store.Snapshot(at.Ref)
	if err != nil {
		return reply{}, err
	}
	snap.Mailbox.Name, snap.Mailbox.SpecialUse, snap.Mailbox.Subscribed = at.box.Name, at.box.SpecialUse, at.box.Subscribed
	v := newView(at.Ref, snap, examine)
	v.permit(at.rights)
	v.recent = s.srv.recents.selected(at.Ref, snap, !v.readOnly)
	s.view = v
	s.condstore = s.condstore || a.CondStore
	s.describe(snap, a.Mailbox)
	if a.QResync != nil {
		if err := s.resyncSelected(a.QResync, snap.Mailbox); err != nil {
			s.deselect()
			return reply{}, err
		}
	}
	if examine {
		return okCode("READ-ONLY", "EXAMINE completed"), nil
	}
	if v.readOnly {
		return okCode("READ-ONLY", "SELECT completed"), nil
	}
	return okCode("READ-WRITE", "SELECT completed"), nil
}

// describe writes the untagged responses of SELECT.
func (s *session) describe(snap *storage.Snapshot, asked string) {
	v, box := s.view, snap.Mailbox
	s.writeKeywords()
	s.w.NumResponse(v.size(), "EXISTS")
	if !s.rev2 {
		s.w.NumResponse(uint32(v.recent.Len()), "RECENT")
		if i := v.seq(snap.FirstUnseen); i != 0 && !s.uidOnly {
			s.w.Status("*", kindOK, "UNSEEN "+strconv.FormatUint(uint64(i), 10), "First unseen message")
		}
	}
	s.w.Status("*", kindOK, "UIDVALIDITY "+strconv.FormatUint(uint64(box.UIDValidity), 10), "UIDs are valid")
	s.w.Status("*", kindOK, "UIDNEXT "+strconv.FormatUint(uint64(box.UIDNext), 10), "Next UID")
	s.w.Status("*", kindOK, highestModSeq(box.HighestModSeq), "Highest")
	s.w.Status("*", kindOK, "MAILBOXID ("+mailboxID(v.ref)+")", "Mailbox's identifier") // RFC 8474 §4.2
	if s.rev2 {
		l := s.listingOf(box)
		if asked != box.Name {
			l.oldName = asked
		}
		s.writeList(l)
	}
}

// writeKeywords writes FLAGS and PERMANENTFLAGS (RFC 9051 §7.3.5, §7.1).
func (s *session) writeKeywords() {
	flags := systemFlags
	if list := s.view.keywords(); len(list) > 0 {
		flags += " " + strings.Join(list, " ")
	}
	s.w.Untagged("FLAGS (" + flags + ")")
	if s.view.readOnly {
		s.w.Status("*", kindOK, "PERMANENTFLAGS ()", "Nothing can be changed")
		return
	}
	flags, fresh := permanentFlags(s.view.rights, s.view.keywords())
	text := "Other flags can't be changed"
	if fresh {
		text = "New keywords are possible"
	}
	s.w.Status("*", kindOK, "PERMANENTFLAGS ("+flags+")", text)
}

// closeMailbox is RFC 9051 §6.4.1.
func (s *session) closeMailbox(ctx context.Context, _ *wire.Command) (reply, error) {
	if s.view.readOnly || !s.view.rights.Has(storage.RightExpunge) {
		s.deselect()
		return done(), nil
	}
	if s.condstore {
		// RFC 7162 §3.2.8: the client will take HIGHESTMODSEQ for the state it
		// knows, so it is told first what it does not know.
		if err := s.announce(true); err != nil || s.leaving {
			return done(), err
		}
	}
	gone, _, err := s.srv.o.Store.Expunge(context.WithoutCancel(ctx), s.view.ref, nil, true)
	if err != nil {
		return reply{}, err
	}
	defer s.deselect()
	if len(gone) == 0 || !s.condstore {
		return done(), nil
	}
	return s.closedAt(gone)
}

// closedAt answers a CLOSE that has expunged messages. These are not announced,
// but what others did meanwhile is.
func (s *session) closedAt(gone storage.UIDSet) (reply, error) {
	v := s.view
	if err := v.collect(s.srv.o.Store); err != nil {
		return reply{}, err
	}
	own := 0
	for uid := range v.expunged {
		if gone.Contains(uid) {
			own++
		}
	}
	others := own < len(v.expunged)
	if err := s.announce(others); err != nil || s.leaving {
		return done(), err
	}
	return okCode(highestModSeq(v.modseq), "CLOSE completed"), nil
}

// unselect is RFC 9051 §6.4.2.
func (s *session) unselect(_ context.Context, _ *wire.Command) (reply, error) {
	s.deselect()
	return done(), nil
}
