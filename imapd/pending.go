package imapd

import "sync"

// A client that sends APPEND after APPEND without waiting (RFC 9051 §5.5) is
// answered in the same order, but the messages are made durable together.

// Limits of what is on the way into the store for one session.
const (
	maxPending      = 64
	maxPendingBytes = 8 << 20
)

// pendings are the commands of a session whose answers wait for the store.
// While there are any, their goroutine writes to the client and the session
// does not: the session calls settle first.
type pendings struct {
	mu    sync.Mutex
	idle  sync.Cond
	list  []*pending
	bytes int64
	err   error // of writing the answers
}

// pending is one of them.
type pending struct {
	tag  string
	size int64
	wait func() reply // returns when the store has answered
}

func newPendings() *pendings {
	p := &pendings{}
	p.idle.L = &p.mu
	return p
}

// later answers a command when the store has, and returns at once, or when
// enough of those before have been answered.
func (s *session) later(p *pending) {
	q := s.pendings
	q.mu.Lock()
	defer q.mu.Unlock()
	for len(q.list) >= maxPending || len(q.list) > 0 && q.bytes+p.size > maxPendingBytes {
		q.idle.Wait()
	}
	q.list, q.bytes = append(q.list, p), q.bytes+p.size
	if len(q.list) == 1 {
		s.answering.Go(s.answerPending)
	}
}

// answerPending writes the answers in order, until none is left.
func (s *session) answerPending() {
	q := s.pendings
	for {
		q.mu.Lock()
		p := q.list[0]
		q.mu.Unlock()
		s.tagged(p.tag, "APPEND", p.wait())
		q.mu.Lock()
		if len(q.list) == 1 {
			// Nobody else writes before the list is empty.
			q.err = s.w.Flush()
		}
		q.list, q.bytes = q.list[1:], q.bytes-p.size
		last := len(q.list) == 0
		q.idle.Broadcast()
		q.mu.Unlock()
		if last {
			return
		}
	}
}

// settle waits until all that is pending is answered; the session may write
// again.
func (s *session) settle() error {
	q := s.pendings
	q.mu.Lock()
	defer q.mu.Unlock()
	for len(q.list) > 0 {
		q.idle.Wait()
	}
	return q.err
}

// busy tells that answers are pending: the session must not write.
func (s *session) busy() bool {
	s.pendings.mu.Lock()
	defer s.pendings.mu.Unlock()
	return len(s.pendings.list) > 0
}
