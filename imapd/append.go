package imapd

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"

	"mailstead/imapd/wire"
	"mailstead/internal/spool"
	"mailstead/storage"
)

// maxStrangersMessage is how much of a message that comes before login is read
// over, in bytes. maxAppendMessages is how many messages one APPEND can have;
// together they may be as long as one may be alone.
const (
	maxStrangersMessage = 128 << 10
	maxAppendMessages   = 1000
)

// errNUL is what a message that is no literal8 must not contain.
var errNUL = protocolError{bad("A message with NUL needs a literal8")}

// append is RFC 9051 §6.3.12, with MULTIAPPEND (RFC 3502) and CATENATE (RFC
// 4469). Refused messages are not read: a client that waits for the continuation
// never sends them.
func (s *session) append(ctx context.Context, c *wire.Command) (reply, error) {
	in, err := s.receive(ctx, c, nil)
	if err != nil {
		return s.refuseAppend("APPEND", err)
	}
	if len(in.messages) > 1 {
		defer in.close()
		out, err := s.srv.o.Store.AppendAll(context.WithoutCancel(ctx), in.messages)
		if err != nil {
			return s.intoReply("APPEND", err), nil
		}
		uids := make([]storage.UID, len(out))
		for i, a := range out {
			uids[i] = a[0].UID
		}
		return okCode(fmt.Sprintf("APPENDUID %d %s", out[0][0].UIDValidity, uidSetText(uids)), "APPEND completed"), nil
	}
	m := in.messages[0]
	wait, err := s.srv.o.Store.AppendStart(context.WithoutCancel(ctx), m.Body, m.Targets[0])
	if err != nil {
		in.close()
		return s.intoReply("APPEND", err), nil
	}
	finish := func() reply {
		out, err := wait()
		in.close()
		if err != nil {
			return s.intoReply("APPEND", err)
		}
		return okCode(appendUID(out), "APPEND completed")
	}
	// The next command is here already. What it may see of this one it sees,
	// unless it is an APPEND too; and the client has another mailbox selected.
	if s.r.Buffered() > 0 && (s.view == nil || s.view.ref != m.Targets[0].Ref) {
		s.later(&pending{c.Tag, m.Body.Size(), finish})
		return reply{kind: kindLater}, nil
	}
	return finish(), nil
}

func appendUID(a storage.Appended) string {
	return fmt.Sprintf("APPENDUID %d %d", a.UIDValidity, a.UID)
}

// refuseAppend answers a command whose messages were not taken. The rest of it
// is read over, unless it was read already.
func (s *session) refuseAppend(name string, err error) (reply, error) {
	if f, ok := errors.AsType[fatal](err); ok {
		return reply{}, f
	}
	if syntax, ok := errors.AsType[*wire.SyntaxError](err); ok {
		return bad(syntax.Text), nil
	}
	if ended, ok := errors.AsType[endedError](err); ok {
		return s.intoReply(name, ended.err), nil
	}
	if err := s.r.SkipAppend(); err != nil {
		return reply{}, fatal{err}
	}
	return s.intoReply(name, err), nil
}

// endedError is why messages are refused whose command was read to its end.
type endedError struct{ err error }

func (e endedError) Error() string { return e.err.Error() }

// receiving takes in the messages of one APPEND or REPLACE. They share a file.
type receiving struct {
	s        *session
	ctx      context.Context
	file     *spool.File
	target   storage.Target
	rights   storage.Rights
	usage    storage.Usage // without what is replaced
	saved    int64         // bytes of that
	messages []storage.Incoming

	start  int64 // of the message that is being received
	binary bool  // it may hold NUL: it came as a literal8, or from other messages
	nul    bool  // it does
}

// receive reads all messages of the command. On an error nothing is left of
// them. What REPLACE removes, if that is not nil, is given back to the quota.
func (s *session) receive(ctx context.Context, c *wire.Command, old *replaced) (*receiving, error) {
	a := c.Args.(wire.AppendArgs)
	to, err := s.locate(a.Mailbox, storage.RightInsert)
	if err != nil {
		return nil, err
	}
	usage, err := s.srv.o.Store.Usage(to.Account)
	if err != nil {
		return nil, err
	}
	in := &receiving{s: s, ctx: ctx, file: s.srv.o.Spool.New(), usage: usage, rights: to.rights}
	in.target.Ref = to.Ref
	if old != nil && old.Account == to.Account {
		in.saved = old.Size
		in.usage.Bytes -= old.Size
		in.usage.Messages--
	}
	if err := in.all(c.Tag, a.First); err != nil {
		in.close()
		return nil, err
	}
	return in, nil
}

func (in *receiving) close() {
	_ = in.file.Close() // all is stored, or refused
}

