package imapd

import (
	"context"
	"errors"

	"github.com/emersion/go-imap/v2"

	"mailstead/imapd/wire"
	"mailstead/internal/logkey"
	"mailstead/mail"
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
	low     storage.UID    // the lowest message it may work on, 0 when it was not cut
	unseen  storage.UIDSet // given, to be marked \Seen
	pending int

	row    storage.Row // the message at hand
	asked  []asked     // of each item, what is the same for every message
	pieces []piece     // of each item, of that message
	text   []byte      // of its header fields
}

// needs is what the items of a FETCH take.
type needs struct {
	message bool          // the description
	part    mail.Sections // of it
	body    bool
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
	f.prepare()
	f.needs.seen = f.needs.seen && !s.view.readOnly && s.view.rights.Has(storage.RightSeen)
	f.since = storage.ModSeq(a.ChangedSince)
	if f.needs.modseq || f.since != 0 {
		s.watchModSeqs()
	}
	if a.Partial != nil {
		if !c.UID {
			return bad("PARTIAL goes with UID FETCH"), nil
		}
		set = s.partOf(set, *a.Partial)
		if _, low := s.within(set); low != 0 {
			return s.overLimit(0), nil
		}
	}
	set, f.low = s.within(set)
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
		return s.limited(damaged(), f.low), nil
	case !c.UID && f.incomplete(set):
		return s.limited(expungeIssued(), f.low), nil
	}
	return s.limited(done(), f.low), nil
}

// needsOf adds up what items take.
func needsOf(items []wire.FetchItem) needs {
	var n needs
	for _, i := range items {
		switch i.Kind {
		case wire.FetchEnvelope:
			n.part |= mail.WithEnvelope
		case wire.FetchBody, wire.FetchBodyStructure, wire.FetchRFC822Header, wire.FetchBinarySize, wire.FetchPreview:
			n.part |= mail.WithStructure
		case wire.FetchFlags:
			n.flags = true
		case wire.FetchUID:
			n.uid = true
		case wire.FetchModSeq:
			n.modseq = true
		case wire.FetchSection:
			if allCached(i) {
				n.part |= mail.WithFields
			} else if len(i.Part) > 0 || i.Text != imap.PartSpecifierNone {
				n.part |= mail.WithStructure
			}
			n.seen = n.seen || !i.Peek
		case wire.FetchRFC822:
			n.seen = true
		case wire.FetchRFC822Text:
			n.part |= mail.WithStructure
			n.seen = true
		case wire.FetchBinary:
			n.part |= mail.WithStructure
			n.seen = n.seen || !i.Peek
		}
		n.body = n.body || takesBody(i) && !allCached(i) || i.Kind == wire.FetchPreview
	}
	n.message = n.part != 0
	return n
}

// asked is what is the same for every message of one item.
type asked struct {
	body   bool            // gives bytes of the message
	cached bool            // can mostly be answered without them
	names  mail.FieldNames // of HEADER.FIELDS
	label  string          // of those bytes
}

func (f *fetching) prepare() {
	f.asked, f.pieces = make([]asked, len(f.items)), make([]piece, len(f.items))
	for n, i := range f.items {
		a := asked{body: takesBody(i), cached: allCached(i)}
		if len(i.Fields) > 0 {
			a.names = mail.NewFieldNames(i.Fields)
		}
		if a.body && i.Kind != wire.FetchBinarySize {
			a.label = f.s.label(i)
		}
		f.asked[n] = a
	}
}

