package storage

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"

	bolt "go.etcd.io/bbolt"

	"mailstead/mail"
)

// under collects the keys of a bucket that begin with prefix.
func (x index) under(bucket string, prefix []byte) (keys [][]byte) {
	c := x.tx.Bucket([]byte(bucket)).Cursor()
	for k, _ := x.seek(c, bucket, prefix); k != nil && bytes.HasPrefix(k, prefix); k, _ = c.Next() {
		keys = append(keys, bytes.Clone(k))
	}
	return keys
}

func (x index) delUnder(bucket string, prefix []byte) error {
	for _, k := range x.under(bucket, prefix) {
		if err := x.del(bucket, k); err != nil {
			return err
		}
	}
	return nil
}

// firstMailboxes are what a new account begins with.
func firstMailboxes() []Mailbox {
	return []Mailbox{{Name: "INBOX"}, {Name: "Archive", SpecialUse: UseArchive}, {Name: "Drafts", SpecialUse: UseDrafts},
		{Name: "Junk", SpecialUse: UseJunk}, {Name: "Sent", SpecialUse: UseSent}, {Name: "Trash", SpecialUse: UseTrash}}
}

func (x index) applyCreateAccount(r *record) (out outcome, err error) {
	if x.has(bucketAcct, accountKey(r.account)) {
		return outcome{err: ErrExists}, nil
	}
	// What an account of that number left behind must not be met again.
	if err := x.putAccount(r.account, accountRow{name: r.name, nextMailbox: 1, modseq: 1}); err != nil {
		return out, err
	}
	for _, m := range firstMailboxes() {
		if _, err := x.make(r.account, Mailbox{Name: m.Name, SpecialUse: m.SpecialUse}, r.time); err != nil {
			return out, err
		}
		if err := x.put(bucketSub, nameKey(r.account, m.Name), []byte{1}); err != nil {
			return out, err
		}
	}
	return out, nil
}

// make creates one mailbox. UIDVALIDITY is the one asked for, else the time, or
// one more than the last one given out, so that a name used again never has an
// old one (RFC 9051 §2.3.1.1).
func (x index) make(id mail.AccountID, m Mailbox, now int64) (Mailbox, error) {
	a, err := x.account(id)
	if err != nil {
		return Mailbox{}, err
	}
	if m.UIDValidity == 0 {
		m.UIDValidity = max(a.uidValidity+1, uint32(min(max(now, 1), 1<<32-2)))
	}
	a.uidValidity = max(a.uidValidity, m.UIDValidity)
	a.modseq++
	m.ID, m.UIDNext, m.HighestModSeq = a.nextMailbox, 1, a.modseq
	a.nextMailbox++
	if err := x.putAccount(id, a); err != nil {
		return m, err
	}
	if err := x.putMailbox(Ref{id, m.ID}, m); err != nil {
		return m, err
	}
	if err := x.put(bucketName, nameKey(id, m.Name), binary.BigEndian.AppendUint32(nil, uint32(m.ID))); err != nil {
		return m, err
	}
	x.notice(Notice{Ref: Ref{id, m.ID}, Kind: NoticeCreated, Name: m.Name})
	return m, x.inherit(Ref{id, m.ID}, m.Name)
}

// parents creates the levels above name that do not exist.
func (x index) parents(id mail.AccountID, name string, now int64) error {
	for i := range len(name) {
		if name[i] != '/' {
			continue
		}
		if _, ok := x.byName(id, name[:i]); ok {
			continue
		}
		if _, err := x.make(id, Mailbox{Name: name[:i]}, now); err != nil {
			return err
		}
	}
	return nil
}

func (x index) applyCreateMailbox(r *record) (out outcome, err error) {
	if !x.has(bucketAcct, accountKey(r.account)) {
		return outcome{err: ErrNoAccount}, nil
	}
	if _, ok := x.byName(r.account, r.name); ok {
		return outcome{err: ErrExists}, nil
	}
	if err := x.parents(r.account, r.name, r.time); err != nil {
		return out, err
	}
	out.mailbox, err = x.make(r.account, Mailbox{Name: r.name, SpecialUse: r.use, UIDValidity: r.validity}, r.time)
	return out, err
}

