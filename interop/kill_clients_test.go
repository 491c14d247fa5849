package interop

import (
	"errors"
	"math/rand/v2"
	"slices"
	"strings"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"
	"github.com/emersion/go-smtp"
)

// deliver sends message after message, each to all recipients, until the server is
// gone.
func (s *suite) deliver(l *ledger, to ...string) {
	c, err := smtp.Dial(s.addr("smtp"))
	if err != nil {
		return
	}
	defer c.Close()
	for {
		id, list := l.begin(place{}, false, to...)
		if err := sendAll(c, to, killMail(id)); err != nil {
			if _, ok := errors.AsType[*smtp.SMTPError](err); ok {
				l.fault("SMTP: %v", err)
			}
			return
		}
		l.ack(list, "INBOX")
		l.took()
	}
}

// sendAll returns nil once the server has answered 250.
func sendAll(c *smtp.Client, to []string, text string) error {
	if err := c.Mail("x@example.org", nil); err != nil {
		return err
	}
	for _, r := range to {
		if err := c.Rcpt(r, nil); err != nil {
			return err
		}
	}
	w, err := c.Data()
	if err != nil {
		return err
	}
	if _, err := w.Write([]byte(text)); err != nil {
		return err
	}
	return w.Close()
}

// tooMany messages of one user are too many for a test that looks at all of them
// in every round.
const tooMany = 200

// user works over IMAP on messages of one mailbox that nobody else works on.
type user struct {
	c       *imapclient.Client
	l       *ledger
	account string
	here    string // the selected mailbox
	there   string
	own     []*fate
}

// newUser takes the messages that are in the mailbox here, but not in there.
func newUser(c *imapclient.Client, l *ledger, account, here, there string) *user {
	u := &user{c: c, l: l, account: account, here: here, there: there}
	for _, f := range l.fates[account] {
		h := f.now()
		_, is := h[here]
		_, also := h[there]
		if is && (!also || here == "INBOX") {
			u.own = append(u.own, f)
		}
	}
	return u
}

// work does one thing after another until the server is gone.
func (u *user) work() {
	for {
		err := u.one()
		if err == nil {
			continue
		}
		if _, ok := errors.AsType[*imap.Error](err); ok {
			u.l.fault("IMAP: %v", err)
		}
		return
	}
}

func (u *user) one() error {
	if len(u.own) == 0 || u.here == "INBOX" && rand.IntN(3) == 0 {
		return u.append()
	}
	rand.Shuffle(len(u.own), func(i, j int) { u.own[i], u.own[j] = u.own[j], u.own[i] })
	if len(u.own) > tooMany {
		return u.expunge(slices.Clone(u.own[:tooMany/2]))
	}
	switch list := slices.Clone(u.own[:min(len(u.own), 1+rand.IntN(4))]); rand.IntN(6) {
	case 0:
		return u.move(list)
	case 1:
		return u.copy(list)
	case 2:
		return u.expunge(list)
	default:
		return u.store(list)
	}
}

// someFlags draws flags.
func someFlags() (list []imap.Flag) {
	for _, f := range []imap.Flag{imap.FlagSeen, imap.FlagAnswered, imap.FlagFlagged, imap.FlagDraft, imap.FlagForwarded, "work"} {
		if rand.IntN(3) == 0 {
			list = append(list, f)
		}
	}
	return list
}

func (u *user) append() error {
	flags := someFlags()
	id, list := u.l.begin(place{flags: flagList(flags...)}, true, u.account)
	text := killMail(id)
	cmd := u.c.Append("INBOX", int64(len(text)), &imap.AppendOptions{Flags: flags})
	if _, err := cmd.Write([]byte(text)); err != nil {
		return err
	}
	if err := cmd.Close(); err != nil {
		return err
	}
	data, err := cmd.Wait()
	if err != nil {
		return err
	}
	u.l.ack(list, "INBOX", data.UID)
	u.l.took()
	if u.here == "INBOX" {
		u.own = append(u.own, list...)
	}
	return nil
}

// uids gives the UIDs of messages, which the mailbox is known to have.
func (u *user) uids(list []*fate) (set imap.UIDSet) {
	for _, f := range list {
		set.AddNum(f.now()[u.here].uid)
	}
	return set
}

func (u *user) store(list []*fate) error {
	o := &imap.StoreFlags{Op: []imap.StoreFlagsOp{imap.StoreFlagsAdd, imap.StoreFlagsDel, imap.StoreFlagsSet}[rand.IntN(3)], Flags: someFlags(), Silent: true}
	if len(o.Flags) == 0 {
		o.Flags = []imap.Flag{imap.FlagSeen}
	}
	u.l.ask(list, func(h holding) holding {
		p := h[u.here]
		have := map[string]bool{}
		for _, f := range strings.Fields(p.flags) {
			have[f] = o.Op != imap.StoreFlagsSet
		}
		for _, f := range o.Flags {
			have[strings.ToLower(string(f))] = o.Op != imap.StoreFlagsDel
		}
		var flags []imap.Flag
		for f, on := range have {
			if on {
				flags = append(flags, imap.Flag(f))
			}
		}
		return h.with(u.here, place{flagList(flags...), p.uid})
	})
	if err := u.c.Store(u.uids(list), o, nil).Close(); err != nil {
		return err
	}
	u.l.ack(list, u.here)
	return nil
}

