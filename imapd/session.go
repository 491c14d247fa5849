package imapd

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"maps"
	"net/netip"
	"os"
	"slices"
	"sync"
	"time"

	"mailstead/imapd/wire"
	"mailstead/internal/logkey"
	"mailstead/mail"
	"mailstead/storage"
)

// Limits of a session; those of one command are the reader's.
const (
	maxBadBeforeLogin = 10  // commands that are not understood
	maxBad            = 100 // the same in a row after login
	maxLoginFailures  = 3
)

// errAccountEnded is why a session ends whose account may not log in any more.
var errAccountEnded = errors.New("account was disabled, removed or given another password")

// session is one client. Its goroutine alone uses it.
type session struct {
	srv  *Server
	conn *conn
	r    *wire.Reader
	w    *wire.Writer
	// deflate is between the session and conn after COMPRESS, else nil.
	deflate *deflating
	log     *slog.Logger
	connLog *slog.Logger // without an account
	remote  netip.Addr
	start   time.Time

	// ctx is for what no command asks for; cancel ends it, and that of commands,
	// for a reason.
	ctx    context.Context
	cancel context.CancelCauseFunc
	// autoFlush: what is written goes out before the client is waited for.
	autoFlush bool

	pendings  *pendings
	answering sync.WaitGroup

	account  mail.AccountID // zero: not logged in
	unwatch  func()         // nil: not watching the account
	watching sync.WaitGroup
	view     *view // nil: nothing selected
	saved    []storage.UID
	contexts []*searchContext // searches that are kept up to date
	rev2     bool             // IMAP4rev2 enabled
	utf8     bool             // UTF8=ACCEPT enabled
	// condstore: the client is told modseqs; qresync: QRESYNC is enabled, and
	// with it condstore (RFC 7162).
	condstore, qresync bool
	attention          attention
	uidOnly            bool   // UIDONLY is enabled: no sequence numbers (RFC 9586)
	tag                string // of the command that runs

	leaving  bool // BYE is said
	failures int  // of logging in
	bad      int  // commands in a row that were not understood
	commands int
}

func newSession(srv *Server, c *conn, remote netip.Addr, log *slog.Logger) *session {
	s := &session{srv: srv, conn: c, log: log, connLog: log, remote: remote, start: time.Now(), autoFlush: true, pendings: newPendings(),
		attention: attention{origin: new(storage.Origin)}}
	s.w = srv.buffers.NewWriter(c)
	s.r = wire.NewReader(input{s}, wire.Limits{}, s.continuation)
	return s
}

// input is what the reader reads from: before it waits for the client, it hands
// over all that was written, so that pipelined commands share packets.
type input struct{ s *session }

func (in input) Read(p []byte) (int, error) {
	if in.s.autoFlush && !in.s.busy() {
		if err := in.s.w.Flush(); err != nil {
			return 0, err
		}
	}
	if d := in.s.deflate; d != nil {
		return d.Read(p)
	}
	return in.s.conn.Read(p)
}

// continuation asks the client for more (RFC 9051 §7.6).
func (s *session) continuation(text string) error {
	if err := s.settle(); err != nil {
		return err
	}
	s.w.Continuation(text)
	return s.w.Flush()
}

// serve talks to the client until it leaves or must.
func (s *session) serve(parent context.Context) {
	ctx, cancel := context.WithCancelCause(parent)
	s.cancel = cancel
	defer cancel(nil)
	stop := context.AfterFunc(ctx, s.conn.interrupt)
	defer stop()

	s.w.Status("*", kindOK, "CAPABILITY "+s.capabilities(), s.srv.greeting())
	s.ctx = storage.WithOrigin(ctx, s.attention.origin)
	err := s.loop(s.ctx)
	if serr := s.settle(); err == nil {
		err = serr
	}
	s.answering.Wait()
	if !s.leaving {
		s.goodbye(ctx, err)
	}
	if err := s.w.Flush(); err != nil {
		s.log.Debug("last flush failed", logkey.Err, err)
	}
}

func (s *Server) greeting() string {
	if s.o.Hostname == "" {
		return "Mailstead ready"
	}
	return s.o.Hostname + " Mailstead ready"
}

