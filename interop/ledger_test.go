package interop

import (
	"bytes"
	"fmt"
	"hash/fnv"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"
)

// place is how a message is in one mailbox. A UID of zero is not known.
type place struct {
	flags string // sorted, lower case
	uid   imap.UID
}

// holding is where one account has one message, by mailbox.
type holding map[string]place

func (h holding) with(mailbox string, p place) holding {
	h = maps.Clone(h)
	h[mailbox] = p
	return h
}

func (h holding) without(mailbox string) holding {
	h = maps.Clone(h)
	delete(h, mailbox)
	return h
}

// like tells whether what was found is what h says.
func (h holding) like(found holding) bool {
	return maps.EqualFunc(h, found, func(a, b place) bool { return a.flags == b.flags && (a.uid == 0 || a.uid == b.uid) })
}

// flagList is how a place says flags. \Recent is not a message's, but a session's.
func flagList(flags ...imap.Flag) string {
	var list []string
	for _, f := range flags {
		if f != `\Recent` {
			list = append(list, strings.ToLower(string(f)))
		}
	}
	slices.Sort(list)
	return strings.Join(slices.Compact(list), " ")
}

// fate is what clients know of one message in one account: they learn it from
// answers, and from what they find after a kill. One client at a time works on it.
type fate struct {
	account, id string
	maybe       []holding // what may be true; one, when nothing is under way
	exact       bool      // stored as it was sent: by APPEND
	read        bool      // has been found byte for byte
}

func (f *fate) now() holding { return f.maybe[0] }

// ledger is what all clients know, over all rounds.
type ledger struct {
	mu     sync.Mutex
	fates  map[string]map[string]*fate // by account and message
	asked  [][]*fate                   // changes under way: each happens to all or to none
	next   int
	acked  int           // messages
	grown  chan struct{} // one slot: a message was acknowledged
	faults []string      // answers no client should get
}

func newLedger() *ledger {
	return &ledger{fates: map[string]map[string]*fate{}, grown: make(chan struct{}, 1)}
}

// begin names a new message, which accounts are about to get in INBOX.
func (l *ledger) begin(p place, exact bool, accounts ...string) (id string, list []*fate) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.next++
	id = "m" + strconv.Itoa(l.next)
	for _, a := range accounts {
		if l.fates[a] == nil {
			l.fates[a] = map[string]*fate{}
		}
		f := &fate{account: a, id: id, maybe: []holding{{}, {"INBOX": p}}, exact: exact}
		l.fates[a][id] = f
		list = append(list, f)
	}
	l.asked = append(l.asked, list)
	return id, list
}

// ask notes that one change is asked for, by which each message may come to what
// next gives.
func (l *ledger) ask(list []*fate, next func(holding) holding) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, f := range list {
		f.maybe = append(f.maybe, next(f.now()))
	}
	l.asked = append(l.asked, list)
}

// ack notes that a change was acknowledged, and the UIDs told with it.
func (l *ledger) ack(list []*fate, mailbox string, uids ...imap.UID) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i, f := range list {
		f.maybe = f.maybe[1:]
		if i < len(uids) {
			f.maybe[0][mailbox] = place{f.maybe[0][mailbox].flags, uids[i]}
		}
	}
	l.asked = slices.DeleteFunc(l.asked, func(g []*fate) bool { return &g[0] == &list[0] })
}

// took notes that the server has taken a new message.
func (l *ledger) took() {
	l.mu.Lock()
	l.acked++
	l.mu.Unlock()
	select {
	case l.grown <- struct{}{}:
	default:
	}
}

func (l *ledger) messages() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.acked
}

// fault notes an answer that can't be explained by a killed server.
func (l *ledger) fault(format string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.faults = append(l.faults, fmt.Sprintf(format, args...))
}

// killMail is the message of that name.
func killMail(id string) string {
	h := fnv.New32a()
	h.Write([]byte(id))
	return "From: x@example.org\r\nSubject: " + id + "\r\nMessage-ID: <" + id + "@example.org>\r\n\r\n" + strings.Repeat(id+"\r\n", int(h.Sum32()%3000))
}

