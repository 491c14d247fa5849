package imapd

import (
	"context"
	"errors"
	"net"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"mailstead/imapd/wire"
	"mailstead/storage"
)

// A search that takes long says so with its tag.
func TestSlowSearchTellsThatItGoesOn(t *testing.T) {
	t.Parallel()
	s := newSuite(t, func(o *Options) { o.ProgressEvery = 100 * time.Microsecond })
	s.fill("INBOX", 600)
	sc := s.login()
	sc.ok("SELECT INBOX")
	inProgress := regexp.MustCompile(`^\* OK \[INPROGRESS \("t(\d+)" (\d+) 600\)\] Still at work$`)
	told, furthest := 0, 0
	for range 20 {
		lines := sc.ok(`SEARCH BODY "message 600"`)
		before := 0
		for _, l := range lines[:len(lines)-1] {
			m := inProgress.FindStringSubmatch(l)
			if m == nil || m[1] != strconv.Itoa(sc.n) {
				t.Fatalf("got %q", l)
			}
			now, _ := strconv.Atoi(m[2])
			if now < before || now >= 600 {
				t.Fatalf("%d of 600 after %d", now, before)
			}
			before, furthest = now, max(now, furthest)
			told++
		}
		if got := lines[len(lines)-1]; got != "* SEARCH 600" {
			t.Fatalf("got %q", got)
		}
	}
	if told == 0 || furthest == 0 {
		t.Errorf("%d words in 20 searches, the furthest with %d messages", told, furthest)
	}
	for _, command := range []string{"STORE 1:600 +FLAGS.SILENT (\\Flagged)", "COPY 1:600 Trash", "SORT (SUBJECT) UTF-8 TEXT message"} {
		told = 0
		for range 20 {
			for _, l := range sc.ok(command) {
				if inProgress.MatchString(l) {
					told++
				} else if strings.Contains(l, "INPROGRESS") {
					t.Fatalf("%s: got %q", command, l)
				}
			}
		}
		if told == 0 {
			t.Errorf("nothing was told in 20 times %s", command)
		}
	}
}

// What stands in INPROGRESS (RFC 9585 §4).
func TestProgressCounts(t *testing.T) {
	t.Parallel()
	s := newSuite(t)
	s.fill("INBOX", 5)
	box, err := s.store.Mailbox(alice, "INBOX")
	if err != nil {
		t.Fatal(err)
	}
	ref := storage.Ref{Account: alice, Mailbox: box.ID}
	snap, err := s.store.Snapshot(ref)
	if err != nil {
		t.Fatal(err)
	}
	v := newView(ref, snap, true)
	defer v.close()
	p := v.through(storage.UIDSet{{First: 2, Last: 9}})
	if got := p.counts(); got != "0 4" {
		t.Errorf("before the first: %s", got)
	}
	for _, tc := range []struct {
		upTo storage.UID
		want string
	}{{2, "1 4"}, {4, "3 4"}, {5, "3 4"}} {
		set := storage.UIDSet{{First: 2, Last: tc.upTo}}
		if _, err := s.store.SetFlags(storage.WithPlace(t.Context(), &p.place), ref, set, storage.FlagChange{Flags: storage.Flagged}); err != nil {
			t.Fatal(err)
		}
		if got := p.counts(); got != tc.want {
			t.Errorf("at %d: got %s, want %s", tc.upTo, got, tc.want)
		}
	}
	if got := v.through(storage.UIDs(77)).counts(); got != "NIL NIL" {
		t.Errorf("of no messages: %s", got)
	}
	for tag, want := range map[string]string{"a1": `"a1"`, "a]1": "NIL"} {
		if got := (&session{tag: tag}).quotedTag(); got != want {
			t.Errorf("%s: got %s", tag, got)
		}
	}
}

func TestPatientlyGivesErrorsAndPanics(t *testing.T) {
	t.Parallel()
	s := &session{srv: &Server{o: Options{ProgressEvery: time.Hour}}}
	want := errors.New("disk on fire")
	if err := s.patiently(t.Context(), &progress{}, func(context.Context) error { return want }); !errors.Is(err, want) {
		t.Errorf("got %v, want %v", err, want)
	}
	defer func() {
		if p, _ := recover().(string); !strings.Contains(p, "out of step") || !strings.Contains(p, "progress_test.go") {
			t.Errorf("got panic %q, want the one of the work and where it was", p)
		}
	}()
	_ = s.patiently(t.Context(), &progress{}, func(context.Context) error { panic("out of step") })
}

// TestWorkEndsWithItsClient: a search is not gone on with for a client that has
// gone, a change is.
func TestWorkEndsWithItsClient(t *testing.T) {
	t.Parallel()
	near, far := net.Pipe()
	if err := far.Close(); err != nil {
		t.Fatal(err)
	}
	s := &session{srv: &Server{o: Options{ProgressEvery: time.Millisecond}}, w: wire.NewPool().NewWriter(near)}
	err := s.patiently(t.Context(), &progress{}, func(ctx context.Context) error {
		<-ctx.Done()
		return ctx.Err()
	})
	if _, ok := errors.AsType[fatal](err); !ok {
		t.Errorf("got %v, want the end of the session", err)
	}
	goesOn := time.NewTimer(30 * time.Millisecond)
	err = s.patiently(context.WithoutCancel(t.Context()), &progress{}, func(ctx context.Context) error {
		select {
		case <-goesOn.C:
		case <-ctx.Done():
			t.Error("a change was broken off")
		}
		return nil
	})
	if _, ok := errors.AsType[fatal](err); !ok {
		t.Errorf("got %v, want the end of the session", err)
	}
}
