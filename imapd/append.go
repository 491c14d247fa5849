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
// over, in bytes.
const maxStrangersMessage = 128 << 10

// errNUL is what a message that is no literal8 must not contain.
var errNUL = protocolError{bad("A message with NUL needs a literal8")}

// append is RFC 9051 §6.3.12. Refused messages are not read: a client that
// waits for the continuation never sends them.
func (s *session) append(ctx context.Context, c *wire.Command) (reply, error) {
	a := c.Args.(wire.AppendArgs)
	target, refusal, err := s.appendTarget(a)
	if err != nil {
		refusal = s.intoReply("APPEND", err)
	}
	if refusal.kind != "" {
		if err := s.skipMessage(c); err != nil {
			return reply{}, err
		}
		return refusal, nil
	}
	file := s.srv.o.Spool.New()
	if refusal, err := s.receive(file, c.Tag, a); err != nil || refusal.kind != "" {
		_ = file.Close() // what it says does not matter any more
		return refusal, err
	}
	wait, err := s.srv.o.Store.AppendStart(context.WithoutCancel(ctx), file, target)
	if err != nil {
		_ = file.Close() // the same
		return s.intoReply("APPEND", err), nil
	}
	finish := func() reply {
		out, err := wait()
		_ = file.Close() // it is stored, or is not
		if err != nil {
			return s.intoReply("APPEND", err)
		}
		return okCode(fmt.Sprintf("APPENDUID %d %d", out.UIDValidity, out.UID), "APPEND completed")
	}
	// The next command is here already. What it may see of this one it sees,
	// unless it is an APPEND too; and the client has another mailbox selected.
	if s.r.Buffered() > 0 && (s.view == nil || s.view.ref != target.Ref) {
		s.later(&pending{c.Tag, a.Size, finish})
		return reply{kind: kindLater}, nil
	}
	return finish(), nil
}

// appendTarget checks all that can be checked before the message is there.
func (s *session) appendTarget(a wire.AppendArgs) (storage.Target, reply, error) {
	to, err := s.locate(a.Mailbox, storage.RightInsert)
	if err != nil {
		return storage.Target{}, reply{}, err
	}
	if a.UTF8 && !s.utf8 && !s.rev2 {
		return storage.Target{}, bad("ENABLE UTF8=ACCEPT first"), nil
	}
	if a.Size == 0 {
		return storage.Target{}, no("CANNOT", "A message can't be empty"), nil
	}
	if limit := s.srv.o.MaxMessageSize; a.Size > limit {
		return storage.Target{}, tooBig(limit), nil
	}
	usage, err := s.srv.o.Store.Usage(to.Account)
	if err != nil {
		return storage.Target{}, reply{}, err
	}
	if !usage.Fits(a.Size, 1) {
		return storage.Target{}, overQuota(), nil
	}
	flags, keywords := storeFlags(a.Flags)
	flags, keywords = permitted(to.rights, flags, keywords)
	return storage.Target{
		Ref:   to.Ref,
		Flags: flags, Keywords: keywords, InternalDate: a.Date,
	}, reply{}, nil
}

// receive reads the message and the end of the command.
func (s *session) receive(file *spool.File, tag string, a wire.AppendArgs) (reply, error) {
	in, err := s.r.Literal()
	if err != nil {
		return reply{}, fatal{err}
	}
	w := &appendWriter{to: file, binary: a.Binary}
	if _, err := io.Copy(w, in); err != nil {
		return reply{}, fatal{err}
	}
	if err := s.r.EndAppend(tag); err != nil {
		if syntax, ok := errors.AsType[*wire.SyntaxError](err); ok {
			return bad(syntax.Text), nil
		}
		return reply{}, fatal{err}
	}
	if w.err != nil {
		return reply{}, w.err
	}
	return reply{}, nil
}

// appendWriter spools a message. A fault does not stop the copying: the rest of
// the literal must be read all the same.
type appendWriter struct {
	to     io.Writer
	binary bool
	err    error
}

func (w *appendWriter) Write(p []byte) (int, error) {
	if w.err == nil && !w.binary && bytes.IndexByte(p, 0) >= 0 {
		w.err = errNUL
	}
	if w.err == nil {
		_, w.err = w.to.Write(p)
	}
	return len(p), nil
}

// skipMessage passes over the message of an APPEND that is refused. Other
// commands are read to their end already.
func (s *session) skipMessage(c *wire.Command) error {
	if c.Name != "APPEND" {
		return nil
	}
	if s.account == 0 && c.Args.(wire.AppendArgs).Size > maxStrangersMessage {
		return fatal{wire.ErrTooLong}
	}
	if err := s.r.SkipLiteral(); err != nil {
		return fatal{err}
	}
	return nil
}
