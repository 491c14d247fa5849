package imapd

import (
	"maps"
	"os"
	"path/filepath"
	"testing"

	"mailstead/storage"
)

// TestRecentOutlivesServer: what a session has been told of is not \Recent again
// after a restart, what came since is.
func TestRecentOutlivesServer(t *testing.T) {
	t.Parallel()
	s := newSuite(t)
	box, err := s.store.Mailbox(alice, "INBOX")
	if err != nil {
		t.Fatal(err)
	}
	ref := storage.Ref{Account: alice, Mailbox: box.ID}
	o := Options{Store: s.store, Authenticator: s.logins, RecentFile: filepath.Join(t.TempDir(), "recent")}
	// recent starts a server, has it say how many messages are \Recent, and ends it.
	recent := func() int {
		srv := New(o)
		snap, err := s.store.Snapshot(ref)
		if err != nil {
			t.Fatal(err)
		}
		defer snap.Feed.Close()
		n := srv.recents.selected(ref, snap, true).Len()
		if err := srv.Shutdown(t.Context()); err != nil {
			t.Fatal(err)
		}
		return n
	}
	deliver := func(n int) {
		for range n {
			s.deliver("INBOX", "Subject: x\n\n", 0)
		}
	}
	deliver(3)
	if n := recent(); n != 3 {
		t.Errorf("at first: %d", n)
	}
	if n := recent(); n != 0 {
		t.Errorf("again: %d", n)
	}
	deliver(2)
	if n := recent(); n != 2 {
		t.Errorf("those that came since: %d", n)
	}
	New(o).saveRecents() // of a server in which nobody looked
	if n := recent(); n != 0 {
		t.Errorf("after a server in which nobody looked: %d", n)
	}
	for _, text := range []string{string(packRecents(map[storage.Ref]storage.UID{ref: 99})), "torn", ""} {
		if err := os.WriteFile(o.RecentFile, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if n := recent(); n != 5 {
			t.Errorf("with a file that can't be: %d, want all from the first unseen one on", n)
		}
	}
}

func FuzzRecentFile(f *testing.F) {
	f.Add(packRecents(nil))
	f.Add(packRecents(map[storage.Ref]storage.UID{{Account: 1, Mailbox: 2}: 3, {Account: 4, Mailbox: 5}: 6}))
	f.Add([]byte(recentMagic))
	f.Fuzz(func(t *testing.T, b []byte) {
		m, ok := parseRecents(b)
		if !ok {
			return
		}
		if again, ok := parseRecents(packRecents(m)); !ok || !maps.Equal(m, again) {
			t.Errorf("%v became %v", m, again)
		}
	})
}