// fresh are those of the list that the other mailbox does not have.
func (u *user) fresh(list []*fate) (out []*fate) {
	for _, f := range list {
		if _, ok := f.now()[u.there]; !ok {
			out = append(out, f)
		}
	}
	return out
}

func (u *user) copy(list []*fate) error {
	if list = u.fresh(list); len(list) == 0 {
		return nil
	}
	u.l.ask(list, func(h holding) holding { return h.with(u.there, place{flags: h[u.here].flags}) })
	data, err := u.c.Copy(u.uids(list), u.there).Wait()
	if err != nil {
		return err
	}
	u.l.ack(list, u.there, u.told(list, data.SourceUIDs, data.DestUIDs)...)
	if u.here != "INBOX" {
		u.drop(list) // is INBOX's user's now
	}
	return nil
}

// move takes messages to the other mailbox, where they are left alone until the
// next round.
func (u *user) move(list []*fate) error {
	if list = u.fresh(list); len(list) == 0 {
		return nil
	}
	u.l.ask(list, func(h holding) holding { return h.with(u.there, place{flags: h[u.here].flags}).without(u.here) })
	data, err := u.c.Move(u.uids(list), u.there).Wait()
	if err != nil {
		return err
	}
	u.l.ack(list, u.there, u.told(list, data.SourceUIDs, data.DestUIDs)...)
	u.drop(list)
	return nil
}

func (u *user) drop(list []*fate) {
	u.own = slices.DeleteFunc(u.own, func(f *fate) bool { return slices.Contains(list, f) })
}

// told gives the new UIDs that COPYUID tells (RFC 4315 §3), in the order of the
// list.
func (u *user) told(list []*fate, from, to imap.NumSet) (uids []imap.UID) {
	src, _ := from.(imap.UIDSet)
	dst, _ := to.(imap.UIDSet)
	old, _ := src.Nums()
	fresh, _ := dst.Nums()
	for _, f := range list {
		i := slices.Index(old, f.now()[u.here].uid)
		if i < 0 || i >= len(fresh) || len(old) != len(list) {
			u.l.fault("COPYUID %v %v for %d messages, among them %v", from, to, len(list), f.now())
			return nil
		}
		uids = append(uids, fresh[i])
	}
	return uids
}

// expunge marks messages with \Deleted and removes exactly them, in two commands.
func (u *user) expunge(list []*fate) error {
	u.l.ask(list, func(h holding) holding {
		p := h[u.here]
		flags := []imap.Flag{imap.FlagDeleted}
		for _, f := range strings.Fields(p.flags) {
			flags = append(flags, imap.Flag(f))
		}
		return h.with(u.here, place{flagList(flags...), p.uid})
	})
	uids := u.uids(list)
	if err := u.c.Store(uids, &imap.StoreFlags{Op: imap.StoreFlagsAdd, Flags: []imap.Flag{imap.FlagDeleted}, Silent: true}, nil).Close(); err != nil {
		return err
	}
	u.l.ack(list, u.here)
	u.l.ask(list, func(h holding) holding { return h.without(u.here) })
	if err := u.c.UIDExpunge(uids).Close(); err != nil {
		return err
	}
	u.l.ack(list, u.here)
	u.drop(list)
	return nil
}

// empty deletes by POP3 what was in the maildrop at login, but for one in four.
func (c pop3) empty(l *ledger, fates map[string]*fate) {
	ask := func(format string, args ...any) bool {
		if err := c.c.PrintfLine(format, args...); err != nil {
			return false
		}
		line, err := c.c.ReadLine()
		if err == nil && !strings.HasPrefix(line, "+OK") {
			l.fault("POP3: %s", line)
		}
		return err == nil && strings.HasPrefix(line, "+OK")
	}
	var list []*fate
	for i := 1; i <= len(fates); i++ {
		if !ask("TOP %d 0", i) {
			return
		}
		head, err := c.c.ReadDotLines()
		if err != nil {
			return
		}
		for _, line := range head {
			if id, ok := strings.CutPrefix(line, "Subject: "); ok && i%4 != 0 {
				list = append(list, fates[id])
			}
		}
		if i%4 != 0 && !ask("DELE %d", i) {
			return
		}
	}
	if len(list) == 0 {
		return
	}
	l.ask(list, func(h holding) holding { return h.without("INBOX") })
	if ask("QUIT") {
		l.ack(list, "INBOX")
	}
}
