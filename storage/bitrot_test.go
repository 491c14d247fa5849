package storage_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// rotFlips is how many damages each test of bit rot tries; MAILSTEAD_ROT_FLIPS sets
// another number.
func rotFlips(t *testing.T, n int) int {
	t.Helper()
	v := os.Getenv("MAILSTEAD_ROT_FLIPS")
	if v == "" {
		return n
	}
	n, err := strconv.Atoi(v)
	if err != nil {
		t.Fatalf("MAILSTEAD_ROT_FLIPS: %v", err)
	}
	return n
}

// rotSeed gives a source of randomness and says how to have it again.
func rotSeed(t *testing.T) *rand.Rand {
	t.Helper()
	seed := rand.Uint64()
	if v := os.Getenv("MAILSTEAD_ROT_SEED"); v != "" {
		n, err := strconv.ParseUint(v, 10, 64)
		if err != nil {
			t.Fatalf("MAILSTEAD_ROT_SEED: %v", err)
		}
		seed = n
	}
	t.Logf("MAILSTEAD_ROT_SEED=%d", seed)
	return rand.New(rand.NewPCG(seed, 0))
}

// TestBitRotInSegments: whatever bit of a segment turns over, only the message it
// is in can't be read any more, that is said, and Check says it too.
func TestBitRotInSegments(t *testing.T) {
	t.Parallel()
	rng := rotSeed(t)
	dir, truth := soundStore(t, rng)
	job := rotJob{Dir: dir, Truth: truth, Flips: segmentFlips(t, rng, dir, truth, rotFlips(t, 60))}
	for _, r := range runRot(t, &job) {
		f := job.Flips[r.Flip]
		judgeRot(t, f, r)
		bodies := map[string]bool{}
		for _, what := range r.Failed {
			where, ok := strings.CutPrefix(what, "body ")
			if !ok {
				t.Errorf("%v: %s", f, what)
				continue
			}
			where, _, _ = strings.Cut(where, ":")
			bodies[truth.Texts[where]] = true
		}
		if len(bodies) > 1 || len(r.Missing) > 0 {
			t.Errorf("%v: %d messages damaged, %d reads missing, want one message at most", f, len(bodies), len(r.Missing))
		}
		if f.Place == "body" && len(bodies) == 0 && r.Refused == "" {
			t.Errorf("%v: nobody noticed", f)
		}
	}
}

// TestBitRotInSegmentsBeforeRebuild: an index made again from a damaged log has
// every message but the damaged one, and Check tells of the hole. What lies
// behind the damage is never given up: only the last record may pass for torn.
func TestBitRotInSegmentsBeforeRebuild(t *testing.T) {
	t.Parallel()
	rng := rotSeed(t)
	dir, truth := soundStore(t, rng)
	job := rotJob{Dir: dir, Rebuild: true, Truth: truth, Flips: segmentFlips(t, rng, dir, truth, rotFlips(t, 60))}
	last := lastRecord(t, dir)
	job.Flips = slices.DeleteFunc(job.Flips, func(f flip) bool { return f.File == last.File && f.Offset >= last.Offset })
	for _, r := range runRot(t, &job) {
		f := job.Flips[r.Flip]
		judgeRot(t, f, r)
		// Behind a hole a message may have another UID than it had, and what was
		// expunged later by UID, three messages, may be its neighbour.
		if len(r.Missing) > 1+3 {
			t.Errorf("%v: %d messages are gone, such as %s", f, len(r.Missing), r.Missing[0])
		}
	}
}

// TestBitRotInIndex: whatever bit of the index turns over, reads are right or
// fail, also after a further change; nothing is silently missing for Check.
func TestBitRotInIndex(t *testing.T) {
	t.Parallel()
	rng := rotSeed(t)
	dir, truth := soundStore(t, rng)
	job := rotJob{Dir: dir, Append: true, Truth: truth, Flips: indexFlips(t, rng, dir, rotFlips(t, 80))}
	for _, r := range runRot(t, &job) {
		judgeRot(t, job.Flips[r.Flip], r)
	}
}

