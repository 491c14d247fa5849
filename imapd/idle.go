package imapd

import (
	"context"
	"errors"
	"strings"

	"mailstead/imapd/wire"
)

// maxDone is the longest line that may end IDLE.
const maxDone = 64

// errMailboxGone ends a session whose mailbox was deleted; BYE is said.
var errMailboxGone = errors.New("selected mailbox was deleted")

// idle is RFC 9051 §6.3.13: changes are announced as they happen, until the
// client says DONE. Meanwhile a second goroutine reads.
func (s *session) idle(ctx context.Context, _ *wire.Command) (reply, error) {
	if err := s.continuation("idling"); err != nil {
		return reply{}, fatal{err}
	}
	// What a FETCH before had to hold back can be told now.
	if err := s.announceNow(); err != nil {
		return reply{}, err
	}
	type input struct {
		line []byte
		err  error
	}
	s.conn.await(s.srv.o.IdleTimeout)
	s.autoFlush = false
	said := make(chan input, 1)
	go func() {
		line, err := s.r.ReadLine(maxDone)
		said <- input{line, err}
	}()
	// finish waits for the reader, which ends when the client speaks, when the
	// time is over, or at the latest when the connection is interrupted.
	finish := func() input {
		in := <-said
		s.autoFlush = true
		return in
	}
	for {
		select {
		case in := <-said:
			s.autoFlush = true
			return s.idleEnded(in.line, in.err)
		case <-ctx.Done():
			finish()
			return reply{}, fatal{context.Cause(ctx)}
		case <-s.wake():
		case <-s.noticed():
		}
		if err := s.announceNow(); err != nil {
			s.conn.interrupt()
			finish()
			return reply{}, err
		}
	}
}

// wake is signalled when the selected mailbox changes; never when there is none.
func (s *session) wake() <-chan struct{} {
	if s.view == nil {
		return nil
	}
	return s.view.feed.Wake()
}

// announceNow announces without waiting for a command.
func (s *session) announceNow() error {
	if s.view != nil {
		if err := s.announce(true); err != nil {
			return err
		}
	}
	if !s.leaving {
		s.announceNotices()
	}
	if err := s.w.Flush(); err != nil {
		return fatal{err}
	}
	if s.leaving {
		return fatal{errMailboxGone}
	}
	return nil
}

// idleEnded answers what the client has said in IDLE.
func (s *session) idleEnded(line []byte, err error) (reply, error) {
	if err != nil {
		return reply{}, fatal{err}
	}
	if !strings.EqualFold(strings.TrimSpace(string(line)), "DONE") {
		return bad("DONE expected"), nil
	}
	return reply{kind: kindOK, text: "IDLE completed"}, nil
}
