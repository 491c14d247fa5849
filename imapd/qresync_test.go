package imapd

import (
	"context"
	"fmt"
	"maps"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"mailstead/storage"
	"mailstead/storage/storagetest"
)

// TestVanishedLeavesOutWhatHasJustArrived: where the store does not remember far
// enough, what has arrived and is not announced yet is no message that is gone.
func TestVanishedLeavesOutWhatHasJustArrived(t *testing.T) {
	t.Parallel()
	s := newSuiteOn(t, t.TempDir(), storage.Options{History: 1})
	for range 5 {
		s.deliver("INBOX", "Subject: x\r\n\r\n", 0)
	}
	a, b := s.login(), s.login()
	a.ok("ENABLE QRESYNC")
	a.ok("SELECT INBOX")
	b.ok("SELECT INBOX")
	for _, uid := range []string{"1", "3", "5"} { // more ranges than are remembered
		b.ok("UID STORE " + uid + ` +FLAGS (\Deleted)`)
		b.ok("UID EXPUNGE " + uid)
	}
	s.deliver("INBOX", "Subject: new\r\n\r\n", 0)
	got := a.ok("UID FETCH 1:* (UID) (CHANGEDSINCE 1 VANISHED)")
	for _, line := range got {
		if strings.HasPrefix(line, "* VANISHED (EARLIER)") && strings.Contains(line, "6") {
			t.Errorf("got %q of a message that is there", line)
		}
	}
}

// TestResyncBeyondHistory: of what the store does not remember any more, a
// client is told everything that is not there (RFC 7162 §3.2.5.2), but for what
// its samples show to be right.
func TestResyncBeyondHistory(t *testing.T) {
	t.Parallel()
	s := newSuite(t)
	box, err := s.store.Mailbox(alice, "INBOX")
	if err != nil {
		t.Fatal(err)
	}
	ref := storage.Ref{Account: alice, Mailbox: box.ID}
	const limit = 10_000
	for at := 0; at <= limit+10; at += 300 {
		var list []storage.Incoming
		for i := at; i < at+300; i++ {
			list = append(list, storage.Incoming{Body: storagetest.Body("Subject: x\r\n\r\n"), Targets: []storage.Target{{Ref: ref, UID: storage.UID(2*i + 2)}}})
		}
		if _, err := s.store.AppendAll(t.Context(), list); err != nil {
			t.Fatal(err)
		}
	}
	if box, err = s.store.MailboxByID(ref); err != nil {
		t.Fatal(err)
	}
	last := box.UIDNext - 1
	for _, r := range []storage.UIDRange{{First: 2, Last: 20}, {First: 30, Last: last - 2}} {
		if _, _, err := s.store.Expunge(t.Context(), ref, storage.UIDSet{r}, false); err != nil {
			t.Fatal(err)
		}
	}
	sc := s.login()
	sc.ok("ENABLE QRESYNC")
	for _, tc := range []struct{ name, more, want string }{
		{"all UIDs", "", fmt.Sprintf("1:21,23,25,27,29:%d", last-1)},
		{"known ones", " 2:22,26:30", "2:21,27,29:30"},
		{"with samples", " 1:40 (1,3 22,26)", "27,29:40"},
		{"with samples that do not hold", " 20:40 (5 28)", "20:21,23,25,27,29:40"},
	} {
		got := sc.ok(fmt.Sprintf("SELECT INBOX (QRESYNC (%d %d%s))", box.UIDValidity, box.HighestModSeq, tc.more))
		if told := got[len(got)-1]; told != "* VANISHED (EARLIER) "+tc.want {
			t.Errorf("%s: got %q, want %q", tc.name, told, tc.want)
		}
	}
	got := sc.ok(fmt.Sprintf("UID FETCH 26:* FLAGS (CHANGEDSINCE %d VANISHED)", box.HighestModSeq))
	if want := fmt.Sprintf("* VANISHED (EARLIER) 27,29:%d", last-1); len(got) != 1 || got[0] != want {
		t.Errorf("fetch: got %q, want %q", got, want)
	}
}

// cached is what a client remembers of a mailbox: flags by UID, and a modseq.
type cached struct {
	flags  map[string]string
	modseq string
}

var (
	fetchedFlags = regexp.MustCompile(`^\* \d+ FETCH \(FLAGS \(([^)]*)\) UID (\d+) MODSEQ \(\d+\)\)$`)
	vanishedUIDs = regexp.MustCompile(`^\* VANISHED (?:\(EARLIER\) )?([\d:,]+)$`)
	highestCode  = regexp.MustCompile(`\[HIGHESTMODSEQ (\d+)\]`)
)

