package storage_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"mailstead/internal/durable"
	"mailstead/mail"
	"mailstead/storage"
)

// faultOptions are those of every store of the fault tests: segments are
// sealed often.
func faultOptions(fsys durable.FS) storage.Options {
	return storage.Options{FS: fsys, SegmentSize: smallSegment, MinFree: -1, KeepExpunged: time.Hour, Housekeeping: -1}
}

// smallSegment is a size of segments that has several of them sealed.
const smallSegment = 200_000

// errSkipped is a step whose messages or mailboxes an earlier failure has left
// out.
var errSkipped = errors.New("nothing to do it with")

// world is a store at work, and the model of it.
type world struct {
	ctx  context.Context
	open func() (*storage.Store, error)
	s    *storage.Store // nil when it could not be opened again
	m    *faultModel
}

// restart closes the store and opens it again.
func (w *world) restart() error {
	err := w.s.Close()
	var oerr error
	w.s, oerr = w.open()
	return errors.Join(err, oerr)
}

// do makes one change in the store and in the model.
func (w *world) do(apply func(faultState), run func() error) error {
	c := w.m.begin(apply)
	err := run()
	w.m.end(c, err, nil)
	return err
}

func (w *world) ref(id mail.AccountID, name string) (storage.Ref, error) {
	m, err := w.s.Mailbox(id, name)
	if errors.Is(err, storage.ErrNoMailbox) {
		return storage.Ref{}, errSkipped
	}
	return storage.Ref{Account: id, Mailbox: m.ID}, err
}

// place is "account/mailbox", parted.
func (w *world) place(key string) (storage.Ref, error) {
	account, name, _ := strings.Cut(key, "/")
	var id mail.AccountID
	if _, err := fmt.Sscan(account, &id); err != nil {
		panic(err)
	}
	return w.ref(id, name)
}

// uids finds messages by their ids.
func (w *world) uids(ref storage.Ref, ids ...string) (storage.UIDSet, error) {
	var list []storage.UID
	for r, err := range w.s.Rows(ref, everyUID(), storage.ReadOptions{Message: true}) {
		if err != nil {
			return nil, err
		}
		for _, id := range ids {
			if r.Message.Envelope.Subject == id {
				list = append(list, r.UID)
			}
		}
	}
	if len(list) < len(ids) {
		return nil, errSkipped
	}
	return storage.UIDs(list...), nil
}

// append stores one message in several mailboxes.
func (w *world) append(id string, flags storage.Flags, keys ...string) error {
	return w.appendAll([]string{id}, flags, keys...)
}

// appendAll stores several messages, all in the same mailboxes or none at all.
func (w *world) appendAll(ids []string, flags storage.Flags, keys ...string) error {
	var targets []storage.Target
	for _, k := range keys {
		ref, err := w.place(k)
		if err != nil {
			return err
		}
		targets = append(targets, storage.Target{Ref: ref, Flags: flags})
	}
	var msgs []storage.Incoming
	for _, id := range ids {
		msgs = append(msgs, storage.Incoming{Body: bytes.NewReader(faultText(id)), Targets: targets})
	}
	uids := make([][]storage.UID, len(ids))
	c := w.m.begin(func(s faultState) {
		for i, id := range ids {
			for j, k := range keys {
				p := placed{flags: flagText(flags, nil)}
				if uids[i] != nil {
					p.uid = uids[i][j]
				}
				if s[k] != nil {
					s[k][id] = p
				}
			}
		}
	})
	out, err := w.s.AppendAll(w.ctx, msgs)
	w.m.end(c, err, func() {
		for i := range ids {
			for _, a := range out[i] {
				uids[i] = append(uids[i], a.UID)
			}
		}
	})
	return err
}

func (w *world) createAccount(id mail.AccountID) error {
	return w.do(func(s faultState) {
		for _, name := range []string{"INBOX", "Archive", "Drafts", "Junk", "Sent", "Trash"} {
			s[boxKey(id, name)] = map[string]placed{}
		}
	}, func() error { return w.s.CreateAccount(w.ctx, id, fmt.Sprint("user", id)) })
}

// need skips a step whose accounts are not there.
func (w *world) need(ids ...mail.AccountID) error {
	for _, id := range ids {
		if _, err := w.ref(id, "INBOX"); err != nil {
			return err
		}
	}
	return nil
}

