package storage

import (
	"errors"
	"fmt"

	"mailstead/mail"
)

// Bucket acl has a row for every entry, under the mailbox, and one for each that
// leads from the account it is for to the mailbox, under account 0, which no
// account is: what is shared with somebody is found without looking at all else.

func grantKey(ref Ref, g Grant) []byte {
	return append(append(refKey(ref), accountKey(g.To)...), sign(g.Negative))
}

func sign(negative bool) byte {
	if negative {
		return 1
	}
	return 0
}

func sharedPrefix(to mail.AccountID) []byte { return append(accountKey(0), accountKey(to)...) }

func sharedKey(ref Ref, g Grant) []byte {
	return append(append(sharedPrefix(g.To), refKey(ref)...), sign(g.Negative))
}

// splitShared reads a key that sharedKey made.
func splitShared(k []byte) (ref Ref, g Grant, ok bool) {
	if len(k) != 17 || k[16] > 1 || be32(k) != 0 {
		return ref, g, false
	}
	return Ref{mail.AccountID(be32(k[8:])), MailboxID(be32(k[12:]))}, Grant{To: mail.AccountID(be32(k[4:])), Negative: k[16] == 1}, true
}

// decodeGrant reads a row of an entry.
func decodeGrant(k, v []byte) (Grant, error) {
	d := rowReader{b: v}
	version, rights := d.uint(), d.uint()
	if len(k) != 13 || k[12] > 1 || d.bad || len(d.b) > 0 || version != rowVersion || rights > uint64(AllRights) {
		return Grant{}, fmt.Errorf("entry of an access control list: %w", errBadRow)
	}
	return Grant{mail.AccountID(be32(k[8:])), k[12] == 1, Rights(rights)}, nil
}

func (x index) grants(ref Ref) (list []Grant, err error) {
	for k, v := range x.scan(bucketACL, refKey(ref)) {
		g, err := decodeGrant(k, v)
		if err != nil {
			return nil, err
		}
		list = append(list, g)
	}
	return list, nil
}

// rights combines the entries that are about a user.
func (x index) rights(ref Ref, user mail.AccountID) (Rights, error) {
	owner := ref.Account == user
	list, err := x.grants(ref)
	if err != nil {
		return 0, err
	}
	var gives, takes Rights
	own := false
	for _, g := range list {
		if g.To != user && g.To != Anyone {
			continue
		}
		if g.Negative {
			takes |= g.Rights
			continue
		}
		gives |= g.Rights
		own = own || g.To == user
	}
	if owner && !own {
		gives = AllRights
	}
	gives &^= takes
	if owner {
		gives |= ownerKeeps
	}
	return gives, nil
}

func (x index) applyShare(r *record) (out outcome, err error) {
	ref, g := Ref{r.account, r.mailbox}, r.grant
	if r.revive {
		// Behind a hole the number may be another mailbox's.
		if m, err := x.mailbox(ref); err != nil || m.Name != r.name {
			ref.Mailbox, _ = x.byName(r.account, r.name)
		}
	}
	if !x.has(bucketMbox, refKey(ref)) {
		return outcome{err: ErrNoMailbox}, nil
	}
	if g.To != Anyone && !x.has(bucketAcct, accountKey(g.To)) {
		return outcome{err: ErrNoAccount}, nil
	}
	out.events = []addressed{{ref, Event{Kind: EventRights}}}
	owner := g.To == ref.Account && !g.Negative
	if r.all {
		return out, x.ungrant(ref, g)
	}
	var have Rights
	if v := x.get(bucketACL, grantKey(ref, g)); v != nil {
		was, err := decodeGrant(grantKey(ref, g), v)
		if err != nil {
			return out, err
		}
		have = was.Rights
	} else if owner {
		have = AllRights
	}
	switch r.op {
	case AddFlags:
		g.Rights |= have
	case RemoveFlags:
		g.Rights = have &^ g.Rights
	}
	if owner {
		g.Rights |= ownerKeeps
	}
	if g.Rights == 0 || owner && g.Rights == AllRights {
		return out, x.ungrant(ref, g)
	}
	return out, x.grant(ref, g)
}

func (x index) grant(ref Ref, g Grant) error {
	w := rowWriter{}
	w.uint(rowVersion)
	w.uint(uint64(g.Rights))
	if err := x.put(bucketACL, grantKey(ref, g), w.b); err != nil {
		return err
	}
	return x.put(bucketACL, sharedKey(ref, g), []byte{rowVersion})
}

