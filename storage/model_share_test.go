package storage_test

import (
	"cmp"
	"slices"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"mailstead/mail"
	"mailstead/storage"
)

// grantOf names an entry of a mailbox's access control list.
type grantOf struct {
	to       mail.AccountID
	negative bool
}

// Share changes an entry of a list, or removes one.
func (h *machine) Share(t *rapid.T) {
	ref := h.drawRef(t, "mailbox")
	key := grantOf{storage.Anyone, rapid.IntRange(0, 3).Draw(t, "negative") == 0}
	if rapid.IntRange(0, 3).Draw(t, "anyone") > 0 {
		key.to = h.drawAccount(t)
	}
	rights := storage.Rights(rapid.IntRange(0, int(storage.AllRights)).Draw(t, "rights"))
	op := storage.FlagOp(rapid.IntRange(0, 2).Draw(t, "op"))
	remove := rapid.IntRange(0, 4).Draw(t, "remove") == 0
	b := h.m.box(ref)
	var allowed []error
	if b == nil {
		allowed = append(allowed, storage.ErrNoMailbox)
	}
	if key.to != storage.Anyone && h.m.accounts[key.to] == nil {
		allowed = append(allowed, storage.ErrNoAccount)
	}
	var err error
	if remove {
		err = h.s.Unshare(t.Context(), ref, key.to, key.negative)
	} else {
		err = h.s.SetRights(t.Context(), ref, op, storage.Grant{To: key.to, Negative: key.negative, Rights: rights})
	}
	if !oneOf(err, allowed) {
		t.Fatalf("share: got %v, want one of %v", err, allowed)
	}
	if err != nil {
		return
	}
	if b.grants == nil {
		b.grants = map[grantOf]storage.Rights{}
	}
	if remove {
		delete(b.grants, key)
		return
	}
	owner := key == grantOf{to: ref.Account}
	have, there := b.grants[key]
	if !there && owner {
		have = storage.AllRights
	}
	switch op {
	case storage.AddFlags:
		rights |= have
	case storage.RemoveFlags:
		rights = have &^ rights
	}
	if owner {
		rights |= storage.RightLookup | storage.RightAdmin
	}
	if b.grants[key] = rights; rights == 0 {
		delete(b.grants, key)
	}
}

// allowed is what RFC 4314 §2 makes of a list.
func (b *modelMailbox) allowed(user mail.AccountID) storage.Rights {
	own, there := b.grants[grantOf{to: user}]
	owner := b.ref.Account == user
	if owner && !there {
		own = storage.AllRights
	}
	r := own | b.grants[grantOf{to: storage.Anyone}]
	r &^= b.grants[grantOf{user, true}] | b.grants[grantOf{storage.Anyone, true}]
	if owner {
		r |= storage.RightLookup | storage.RightAdmin
	}
	return r
}

func (h *machine) compareGrants(t *rapid.T, b *modelMailbox) {
	want := []storage.Grant{}
	if _, ok := b.grants[grantOf{to: b.ref.Account}]; !ok {
		want = append(want, storage.Grant{To: b.ref.Account, Rights: storage.AllRights})
	}
	for k, r := range b.grants {
		want = append(want, storage.Grant{To: k.to, Negative: k.negative, Rights: r})
	}
	got, err := h.s.Grants(b.ref)
	if err != nil || got[0].To != b.ref.Account || got[0].Negative {
		t.Fatalf("list of %q: %v, %v", b.name, got, err)
	}
	order := cmpopts.SortSlices(func(x, y storage.Grant) int {
		if x.To == y.To && x.Negative != y.Negative {
			return map[bool]int{true: 1, false: -1}[x.Negative]
		}
		return cmp.Compare(x.To, y.To)
	})
	if d := gocmp.Diff(want, got, order); d != "" {
		t.Fatalf("list of %q (-want +got):\n%s", b.name, d)
	}
	for _, user := range append(h.m.sortedAccounts(), 9999) {
		if got, err := h.s.RightsIn(b.ref, user); err != nil || got != b.allowed(user) {
			t.Fatalf("rights of %d in %q: got %q, %v, want %q", user, b.name, got, err, b.allowed(user))
		}
	}
}

func (h *machine) compareShared(t *rapid.T, user mail.AccountID) {
	var want []storage.Shared
	for _, b := range h.m.boxes {
		a := h.m.accounts[b.ref.Account]
		if b.deleted || b.ref.Account == user || b.allowed(user) == 0 {
			continue
		}
		want = append(want, storage.Shared{Ref: b.ref, Mailbox: a.mailbox(b), Rights: b.allowed(user)})
	}
	slices.SortFunc(want, func(x, y storage.Shared) int {
		return cmp.Or(cmp.Compare(x.Account, y.Account), cmp.Compare(x.Mailbox.Name, y.Mailbox.Name))
	})
	got, err := h.s.SharedWith(user)
	if err != nil {
		t.Fatal(err)
	}
	if d := gocmp.Diff(want, got); d != "" {
		t.Fatalf("shared with %d (-want +got):\n%s", user, d)
	}
}