// judgeRot holds what came of a damage against what is promised.
func judgeRot(t *testing.T, f flip, r rotResult) {
	t.Helper()
	if len(r.Wrong) > 0 {
		t.Errorf("%v: %d wrong reads, such as %s (Check: %d problems)", f, len(r.Wrong), r.Wrong[0], len(r.Problems))
	}
	if len(r.WrongLater) > len(r.Wrong) {
		t.Errorf("%v: %d wrong reads after an append, such as %s", f, len(r.WrongLater), r.WrongLater[0])
	}
	if n := len(r.Failed) + len(r.Missing); n > 0 && len(r.Problems) == 0 {
		t.Errorf("%v: Check sees nothing, but %d reads failed and %d are missing, such as %s", f, len(r.Failed), len(r.Missing), append(r.Failed, r.Missing...)[0])
	}
	// In a tree that leads astray a change may hide more; the index is made
	// again at the next start, as Check has told.
	if len(r.MissingLater) > len(r.Missing) && len(r.Problems) == 0 {
		t.Errorf("%v: after an append %d reads are missing, such as %s", f, len(r.MissingLater), r.MissingLater[0])
	}
}

// rotChildren work at once: they mostly wait for the disk.
const rotChildren = 4

// runRot has children damage and read copies of a store.
func runRot(t *testing.T, job *rotJob) (results []rotResult) {
	t.Helper()
	job.Work = t.TempDir()
	var mu sync.Mutex
	var wg sync.WaitGroup
	for part := range slices.Chunk(numbers(len(job.Flips)), (len(job.Flips)+rotChildren-1)/rotChildren) {
		wg.Go(func() {
			list, faults := rotPart(t.Context(), *job, part)
			mu.Lock()
			defer mu.Unlock()
			results = append(results, list...)
			for _, f := range faults {
				t.Error(f)
			}
		})
	}
	wg.Wait()
	refused := 0
	for _, r := range results {
		if r.Refused != "" {
			refused++
		}
	}
	t.Logf("%d damages, %d times the store was not opened", len(job.Flips), refused)
	return results
}

// numbers are 0 to n-1.
func numbers(n int) (list []int) {
	for i := range n {
		list = append(list, i)
	}
	return list
}

// rotPart tries some of the flips. When the child dies or hangs, that is a fault of
// its last flip, and another child goes on.
func rotPart(ctx context.Context, job rotJob, part []int) (results []rotResult, faults []error) {
	for len(part) > 0 {
		job.Part = part
		list, err := rotRun(ctx, &job)
		results = append(results, list...)
		if part = part[len(list):]; err == nil {
			continue
		}
		if len(part) == 0 || ctx.Err() != nil {
			return results, append(faults, err)
		}
		faults = append(faults, fmt.Errorf("%v: %w", job.Flips[part[0]], err))
		part = part[1:]
	}
	return results, faults
}

// rotRun runs one child to its end.
func rotRun(ctx context.Context, job *rotJob) (results []rotResult, err error) {
	b, err := json.Marshal(job)
	if err != nil {
		return nil, err
	}
	path := filepath.Join(job.Work, fmt.Sprintf("job%d.json", job.Part[0]))
	if err := os.WriteFile(path, b, 0o600); err != nil {
		return nil, err
	}
	var stderr bytes.Buffer
	cmd := exec.CommandContext(ctx, os.Args[0])
	cmd.Env = append(os.Environ(), rotFile+"="+path)
	cmd.Stderr = &stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	const patience = 20 * time.Second // for one flip
	hung := time.AfterFunc(patience, func() { _ = cmd.Process.Kill() })
	for d := json.NewDecoder(out); ; {
		var r rotResult
		if d.Decode(&r) != nil {
			break // it has ended
		}
		hung.Reset(patience)
		results = append(results, r)
	}
	err = cmd.Wait()
	if !hung.Stop() {
		return results, fmt.Errorf("hangs: %w", err)
	}
	if err != nil {
		err = fmt.Errorf("died: %w: %.400s", err, stderr.Bytes())
	}
	return results, err
}
