package storage

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"mailstead/mail"
)

// What is expunged is kept for Options.KeepExpunged: its row moves from hot to
// kept, its body stays, and quota no longer counts it.

// keptKey names an expunged message within its account.
type keptKey struct {
	time    int64 // Unix seconds, when it was expunged
	mailbox MailboxID
	uid     UID
}

func (k keptKey) bytes(id mail.AccountID) []byte {
	b := binary.BigEndian.AppendUint64(accountKey(id), uint64(k.time))
	b = binary.BigEndian.AppendUint32(b, uint32(k.mailbox))
	return binary.BigEndian.AppendUint32(b, uint32(k.uid))
}

func parseKeptKey(b []byte) (mail.AccountID, keptKey) {
	return mail.AccountID(binary.BigEndian.Uint32(b)), keptKey{int64(binary.BigEndian.Uint64(b[4:])),
		MailboxID(binary.BigEndian.Uint32(b[12:])), UID(binary.BigEndian.Uint32(b[16:]))}
}

// keptRow is an expunged message: its mailbox's name then, and its row.
type keptRow struct {
	name string
	hot  hotRow
}

func decodeKept(v []byte) (k keptRow, err error) {
	d := rowReader{b: v}
	k.name = d.str()
	if d.bad {
		return k, fmt.Errorf("expunged message: %w", errBadRow)
	}
	k.hot, err = decodeHot(d.b)
	return k, err
}

// keep puts a message that is expunged where it can be brought back from.
func (x index) keep(ref Ref, name string, now int64, t hit) error {
	w := rowWriter{}
	w.str(name)
	return x.put(bucketKept, keptKey{now, ref.Mailbox, t.uid}.bytes(ref.Account), append(w.b, t.hot.pack()...))
}

// dropKept gives up all expunged messages of an account.
func (x index) dropKept(id mail.AccountID) error {
	for _, key := range x.under(bucketKept, accountKey(id)) {
		if err := x.giveUp(key); err != nil {
			return err
		}
	}
	return nil
}

func (x index) giveUp(key []byte) error {
	id, _ := parseKeptKey(key)
	row, err := decodeKept(x.get(bucketKept, key))
	if err != nil {
		return err
	}
	if err := x.release(id, row.hot.blob); err != nil {
		return err
	}
	return x.del(bucketKept, key)
}

// applyPurge gives up what was expunged before a time, of one account or of
// all (account 0), up to a number of messages.
func (x index) applyPurge(r *record) (out outcome, err error) {
	c := x.tx.Bucket([]byte(bucketKept)).Cursor()
	var keys [][]byte
	for k, _ := x.seek(c, bucketKept, accountKey(r.account)); k != nil && uint64(len(keys)) < r.limit; {
		id, at := parseKeptKey(k)
		if r.account != 0 && id != r.account {
			break
		}
		if at.time >= r.before {
			k, _ = x.seek(c, bucketKept, accountKey(id+1))
			continue
		}
		keys = append(keys, append([]byte(nil), k...))
		k, _ = c.Next()
	}
	for _, k := range keys {
		if err := x.giveUp(k); err != nil {
			return out, err
		}
	}
	out.count = len(keys)
	return out, nil
}

// applyUndelete puts expunged messages back, into the mailbox they were in or
// one named so now, or into the one asked for; else INBOX. They get new UIDs
// and lose \Deleted.
func (x index) applyUndelete(r *record) (out outcome, err error) {
	if !x.has(bucketAcct, accountKey(r.account)) {
		return outcome{err: ErrNoAccount}, nil
	}
	if _, ok := x.home(r, keptKey{}, ""); !ok {
		return outcome{err: ErrNoMailbox}, nil
	}
	for _, k := range r.kept {
		key := k.bytes(r.account)
		if !x.has(bucketKept, key) {
			continue
		}
		row, err := decodeKept(x.get(bucketKept, key))
		if err != nil {
			return out, err
		}
		ref, _ := x.home(r, k, row.name)
		h := row.hot
		h.flags &^= Deleted
		h.saved = r.time
		a, ev, err := x.insert(ref, &h, nil, 0)
		if err != nil {
			return out, err
		}
		if err := x.giveUp(key); err != nil {
			return out, err
		}
		out.appended = append(out.appended, a)
		out.events = append(out.events, ev)
		out.count++
	}
	return out, nil
}

