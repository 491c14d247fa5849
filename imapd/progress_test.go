package imapd

import (
	"errors"
	"strconv"
	"strings"
	"testing"
	"time"
)

// A search that takes long says so with its tag.
func TestSlowSearchTellsThatItGoesOn(t *testing.T) {
	t.Parallel()
	s := newSuite(t, func(o *Options) { o.ProgressEvery = 100 * time.Microsecond })
	s.fill("INBOX", 600)
	sc := s.login()
	sc.ok("SELECT INBOX")
	told := 0
	for range 20 {
		lines := sc.ok(`SEARCH BODY "message 600"`)
		for _, l := range lines[:len(lines)-1] {
			if l != `* OK [INPROGRESS ("t`+strconv.Itoa(sc.n)+`" NIL NIL)] Still at work` {
				t.Fatalf("got %q", l)
			}
			told++
		}
		if got := lines[len(lines)-1]; got != "* SEARCH 600" {
			t.Fatalf("got %q", got)
		}
	}
	if told == 0 {
		t.Error("nothing was told in 20 searches")
	}
}

func TestPatientlyGivesErrorsAndPanics(t *testing.T) {
	t.Parallel()
	s := &session{srv: &Server{o: Options{ProgressEvery: time.Hour}}}
	want := errors.New("disk on fire")
	if err := s.patiently(func() error { return want }); !errors.Is(err, want) {
		t.Errorf("got %v, want %v", err, want)
	}
	defer func() {
		if p, _ := recover().(string); !strings.Contains(p, "out of step") || !strings.Contains(p, "progress_test.go") {
			t.Errorf("got panic %q, want the one of the work and where it was", p)
		}
	}()
	_ = s.patiently(func() error { panic("out of step") })
}
