package pop3d_test

import (
	"testing"

	"mailstead/pop3d"
	"mailstead/storage/storagetest"
)

// TestDamagedMessageIsAnErrorForItAlone: RFC 3206 §4, and the session goes on.
func TestDamagedMessageIsAnErrorForItAlone(t *testing.T) {
	t.Parallel()
	s := start(t, pop3d.Options{AllowInsecureAuth: true})
	defer storagetest.Damage(t, s.dir, "line 2")()
	c := s.dial(t)
	c.talk(s, login+`C: RETR 2
S: /-ERR \[SYS/PERM\] .*/
C: TOP 2 0
S: /-ERR \[SYS/PERM\] .*/
C: RETR 3
S: /\+OK .*/
S: Subject: 3
S: 
S: ..dot
S: line 3
S: ...
S: last without end
S: .
C: UIDL 2
S: /\+OK 2 .*/
C: DELE 2
S: +OK marked
C: QUIT
S: +OK bye, 1 removed
EOF`)
	if n := s.uids(t); n != 2 {
		t.Errorf("got %d messages, want 2", n)
	}
}
