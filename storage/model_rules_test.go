package storage_test

import (
	"cmp"
	"errors"
	"slices"
	"strings"
	"time"

	"mailstead/mail"
	"mailstead/storage"
)

// The model says again, in the plainest way, what RFC 9051 and RFC 7162 and the
// comments of the API ask of a store. Numbers the store is free to choose are
// learnt from its answers and held against the rules for them.

type modelMessage struct {
	uid      storage.UID
	modseq   storage.ModSeq
	flags    storage.Flags
	keywords []string // sorted
	date     time.Time
	saved    time.Time
	text     string
	blob     storage.BlobID
	thread   uint64
}

func (m *modelMessage) size() int64 { return int64(len(m.text)) }

type tombstone struct {
	uid    storage.UID
	modseq storage.ModSeq
}

type modelMailbox struct {
	ref      storage.Ref
	name     string
	use      storage.SpecialUse
	validity uint32
	next     storage.UID
	highest  storage.ModSeq
	messages []*modelMessage // ascending
	gone     []tombstone
	renamed  int
	grants   map[grantOf]storage.Rights
	deleted  bool
}

// buried is an expunged message that can be brought back.
type buried struct {
	*modelMessage
	mailbox string // its name then
}

type modelAccount struct {
	id         mail.AccountID
	boxes      map[string]*modelMailbox
	subscribed map[string]bool
	words      []string // in the order of their first use
	modseq     storage.ModSeq
	validities map[uint32]bool // ever given out
	ids        map[storage.MailboxID]bool
	buried     []buried
}

type model struct {
	accounts map[mail.AccountID]*modelAccount
	limits   map[mail.AccountID]int64
	blobs    map[storage.BlobID]string // every body ever stored
	boxes    []*modelMailbox           // those ever made, in order
}

func newModel() *model {
	return &model{accounts: map[mail.AccountID]*modelAccount{}, limits: map[mail.AccountID]int64{}, blobs: map[storage.BlobID]string{}}
}

// box finds a mailbox that is there.
func (m *model) box(ref storage.Ref) *modelMailbox {
	if a := m.accounts[ref.Account]; a != nil {
		for _, b := range a.boxes {
			if b.ref == ref {
				return b
			}
		}
	}
	return nil
}

func (m *model) sortedAccounts() []mail.AccountID {
	var list []mail.AccountID
	for id := range m.accounts {
		list = append(list, id)
	}
	slices.Sort(list)
	return list
}

func (a *modelAccount) sorted() []*modelMailbox {
	var list []*modelMailbox
	for _, b := range a.boxes {
		list = append(list, b)
	}
	slices.SortFunc(list, func(x, y *modelMailbox) int { return cmp.Compare(x.name, y.name) })
	return list
}

func (a *modelAccount) usage() (u storage.Usage) {
	for _, b := range a.boxes {
		for _, msg := range b.messages {
			u.Bytes += msg.size()
			u.Messages++
		}
	}
	return u
}

