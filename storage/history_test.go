package storage_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"

	"mailstead/storage"
	"mailstead/storage/storagetest"
)

// What one history is made of.
const (
	historyClients = 6
	historyCalls   = 40
	historyPhases  = 3 // with the store opened again in between
)

// historian writes down what clients called and were told, and when.
type historian struct {
	s     *storage.Store
	refs  [2]storage.Ref
	start time.Time

	last   [2]atomic.Uint32 // UIDs lately given out
	modseq atomic.Uint64    // lately given out

	mu       sync.Mutex
	ops      []porcupine.Operation
	sessions []*session
	bad      []string // errors no client should see
}

// TestConcurrentHistoriesAreLinearizable lets clients work on the same mailboxes
// at once: there must be an order of their calls, agreeing with when they were
// made, in which one client alone would have been told the same. The store is
// closed and opened, also without its index, between the phases of a history.
// MAILSTEAD_MODEL_CHECKS sets for how many histories.
func TestConcurrentHistoriesAreLinearizable(t *testing.T) {
	t.Parallel()
	histories := 6
	if v := os.Getenv(modelChecks); v != "" {
		n, err := strconv.Atoi(v)
		if err != nil {
			t.Fatal(err)
		}
		histories = n
	}
	for range histories {
		seed := rand.Uint64()
		if !t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) { linearizable(t, seed) }) {
			return
		}
	}
}