// all reads messages to the command's end.
func (in *receiving) all(tag string, m wire.AppendMessage) error {
	in.begin(m)
	part := m.Part
	for {
		if err := in.part(part); err != nil {
			return err
		}
		next, more, err := in.s.r.NextAppend(tag)
		if err != nil {
			if _, ok := errors.AsType[*wire.SyntaxError](err); ok {
				return err
			}
			return fatal{err}
		}
		if more != nil && next == nil {
			part = *more
			continue
		}
		err = in.end()
		switch {
		case err != nil && more == nil:
			return endedError{err}
		case err != nil:
			return err
		case more == nil:
			return nil
		case len(in.messages) >= min(maxAppendMessages, in.s.srv.o.MessageLimit): // RFC 9738 §3.1
			return protocolError{no(fmt.Sprintf("MESSAGELIMIT %d", min(maxAppendMessages, in.s.srv.o.MessageLimit)), "Too many messages in one command")}
		}
		in.begin(*next)
		part = *more
	}
}

func (in *receiving) begin(m wire.AppendMessage) {
	flags, keywords := storeFlags(m.Flags)
	in.target.Flags, in.target.Keywords = permitted(in.rights, flags, keywords)
	in.target.InternalDate = m.Date
	in.start, in.binary, in.nul = in.file.Size(), false, false
}

// part reads one part of a message.
func (in *receiving) part(p wire.AppendPart) error {
	if p.URL != "" {
		return in.fromURL(p.URL)
	}
	if p.UTF8 && !in.s.utf8 && !in.s.rev2 {
		return protocolError{bad("ENABLE UTF8=ACCEPT first")}
	}
	if err := in.allows(p.Size); err != nil {
		return err
	}
	if p.Size == 0 && in.file.Size() == in.start && !in.s.r.Catenates() {
		return errEmpty // RFC 3502 §6.3.11: a way to cancel
	}
	r, err := in.s.r.Literal()
	if err != nil {
		return fatal{err}
	}
	in.binary = in.binary || p.Binary
	w := &appendWriter{to: in, strict: !p.Binary}
	if _, err := io.Copy(w, r); err != nil {
		return fatal{err}
	}
	return w.err
}

// errEmpty is a message of no bytes.
var errEmpty = protocolError{no("CANNOT", "A message can't be empty")}

// allows tells whether so many bytes more can be taken.
func (in *receiving) allows(size int64) error {
	limit := in.s.srv.o.MaxMessageSize
	switch total := in.file.Size() + size; {
	case in.file.Size()-in.start+size > limit:
		return protocolError{tooBig(limit)}
	case total > limit:
		return protocolError{no("TOOBIG", fmt.Sprintf("The messages of one command are bigger than %d bytes", limit))}
	case total > in.saved && !in.usage.Fits(total, int64(len(in.messages))+1):
		return storage.ErrOverQuota
	}
	return nil
}

// Write appends to the message.
func (in *receiving) Write(p []byte) (int, error) {
	in.nul = in.nul || bytes.IndexByte(p, 0) >= 0
	return in.file.Write(p)
}

// end completes a message.
func (in *receiving) end() error {
	body := io.NewSectionReader(in.file, in.start, in.file.Size()-in.start)
	if body.Size() == 0 {
		return errEmpty
	}
	if in.nul {
		if !in.binary {
			return errNUL
		}
		start := in.file.Size()
		if err := withoutNUL(in.file, body); err != nil {
			return err
		}
		body = io.NewSectionReader(in.file, start, in.file.Size()-start)
		if limit := in.s.srv.o.MaxMessageSize; body.Size() > limit {
			return protocolError{tooBig(limit)}
		}
	}
	in.messages = append(in.messages, storage.Incoming{Body: body, Targets: []storage.Target{in.target}})
	return nil
}

// appendWriter spools a literal. A fault does not stop the copying: the rest of
// the literal must be read all the same.
type appendWriter struct {
	to     io.Writer
	strict bool // no NUL
	err    error
}

func (w *appendWriter) Write(p []byte) (int, error) {
	if w.err == nil && w.strict && bytes.IndexByte(p, 0) >= 0 {
		w.err = errNUL
	}
	if w.err == nil {
		_, w.err = w.to.Write(p)
	}
	return len(p), nil
}

// skipMessage passes over the messages of an APPEND that is refused. Other
// commands are read to their end already.
func (s *session) skipMessage(c *wire.Command) error {
	a, ok := c.Args.(wire.AppendArgs)
	if !ok {
		return nil
	}
	if s.account == 0 && a.First.Part.Size > maxStrangersMessage {
		return fatal{wire.ErrTooLong}
	}
	if err := s.r.SkipAppend(); err != nil {
		return fatal{err}
	}
	return nil
}