// applyReserve raises UIDNEXT and HIGHESTMODSEQ, and gives a mailbox that never
// had a message another UIDVALIDITY.
func (x index) applyReserve(r *record) (out outcome, err error) {
	ref := Ref{r.account, r.mailbox}
	m, err := x.mailbox(ref)
	if errors.Is(err, ErrNoMailbox) {
		return outcome{err: err}, nil
	}
	if err != nil {
		return out, err
	}
	a, err := x.account(r.account)
	if err != nil {
		return out, err
	}
	if m.UIDNext == 1 && r.validity != 0 {
		m.UIDValidity = r.validity
	}
	m.UIDNext, m.HighestModSeq = max(m.UIDNext, min(r.uidNext, maxAskedUID)), max(m.HighestModSeq, min(r.since, maxAskedModSeq))
	a.uidValidity, a.modseq = max(a.uidValidity, m.UIDValidity), max(a.modseq, m.HighestModSeq)
	if err := x.putAccount(r.account, a); err != nil {
		return out, err
	}
	out.mailbox = m
	return out, x.putMailbox(ref, m)
}

func (x index) applyDeleteMailbox(r *record) (out outcome, err error) {
	id, ok := x.byName(r.account, r.name)
	switch {
	case !ok:
		return outcome{err: ErrNoMailbox}, nil
	case r.name == "INBOX":
		return outcome{err: ErrInUse}, nil
	case len(x.under(bucketName, nameKey(r.account, r.name+"/"))) > 0:
		return outcome{err: ErrHasChildren}, nil
	}
	ref := Ref{r.account, id}
	if m, err := x.mailbox(ref); r.revive && (err != nil || m.Messages > 0) {
		return outcome{err: ErrInUse}, nil // what was moved out of it may still be there
	}
	if err := x.empty(ref, r.name, r); err != nil {
		return out, err
	}
	if err := x.del(bucketMbox, refKey(ref)); err != nil {
		return out, err
	}
	if err := x.del(bucketName, nameKey(r.account, r.name)); err != nil {
		return out, err
	}
	if err := x.delUnder(bucketAnno, refKey(ref)); err != nil {
		return out, err
	}
	if err := x.unshareAll(ref); err != nil {
		return out, err
	}
	out.events = []addressed{{ref, Event{Kind: EventDeleted}}}
	x.notice(Notice{Ref: ref, Kind: NoticeDeleted, Name: r.name})
	return out, nil
}

// empty takes every message and tombstone out of a mailbox that goes.
func (x index) empty(ref Ref, name string, by *record) error {
	a, err := x.account(ref.Account)
	if err != nil {
		return err
	}
	list, err := x.hits(ref, nil, true)
	if err != nil {
		return err
	}
	for _, t := range list {
		if by.keep {
			err = x.keep(ref, name, by.time, t)
		} else {
			err = x.release(ref.Account, t.hot.blob)
		}
		if err != nil {
			return err
		}
		if err := x.del(bucketHot, hotKey(ref, t.uid)); err != nil {
			return err
		}
		a.bytes -= t.hot.size
		a.count--
	}
	if err := x.putAccount(ref.Account, a); err != nil {
		return err
	}
	return x.delUnder(bucketGone, refKey(ref))
}

func (x index) applyRemoveAccount(r *record) (out outcome, err error) {
	if !x.has(bucketAcct, accountKey(r.account)) {
		return outcome{err: ErrNoAccount}, nil
	}
	for _, k := range x.under(bucketMbox, accountKey(r.account)) {
		ref := Ref{r.account, MailboxID(binary.BigEndian.Uint32(k[4:]))}
		if err := x.empty(ref, "", r); err != nil {
			return out, err
		}
		out.events = append(out.events, addressed{ref, Event{Kind: EventDeleted}})
	}
	if err := x.dropKept(r.account); err != nil {
		return out, err
	}
	if err := x.dropGrants(r.account); err != nil {
		return out, err
	}
	if err := x.dropAnnotations(r.account); err != nil {
		return out, err
	}
	for _, b := range []string{bucketMbox, bucketName, bucketSub, bucketKw, bucketThread, bucketDup, bucketAcct} {
		if err := x.delUnder(b, accountKey(r.account)); err != nil {
			return out, err
		}
	}
	return out, nil
}

