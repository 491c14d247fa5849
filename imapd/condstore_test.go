package imapd

import (
	"fmt"
	"slices"
	"testing"

	"github.com/emersion/go-imap/v2"

	"mailstead/imapd/wire"
	"mailstead/storage"
)

// A client of another make uses all it knows of CONDSTORE.
func TestClientCondStore(t *testing.T) {
	t.Parallel()
	s := newSuite(t)
	s.fill("INBOX", 3)
	c := s.client(nil)
	box, err := c.Select("INBOX", &imap.SelectOptions{CondStore: true}).Wait()
	if err != nil || box.HighestModSeq == 0 {
		t.Fatalf("select: got %+v, %v", box, err)
	}
	flags := &imap.StoreFlags{Op: imap.StoreFlagsAdd, Flags: []imap.Flag{imap.FlagFlagged}}
	list, err := c.Store(imap.SeqSetNum(2), flags, &imap.StoreOptions{UnchangedSince: box.HighestModSeq}).Collect()
	if err != nil || len(list) != 1 || list[0].ModSeq != box.HighestModSeq+1 {
		t.Fatalf("conditional store: got %+v, %v", list, err)
	}
	list, err = c.Fetch(imap.SeqSet{{Start: 1}}, &imap.FetchOptions{Flags: true, ChangedSince: box.HighestModSeq}).Collect()
	if err != nil || len(list) != 1 || list[0].SeqNum != 2 || !slices.Contains(list[0].Flags, imap.FlagFlagged) {
		t.Fatalf("fetch changed since: got %+v, %v", list, err)
	}
	found, err := c.UIDSearch(&imap.SearchCriteria{ModSeq: &imap.SearchCriteriaModSeq{ModSeq: box.HighestModSeq + 1}}, nil).Wait()
	if err != nil || found.ModSeq != box.HighestModSeq+1 || fmt.Sprint(found.AllUIDs()) != "[2]" {
		t.Fatalf("search: got %+v, %v", found, err)
	}
	status, err := c.Status("INBOX", &imap.StatusOptions{HighestModSeq: true}).Wait()
	if err != nil || status.HighestModSeq != box.HighestModSeq+1 {
		t.Fatalf("status: got %+v, %v", status, err)
	}
}

func TestMatchPoint(t *testing.T) {
	t.Parallel()
	v := &view{uids: storage.UIDs(3, 5, 9, 10, 20).List()}
	all := imap.UIDSet{{Start: 1, Stop: 1<<32 - 1}}
	for _, tc := range []struct {
		name string
		seqs imap.SeqSet
		uids imap.UIDSet
		want storage.UID
	}{
		{"nothing given", nil, nil, 0},
		{"all as it was", imap.SeqSet{{Start: 1, Stop: 3}}, imap.UIDSet{{Start: 3, Stop: 3}, {Start: 5, Stop: 5}, {Start: 9, Stop: 9}}, 9},
		{"one moved down", imap.SeqSet{{Start: 2, Stop: 2}, {Start: 5, Stop: 5}}, imap.UIDSet{{Start: 5, Stop: 5}, {Start: 10, Stop: 10}}, 5},
		{"numbers beyond the last", imap.SeqSet{{Start: 9, Stop: 1<<32 - 1}}, all, 0},
		{"fewer UIDs than numbers", imap.SeqSet{{Start: 1, Stop: 1<<32 - 1}}, imap.UIDSet{{Start: 3, Stop: 3}}, 3},
		{"more UIDs than numbers", imap.SeqSet{{Start: 4, Stop: 4}}, imap.UIDSet{{Start: 10, Stop: 1<<32 - 1}}, 10},
	} {
		if got := v.matchPoint(&wire.QResync{SeqMatch: tc.seqs, UIDMatch: tc.uids}); got != tc.want {
			t.Errorf("%s: got %d, want %d", tc.name, got, tc.want)
		}
	}
}

func TestWithout(t *testing.T) {
	t.Parallel()
	v := &view{uids: storage.UIDs(3, 5, 6, 1<<32-1).List()}
	for _, tc := range []struct {
		first, last storage.UID
		want        string
	}{
		{1, 7, "[{1 2} {4 4} {7 7}]"},
		{3, 6, "[{4 4}]"},
		{5, 6, "[]"},
		{7, 9, "[{7 9}]"},
		{6, 1<<32 - 1, "[{7 4294967294}]"},
	} {
		if got := fmt.Sprint(v.without(storage.UIDSet{{First: tc.first, Last: tc.last}})); got != tc.want {
			t.Errorf("%d to %d: got %s, want %s", tc.first, tc.last, got, tc.want)
		}
	}
}
