package imapd

import (
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"mailstead/imapd/wire"
	"mailstead/mail"
	"mailstead/storage"
)

// TestListFollowsTheTable compares what LIST names with RFC 9051 §6.3.9.3 and
// §6.3.9.6, word by word.
func TestListFollowsTheTable(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		names := rapid.SliceOfNDistinct(rapid.StringMatching(`[ab](/[ab]){0,3}`), 1, 10, rapid.ID[string]).Draw(t, "names")
		subscribed := rapid.SliceOfNDistinct(rapid.StringMatching(`[ab](/[ab]){0,3}`), 0, 8, rapid.ID[string]).Draw(t, "subscribed")
		var boxes []place
		for i, n := range names {
			b := place{box: storage.Mailbox{ID: storage.MailboxID(i + 1), Name: n}}
			if rapid.Bool().Draw(t, "use") {
				b.box.SpecialUse = storage.UseSent
			}
			boxes = append(boxes, b)
		}
		a := wire.ListArgs{Patterns: rapid.SliceOfN(rapid.StringMatching(`[ab*%](/?[ab*%]){0,3}`), 1, 3).Draw(t, "patterns")}
		a.Select.Subscribed, a.Select.SpecialUse = rapid.Bool().Draw(t, "subscribed"), rapid.Bool().Draw(t, "special")
		a.Select.RecursiveMatch = (a.Select.Subscribed || a.Select.SpecialUse) && rapid.Bool().Draw(t, "recursive")
		d := newDirectory(boxes, subscribed)
		got, err := d.choose(a)
		if err != nil {
			t.Fatal(err)
		}
		if got, want := chosenText(got), listedByTable(d, a); got != want {
			t.Fatalf("got\n%swant\n%s", got, want)
		}
	})
}

func chosenText(list []chosen) string {
	var b strings.Builder
	for _, c := range list {
		fmt.Fprintf(&b, "%s %v %v\n", c.name, c.children, c.indirect)
	}
	return b.String()
}

// listedByTable asks of every pair of names.
func listedByTable(d directory, a wire.ListArgs) string {
	var list []chosen
	for _, l := range d.entries {
		fits, level := newPatterns(a).fit(l.name)
		children, hidden := false, false
		for _, c := range d.entries {
			if strings.HasPrefix(c.name, l.name+"/") && c.selected(a.Select) {
				fits, _ := newPatterns(a).fit(c.name)
				children, hidden = true, hidden || !fits
			}
		}
		plain := a.Select == wire.ListSelect{}
		switch {
		case !fits:
		case l.selected(a.Select), a.Select.RecursiveMatch && hidden, plain && level && l.hasChildren:
			list = append(list, chosen{listing: l, children: a.Select.RecursiveMatch && children, indirect: !l.selected(a.Select)})
		}
	}
	return chosenText(list)
}

func TestListRefusesCostlyPatterns(t *testing.T) {
	t.Parallel()
	name := strings.Repeat("a", storage.MaxNameBytes)
	pattern := strings.Repeat("%a", storage.MaxNameBytes-1) + "%b%"
	_, steps := wire.NewPattern(pattern, '/').Match(name)
	tests := map[int]bool{maxMatching / steps: false, maxMatching/steps + 1: true}
	for n, refused := range tests {
		boxes := make([]place, n)
		for i := range boxes {
			boxes[i] = place{box: storage.Mailbox{ID: 1, Name: name[:len(name)-4] + fmt.Sprintf("%04d", i)}}
		}
		_, err := newDirectory(boxes, nil).choose(wire.ListArgs{Patterns: []string{pattern}})
		if (err != nil) != refused {
			t.Errorf("%d mailboxes, %d steps each: got %v", n, steps, err)
		}
	}
}

func TestListOfNamesThatAreGone(t *testing.T) {
	t.Parallel()
	s := newSuite(t)
	sess := &session{srv: s.server, account: alice}
	l := chosen{listing: listing{name: "Gone", at: place{Ref: storage.Ref{Account: alice, Mailbox: 4711}, box: storage.Mailbox{ID: 4711}}}}
	f, err := sess.facts(&l, wire.ListReturn{Status: []string{"MESSAGES"}, MyRights: true, Metadata: []string{"/private/comment"}})
	if err != nil || f != (facts{}) || !strings.Contains(strings.Join(l.attributes(false), " "), `\NonExistent`) {
		t.Errorf("got %+v, %v, %v", f, l.attributes(false), err)
	}
}

// BenchmarkList lists many mailboxes, the user's own and as many of another's.
func BenchmarkList(b *testing.B) {
	for _, mailboxes := range []int{200, 2000} {
		s := newSuite(b)
		share(b, s, mailboxes)
		sc := s.login()
		for _, command := range []string{`LIST "" "*"`, `LIST "" "%"`, `LIST (SUBSCRIBED RECURSIVEMATCH) "" "%"`, `LIST "" "*" RETURN (STATUS (MESSAGES UNSEEN UIDNEXT) MYRIGHTS)`} {
			b.Run(fmt.Sprintf("%s/mailboxes=%d", command, mailboxes), func(b *testing.B) {
				sc.t = b
				for b.Loop() {
					sc.ok(command)
				}
				b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N)/float64(2*mailboxes), "µs/mailbox")
			})
		}
	}
}

// share makes n mailboxes of alice's, and n of bob's that she can read; she is
// subscribed to all.
func share(t testing.TB, s *suite, n int) {
	t.Helper()
	for i := range n {
		name := fmt.Sprintf("box/%03d/%d", i/100, i)
		for _, owner := range []mail.AccountID{alice, bob} {
			box, err := s.store.CreateMailbox(t.Context(), owner, name, "")
			if err != nil {
				t.Fatal(err)
			}
			known := name
			if owner == bob {
				known = "Shared/bob@example.test/" + name
				if err := s.store.SetRights(t.Context(), storage.Ref{Account: bob, Mailbox: box.ID}, storage.ReplaceFlags, storage.Grant{To: alice, Rights: storage.RightLookup | storage.RightRead}); err != nil {
					t.Fatal(err)
				}
			}
			if err := s.store.Subscribe(t.Context(), alice, known, true); err != nil {
				t.Fatal(err)
			}
		}
	}
}