// loop reads and runs commands.
func (s *session) loop(ctx context.Context) error {
	for !s.leaving {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		s.conn.await(s.srv.o.IdleTimeout)
		if err := s.listen(ctx); err != nil {
			return err
		}
		c, err := s.r.ReadCommand()
		if err != nil || c.Name != "APPEND" {
			if err := s.settle(); err != nil {
				return err
			}
		}
		if syntax, ok := errors.AsType[*wire.SyntaxError](err); ok {
			s.notUnderstood(syntax.Tag, bad(syntax.Text))
			continue
		}
		if charset, ok := errors.AsType[*wire.BadCharsetError](err); ok {
			s.tagged(charset.Tag, "", no("BADCHARSET (UTF-8 US-ASCII)", "Charset is not known"))
			continue
		}
		if err != nil {
			return err
		}
		s.commands++
		if err := s.execute(ctx, c); err != nil {
			return err
		}
	}
	return nil
}

// execute runs one command and answers it. Errors end the session.
func (s *session) execute(ctx context.Context, c *wire.Command) error {
	row, known := commands[c.Name]
	if !known || row.states&s.state() == 0 {
		if err := errors.Join(s.skipMessage(c), s.settle()); err != nil {
			return err
		}
		if !known {
			s.notUnderstood(c.Tag, bad("Command is not known"))
			return nil
		}
		s.notUnderstood(c.Tag, wrongState())
		return nil
	}
	if s.view != nil && (row.states == selected || !row.quiet) && !s.stillAllowed() {
		return nil
	}
	if s.uidOnly && usesNumbers(c) {
		if err := s.skipMessage(c); err != nil {
			return err
		}
		s.notUnderstood(c.Tag, uidRequired())
		return nil
	}
	s.tag = c.Tag
	answer, err := row.run(s, ctx, c)
	if f, ok := errors.AsType[fatal](err); ok {
		return f
	}
	if err != nil {
		answer = s.replyTo(c.Name, err)
	}
	if answer.kind == kindLater {
		s.bad = 0
		return nil
	}
	if err := s.settle(); err != nil {
		return err
	}
	if !row.quiet && s.view != nil {
		if err := s.announce(!row.keepNumbers || c.UID); err != nil {
			return err
		}
		if s.leaving {
			return nil
		}
	}
	if !row.quiet {
		s.announceNotices()
	}
	if answer.kind == kindBad {
		s.notUnderstood(c.Tag, answer)
		return nil
	}
	s.bad = 0
	if answer.highest && s.condstore {
		answer.code = highestModSeq(s.view.told)
	}
	s.tagged(c.Tag, c.Name, answer)
	if s.leaving {
		return nil
	}
	return s.afterwards(ctx, c.Name, answer)
}

// state gives the session's state as the table of commands names it.
func (s *session) state() states {
	switch {
	case s.account == 0:
		return notAuthenticated
	case s.view == nil:
		return authenticated
	}
	return selected
}

// tagged answers a command.
func (s *session) tagged(tag, name string, r reply) {
	if r.text == "" {
		r.text = name + " completed"
	}
	s.w.Status(tag, r.kind, r.code, r.text)
}

// notUnderstood answers BAD, and ends a session that says nothing else.
func (s *session) notUnderstood(tag string, r reply) {
	if tag == "" {
		tag = "*"
	}
	s.tagged(tag, "", r)
	s.bad++
	if limit := maxBadBeforeLogin; s.account == 0 && s.bad >= limit || s.bad >= maxBad {
		s.bye("", "Too many commands that are not understood")
	}
}

// bye says that the connection will be closed.
func (s *session) bye(code, text string) {
	s.w.Status("*", "BYE", code, text)
	s.leaving = true
}

// goodbye tells the client why the session ends, if it is still there.
func (s *session) goodbye(ctx context.Context, err error) {
	switch {
	case ctx.Err() != nil && errors.Is(context.Cause(ctx), errAccountEnded):
		s.bye("", "Account was changed; log in again")
	case ctx.Err() != nil:
		s.bye("UNAVAILABLE", "Server is shutting down")
	case errors.Is(err, os.ErrDeadlineExceeded):
		s.bye("", "Autologout; nothing heard for too long")
	case errors.Is(err, wire.ErrTooLong):
		s.bye("", "Command is too long")
	case errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF):
		// The client has gone.
	default:
		s.log.Debug("session broke off", logkey.Err, err)
	}
}

