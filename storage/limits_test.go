package storage_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"mailstead/storage"
	"mailstead/storage/storagetest"
)

func TestRenameKeepsEveryMailboxReachable(t *testing.T) {
	t.Parallel()
	s := storagetest.Open(t, storage.Options{})
	newAccount(t, s, 1)
	for _, tc := range []struct{ name, below, to string }{
		{"levels", "deep" + strings.Repeat("/x", storage.MaxNameDepth-1), "a/b"},
		{"bytes", "long/" + strings.Repeat("x", storage.MaxNameBytes-5), "longer"},
	} {
		from, _, _ := strings.Cut(tc.below, "/")
		if _, err := s.CreateMailbox(t.Context(), 1, tc.below, ""); err != nil {
			t.Fatal(err)
		}
		if err := s.RenameMailbox(t.Context(), 1, from, tc.to); !errors.Is(err, storage.ErrBadName) {
			t.Errorf("%s: got %v, want ErrBadName", tc.name, err)
		}
	}
	boxes, err := s.Mailboxes(1)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range boxes {
		if _, err := s.Mailbox(1, m.Name); err != nil {
			t.Errorf("%.40q: %v", m.Name, err)
		}
	}
}

func TestAppendRefusesKeywordsLikeSetFlags(t *testing.T) {
	t.Parallel()
	s := storagetest.Open(t, storage.Options{})
	inbox := newAccount(t, s, 1)
	var many []string
	for i := range storage.MaxKeywords {
		many = append(many, fmt.Sprint("k", i))
	}
	for _, tc := range []struct {
		name   string
		words  [][]string // of one message each
		wanted error
	}{
		{"empty", [][]string{{""}}, storage.ErrLimit},
		{"too long", [][]string{{strings.Repeat("k", storage.MaxKeywordBytes+1)}}, storage.ErrLimit},
		{"too many in one group", [][]string{many[1:], {"x", "y"}}, storage.ErrLimit},
		{"all there may be, some twice", [][]string{many, {"K0", "k1"}}, nil},
		{"one more", [][]string{{"one more"}}, storage.ErrLimit},
		{"known ones", [][]string{{"K5"}}, nil},
	} {
		var msgs []storage.Incoming
		for _, w := range tc.words {
			msgs = append(msgs, storage.Incoming{Body: strings.NewReader(message), Targets: []storage.Target{{Ref: inbox, Keywords: w}}})
		}
		if _, err := s.AppendAll(t.Context(), msgs); !errors.Is(err, tc.wanted) {
			t.Errorf("%s: got %v, want %v", tc.name, err, tc.wanted)
		}
	}
}