func (w *world) removeAccount(id mail.AccountID) error {
	if err := w.need(id); err != nil {
		return err
	}
	return w.do(func(s faultState) {
		for key := range s {
			if strings.HasPrefix(key, boxKey(id, "")) {
				delete(s, key)
			}
		}
	}, func() error { return w.s.RemoveAccount(w.ctx, id) })
}

func (w *world) setFlags(key string, f storage.Flags, keyword string, ids ...string) error {
	ref, err := w.place(key)
	if err != nil {
		return err
	}
	set, err := w.uids(ref, ids...)
	if err != nil {
		return err
	}
	words := strings.Fields(keyword)
	return w.do(func(s faultState) {
		for _, id := range ids {
			if p, ok := s[key][id]; ok {
				s[key][id] = placed{p.uid, flagText(f, words)}
			}
		}
	}, func() error {
		_, err := w.s.SetFlags(w.ctx, ref, set, storage.FlagChange{Op: storage.ReplaceFlags, Flags: f, Keywords: words})
		return err
	})
}

// transfer is Copy, or Move.
func (w *world) transfer(move bool, from, to string, ids ...string) error {
	src, err := w.place(from)
	if err != nil {
		return err
	}
	dst, err := w.place(to)
	if err != nil {
		return err
	}
	set, err := w.uids(src, ids...)
	if err != nil {
		return err
	}
	uids := map[string]storage.UID{}
	c := w.m.begin(func(s faultState) {
		for _, id := range ids {
			p, ok := s[from][id]
			if !ok || s[to] == nil {
				continue
			}
			p.uid = uids[id]
			s[to][id] = p
			if move {
				delete(s[from], id)
			}
		}
	})
	var out storage.CopyResult
	if move {
		out, err = w.s.Move(w.ctx, src, set, dst)
	} else {
		out, err = w.s.Copy(w.ctx, src, set, dst)
	}
	w.m.end(c, err, func() {
		if len(out.Dst) == len(ids) { // ids are in the order of their UIDs
			for i, id := range ids {
				uids[id] = out.Dst[i]
			}
		}
	})
	return err
}

func (w *world) expunge(key string, ids ...string) error {
	ref, err := w.place(key)
	if err != nil {
		return err
	}
	set, err := w.uids(ref, ids...)
	if err != nil {
		return err
	}
	return w.do(func(s faultState) {
		for _, id := range ids {
			delete(s[key], id)
		}
	}, func() error {
		_, _, err := w.s.Expunge(w.ctx, ref, set, false)
		return err
	})
}

func (w *world) create(id mail.AccountID, name string) error {
	if err := w.need(id); err != nil {
		return err
	}
	return w.do(func(s faultState) {
		if s[boxKey(id, "INBOX")] == nil {
			return
		}
		for end := range name {
			if name[end] == '/' && s[boxKey(id, name[:end])] == nil {
				s[boxKey(id, name[:end])] = map[string]placed{}
			}
		}
		s[boxKey(id, name)] = map[string]placed{}
	}, func() error {
		_, err := w.s.CreateMailbox(w.ctx, id, name, "")
		return err
	})
}

func (w *world) rename(id mail.AccountID, from, to string) error {
	if _, err := w.ref(id, from); err != nil {
		return err
	}
	return w.do(func(s faultState) {
		for key, msgs := range s {
			if key == boxKey(id, from) || strings.HasPrefix(key, boxKey(id, from)+"/") {
				delete(s, key)
				s[boxKey(id, to)+strings.TrimPrefix(key, boxKey(id, from))] = msgs
			}
		}
	}, func() error { return w.s.RenameMailbox(w.ctx, id, from, to) })
}

func (w *world) delete(id mail.AccountID, name string) error {
	if _, err := w.ref(id, name); err != nil {
		return err
	}
	return w.do(func(s faultState) { delete(s, boxKey(id, name)) }, func() error { return w.s.DeleteMailbox(w.ctx, id, name) })
}

// deliver stores a message in the INBOX of accounts, as SMTP does.
func (w *world) deliver(id string, to ...mail.AccountID) error {
	if err := w.need(to...); err != nil {
		return err
	}
	return w.do(func(s faultState) {
		for _, a := range to {
			if box := s[boxKey(a, "INBOX")]; box != nil {
				box[id] = placed{}
			}
		}
	}, func() error { return w.s.Deliver(w.ctx, bytes.NewReader(faultText(id)), to...) })
}

