package imapd

import (
	"context"
	"errors"
	"iter"
	"slices"

	"github.com/emersion/go-imap/v2"

	"mailstead/imapd/wire"
	"mailstead/storage"
)

// multiSearch is RFC 7377 ESEARCH: a search of several mailboxes, each of which
// answers for itself when something in it was found.
func (s *session) multiSearch(ctx context.Context, c *wire.Command) (reply, error) {
	a := c.Args.(wire.MultiSearchArgs)
	selected := len(a.In) == 0 || !slices.ContainsFunc(a.In, func(f wire.MailboxFilter) bool { return f.Kind != "SELECTED" })
	save, update := slices.Contains(a.Return, "SAVE"), slices.Contains(a.Return, "UPDATE")
	named := slices.ContainsFunc(a.In, func(f wire.MailboxFilter) bool { return f.Kind == "SELECTED" })
	switch {
	case s.view == nil && (selected || named || update):
		return bad("No mailbox is selected"), nil
	case !selected && save:
		return bad("SAVE is for the selected mailbox alone"), nil // RFC 7377 §2.1
	case !selected && (numbered(a.Key) || refersSaved(a.Key)):
		return bad("Sequence numbers are for the selected mailbox alone"), nil
	case update && s.updating(c.Tag):
		return bad("Tag is in use by another search with UPDATE"), nil
	}
	if asksModSeq(a.Key) {
		s.watchModSeqs()
	}
	places, err := s.sources(a.In)
	if err != nil {
		return reply{}, err
	}
	var own []storage.UID // of the selected mailbox
	for _, p := range places {
		found, err := s.searchPlace(ctx, c.Tag, a, p)
		if errors.Is(err, storage.ErrNoMailbox) {
			continue // deleted meanwhile
		}
		if err != nil {
			return reply{}, err
		}
		if s.view != nil && p.Ref == s.view.ref {
			own = found.uids
		}
	}
	before := s.saved
	if save {
		s.saved = toSave(a.SearchArgs, own)
	}
	if update { // RFC 7377 §2.1: of the selected mailbox only
		s.beginUpdate(ctx, c.Tag, a.SearchArgs, own, before, !slices.ContainsFunc(places, func(p place) bool { return p.Ref == s.view.ref }))
	}
	return done(), nil
}

// beginUpdate keeps a search of the selected mailbox up to date. other: that
// mailbox is not among those that were searched, so that nothing was found yet.
func (s *session) beginUpdate(ctx context.Context, tag string, a wire.SearchArgs, own, saved []storage.UID, other bool) {
	if other {
		found, err := s.found(ctx, a, nil)
		if err != nil {
			s.w.Status("*", kindNo, `NOUPDATE "`+tag+`"`, "The selected mailbox can't be searched now")
			return
		}
		own = found.uids
	}
	s.keepUpdated(&wire.Command{Tag: tag, UID: true}, a, nil, own, saved)
}

// searchPlace searches one mailbox and tells what was found.
func (s *session) searchPlace(ctx context.Context, tag string, a wire.MultiSearchArgs, p place) (h hits, err error) {
	v := s.view
	if v == nil || v.ref != p.Ref {
		snap, err := s.srv.o.Store.Snapshot(p.Ref)
		if err != nil {
			return h, err
		}
		v = newView(p.Ref, snap, true)
		defer v.close()
		v.recent = s.srv.recents.selected(p.Ref, snap, false)
	}
	q, err := v.query(a.Key, s.saved)
	if err != nil {
		return h, err
	}
	h, err = s.hits(ctx, v, q, seeking{want: orders(a.Return), modseq: asksModSeq(a.Key)})
	if err == nil && len(h.uids) > 0 {
		s.writeFound(&wire.Command{Tag: tag, Name: "ESEARCH", UID: true}, a.SearchArgs, result{hits: h, number: s.numbers(true), source: &p.box})
	}
	return h, err
}

// sources gives the mailboxes that filters name (RFC 5465 §6), each once. What
// the user may not read is passed over, and so is what is found but may not be
// listed (RFC 7377 §2.3).
func (s *session) sources(in []wire.MailboxFilter) (list []place, err error) {
	if len(in) == 0 {
		in = []wire.MailboxFilter{{Kind: "SELECTED"}}
	}
	seen := map[storage.Ref]bool{}
	add := func(name string, need storage.Rights) error {
		p, err := s.locate(name, need)
		if errors.Is(err, storage.ErrNoMailbox) || errors.Is(err, errNoPermission) {
			return nil
		}
		if err == nil && !seen[p.Ref] {
			seen[p.Ref] = true
			list = append(list, p)
		}
		return err
	}
	d, err := s.directory()
	if err != nil {
		return nil, err
	}
	for _, f := range in {
		if f.Kind == "SELECTED" {
			box, err := s.srv.o.Store.MailboxByID(s.view.ref)
			if err != nil {
				return nil, err
			}
			box.Name = s.view.name
			if !seen[s.view.ref] {
				seen[s.view.ref] = true
				list = append(list, place{Ref: s.view.ref, box: box})
			}
			continue
		}
		for name, need := range filtered(s.named(f), d) {
			if err := add(name, need); err != nil {
				return nil, err
			}
		}
	}
	return list, nil
}

// filtered gives the names that a filter takes from a directory, and the rights
// that it takes to search them.
func filtered(f wire.MailboxFilter, d directory) iter.Seq2[string, storage.Rights] {
	return func(yield func(string, storage.Rights) bool) {
		if f.Kind == "MAILBOXES" {
			for _, n := range f.Names {
				if !yield(n, storage.RightRead) {
					return
				}
			}
			return
		}
		for _, l := range d.entries {
			need := storage.RightRead | storage.RightLookup
			if slices.Contains(f.Names, l.name) {
				need = storage.RightRead
			}
			if l.at.box.ID != 0 && f.Takes(l.name, l.subscribed) && !yield(l.name, need) {
				return
			}
		}
	}
}

// refersSaved tells whether a search uses "$".
func refersSaved(k wire.SearchKey) bool {
	return k.Set != nil && imap.IsSearchRes(k.Set) || slices.ContainsFunc(k.Keys, refersSaved)
}

// numbered tells whether a search uses sequence numbers.
func numbered(k wire.SearchKey) bool {
	return k.Name == "SET" && !imap.IsSearchRes(k.Set) || slices.ContainsFunc(k.Keys, numbered)
}
