package storage_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	bolt "go.etcd.io/bbolt"

	"mailstead/internal/durable"
	"mailstead/mail"
	"mailstead/storage"
)

// placed is a message in a mailbox. uid is zero where nobody was told it.
type placed struct {
	uid   storage.UID
	flags string
}

// faultState is what a store holds: "account/mailbox" to messages by their id, which
// is their Subject.
type faultState map[string]map[string]placed

func (s faultState) clone() faultState {
	c := faultState{}
	for box, msgs := range s {
		c[box] = maps.Clone(msgs)
	}
	return c
}

// String is the same for equal states.
func (s faultState) String() string {
	var b strings.Builder
	for _, box := range slices.Sorted(maps.Keys(s)) {
		fmt.Fprintf(&b, "%s:", box)
		for _, id := range slices.Sorted(maps.Keys(s[box])) {
			fmt.Fprintf(&b, " %s(%d%s)", id, s[box][id].uid, s[box][id].flags)
		}
		b.WriteString("\n")
	}
	return b.String()
}

// differs tells in what got is not what s allows; empty for nothing.
func (s faultState) differs(got faultState) string {
	var d []string
	for box, msgs := range s {
		if got[box] == nil {
			d = append(d, "no mailbox "+box)
		}
		for id, want := range msgs {
			g, ok := got[box][id]
			switch {
			case !ok:
				d = append(d, fmt.Sprintf("no %s in %s", id, box))
			case want.uid != 0 && g.uid != want.uid:
				d = append(d, fmt.Sprintf("%s in %s has UID %d, not %d", id, box, g.uid, want.uid))
			case g.flags != want.flags:
				d = append(d, fmt.Sprintf("%s in %s has flags %q, not %q", id, box, g.flags, want.flags))
			}
		}
	}
	for box, msgs := range got {
		if s[box] == nil {
			d = append(d, "unknown mailbox "+box)
		}
		for id := range msgs {
			if _, ok := s[box][id]; s[box] != nil && !ok {
				d = append(d, fmt.Sprintf("unasked %s in %s", id, box))
			}
		}
	}
	slices.Sort(d)
	return strings.Join(d, "; ")
}

// model knows what a store may hold: one state as long as every change was
// acknowledged, more when one failed or is on its way, for which both that it
// happened and that it did not are right.
type faultModel struct {
	mu       sync.Mutex
	states   []faultState
	underway []*change
}

// change is one operation. apply is called with the model locked.
type change struct{ apply func(faultState) }

func newFaultModel() *faultModel { return &faultModel{states: []faultState{{}}} }

func (m *faultModel) begin(apply func(faultState)) *change {
	m.mu.Lock()
	defer m.mu.Unlock()
	c := &change{apply}
	m.underway = append(m.underway, c)
	return c
}

// end is the answer to a change; told keeps what was in it.
func (m *faultModel) end(c *change, err error, told func()) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.underway = slices.DeleteFunc(m.underway, func(x *change) bool { return x == c })
	if err != nil {
		m.states = both(m.states, c)
		return
	}
	if told != nil {
		told()
	}
	for _, s := range m.states {
		c.apply(s)
	}
}

// both gives the states with and without a change.
func both(states []faultState, c *change) []faultState {
	byText := map[string]faultState{}
	for _, s := range states {
		byText[s.String()] = s
		with := s.clone()
		c.apply(with)
		byText[with.String()] = with
	}
	return slices.Collect(maps.Values(byText))
}

// possible is what a store may hold that is looked at now.
func (m *faultModel) possible() []faultState {
	m.mu.Lock()
	defer m.mu.Unlock()
	var list []faultState
	for _, s := range m.states {
		list = append(list, s.clone())
	}
	for _, c := range m.underway {
		list = both(list, c)
	}
	return list
}

// faultText is the message of an id, which ends in "-" and its size.
func faultText(id string) []byte {
	_, n, _ := strings.Cut(id, "-")
	size, err := strconv.Atoi(n)
	if err != nil {
		panic(err)
	}
	b := make([]byte, 0, size+100)
	b = append(b, "Message-ID: <"+id+"@x>\r\nSubject: "+id+"\r\n\r\n"...)
	for i := int64(0); len(b) < size; i++ {
		b = strconv.AppendInt(b, i, 10)
		b = append(append(append(b, " of "...), id...), ", which is long enough to need lines of some length\r\n"...)
	}
	return b
}

