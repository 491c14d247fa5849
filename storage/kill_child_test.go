package storage_test

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"sync"

	"mailstead/mail"
	"mailstead/storage"
)

// disturbers are what goes on in a store while it is used: each is done again and
// again until the kill. What it leaves half done must not matter.
func disturbers() []func(context.Context, *storage.Store) error {
	return []func(context.Context, *storage.Store) error{
		func(ctx context.Context, s *storage.Store) error {
			rep, err := s.Check(ctx, storage.CheckOptions{Bodies: true})
			if err == nil && len(rep.Problems) > 0 {
				err = errors.New(strings.Join(rep.Problems, "; "))
			}
			return err
		},
		func(ctx context.Context, s *storage.Store) error {
			_, err := s.Compact(ctx, storage.CompactOptions{All: rand.IntN(4) == 0})
			return err
		},
		func(ctx context.Context, s *storage.Store) error { return s.Checkpoint(ctx) },
	}
}

// killChild works on the store with all its strength until it is killed. It says
// what it is about to do and what was done.
func killChild(dir string) error {
	ctx := context.Background()
	s, err := storage.Open(dir, killOptions())
	if err != nil {
		return err
	}
	inboxes, archive, err := killBoxes(ctx, s)
	if err != nil {
		return err
	}
	errs := make(chan error, 16)
	var wg sync.WaitGroup
	for n := range 4 {
		w := &killWorker{ctx: ctx, s: s, inboxes: inboxes, archive: archive, name: fmt.Sprintf("%d.%d", os.Getpid(), n)}
		wg.Go(func() { errs <- w.work() })
	}
	for _, d := range disturbers() {
		wg.Go(func() {
			for {
				if err := d(ctx, s); err != nil {
					errs <- err
					return
				}
			}
		})
	}
	return <-errs // never nil: nobody ends by itself
}

// killOptions make everything happen often.
func killOptions() storage.Options {
	return storage.Options{SegmentSize: 300_000, Compress: rand.IntN(2) == 0, Housekeeping: -1}
}

// killBoxes finds or makes the mailboxes that are worked on.
func killBoxes(ctx context.Context, s *storage.Store) (inboxes [2]storage.Ref, archive storage.Ref, err error) {
	for i := range inboxes {
		id := mail.AccountID(i + 1)
		if ok, err := s.HasAccount(id); err != nil {
			return inboxes, archive, err
		} else if !ok {
			if err := s.CreateAccount(ctx, id, "user"); err != nil {
				return inboxes, archive, err
			}
		}
		m, err := s.Mailbox(id, "INBOX")
		if err != nil {
			return inboxes, archive, err
		}
		inboxes[i] = storage.Ref{Account: id, Mailbox: m.ID}
	}
	m, err := s.Mailbox(1, "Archive")
	return inboxes, storage.Ref{Account: 1, Mailbox: m.ID}, err
}

// killText is the message of that name.
func killText(id string) string {
	h := fnv.New32a()
	h.Write([]byte(id))
	lines := int(h.Sum32() % 500)
	if h.Sum32()%64 == 0 {
		lines = 100_000 // is kept in a file of its own
	}
	return "Message-ID: <" + id + "@x>\r\nSubject: " + id + "\r\n\r\n" + strings.Repeat(id+"\r\n", lines)
}

type killWorker struct {
	ctx     context.Context
	s       *storage.Store
	inboxes [2]storage.Ref
	archive storage.Ref
	name    string
}

// say tells the parent, in one write, so that lines stay whole.
func say(format string, args ...any) { fmt.Fprintf(os.Stdout, format+"\n", args...) }

// step does one thing to the messages, and tells of it before and after.
func step(name string, do func() error, ids ...string) error {
	list := strings.Join(ids, " ")
	say("ask %s %s", name, list)
	if err := do(); err != nil {
		return fmt.Errorf("%s %s: %w", name, list, err)
	}
	say("did %s %s", name, list)
	return nil
}

func (w *killWorker) work() error {
	for i := 0; ; i++ {
		id := w.name + "." + strconv.Itoa(i)
		ids := []string{id}
		if rand.IntN(4) == 0 {
			ids = append(ids, id+"b") // a group
		}
		if rand.IntN(4) == 0 {
			if err := w.deliver(id); err != nil {
				return err
			}
			continue
		}
		var at storage.UIDSet
		err := step("append", func() (err error) { at, err = w.append(ids); return err }, ids...)
		if err == nil {
			err = w.change(rand.IntN(5), at, ids)
		}
		if err != nil {
			return err
		}
	}
}

// append stores the messages in both accounts and gives their UIDs in the first.
func (w *killWorker) append(ids []string) (storage.UIDSet, error) {
	var msgs []storage.Incoming
	for _, id := range ids {
		msgs = append(msgs, storage.Incoming{Body: strings.NewReader(killText(id)), Targets: []storage.Target{{Ref: w.inboxes[0]}, {Ref: w.inboxes[1], OrInbox: true}}})
	}
	got, err := w.s.AppendAll(w.ctx, msgs)
	var uids []storage.UID
	for _, a := range got {
		uids = append(uids, a[0].UID)
	}
	return storage.UIDs(uids...), err
}

// deliver stores the message in both accounts; it may be visible only later.
func (w *killWorker) deliver(id string) error {
	return step("append", func() error { return w.s.Deliver(w.ctx, strings.NewReader(killText(id)), 1, 2) }, id)
}

// change does one of several things to messages of the first account's INBOX.
func (w *killWorker) change(what int, at storage.UIDSet, ids []string) (err error) {
	in := w.inboxes[0]
	expunge := func() error { _, _, err := w.s.Expunge(w.ctx, in, at, false); return err }
	switch what {
	case 0:
		return step("flag", func() error {
			_, err := w.s.SetFlags(w.ctx, in, at, storage.FlagChange{Flags: storage.Seen, Keywords: []string{"work"}})
			return err
		}, ids...)
	case 1:
		return step("move", func() error { _, err := w.s.Move(w.ctx, in, at, w.archive); return err }, ids...)
	case 2:
		if err := step("copy", func() error { _, err := w.s.Copy(w.ctx, in, at, w.archive); return err }, ids...); err != nil {
			return err
		}
		return step("expunge", expunge, ids...)
	case 3:
		return step("expunge", expunge, ids...)
	}
	return nil
}
