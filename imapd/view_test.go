package imapd

import (
	"fmt"
	"slices"
	"testing"

	"github.com/emersion/go-imap/v2"
	"pgregory.net/rapid"

	"mailstead/storage"
)

func TestResolve(t *testing.T) {
	t.Parallel()
	v := &view{uids: storage.UIDs(3, 5, 9, 10, 20).List()}
	tests := []struct {
		name string
		set  imap.NumSet
		want string // "bad" for BAD
	}{
		{"one number", imap.SeqSet{{Start: 2, Stop: 2}}, "[{5 5}]"},
		{"last number", imap.SeqSet{{Start: 0, Stop: 0}}, "[{20 20}]"},
		{"all numbers", imap.SeqSet{{Start: 1, Stop: 0}}, "[{3 20}]"},
		{"overlapping numbers", imap.SeqSet{{Start: 2, Stop: 4}, {Start: 1, Stop: 3}}, "[{3 10}]"},
		{"number beyond the last", imap.SeqSet{{Start: 6, Stop: 6}}, "bad"},
		{"range beyond the last", imap.SeqSet{{Start: 2, Stop: 6}}, "bad"},
		{"uids", imap.UIDSet{{Start: 4, Stop: 9}, {Start: 15, Stop: 15}}, "[{4 9} {15 15}]"},
		{"uids beyond the last", imap.UIDSet{{Start: 21, Stop: 40}}, "[]"},
		{"uid range to the last", imap.UIDSet{{Start: 100, Stop: 0}}, "[{20 20}]"},
		{"last uid", imap.UIDSet{{Start: 0, Stop: 0}}, "[{20 20}]"},
		{"all uids", imap.UIDSet{{Start: 1, Stop: 1<<32 - 1}}, "[{3 20}]"},
		{"saved", imap.SearchRes(), "[{5 5} {20 20}]"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			set, err := v.resolve(tt.set, []storage.UID{5, 6, 20})
			got := fmt.Sprint(set)
			if err != nil {
				got = "bad"
			}
			if got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
	if _, err := (&view{}).resolve(imap.SeqSet{{Start: 1, Stop: 0}}, nil); err == nil {
		t.Error("1:* in an empty mailbox: got no error, want BAD")
	}
}

func TestCount(t *testing.T) {
	t.Parallel()
	v := &view{uids: storage.UIDs(3, 5, 9, 10, 20).List()}
	for want, set := range map[int]storage.UIDSet{0: {{First: 6, Last: 8}}, 2: {{First: 5, Last: 9}}, 5: {{First: 1, Last: 30}}, 3: {{First: 3, Last: 4}, {First: 10, Last: 19}, {First: 20, Last: 20}}} {
		if got := v.count(set); got != want {
			t.Errorf("count(%v): got %d, want %d", set, got, want)
		}
	}
}

// TestClientFollowsTheView plays any events to a view, announces them at any
// moments, and follows the announcements as a client does: it must end with the
// same messages.
func TestClientFollowsTheView(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var box []storage.UID
		next, modseq := storage.UID(1), storage.ModSeq(1)
		v := &view{known: map[string]bool{}, expunged: map[storage.UID]bool{}, flags: map[storage.UID]storage.Row{}}
		var client []storage.UID
		announce := func(expunges bool) {
			if expunges {
				for _, n := range v.applyExpunged() {
					if n == 0 || int(n) > len(client) {
						t.Fatalf("EXPUNGE %d of %d", n, len(client))
					}
					client = slices.Delete(client, int(n-1), int(n))
				}
			}
			client = append(client, v.applyAdded()...)
			if known := slices.Collect(v.uids.All()); !slices.Equal(client, known) {
				t.Fatalf("client has %v, view %v", client, known)
			}
		}
		t.Repeat(map[string]func(*rapid.T){
			"append": func(t *rapid.T) {
				n := rapid.IntRange(1, 4).Draw(t, "n")
				modseq++
				e := storage.Event{Kind: storage.EventAdded, ModSeq: modseq}
				for range n {
					e.Rows = append(e.Rows, storage.Row{UID: next})
					box = append(box, next)
					next++
				}
				v.note(e)
			},
			"expunge": func(t *rapid.T) {
				if len(box) == 0 {
					t.Skip()
				}
				i := rapid.IntRange(0, len(box)-1).Draw(t, "from")
				j := rapid.IntRange(i, len(box)-1).Draw(t, "to")
				modseq++
				v.note(storage.Event{Kind: storage.EventExpunged, ModSeq: modseq, UIDs: storage.UIDSet{{First: box[i], Last: box[j]}}})
				box = slices.Delete(box, i, j+1)
			},
			"keep numbers": func(*rapid.T) { announce(false) },
			"announce":     func(*rapid.T) { announce(true) },
			"": func(t *rapid.T) {
				for uid := range v.expunged {
					if v.seq(uid) == 0 && !slices.Contains(v.added, uid) {
						t.Fatalf("%d waits to be expunged and is not known", uid)
					}
				}
			},
		})
		announce(true)
		if !slices.Equal(client, box) {
			t.Fatalf("client has %v, mailbox %v", client, box)
		}
	})
}