// undelete brings expunged messages back to where they were.
func (w *world) undelete(id mail.AccountID, key string, ids ...string) error {
	var list []storage.Expunged
	var flags []string
	err := w.s.Expunged(id, func(e storage.Expunged) bool {
		if slices.Contains(ids, e.Row.Message.Envelope.Subject) {
			list = append(list, e)
			flags = append(flags, flagText(e.Row.Flags, e.Row.Keywords))
		}
		return true
	})
	if err == nil && len(list) < len(ids) {
		err = errSkipped
	}
	if err != nil {
		return err
	}
	return w.do(func(s faultState) {
		for i, e := range list {
			if s[key] != nil {
				s[key][e.Row.Message.Envelope.Subject] = placed{flags: flags[i]}
			}
		}
	}, func() error {
		_, err := w.s.Undelete(w.ctx, id, "", list)
		return err
	})
}

// compact gives up what was expunged and copies what is left: nothing that
// anybody sees changes.
func (w *world) compact() error {
	if _, err := w.s.Purge(w.ctx, 0, time.Now().Add(time.Minute)); err != nil {
		return err
	}
	_, err := w.s.Compact(w.ctx, storage.CompactOptions{All: true})
	return err
}

// together appends messages at the same time, so that they share a batch.
func (w *world) together(key string, ids ...string) error {
	errs := make([]error, len(ids))
	var wg sync.WaitGroup
	for i, id := range ids {
		wg.Go(func() { errs[i] = w.append(id, 0, key) })
	}
	wg.Wait()
	return errors.Join(errs...)
}

// faultWork is the work every fault is put into.
func faultWork() []func(*world) error {
	return []func(*world) error{
		func(w *world) error { return w.createAccount(1) },
		func(w *world) error { return w.createAccount(2) },
		func(w *world) error { return w.append("first-300", 0, "1/INBOX") },
		func(w *world) error {
			return w.append("three-30000", storage.Flagged, "1/INBOX", "1/Archive", "2/INBOX")
		},
		func(w *world) error { return w.append("big-2300000", 0, "1/INBOX", "2/INBOX") },
		func(w *world) error { return w.appendAll([]string{"g1-200", "g2-70000", "g3-10"}, 0, "1/INBOX") },
		func(w *world) error { return w.together("2/INBOX", "p1-100", "p2-5000", "p3-40000", "p4-0") },
		func(w *world) error { return w.setFlags("1/INBOX", storage.Seen, "red", "first-300", "g1-200") },
		(*world).restart,
		func(w *world) error { return w.create(1, "Work/Deep") },
		func(w *world) error { return w.transfer(false, "1/INBOX", "1/Work/Deep", "first-300", "three-30000") },
		func(w *world) error { return w.transfer(true, "1/INBOX", "1/Archive", "big-2300000") },
		func(w *world) error { return w.rename(1, "Work", "Job") },
		func(w *world) error { return w.expunge("1/INBOX", "g2-70000", "g3-10") },
		func(w *world) error { return w.s.Checkpoint(w.ctx) },
		func(w *world) error { return w.append("job-90000", storage.Draft, "1/Job/Deep") },
		func(w *world) error { return w.undelete(1, "1/INBOX", "g3-10") },
		func(w *world) error { return w.create(2, "Gone") },
		func(w *world) error { return w.append("gone-2000", 0, "2/Gone", "1/INBOX") },
		func(w *world) error { return w.delete(2, "Gone") },
		func(w *world) error { return w.expunge("2/INBOX", "three-30000", "p3-40000") },
		(*world).compact,
		func(w *world) error { return w.together("1/INBOX", "q1-60000", "q2-60000", "q3-60000", "q4-60000") },
		func(w *world) error { return w.deliver("mail-5000", 1, 2) },
		func(w *world) error { return w.deliver("bigmail-1100000", 2, 1) },
		func(w *world) error { return w.setFlags("1/INBOX", storage.Answered, "blue", "q1-60000") },
		func(w *world) error { return w.removeAccount(2) },
		func(w *world) error { return w.expunge("1/Archive", "big-2300000") },
		(*world).compact,
		(*world).restart,
		func(w *world) error { return w.append("last-20000", 0, "1/INBOX", "1/Job/Deep") },
	}
}