// end frees what the session holds and writes its last line of log.
func (s *session) end() {
	s.deselect()
	s.inattentive()
	if s.unwatch != nil {
		s.unwatch()
	}
	s.conn.close()
	if s.account != 0 {
		s.log.Info("session ended", "commands", s.commands, "in", s.conn.in, "out", s.conn.out,
			logkey.Dur, time.Since(s.start).Round(time.Millisecond))
	}
}

// deselect leaves the selected mailbox.
func (s *session) deselect() {
	if s.view != nil {
		s.view.close()
		s.view = nil
	}
	s.saved, s.contexts = nil, nil
}

// announce tells the client what others have done to the selected mailbox, as
// far as RFC 9051 §7.5.1 allows it at this point.
func (s *session) announce(expunges bool) error {
	v := s.view
	if err := v.collect(s.srv.o.Store); err != nil {
		s.log.Error("changes not read", logkey.Err, err)
		return nil // at the next command again
	}
	if !s.stillAllowed() {
		return nil
	}
	if !v.changes() {
		s.updateContexts()
		v.told = v.modseq
		return nil
	}
	if v.deleted {
		// RFC 2180 §3.3: the others are disconnected.
		s.bye("", "Selected mailbox was deleted")
		return nil
	}
	if v.renamed {
		s.announceName()
	}
	if n := s.attention.notify; n != nil && n.selected == 0 {
		// RFC 5465 §3.1: nothing is told, but for what the command has done itself.
		expunges = s.attention.removed
		s.attention.removed = false
		if expunges && len(v.expunged) > 0 {
			s.forgetExpunged()
			s.announceExpunged()
		}
		return nil
	}
	if expunges && len(v.expunged) > 0 {
		s.forgetExpunged()
		s.announceExpunged()
	}
	v.fresh = s.announceAdded()
	if err := s.fetchAdded(v.fresh); err != nil {
		return err
	}
	dropped := s.dropFlags()
	s.announceFlags()
	s.updateContexts()
	v.fresh = nil
	if !v.changes() && !dropped {
		v.told = v.modseq
	}
	return nil
}

func (s *session) announceExpunged() {
	if s.qresync || s.uidOnly {
		s.announceVanished()
		return
	}
	for _, n := range s.view.applyExpunged() {
		s.w.NumResponse(n, "EXPUNGE")
	}
}

// announceName follows a mailbox that got another name (RFC 9051 §7.3.1).
func (s *session) announceName() {
	v := s.view
	v.renamed = false
	box, err := s.srv.o.Store.MailboxByID(v.ref)
	if err != nil || s.nameOf(v.ref, box.Name) == v.name {
		return // if it is gone, the feed will say so
	}
	names, err := s.srv.o.Store.Subscriptions(s.account)
	if err != nil {
		return // the same: it is the account that is gone
	}
	old := v.name
	at := s.seen(place{v.ref, box, box.Name, v.rights}, slices.Contains(names, s.nameOf(v.ref, box.Name)))
	v.name = at.box.Name
	if s.rev2 {
		l := s.listingOf(at.box)
		l.oldName = old
		s.writeList(l)
	}
}

// announceAdded gives the messages that were announced.
func (s *session) announceAdded() storage.UIDSet {
	v := s.view
	added := v.applyAdded()
	if len(added) == 0 {
		return nil
	}
	s.w.NumResponse(v.size(), "EXISTS")
	v.recent = v.recent.With(storage.UIDs(s.srv.recents.arrived(v.ref, added, !v.readOnly)...))
	if !s.rev2 {
		s.w.NumResponse(uint32(v.recent.Len()), "RECENT")
	}
	return storage.UIDs(added...)
}

func (s *session) announceFlags() {
	v := s.view
	if since := v.since; since != 0 {
		v.since = 0
		s.announceSince(since)
		return
	}
	for _, uid := range slices.Sorted(maps.Keys(v.flags)) {
		s.writeFlags(v.flags[uid], true)
	}
	clear(v.flags)
}

// announceSince reads changed flags from the store instead of from the feed.
func (s *session) announceSince(since storage.ModSeq) {
	v := s.view
	for row, err := range s.srv.o.Store.Rows(v.ref, v.span(), storage.ReadOptions{ChangedSince: since}) {
		if err != nil {
			v.since = since // the next command tries again
			s.log.Error("changes not read", logkey.Err, err)
			return
		}
		s.writeFlags(row, true)
	}
}
