package interop

import (
	"bytes"
	"context"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"sync"
	"testing"
	"time"
)

// disturber is what an operator may do at any time: a verb that is run against the
// working server, again and again, until both are killed. What it leaves half done
// must not matter.
type disturber struct {
	name string
	args func(dir string, round int) []string
	// after looks at what it has left, once the server is dead; may be nil.
	after func(t *testing.T, dir string, round int)
}

// disturbers are run in every round. Whatever works on a store while mail comes in
// belongs here.
func disturbers() []disturber {
	return []disturber{
		{name: "compact", args: func(dir string, round int) []string {
			args := []string{"compact", "--dir", dir}
			if round%2 == 0 {
				args = append(args, "--all")
			}
			return args
		}},
		{name: "check", args: func(dir string, _ int) []string { return []string{"check", "--dir", dir} }},
	}
}

// crashRounds is how often the test kills: MAILSTEAD_CRASH_ROUNDS, or few.
func crashRounds(t *testing.T, few int) int {
	t.Helper()
	v := os.Getenv("MAILSTEAD_CRASH_ROUNDS")
	if v == "" {
		return few
	}
	n, err := strconv.Atoi(v)
	if err != nil {
		t.Fatalf("MAILSTEAD_CRASH_ROUNDS: %v", err)
	}
	return n
}

// TestKillOfTheWholeServerLosesNothing kills the server while clients deliver,
// append, set flags, copy, move, expunge and delete by POP3, and an operator is at
// work, again and again. It starts by itself; what was acknowledged is true ever
// after, what was not has happened whole or not at all, and no message is twice in
// one mailbox. MAILSTEAD_CRASH_ROUNDS sets how often.
func TestKillOfTheWholeServerLosesNothing(t *testing.T) {
	t.Parallel()
	rounds := crashRounds(t, 4)
	dir := t.TempDir()
	l := newLedger()
	for round := range rounds {
		s := startSuite(t, dir)
		s.loadAndKill(t, l, round)
		checkStore(t, dir)
		if t.Failed() {
			t.Fatalf("round %d", round)
		}
	}
	s := startSuite(t, dir)
	s.verify(t, l)
	if err := s.cmd.Process.Kill(); err != nil {
		t.Error(err)
	}
	_ = s.cmd.Wait() // killed
	checkStore(t, dir)
	t.Logf("%d messages acknowledged in %d rounds", l.messages(), rounds)
	if n := l.messages(); n < 3*rounds {
		t.Errorf("only %d messages acknowledged in %d rounds", n, rounds)
	}
}

// loadAndKill verifies what earlier rounds have left, puts the server under load
// and kills it.
func (s *suite) loadAndKill(t *testing.T, l *ledger, round int) {
	t.Helper()
	s.verify(t, l)
	alice, bob := s.alice.Address, s.bob.Address
	inbox := newUser(s.imap(t, s.alice, "INBOX", nil), l, alice, "INBOX", "Archive")
	archive := newUser(s.imap(t, s.alice, "Archive", nil), l, alice, "Archive", "INBOX")
	drop, atLogin := s.pop3(t, s.bob), maps.Clone(l.fates[bob])
	before := l.messages()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var wg sync.WaitGroup
	for _, to := range [][]string{{alice}, {bob}, {alice, bob}, {bob, alice}} {
		wg.Go(func() { s.deliver(l, to...) })
	}
	wg.Go(inbox.work)
	wg.Go(archive.work)
	wg.Go(func() { drop.empty(l, atLogin) })
	for _, d := range disturbers() {
		wg.Go(func() { d.run(ctx, l, s.dir, round) })
	}
	for late := time.After(clientTimeout); l.messages() < before+3; {
		select {
		case <-l.grown:
		case <-late:
			t.Fatal("nothing is acknowledged")
		}
	}
	time.AfterFunc(rand.N(400*time.Millisecond), func() { _ = s.cmd.Process.Kill() })
	_ = s.cmd.Wait() // killed
	cancel()
	wg.Wait()
	if log := s.stderr.Bytes(); bytes.Contains(log, []byte("panic")) || bytes.Contains(log, []byte("DATA RACE")) || bytes.Contains(log, []byte("fatal error")) {
		t.Errorf("log:\n%s", log)
	}
	for _, d := range disturbers() {
		if d.after != nil {
			d.after(t, s.dir, round)
		}
	}
}

// run runs the verb until the end. Its answers don't matter: it is killed, or the
// server under it. But it must be a verb.
func (d disturber) run(ctx context.Context, l *ledger, dir string, round int) {
	const usage = 2
	for ctx.Err() == nil {
		cmd := exec.CommandContext(ctx, mailstead, d.args(dir, round)...)
		if out, err := cmd.CombinedOutput(); err != nil && cmd.ProcessState != nil && cmd.ProcessState.ExitCode() == usage {
			l.fault("%s: %s", d.name, out)
			return
		}
	}
}