// home finds where an expunged message goes.
func (x index) home(r *record, k keptKey, name string) (Ref, bool) {
	if r.name != "" {
		id, ok := x.byName(r.account, r.name)
		return Ref{r.account, id}, ok
	}
	ref := Ref{r.account, k.mailbox}
	if x.has(bucketMbox, refKey(ref)) {
		return ref, true
	}
	for _, n := range []string{name, "INBOX"} {
		if id, ok := x.byName(r.account, n); ok {
			return Ref{r.account, id}, true
		}
	}
	return ref, false
}

// Expunged is a message that can be brought back.
type Expunged struct {
	At      time.Time // when it was expunged, whole seconds
	Mailbox string    // where it was
	UID     UID       // that it had there
	Row     Row       // with Message; Row.UID is UID

	key keptKey
}

// Expunged lists what can be brought back of an account, the oldest first, and
// ends when f returns false. No transaction is held while f runs.
func (s *Store) Expunged(id mail.AccountID, f func(Expunged) bool) error {
	from := accountKey(id)
	for {
		var list []Expunged
		err := s.view(func(x index) error {
			c := x.tx.Bucket([]byte(bucketKept)).Cursor()
			for k, v := x.seek(c, bucketKept, from); k != nil && len(list) < readSlice; k, v = c.Next() {
				owner, key := parseKeptKey(k)
				if owner != id {
					break
				}
				from = append(append(from[:0], k...), 0)
				val, ok := openRow(k, v)
				if !ok {
					_ = x.state.damaged(bucketKept, k) // this one is left out
					continue
				}
				row, err := decodeKept(val)
				if err != nil {
					return err
				}
				e := Expunged{At: time.Unix(key.time, 0).UTC(), Mailbox: row.name, UID: key.uid, key: key}
				if e.Row, err = x.row(id, key.uid, &row.hot); err != nil {
					return err
				}
				e.Row.Message = x.message(id, row.hot.blob)
				list = append(list, e)
			}
			return nil
		})
		if err != nil || len(list) == 0 {
			return err
		}
		for _, e := range list {
			if !f(e) {
				return nil
			}
		}
	}
}

// Undelete brings expunged messages of an account back, into mailbox, or with
// an empty name each to where it was. What is gone for good meanwhile is left
// out. It gives where they are now. Errors: ErrNoAccount, ErrNoMailbox,
// ErrOverQuota.
func (s *Store) Undelete(ctx context.Context, id mail.AccountID, mailbox string, list []Expunged) (out []Appended, err error) {
	if mailbox != "" {
		if mailbox, err = CleanName(mailbox); err != nil {
			return nil, ErrNoMailbox
		}
	}
	for len(list) > 0 {
		n := min(len(list), changeSlice)
		r := record{kind: kindUndelete, account: id, name: mailbox}
		var need amount
		for _, e := range list[:n] {
			r.kept = append(r.kept, e.key)
			need = need.plus(amount{e.Row.Size, 1})
		}
		release, err := s.reserve(map[mail.AccountID]amount{id: need})
		if err != nil {
			return out, err
		}
		res, err := s.changeReserved(ctx, r, release)
		if err != nil {
			return out, err
		}
		out, list = append(out, res.appended...), list[n:]
	}
	return out, nil
}

// changeSlice bounds what one record does to many messages at once.
const changeSlice = 500

// Purge gives up for good what was expunged before a time, of one account, or
// of all with account 0. It gives the number of messages.
func (s *Store) Purge(ctx context.Context, id mail.AccountID, before time.Time) (n int, err error) {
	for {
		out, err := s.change(ctx, record{kind: kindPurge, account: id, before: before.Unix(), limit: changeSlice})
		if err != nil {
			return n, fmt.Errorf("purge: %w", err)
		}
		if n += out.count; out.count < changeSlice {
			return n, nil
		}
	}
}

// expired tells whether something was expunged before a time.
func (s *Store) expired(before int64) (found bool, err error) {
	stop := errors.New("found")
	err = s.view(func(x index) error {
		c := x.tx.Bucket([]byte(bucketKept)).Cursor()
		for k, _ := c.First(); k != nil; {
			id, at := parseKeptKey(k)
			if at.time < before {
				return stop
			}
			if id == 1<<32-1 {
				break
			}
			k, _ = x.seek(c, bucketKept, accountKey(id+1))
		}
		return nil
	})
	if errors.Is(err, stop) {
		return true, nil
	}
	return false, err
}
