package interop

import (
	"bytes"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"
	"github.com/emersion/go-smtp"
)

// fate is what clients know of a message; they learn it from answers only.
type fate struct {
	acked    bool // 250 or OK was read: it must be there
	maybe    bool // a move or removal was asked for
	gone     bool // its removal was acknowledged: it must not be there
	archived bool // its move to Archive was acknowledged
}

// ledger is what all clients know, over all rounds.
type ledger struct {
	mu    sync.Mutex
	fates map[string]*fate
	next  int
	grown chan struct{} // one slot: something was acknowledged
}

// id names a new message.
func (l *ledger) id() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.next++
	id := "m" + strconv.Itoa(l.next)
	l.fates[id] = &fate{}
	return id
}

func (l *ledger) note(id string, change func(*fate)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	change(l.fates[id])
}

// ack notes that the server has taken a message.
func (l *ledger) ack(id string) {
	l.note(id, func(f *fate) { f.acked = true })
	select {
	case l.grown <- struct{}{}:
	default:
	}
}

func (l *ledger) acked() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := 0
	for _, f := range l.fates {
		if f.acked {
			n++
		}
	}
	return n
}

func killMail(id string) string {
	return "From: x@example.org\r\nSubject: " + id + "\r\nMessage-ID: <" + id + "@example.org>\r\n\r\n" + strings.Repeat(id+"\r\n", rand.IntN(3000))
}

// TestKillOfTheWholeServerLosesNothing kills the server while clients deliver,
// append, move and delete, again and again: what was acknowledged is true ever
// after, and no message is twice in one mailbox. MAILSTEAD_CRASH_ROUNDS sets how
// often.
func TestKillOfTheWholeServerLosesNothing(t *testing.T) {
	t.Parallel()
	rounds := 4
	if v := os.Getenv("MAILSTEAD_CRASH_ROUNDS"); v != "" {
		n, err := strconv.Atoi(v)
		if err != nil {
			t.Fatal(err)
		}
		rounds = n
	}
	dir := t.TempDir()
	l := &ledger{fates: map[string]*fate{}, grown: make(chan struct{}, 1)}
	for range rounds {
		s := startSuite(t, dir)
		s.loadAndKill(t, l)
		checkStore(t, dir)
	}
	s := startSuite(t, dir)
	s.verify(t, l)
	if err := s.cmd.Process.Kill(); err != nil {
		t.Error(err)
	}
	_ = s.cmd.Wait() // killed
	checkStore(t, dir)
	t.Logf("%d messages acknowledged in %d rounds", l.acked(), rounds)
	if n := l.acked(); n < 3*rounds {
		t.Errorf("only %d messages acknowledged in %d rounds", n, rounds)
	}
}

// loadAndKill verifies what earlier rounds have left, puts the server under load
// and kills it.
func (s *suite) loadAndKill(t *testing.T, l *ledger) {
	t.Helper()
	s.verify(t, l)
	before := l.acked()
	boxes := s.imap(t, s.alice, "INBOX", nil)
	drop := s.pop3(t, s.bob)
	var wg sync.WaitGroup
	for _, to := range []string{s.alice.Address, s.alice.Address, s.bob.Address} {
		wg.Go(func() { s.deliver(l, to) })
	}
	wg.Go(func() { appendAndMove(boxes, l) })
	wg.Go(func() { drop.empty(l) })
	for late := time.After(clientTimeout); l.acked() < before+3; {
		select {
		case <-l.grown:
		case <-late:
			t.Fatal("nothing is acknowledged")
		}
	}
	time.AfterFunc(rand.N(400*time.Millisecond), func() { _ = s.cmd.Process.Kill() })
	_ = s.cmd.Wait() // killed
	wg.Wait()
	if log := s.stderr.Bytes(); bytes.Contains(log, []byte("panic")) || bytes.Contains(log, []byte("DATA RACE")) {
		t.Errorf("log:\n%s", log)
	}
}

// deliver sends message after message until the server is gone.
func (s *suite) deliver(l *ledger, to string) {
	c, err := smtp.Dial(s.addr("smtp"))
	if err != nil {
		return
	}
	defer c.Close()
	for {
		id := l.id()
		if send(c, "x@example.org", to, killMail(id), nil) != nil {
			return
		}
		l.ack(id)
	}
}