func (x index) ungrant(ref Ref, g Grant) error {
	if err := x.del(bucketACL, grantKey(ref, g)); err != nil {
		return err
	}
	return x.del(bucketACL, sharedKey(ref, g))
}

// inherit gives a new mailbox the list of the one above it (RFC 4314 §4).
func (x index) inherit(ref Ref, name string) error {
	above, ok := x.byName(ref.Account, parentName(name))
	if !ok {
		return nil
	}
	list, err := x.grants(Ref{ref.Account, above})
	if err != nil {
		return err
	}
	for _, g := range list {
		if err := x.grant(ref, g); err != nil {
			return err
		}
	}
	return nil
}

// parentName gives the level above a name, empty at the top.
func parentName(name string) string {
	for i := len(name) - 1; i >= 0; i-- {
		if name[i] == '/' {
			return name[:i]
		}
	}
	return ""
}

// unshareAll removes the list of a mailbox that goes.
func (x index) unshareAll(ref Ref) error {
	list, err := x.grants(ref)
	if err != nil {
		return err
	}
	for _, g := range list {
		if err := x.ungrant(ref, g); err != nil {
			return err
		}
	}
	return nil
}

// dropGrants removes the lists of an account's mailboxes, and the account from
// those of others.
func (x index) dropGrants(id mail.AccountID) error {
	for _, k := range x.under(bucketACL, sharedPrefix(id)) {
		if ref, g, ok := splitShared(k); ok {
			if err := x.ungrant(ref, g); err != nil {
				return err
			}
		}
	}
	for _, k := range x.under(bucketACL, accountKey(id)) {
		ref := Ref{id, MailboxID(be32(k[4:]))}
		if err := x.ungrant(ref, Grant{To: mail.AccountID(be32(k[8:])), Negative: k[12] == 1}); err != nil {
			return err
		}
	}
	return nil
}

// grants checks that every entry is of a mailbox and for an account, and is
// found from both.
func (c *checker) grants() {
	entries := 0
	for k, v := range c.x.scan(bucketACL, nil) {
		ref, g, leads := splitShared(k)
		var err error
		if leads {
			entries--
			if !c.x.has(bucketACL, grantKey(ref, g)) {
				err = errStray
			}
		} else if g, err = decodeGrant(k, v); err == nil {
			entries++
			ref = Ref{mail.AccountID(be32(k)), MailboxID(be32(k[4:]))}
			switch {
			case !c.x.has(bucketMbox, refKey(ref)):
				err = ErrNoMailbox
			case g.To != Anyone && !c.x.has(bucketAcct, accountKey(g.To)):
				err = ErrNoAccount
			case !c.x.has(bucketACL, sharedKey(ref, g)):
				err = errStray
			case g.Rights == 0 && (g.To != ref.Account || g.Negative):
				err = errors.New("gives nothing")
			}
		}
		if err != nil {
			c.problem("account %d: mailbox %d: access of account %d: %v", ref.Account, ref.Mailbox, g.To, err)
		}
	}
	if entries != 0 {
		c.problem("index: %d more entries of access control lists than ways to them", entries)
	}
}

// across makes a message's row fit another account, which has keywords and
// threads of its own.
func (x index) across(from, to mail.AccountID, h *hotRow, names map[uint32]string) (cold []byte, err error) {
	cold = x.get(bucketCold, wideKey(from, uint64(h.blob)))
	m, err := unpackCold(cold)
	if err != nil {
		return nil, fmt.Errorf("body %d: %w", h.blob, err)
	}
	if m != nil {
		if h.thread, err = x.thread(to, threadHashes(m), uint64(h.blob)); err != nil {
			return nil, err
		}
	}
	words := make([]string, 0, len(h.keywords))
	for _, k := range h.keywords {
		words = append(words, names[k])
	}
	h.keywords, err = x.keywords(to, words, true)
	return cold, err
}

// destination is where a Copy or Move goes.
func (r *record) destination() Ref {
	if len(r.targets) == 1 {
		return r.targets[0].Ref
	}
	return Ref{r.account, r.dst}
}

// without takes away the flags that the copy of a message must not have.
func (m FlagMask) without(h *hotRow) {
	h.flags &^= m.Flags
	if m.Keywords {
		h.keywords = nil
	}
}

// unpackOwnMask reads the mask of a change that has one.
func (r *record) unpackOwnMask(d *rowReader) {
	if len(d.b) == 0 {
		return
	}
	ok := false
	if r.mask, ok = unpackMask(d.uint()); !ok {
		d.bad = true
	}
}