// spell gives keywords the spelling of their first use in the account, sorted
// and without doubles; words that were never used are remembered or left out.
func (a *modelAccount) spell(words []string, remember bool) []string {
	var out []string
	for _, w := range words {
		i := slices.IndexFunc(a.words, func(h string) bool { return strings.EqualFold(h, w) })
		switch {
		case i >= 0:
			out = append(out, a.words[i])
		case remember:
			a.words = append(a.words, w)
			out = append(out, w)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// mailbox is the box as the API shows it.
func (a *modelAccount) mailbox(b *modelMailbox) storage.Mailbox {
	m := storage.Mailbox{ID: b.ref.Mailbox, Name: b.name, UIDValidity: b.validity, UIDNext: b.next, HighestModSeq: b.highest,
		SpecialUse: b.use, Subscribed: a.subscribed[b.name], Messages: uint32(len(b.messages))}
	for _, msg := range b.messages {
		m.Bytes += msg.size()
		if msg.flags&storage.Seen == 0 {
			m.Unseen++
		}
		if msg.flags&storage.Deleted != 0 {
			m.Deleted++
			m.DeletedBytes += msg.size()
		}
	}
	return m
}

// in gives the messages of the set that are there.
func (b *modelMailbox) in(set storage.UIDSet) (list []*modelMessage) {
	for _, msg := range b.messages {
		for _, r := range set {
			if r.First <= msg.uid && msg.uid <= r.Last {
				list = append(list, msg)
				break
			}
		}
	}
	return list
}

// remove takes messages out, as one change.
func (b *modelMailbox) remove(list []*modelMessage, modseq storage.ModSeq) {
	for _, msg := range list {
		b.messages = slices.DeleteFunc(b.messages, func(o *modelMessage) bool { return o == msg })
		b.gone = append(b.gone, tombstone{msg.uid, modseq})
	}
	b.highest = modseq
}

// vanished gives the UIDs expunged after a modseq (RFC 7162 §3.2.10).
func (b *modelMailbox) vanished(since storage.ModSeq) []storage.UID {
	list := []storage.UID{}
	for _, g := range b.gone {
		if g.modseq > since {
			list = append(list, g.uid)
		}
	}
	slices.Sort(list)
	return list
}

// store is RFC 9051 §6.4.6 for one message; it tells whether anything changed.
func (a *modelAccount) store(msg *modelMessage, c storage.FlagChange) bool {
	words := a.spell(c.Keywords, c.Op != storage.RemoveFlags)
	flags, keywords := msg.flags, slices.Clone(msg.keywords)
	switch c.Op {
	case storage.ReplaceFlags:
		flags, keywords = c.Flags, words
	case storage.AddFlags:
		flags |= c.Flags
		keywords = append(keywords, words...)
		slices.Sort(keywords)
		keywords = slices.Compact(keywords)
	case storage.RemoveFlags:
		flags &^= c.Flags
		keywords = slices.DeleteFunc(keywords, func(k string) bool { return slices.Contains(words, k) })
	}
	flags = flags&^c.Except.Flags | msg.flags&c.Except.Flags
	if c.Except.Keywords {
		keywords = msg.keywords
	}
	changed := flags != msg.flags || !slices.Equal(keywords, msg.keywords)
	msg.flags, msg.keywords = flags, keywords
	return changed
}

// appendErrors are the errors an append may give: none when it must succeed.
func (m *model) appendErrors(msgs []storage.Incoming) (errs []error) {
	need := map[mail.AccountID]int64{}
	for _, msg := range msgs {
		if len(msg.Targets) == 0 {
			errs = append(errs, storage.ErrNoMailbox)
		}
		for _, t := range msg.Targets {
			need[t.Account] += msg.Body.Size()
			switch {
			case m.accounts[t.Account] == nil:
				errs = append(errs, storage.ErrNoAccount)
			case m.box(t.Ref) == nil && !t.OrInbox:
				errs = append(errs, storage.ErrNoMailbox)
			}
		}
	}
	for id, n := range need {
		if m.overQuota(id, n) {
			errs = append(errs, storage.ErrOverQuota)
		}
	}
	return errs
}

func (m *model) overQuota(id mail.AccountID, more int64) bool {
	a := m.accounts[id]
	return a != nil && m.limits[id] > 0 && a.usage().Bytes+more > m.limits[id]
}

// renameErrors are the errors a rename may give (RFC 9051 §6.3.6).
func (m *model) renameErrors(id mail.AccountID, from, to boxName) (errs []error) {
	a := m.accounts[id]
	if a == nil || from.bad || a.boxes[from.clean] == nil {
		errs = append(errs, storage.ErrNoMailbox, storage.ErrNoAccount)
	}
	if to.bad || from.clean != "INBOX" && strings.HasPrefix(to.clean, from.clean+"/") {
		errs = append(errs, storage.ErrBadName)
	}
	if a != nil && !to.bad && a.boxes[to.clean] != nil {
		errs = append(errs, storage.ErrExists)
	}
	return errs
}

func (a *modelAccount) hasChildren(name string) bool {
	for other := range a.boxes {
		if strings.HasPrefix(other, name+"/") {
			return true
		}
	}
	return false
}

// oneOf tells whether err is one of those expected, or nil when none is.
func oneOf(err error, allowed []error) bool {
	if len(allowed) == 0 {
		return err == nil
	}
	return slices.ContainsFunc(allowed, func(want error) bool { return errors.Is(err, want) })
}
