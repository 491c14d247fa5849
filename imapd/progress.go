package imapd

import (
	"fmt"
	"runtime/debug"
	"time"
)

// patiently runs work that may take long and writes nothing, and gives its
// error. Meanwhile the client is told that it goes on, so that neither it nor
// what lies between gives up (RFC 9585). How far it is nobody knows. The session
// waits, so work may use all that is the session's.
func (s *session) patiently(work func() error) error {
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
		o.err = work()
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
			s.w.Status("*", kindOK, `INPROGRESS ("`+s.tag+`" NIL NIL)`, "Still at work")
			lost = s.w.Flush()
		}
	}
}
