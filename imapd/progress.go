package imapd

import (
	"context"
	"fmt"
	"runtime/debug"
	"strings"
	"time"

	"mailstead/storage"
)

// progress is how far a command is: which of the messages it works on it has
// come to.
type progress struct {
	place storage.Place
	there storage.UIDList // the messages
}

// through gives the progress of a command on those messages of a view that are
// in a set.
func (v *view) through(set storage.UIDSet) *progress {
	return &progress{there: intersect(set, v.uids.Set()).List()}
}

// counts are PROGRESS and GOAL of RFC 9585 §4: the first is below the second as
// long as the command is not at its end.
func (p *progress) counts() string {
	if p.there.Len() == 0 {
		return "NIL NIL"
	}
	done, _ := p.there.Find(p.place.At() + 1)
	return fmt.Sprintf("%d %d", min(done, p.there.Len()-1), p.there.Len())
}

// quotedTag is the tag of the command as INPROGRESS names it (RFC 9585 §4).
func (s *session) quotedTag() string {
	if s.tag == "" || strings.Contains(s.tag, "]") {
		return "NIL"
	}
	return `"` + s.tag + `"`
}

// patiently runs work that may take long and writes nothing, and gives its
// error. Meanwhile the client is told that it goes on and how far it is, so that
// neither it nor what lies between gives up (RFC 9585). The session waits, so
// work may use all that is the session's. Its context tells p how far it is, and
// ends when the client is found to have gone, unless ctx is one that never ends:
// what nobody waits for is not searched on.
func (s *session) patiently(ctx context.Context, p *progress, work func(context.Context) error) error {
	mayEnd := ctx.Done() != nil
	ctx, cancel := context.WithCancel(storage.WithPlace(ctx, &p.place))
	defer cancel()
	type outcome struct {
		err   error
		fault any
	}
	ended := make(chan outcome, 1)
	go func() {
		var o outcome
		defer func() {
			if p := recover(); p != nil {
				o.fault = fmt.Sprintf("%v\n%s", p, debug.Stack())
			}
			ended <- o
		}()
		o.err = work(ctx)
	}()
	tick := time.NewTicker(s.srv.o.ProgressEvery)
	defer tick.Stop()
	var lost error
	for {
		select {
		case o := <-ended:
			if o.fault != nil {
				panic(o.fault) // where the session's panics are looked after
			}
			if lost != nil {
				return fatal{lost}
			}
			return o.err
		case <-tick.C:
			if lost != nil {
				continue
			}
			s.w.Status("*", kindOK, "INPROGRESS ("+s.quotedTag()+" "+p.counts()+")", "Still at work")
			if lost = s.w.Flush(); lost != nil && mayEnd {
				cancel()
			}
		}
	}
}