func (f *fetching) run(set storage.UIDSet) error {
	v := f.s.view
	options := storage.ReadOptions{Message: f.needs.message, Brief: true, Want: f.needs.part, Place: f.needs.body, ChangedSince: f.since}
	for row, err := range f.s.rows(set, f.low, options) {
		if err != nil {
			return err
		}
		if v.seq(row.UID) == 0 {
			continue
		}
		f.found++
		f.row = row
		if err := f.one(&f.row); err != nil {
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
func (f *fetching) one(row *storage.Row) error {
	if f.needs.message && row.Message == nil {
		return f.leaveOut(row, storage.ErrDamaged)
	}
	var body storage.Content
	if f.takesBody(row) {
		var err error
		if body, err = f.open(row); err != nil {
			return f.leaveOut(row, err)
		}
		defer body.Close()
	}
	if err := f.find(row, body); err != nil {
		return f.leaveOut(row, err)
	}
	marks := f.needs.seen && row.Flags&storage.Seen == 0
	tell := marks && !f.s.condstore // else it is told with its modseq, see markSeen
	if tell {
		row.Flags |= storage.Seen
	}
	if err := f.write(row, tell); err != nil {
		return fatal{err}
	}
	if marks {
		f.unseen = append(f.unseen, storage.UIDRange{First: row.UID, Last: row.UID})
		f.pending++
	}
	return nil
}

// takesBody tells whether an item takes the body of a message.
func (f *fetching) takesBody(row *storage.Row) bool {
	for i := range f.asked {
		if a := &f.asked[i]; a.body && !(a.cached && row.Message.FieldsComplete) || takesPreview(row, &f.items[i]) {
			return true
		}
	}
	return false
}

// open opens the body, and completes the description of a message whose header
// fields are not all cached.
func (f *fetching) open(row *storage.Row) (storage.Content, error) {
	if f.needs.part&mail.WithFields != 0 && f.needs.part&mail.WithStructure == 0 {
		if err := f.describe(row); err != nil {
			return nil, err
		}
	}
	return f.s.srv.o.Store.OpenRow(f.ctx, row)
}

// describe reads all of a message's description.
func (f *fetching) describe(row *storage.Row) error {
	set := storage.UIDs(row.UID)
	for whole, err := range f.s.srv.o.Store.Rows(f.s.view.ref, set, storage.ReadOptions{Message: true}) {
		if err != nil {
			return err
		}
		row.Message = whole.Message
		if row.Message == nil {
			return storage.ErrDamaged
		}
		return nil
	}
	return storage.ErrNoMessage
}

// takesBody tells whether an item gives bytes of the message.
func takesBody(i wire.FetchItem) bool {
	switch i.Kind {
	case wire.FetchSection, wire.FetchRFC822, wire.FetchRFC822Header, wire.FetchRFC822Text, wire.FetchBinary, wire.FetchBinarySize:
		return true
	}
	return false
}

// find finds the bytes each item gives; the others' pieces stay empty.
func (f *fetching) find(row *storage.Row, body storage.Content) error {
	f.text = f.text[:0]
	clear(f.pieces)
	picked := 0
	for n := range f.items {
		a, i := &f.asked[n], &f.items[n]
		var p piece
		var err error
		if i.Kind == wire.FetchPreview {
			if f.pieces[n], err = previewPiece(row, body, i); err != nil {
				return err
			}
			continue
		}
		if !a.body {
			continue
		}
		if a.cached && row.Message.FieldsComplete {
			p = f.fields(a.names, row.Message.Fields, i.Not)
		} else {
			p, err = pieceOf(row.Message, body, *i)
		}
		if picked += p.picked; err == nil && picked > maxPicked {
			err = errPicked
		}
		if err == nil {
			p, err = p.partial(i.Partial)
		}
		if err != nil {
			return err
		}
		f.pieces[n] = p
	}
	return nil
}

// fields picks fields out of a header that is in memory. The result ends with
// an empty line.
func (f *fetching) fields(names mail.FieldNames, header []byte, not bool) piece {
	from := len(f.text)
	f.text = endHeader(names.Pick(f.text, header, not), from)
	return piece{size: int64(len(f.text) - from), data: f.text[from:]}
}

// leaveOut notes why a message is not in the answer.
func (f *fetching) leaveOut(row *storage.Row, err error) error {
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
