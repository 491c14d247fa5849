package imapd

import (
	"context"
	"errors"
	"slices"

	"github.com/emersion/go-imap/v2"

	"mailstead/imapd/wire"
	"mailstead/internal/logkey"
	"mailstead/storage"
)

// fetchBatch is after how many messages \Seen is set at the latest, when a
// FETCH sets it.
const fetchBatch = 500

// fetching is one FETCH on its way.
type fetching struct {
	s       *session
	ctx     context.Context
	items   []wire.FetchItem
	uid     bool           // UID FETCH
	since   storage.ModSeq // CHANGEDSINCE, 0 when not given
	needs   needs
	found   int
	damaged bool // some message could not be given
	odd     error
	unseen  storage.UIDSet // given, to be marked \Seen
	pending int
}

// needs is what the items of a FETCH take.
type needs struct {
	message bool // envelope, structure, cached fields
	seen    bool // \Seen is set
	flags   bool
	uid     bool
	modseq  bool
}

// fetch is RFC 9051 §6.4.5. Rows come in slices, each message is written as it
// is read, and nothing of the store is held while the client takes its time.
func (s *session) fetch(ctx context.Context, c *wire.Command) (reply, error) {
	a := c.Args.(wire.FetchArgs)
	set, err := s.view.resolve(a.Set, s.saved)
	if err != nil {
		return reply{}, err
	}
	f := &fetching{s: s, ctx: context.WithoutCancel(ctx), items: a.Items, uid: c.UID, needs: needsOf(a.Items)}
	f.needs.seen = f.needs.seen && !s.view.readOnly && s.view.rights.Has(storage.RightSeen)
	f.since = storage.ModSeq(a.ChangedSince)
	if f.needs.modseq || f.since != 0 {
		s.watchModSeqs()
	}
	if a.Vanished {
		if refusal, err := s.fetchVanished(c, a); err != nil || refusal.kind != "" {
			return refusal, err
		}
	}
	err = f.run(set)
	f.markSeen()
	switch {
	case err != nil:
		return reply{}, err
	case f.odd != nil:
		return reply{}, f.odd
	case f.damaged:
		return damaged(), nil
	case !c.UID && f.incomplete(set):
		return expungeIssued(), nil
	}
	return done(), nil
}

// needsOf adds up what items take.
func needsOf(items []wire.FetchItem) needs {
	var n needs
	for _, i := range items {
		switch i.Kind {
		case wire.FetchEnvelope, wire.FetchBody, wire.FetchBodyStructure:
			n.message = true
		case wire.FetchFlags:
			n.flags = true
		case wire.FetchUID:
			n.uid = true
		case wire.FetchModSeq:
			n.modseq = true
		case wire.FetchSection:
			n.message = n.message || len(i.Part) > 0 || i.Text != imap.PartSpecifierNone
			n.seen = n.seen || !i.Peek
		case wire.FetchRFC822:
			n.seen = true
		case wire.FetchRFC822Text:
			n.message, n.seen = true, true
		case wire.FetchRFC822Header, wire.FetchBinarySize:
			n.message = true
		case wire.FetchBinary:
			n.message = true
			n.seen = n.seen || !i.Peek
		}
	}
	return n
}

func (f *fetching) run(set storage.UIDSet) error {
	v := f.s.view
	for row, err := range f.s.srv.o.Store.Rows(v.ref, set, storage.ReadOptions{Message: f.needs.message, ChangedSince: f.since}) {
		if err != nil {
			return err
		}
		if v.seq(row.UID) == 0 {
			continue
		}
		f.found++
		if err := f.one(row); err != nil {
			return err
		}
		if f.pending >= fetchBatch {
			f.markSeen()
		}
	}
	return nil
}

// one writes the response for one message. A message that can't be read is
// left out and remembered; only a broken connection is an error.
func (f *fetching) one(row storage.Row) error {
	if f.needs.message && row.Message == nil {
		return f.leaveOut(row, storage.ErrDamaged)
	}
	body, err := f.open(row)
	if err != nil {
		return f.leaveOut(row, err)
	}
	if body != nil {
		defer body.Close()
	}
	pieces, err := f.pieces(row, body)
	if err != nil {
		return f.leaveOut(row, err)
	}
	marks := f.needs.seen && row.Flags&storage.Seen == 0
	tell := marks && !f.s.condstore // else it is told with its modseq, see markSeen
	if tell {
		row.Flags |= storage.Seen
	}
	if err := f.write(row, pieces, tell); err != nil {
		return fatal{err}
	}
	if marks {
		f.unseen = append(f.unseen, storage.UIDRange{First: row.UID, Last: row.UID})
		f.pending++
	}
	return nil
}

// open opens the body when an item takes it.
func (f *fetching) open(row storage.Row) (storage.Content, error) {
	if !slices.ContainsFunc(f.items, func(i wire.FetchItem) bool { return takesBody(i) && !fromCache(row.Message, i) }) {
		return nil, nil
	}
	return f.s.srv.o.Store.OpenBody(f.ctx, f.s.view.ref, row.UID)
}

// takesBody tells whether an item gives bytes of the message.
func takesBody(i wire.FetchItem) bool {
	switch i.Kind {
	case wire.FetchSection, wire.FetchRFC822, wire.FetchRFC822Header, wire.FetchRFC822Text, wire.FetchBinary, wire.FetchBinarySize:
		return true
	}
	return false
}

// pieces finds the bytes each item gives; the others' pieces stay empty.
func (f *fetching) pieces(row storage.Row, body storage.Content) ([]piece, error) {
	list := make([]piece, len(f.items))
	for n, i := range f.items {
		if !takesBody(i) {
			continue
		}
		p, err := pieceOf(row.Message, body, i)
		if err == nil {
			p, err = p.partial(i.Partial)
		}
		if err != nil {
			return nil, err
		}
		list[n] = p
	}
	return list, nil
}

// leaveOut notes why a message is not in the answer.
func (f *fetching) leaveOut(row storage.Row, err error) error {
	if errors.Is(err, storage.ErrNoMessage) || errors.Is(err, storage.ErrNoMailbox) {
		f.found-- // expunged meanwhile
		return nil
	}
	if p, ok := errors.AsType[protocolError](err); ok {
		f.odd = p
		return nil
	}
	f.damaged = true
	f.s.log.Error("message not read", logkey.Mailbox, f.s.view.name, logkey.UID, uint32(row.UID), logkey.Err, err)
	return nil
}

// markSeen sets \Seen on the messages that were given (RFC 9051 §6.4.5). The
// client has read it in their FLAGS; should it fail, the flags are corrected. A
// client that is told modseqs learns it by what the feed says, which has them.
func (f *fetching) markSeen() {
	if f.pending == 0 {
		return
	}
	set := merge(f.unseen)
	f.unseen, f.pending = nil, 0
	v, store := f.s.view, f.s.srv.o.Store
	out, err := store.SetFlags(f.ctx, v.ref, set, storage.FlagChange{Op: storage.AddFlags, Flags: storage.Seen})
	if err == nil {
		if !f.s.condstore {
			v.claim(out.ModSeq)
		}
		return
	}
	if errors.Is(err, storage.ErrNoMailbox) {
		return
	}
	f.s.log.Error("seen not set", logkey.Mailbox, v.name, logkey.Err, err)
	for row, err := range store.Rows(v.ref, set, storage.ReadOptions{}) {
		if err != nil {
			return
		}
		v.flags[row.UID] = row
	}
}