// verify compares what the server has with what clients were told. What it finds
// is known from then on: a change nobody was told of can't be undone later either.
func (s *suite) verify(t *testing.T, l *ledger) {
	t.Helper()
	found := map[*fate]holding{}
	for _, who := range []account{s.alice, s.bob} {
		c := s.imap(t, who, "INBOX", nil)
		for _, box := range []string{"INBOX", "Archive"} {
			l.find(t, c, who.Address, box, found)
		}
		if err := c.Logout().Wait(); err != nil {
			t.Error(err)
		}
	}
	for _, group := range l.asked {
		old, fresh := 0, 0
		for _, f := range group {
			old += b2i(f.maybe[0].like(found[f]))
			fresh += b2i(f.maybe[len(f.maybe)-1].like(found[f]))
		}
		if old < len(group) && fresh < len(group) {
			t.Errorf("a change was made to %d of %d messages, such as %s", fresh, len(group), group[0].id)
		}
	}
	l.asked = nil
	for _, fates := range l.fates {
		for id, f := range fates {
			if !slices.ContainsFunc(f.maybe, func(h holding) bool { return h.like(found[f]) }) {
				t.Errorf("%s of %s: found %v, known is %v", id, f.account, found[f], f.maybe)
			}
			f.maybe = []holding{found[f]}
			if len(found[f]) == 0 {
				delete(fates, id) // if it is met again, it was never sent
			}
		}
	}
	for _, fault := range l.faults {
		t.Error(fault)
	}
}

func b2i(b bool) int {
	if b {
		return 1
	}
	return 0
}

// find notes the messages of one mailbox, and reads whole what was not read yet.
func (l *ledger) find(t *testing.T, c *imapclient.Client, account, mailbox string, found map[*fate]holding) {
	t.Helper()
	box, err := c.Select(mailbox, &imap.SelectOptions{ReadOnly: true}).Wait()
	if err != nil || box.NumMessages == 0 {
		if err != nil {
			t.Errorf("select %s: %v", mailbox, err)
		}
		return
	}
	list, err := c.Fetch(imap.SeqSet{{Start: 1, Stop: 0}}, &imap.FetchOptions{UID: true, Flags: true, Envelope: true}).Collect()
	if err != nil {
		t.Fatalf("%s of %s: %v", mailbox, account, err)
	}
	var unread imap.UIDSet
	for _, m := range list {
		f := l.fates[account][m.Envelope.Subject]
		if f == nil {
			t.Errorf("%s of %s was never sent, or was gone", m.Envelope.Subject, account)
			continue
		}
		if _, twice := found[f][mailbox]; twice {
			t.Errorf("%s is twice in %s of %s", f.id, mailbox, account)
		}
		if found[f] == nil {
			found[f] = holding{}
		}
		found[f][mailbox] = place{flagList(m.Flags...), m.UID}
		if !f.read {
			unread.AddNum(m.UID)
		}
	}
	l.readWhole(t, c, account, unread)
}

// readWhole compares messages byte for byte with what was sent.
func (l *ledger) readWhole(t *testing.T, c *imapclient.Client, account string, uids imap.UIDSet) {
	t.Helper()
	if len(uids) == 0 {
		return
	}
	whole := &imap.FetchItemBodySection{Peek: true}
	list, err := c.Fetch(uids, &imap.FetchOptions{Envelope: true, BodySection: []*imap.FetchItemBodySection{whole}}).Collect()
	if err != nil {
		t.Fatalf("read messages of %s: %v", account, err)
	}
	for _, m := range list {
		f, text := l.fates[account][m.Envelope.Subject], m.FindBodySection(whole)
		sent := []byte(killMail(f.id))
		if f.exact && !bytes.Equal(text, sent) || !bytes.HasSuffix(text, sent) || bytes.Count(text, []byte("\r\nSubject: ")) > 1 {
			t.Errorf("%s of %s: %d bytes are not the %d that were sent", f.id, account, len(text), len(sent))
		}
		f.read = true
	}
}