// applyRename moves a name with all below it; INBOX stays and gives its
// messages away (RFC 9051 §6.3.6).
func (x index) applyRename(r *record) (out outcome, err error) {
	id, ok := x.byName(r.account, r.name)
	if !ok {
		return outcome{err: ErrNoMailbox}, nil
	}
	if _, taken := x.byName(r.account, r.to); taken {
		return outcome{err: ErrExists}, nil
	}
	if strings.HasPrefix(r.to, r.name+"/") && r.name != "INBOX" {
		return outcome{err: ErrBadName}, nil
	}
	below := x.under(bucketName, nameKey(r.account, r.name+"/"))
	if err := x.renamable(r, below); err != nil {
		return outcome{err: err}, nil
	}
	if err := x.parents(r.account, r.to, r.time); err != nil {
		return out, err
	}
	if r.name == "INBOX" {
		m, err := x.make(r.account, Mailbox{Name: r.to}, r.time)
		if err != nil {
			return out, err
		}
		return x.transfer(Ref{r.account, id}, Ref{r.account, m.ID}, &record{kind: kindMove, all: true, time: r.time})
	}
	if err := x.rename(Ref{r.account, id}, r.name, r.to); err != nil {
		return out, err
	}
	out.events = append(out.events, addressed{Ref{r.account, id}, Event{Kind: EventRenamed}})
	for _, k := range below {
		from := string(k[4:])
		child, _ := x.byName(r.account, from)
		if err := x.rename(Ref{r.account, child}, from, r.to+from[len(r.name):]); err != nil {
			return out, err
		}
		out.events = append(out.events, addressed{Ref{r.account, child}, Event{Kind: EventRenamed}})
	}
	return out, nil
}

// renamable tells whether all that is below a mailbox can have its new name; what
// is below INBOX stays.
func (x index) renamable(r *record, below [][]byte) error {
	for _, k := range below {
		to := r.to + string(k[4+len(r.name):])
		if r.name == "INBOX" {
			return nil
		}
		if _, taken := x.byName(r.account, to); taken {
			return ErrExists
		}
		if _, err := CleanName(to); err != nil {
			return err
		}
	}
	return nil
}

// rename gives one mailbox another name. Its UIDVALIDITY stays: the UIDs are
// the same messages. A subscription stays with the old name (RFC 9051 §6.3.7).
func (x index) rename(ref Ref, from, to string) error {
	m, err := x.mailbox(ref)
	if err != nil {
		return fmt.Errorf("rename %q: %w", from, err)
	}
	m.Name = to
	x.notice(Notice{Ref: ref, Kind: NoticeRenamed, Name: to, Was: from})
	if err := x.putMailbox(ref, m); err != nil {
		return err
	}
	if err := x.del(bucketName, nameKey(ref.Account, from)); err != nil {
		return err
	}
	return x.put(bucketName, nameKey(ref.Account, to), binary.BigEndian.AppendUint32(nil, uint32(ref.Mailbox)))
}

func (x index) applySubscribe(r *record) (outcome, error) {
	if !x.has(bucketAcct, accountKey(r.account)) {
		return outcome{err: ErrNoAccount}, nil
	}
	k := nameKey(r.account, r.name)
	if x.has(bucketSub, k) != r.on {
		x.notice(Notice{Ref: Ref{Account: r.account}, Kind: NoticeSubscribed, Name: r.name})
	}
	if r.on {
		return outcome{}, x.put(bucketSub, k, []byte{1})
	}
	return outcome{}, x.del(bucketSub, k)
}

// makeBuckets creates the buckets of a new index.
func makeBuckets(tx *bolt.Tx) error {
	for _, name := range bucketNames() {
		if _, err := tx.CreateBucketIfNotExists([]byte(name)); err != nil {
			return err
		}
	}
	return nil
}