func linearizable(t *testing.T, seed uint64) {
	dir := t.TempDir()
	h := &historian{start: time.Now()}
	for phase := range historyPhases {
		if phase == 2 {
			for _, file := range []string{"index.db", "index.meta"} {
				if err := os.RemoveAll(filepath.Join(dir, file)); err != nil {
					t.Fatal(err)
				}
			}
		}
		s, err := openAgain(dir, storage.Options{SegmentSize: 20_000, MinFree: -1})
		if err != nil {
			t.Fatal(err)
		}
		h.s = s
		if phase == 0 {
			h.refs = [2]storage.Ref{newAccount(t, s, 1), named(t, s, 1, "Archive")}
		}
		h.phase(t, rand.New(rand.NewPCG(seed, uint64(phase))))
		storagetest.Verify(t, s)
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	for _, b := range h.bad {
		t.Error(b)
	}
	h.judge(t)
}

// phase lets all clients work, with a follower of each mailbox, and reads what is
// there before and after.
func (h *historian) phase(t *testing.T, rng *rand.Rand) {
	t.Helper()
	for i := range h.refs {
		h.call(t.Context(), 0, call{kind: callRead, box: i})
	}
	var clients, followers sync.WaitGroup
	done := make(chan struct{})
	for c := range historyClients {
		own := rand.New(rand.NewPCG(rng.Uint64(), rng.Uint64()))
		clients.Go(func() {
			for i := range historyCalls {
				if i%8 == 0 {
					h.follow(own.IntN(2))
				}
				h.call(t.Context(), c, h.randomCall(own))
			}
		})
	}
	for i := range h.refs {
		f := h.follow(i)
		followers.Go(func() { f.follow(done) })
	}
	clients.Wait()
	close(done)
	followers.Wait()
	for i := range h.refs {
		h.call(t.Context(), 0, call{kind: callRead, box: i})
	}
	for _, f := range h.sessions {
		f.take()
		f.verify(t, h.s)
	}
	h.sessions = nil
}

// follow begins a session.
func (h *historian) follow(box int) *session {
	f, err := newSession(h.s, h.refs[box])
	h.mu.Lock()
	defer h.mu.Unlock()
	if err != nil {
		h.bad = append(h.bad, err.Error())
	}
	h.sessions = append(h.sessions, f)
	return f
}

// randomCall draws a call on few messages, so that clients meet.
func (h *historian) randomCall(rng *rand.Rand) call {
	kinds := []callKind{callAppend, callAppend, callAppend, callFlags, callFlags, callFlags, callFlags, callTransfer, callExpunge, callRead, callRead}
	c := call{kind: kinds[rng.IntN(len(kinds))], box: rng.IntN(2), dst: rng.IntN(2), move: rng.IntN(2) == 0, onlyDel: rng.IntN(2) == 0}
	last := int(h.last[c.box].Load())
	first := storage.UID(max(1, last-rng.IntN(6)))
	c.set = storage.UIDSet{{First: first, Last: first + storage.UID(max(0, rng.IntN(8)-4))}}
	c.change = storage.FlagChange{Op: storage.FlagOp(rng.IntN(3)), Flags: storage.Flags(rng.IntN(32))}
	if rng.IntN(3) == 0 {
		since := storage.ModSeq(max(0, int(h.modseq.Load())-rng.IntN(8)))
		c.change.UnchangedSince = &since
	}
	if c.kind == callExpunge && c.onlyDel && rng.IntN(2) == 0 {
		c.set = nil
	}
	return c
}

// call does c and writes it down.
func (h *historian) call(ctx context.Context, client int, c call) {
	op := porcupine.Operation{ClientId: client, Input: c, Call: int64(time.Since(h.start))}
	a, err := h.do(ctx, c)
	op.Output, op.Return = a, int64(time.Since(h.start))
	h.mu.Lock()
	defer h.mu.Unlock()
	if err != nil {
		h.bad = append(h.bad, fmt.Sprintf("client %d: %+v: %v", client, c, err))
		return
	}
	h.ops = append(h.ops, op)
}

func (h *historian) do(ctx context.Context, c call) (a answer, err error) {
	ref := h.refs[c.box]
	switch c.kind {
	case callAppend:
		body := strings.NewReader("Subject: s\r\n\r\n" + strings.Repeat("x", int(c.change.Flags)*10))
		got, err := h.s.Append(ctx, body, storage.Target{Ref: ref, Flags: c.change.Flags})
		if err != nil {
			return a, err
		}
		h.last[c.box].Store(uint32(got[0].UID))
		h.modseq.Store(uint64(got[0].ModSeq))
		return answer{uids: []storage.UID{got[0].UID}, modseq: got[0].ModSeq}, nil
	case callFlags:
		a.flags, err = h.s.SetFlags(ctx, ref, c.set, c.change)
		return a, err
	case callTransfer:
		do := h.s.Copy
		if c.move {
			do = h.s.Move
		}
		got, err := do(ctx, ref, c.set, h.refs[c.dst])
		return answer{src: got.Src, uids: got.Dst}, err
	case callExpunge:
		a.gone, a.modseq, err = h.s.Expunge(ctx, ref, c.set, c.onlyDel)
		return a, err
	}
	return h.read(ref)
}

// read takes a mailbox and its messages at one moment: when the mailbox is other
// after than before, it reads again.
func (h *historian) read(ref storage.Ref) (a answer, err error) {
	for {
		if a.box, err = h.s.MailboxByID(ref); err != nil {
			return a, err
		}
		a.rows = nil
		for r, err := range h.s.Rows(ref, storage.UIDSet{{First: 1, Last: 1<<32 - 1}}, storage.ReadOptions{}) {
			if err != nil {
				return a, err
			}
			a.rows = append(a.rows, r)
		}
		after, err := h.s.MailboxByID(ref)
		if err != nil || after == a.box {
			return a, err
		}
	}
}

// judge looks for an order.
func (h *historian) judge(t *testing.T) {
	t.Helper()
	first := h.ops[0].Output.(answer).box // of a new account
	start := state{modseq: first.HighestModSeq}
	for i := range start.boxes {
		start.boxes[i] = boxState{next: 1, messages: map[storage.UID]seen{}}
	}
	m := sequential(start)
	result, info := porcupine.CheckOperationsVerbose(m, h.ops, time.Minute)
	if result == porcupine.Ok {
		return
	}
	path := filepath.Join(t.ArtifactDir(), "history.html")
	if err := porcupine.VisualizePath(m, info, path); err != nil {
		t.Error(err)
	}
	longest := slices.MaxFunc(info.PartialLinearizations()[0], func(a, b []int) int { return len(a) - len(b) })
	t.Errorf("%v: %d of %d calls can be put in order; kept with -artifacts: %s", result, len(longest), len(h.ops), path)
	h.complain(t, longest)
}

// complain tells the calls around the place where no order goes on.
func (h *historian) complain(t *testing.T, order []int) {
	t.Helper()
	for _, i := range order[max(0, len(order)-5):] {
		t.Logf("in order:  %+v -> %+v", h.ops[i].Input, h.ops[i].Output)
	}
	left, shown := slices.Clone(h.ops), 0
	slices.SortStableFunc(left, func(a, b porcupine.Operation) int { return int(a.Return - b.Return) })
	for _, op := range left {
		inOrder := slices.ContainsFunc(order, func(i int) bool { return h.ops[i].ClientId == op.ClientId && h.ops[i].Call == op.Call })
		if !inOrder && shown < 5 {
			t.Logf("not after: %+v -> %+v", op.Input, op.Output)
			shown++
		}
	}
}