// read takes in what the server says.
func (c *cached) read(t interface{ Fatalf(string, ...any) }, lines []string) {
	for _, l := range lines {
		if m := fetchedFlags.FindStringSubmatch(l); m != nil {
			c.flags[m[2]] = strings.TrimSpace(strings.ReplaceAll(m[1], `\Recent`, ""))
		} else if m := vanishedUIDs.FindStringSubmatch(l); m != nil {
			for r := range strings.SplitSeq(m[1], ",") {
				a, b, ok := strings.Cut(r, ":")
				if !ok {
					b = a
				}
				first, _ := strconv.Atoi(a)
				last, _ := strconv.Atoi(b)
				for u := first; u <= last; u++ {
					delete(c.flags, strconv.Itoa(u))
				}
			}
		} else if strings.Contains(l, "FETCH") || strings.Contains(l, "VANISHED") || strings.Contains(l, "EXPUNGE") {
			t.Fatalf("not understood: %q", l)
		} else if m := highestCode.FindStringSubmatch(l); m != nil {
			c.modseq = m[1]
		}
	}
}

// TestResyncGivesWhatIsThere: whatever others do while a client is away or there,
// after QRESYNC and NOOP it knows what the mailbox holds.
func TestResyncGivesWhatIsThere(t *testing.T) {
	t.Parallel()
	s := newSuite(t)
	n := 0
	rapid.Check(t, func(t *rapid.T) {
		n++
		name := fmt.Sprintf("box%d", n)
		box, err := s.store.CreateMailbox(context.Background(), alice, name, "")
		if err != nil {
			t.Fatal(err)
		}
		ref := storage.Ref{Account: alice, Mailbox: box.ID}
		known := cached{flags: map[string]string{}, modseq: "1"}
		sc := s.login()
		defer sc.c.Close()
		sc.ok("ENABLE QRESYNC")
		for range rapid.IntRange(1, 4).Draw(t, "visits") {
			meddle(t, s.store, ref)
			lines := sc.ok(fmt.Sprintf("SELECT %s (QRESYNC (%d %s))", name, box.UIDValidity, known.modseq))
			known.read(t, lines)
			for range rapid.IntRange(0, 3).Draw(t, "commands") {
				meddle(t, s.store, ref)
				known.read(t, sc.ok(rapid.SampledFrom([]string{"NOOP", "UID FETCH 1:* FLAGS", "UID STORE 1:* +FLAGS (\\Draft)"}).Draw(t, "command")))
			}
			meddle(t, s.store, ref)
			// NOOP tells what is new, and UID FETCH what there is to know of it.
			known.read(t, sc.ok("NOOP"))
			known.read(t, sc.ok(fmt.Sprintf("UID FETCH 1:* FLAGS (CHANGEDSINCE %s VANISHED)", known.modseq)))
			want := map[string]string{}
			for row, err := range s.store.Rows(ref, storage.UIDSet{{First: 1, Last: anyUID}}, storage.ReadOptions{}) {
				if err != nil {
					t.Fatal(err)
				}
				var words []string
				for _, f := range systemFlagBits {
					if row.Flags&f.bit != 0 {
						words = append(words, string(f.name))
					}
				}
				want[strconv.Itoa(int(row.UID))] = strings.Join(words, " ")
			}
			if !maps.Equal(known.flags, want) {
				t.Fatalf("the client has %q, there is %q", known.flags, want)
			}
		}
	})
}

// meddle does something to a mailbox behind the client's back.
func meddle(t *rapid.T, store *storage.Store, ref storage.Ref) {
	ctx := context.Background()
	for range rapid.IntRange(0, 4).Draw(t, "changes") {
		uid := storage.UID(rapid.IntRange(1, 12).Draw(t, "uid"))
		set := storage.UIDSet{{First: uid, Last: uid + storage.UID(rapid.IntRange(0, 3).Draw(t, "more"))}}
		var err error
		switch rapid.IntRange(0, 2).Draw(t, "what") {
		case 0:
			_, err = store.Append(ctx, storagetest.Body("Subject: x\r\n\r\n"), storage.Target{Ref: ref})
		case 1:
			_, err = store.SetFlags(ctx, ref, set, storage.FlagChange{Op: storage.FlagOp(rapid.IntRange(0, 2).Draw(t, "op")), Flags: storage.Flags(rapid.IntRange(0, 31).Draw(t, "flags"))})
		case 2:
			_, _, err = store.Expunge(ctx, ref, set, false)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}
