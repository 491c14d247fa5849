package pop3d_test

import (
	"testing"

	"golang.org/x/sys/unix"

	"mailstead/internal/faultfs"
	"mailstead/pop3d"
	"mailstead/storage"
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

// TestStoreThatTakesNoChanges: on a full disk and in a store that has stopped,
// the maildrop can be read; QUIT says that nothing was removed.
func TestStoreThatTakesNoChanges(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]faultfs.Fault{
		"full":    {Match: faultfs.On("*.seg", faultfs.Write), Err: unix.ENOSPC, Forever: true},
		"stopped": {Match: faultfs.On("*.seg", faultfs.Datasync)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			fsys, err := faultfs.New(dir)
			if err != nil {
				t.Fatal(err)
			}
			s := startOn(t, dir, storage.Options{FS: fsys, Housekeeping: -1}, pop3d.Options{AllowInsecureAuth: true})
			in := fsys.Inject(fault)
			defer in.Stop()
			for range 2 {
				c := s.dial(t)
				c.talk(s, login+`C: LIST 1
S: /\+OK 1 .*/
C: DELE 1
S: +OK marked
C: RETR 3
S: /\+OK .*/
S: Subject: 3
S: 
S: ..dot
S: line 3
S: ...
S: last without end
S: .
C: QUIT
S: /-ERR \[SYS/TEMP\] .*/
EOF`)
			}
			if n := s.uids(t); n != 3 {
				t.Errorf("got %d messages, want 3", n)
			}
		})
	}
}