// observe reads all that a store holds, bodies too, and checks it.
func observe(s *storage.Store) (faultState, error) {
	for tries := 0; ; tries++ {
		err := s.Settle(context.Background())
		if err == nil {
			break
		}
		if !errors.Is(err, storage.ErrNoSpace) || tries == 100 {
			return nil, fmt.Errorf("settle: %w", err)
		}
		<-time.After(20 * time.Millisecond) // a store that waits for space tries again now and then
	}
	rep, err := s.Check(context.Background(), storage.CheckOptions{Bodies: true})
	if err != nil {
		return nil, fmt.Errorf("check: %w", err)
	}
	if len(rep.Problems) > 0 {
		return nil, fmt.Errorf("check: %s", strings.Join(rep.Problems, "; "))
	}
	list, err := s.Accounts()
	if err != nil {
		return nil, err
	}
	got := faultState{}
	for _, a := range list {
		boxes, err := s.Mailboxes(a.ID)
		if err != nil {
			return nil, err
		}
		for _, box := range boxes {
			if got[boxKey(a.ID, box.Name)], err = observeBox(s, storage.Ref{Account: a.ID, Mailbox: box.ID}); err != nil {
				return nil, fmt.Errorf("%q of %d: %w", box.Name, a.ID, err)
			}
		}
	}
	return got, nil
}

func observeBox(s *storage.Store, ref storage.Ref) (map[string]placed, error) {
	got := map[string]placed{}
	for r, err := range s.Rows(ref, everyUID(), storage.ReadOptions{Message: true}) {
		if err != nil {
			return nil, err
		}
		if r.Message == nil {
			return nil, fmt.Errorf("UID %d has no description", r.UID)
		}
		id := r.Message.Envelope.Subject
		if _, twice := got[id]; twice {
			return nil, fmt.Errorf("%s is there twice", id)
		}
		body, err := s.OpenBody(context.Background(), ref, r.UID)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", id, err)
		}
		text, err := io.ReadAll(io.NewSectionReader(body, 0, body.Size()))
		if err = errors.Join(err, body.Close()); err != nil {
			return nil, fmt.Errorf("%s: %w", id, err)
		}
		if !bytes.Equal(text, faultText(id)) {
			return nil, fmt.Errorf("%s is not what was stored", id)
		}
		got[id] = placed{r.UID, flagText(r.Flags, r.Keywords)}
	}
	return got, nil
}

func everyUID() storage.UIDSet { return storage.UIDSet{{First: 1, Last: 1<<32 - 1}} }

func boxKey(id mail.AccountID, name string) string { return fmt.Sprintf("%d/%s", id, name) }

func flagText(f storage.Flags, keywords []string) string {
	if f == 0 && len(keywords) == 0 {
		return ""
	}
	return fmt.Sprintf(" %d %s", f, strings.Join(keywords, ","))
}

// sound opens the store in dir as a new process would, and compares what it
// holds with what it may hold; then it must still take mail.
func sound(dir string, possible []faultState) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v\n%s", p, debug.Stack())
		}
	}()
	s, err := storage.Open(dir, faultOptions(calm{}))
	if err != nil {
		return err
	}
	defer func() {
		if cerr := s.Close(); err == nil {
			err = cerr
		}
	}()
	got, err := observe(s)
	if err != nil {
		return err
	}
	if err := anyOf(possible, got); err != nil {
		return err
	}
	return takesMail(s)
}

func anyOf(possible []faultState, got faultState) error {
	var all []string
	for _, want := range possible {
		d := want.differs(got)
		if d == "" {
			return nil
		}
		all = append(all, d)
	}
	slices.SortFunc(all, func(a, b string) int { return len(a) - len(b) })
	return fmt.Errorf("not one of %d possible states; the nearest differs by: %.2000s", len(possible), all[0])
}

func takesMail(s *storage.Store) error {
	ctx := context.Background()
	if err := s.CreateAccount(ctx, 99, "later"); err != nil {
		return fmt.Errorf("afterwards: %w", err)
	}
	box, err := s.Mailbox(99, "INBOX")
	if err != nil {
		return fmt.Errorf("afterwards: %w", err)
	}
	ref := storage.Ref{Account: 99, Mailbox: box.ID}
	if _, err := s.Append(ctx, bytes.NewReader(faultText("later-100")), storage.Target{Ref: ref}); err != nil {
		return fmt.Errorf("afterwards: %w", err)
	}
	if _, err := observeBox(s, ref); err != nil {
		return fmt.Errorf("afterwards: %w", err)
	}
	return nil
}

// calm is a file system that does not wait for the disk.
type calm struct{ durable.OS }

type calmFile struct{ durable.File }

// Datasync implements durable.File.
func (calmFile) Datasync() error { return nil }

// Open implements durable.FS.
func (c calm) Open(name string, flag int, perm fs.FileMode) (durable.File, error) {
	f, err := c.OS.Open(name, flag, perm)
	if err != nil {
		return nil, err
	}
	return calmFile{f}, nil
}

// SyncBolt implements durable.FS.
func (calm) SyncBolt(*os.File) error { return nil }

// SyncDir implements durable.FS.
func (calm) SyncDir(string) error { return nil }

// HookBolt is called with a new database.
func (calm) HookBolt(db *bolt.DB) { db.NoSync, db.NoGrowSync = true, true }