// appendAndMove appends to the selected INBOX until the server is gone, and moves
// every second message to Archive.
func appendAndMove(c *imapclient.Client, l *ledger) {
	for i := 0; ; i++ {
		id := l.id()
		text := killMail(id)
		cmd := c.Append("INBOX", int64(len(text)), nil)
		if _, err := cmd.Write([]byte(text)); err != nil {
			return
		}
		if err := cmd.Close(); err != nil {
			return
		}
		data, err := cmd.Wait()
		if err != nil {
			return
		}
		l.ack(id)
		if i%2 == 0 {
			continue
		}
		l.note(id, func(f *fate) { f.maybe = true })
		if _, err := c.Move(imap.UIDSetNum(data.UID), "Archive").Wait(); err != nil {
			return
		}
		l.note(id, func(f *fate) { f.archived = true })
	}
}

// empty deletes what was in the maildrop at login, but for one in four.
func (c pop3) empty(l *ledger) {
	ask := func(format string, args ...any) (string, bool) {
		if err := c.c.PrintfLine(format, args...); err != nil {
			return "", false
		}
		line, err := c.c.ReadLine()
		return line, err == nil && strings.HasPrefix(line, "+OK")
	}
	var deleted []string
	for i := 1; ; i++ {
		if _, ok := ask("TOP %d 0", i); !ok {
			break // past the last one, or the server is gone
		}
		head, err := c.c.ReadDotLines()
		if err != nil {
			return
		}
		if i%4 == 0 {
			continue
		}
		for _, line := range head {
			if id, ok := strings.CutPrefix(line, "Subject: "); ok {
				deleted = append(deleted, id)
			}
		}
		if _, ok := ask("DELE %d", i); !ok {
			return
		}
	}
	for _, id := range deleted {
		l.note(id, func(f *fate) { f.maybe = true })
	}
	if _, ok := ask("QUIT"); ok {
		for _, id := range deleted {
			l.note(id, func(f *fate) { f.gone = true })
		}
	}
}

// verify compares what the server has with what clients were told.
func (s *suite) verify(t *testing.T, l *ledger) {
	t.Helper()
	places := map[string][]string{} // of each message
	for _, who := range []account{s.alice, s.bob} {
		c := s.imap(t, who, "INBOX", nil)
		for _, box := range []string{"INBOX", "Archive"} {
			for id, n := range subjects(t, c, box) {
				if n > 1 {
					t.Errorf("%s is %d times in %s of %s", id, n, box, who.Address)
				}
				places[id] = append(places[id], box)
			}
		}
		if err := c.Logout().Wait(); err != nil {
			t.Error(err)
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for id, f := range l.fates {
		at := places[id]
		switch {
		case f.gone && len(at) > 0:
			t.Errorf("%s is in %v after its removal was acknowledged", id, at)
		case f.acked && !f.maybe && !slices.Equal(at, []string{"INBOX"}), f.archived && !slices.Equal(at, []string{"Archive"}):
			t.Errorf("%s: got it in %v, known is %+v", id, at, *f)
		case len(at) > 1:
			t.Errorf("%s is in %v", id, at)
		}
	}
	for id := range maps.Keys(places) {
		if l.fates[id] == nil {
			t.Errorf("%s was never sent", id)
		}
	}
}

// subjects counts the messages of a mailbox by subject.
func subjects(t *testing.T, c *imapclient.Client, mailbox string) map[string]int {
	t.Helper()
	box, err := c.Select(mailbox, &imap.SelectOptions{ReadOnly: true}).Wait()
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]int{}
	if box.NumMessages == 0 {
		return all
	}
	list, err := c.Fetch(imap.SeqSet{{Start: 1, Stop: 0}}, &imap.FetchOptions{Envelope: true}).Collect()
	if err != nil {
		t.Fatal(fmt.Errorf("%s: %w", mailbox, err))
	}
	for _, m := range list {
		all[m.Envelope.Subject]++
	}
	return all
}
