package imapd

import (
	"sync/atomic"
	"testing"

	"pgregory.net/rapid"

	"mailstead/storage"
)

// modelHistory is how many ranges of expunged UIDs the store remembers in
// TestClientsAgreeWithModel.
const modelHistory = 2

// TestClientsAgreeWithModel has sessions of all kinds work on two mailboxes, one
// command after another in any order. After each, the mailboxes hold what the
// RFCs say; and what a client was told never breaks a rule and comes, at the
// next NOOP, to what is there. More with -rapid.checks.
func TestClientsAgreeWithModel(t *testing.T) {
	t.Parallel()
	s := newSuiteOn(t, t.TempDir(), storage.Options{History: modelHistory})
	var runs atomic.Int32
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld(t, s, int(runs.Add(1)))
		defer w.close()
		for range w.number(2, 7, "messages") {
			w.deliver()
		}
		for i := range w.number(2, 4, "clients") {
			w.connect(string(rune('a' + i)))
		}
		for range w.number(1, 60, "steps") {
			if w.one(10, "delivery") {
				w.deliver()
				continue
			}
			w.step(pick(w, "client", w.clients...))
		}
		for _, c := range w.clients {
			if c.idling != "" {
				w.done(c)
			}
			w.compare(c)
			w.catchUp(c)
		}
	})
}

// connect brings a client of some kind.
func (w *world) connect(name string) {
	c := dialClient(w.s.addr, name, w.t.Fatalf, w.t.Logf)
	w.clients = append(w.clients, c)
	w.enable(c)
	w.visit(c, w.box())
}

// visit opens a mailbox for a client, which then mostly knows much of what is there.
func (w *world) visit(c *client, b *truth) {
	w.open(c, b)
	if !w.one(4, "ignorant") {
		w.learn(c)
	}
}

// enable turns on some of what there is (RFC 5161).
func (w *world) enable(c *client) {
	for _, on := range []struct {
		name string
		flag *bool
	}{{"IMAP4rev2", &c.rev2}, {"CONDSTORE", &c.condstore}, {"QRESYNC", &c.qresync}, {"UIDONLY", &c.uidOnly}} {
		if *on.flag || !w.one(3, on.name) {
			continue
		}
		if a := c.ask("ENABLE %s", on.name); a.kind != "OK" {
			w.t.Fatalf("%s: enable: %s", c.name, a.kind)
		}
		*on.flag = true
		c.condstore = c.condstore || c.qresync
	}
}

func (w *world) close() {
	for _, c := range w.clients {
		_ = c.c.Close()
	}
}

// step has a client do something.
func (w *world) step(c *client) {
	if c.idling != "" {
		w.done(c)
		return
	}
	if c.box == nil {
		switch pick(w, "away", "open", "open", "append", "enable") {
		case "open":
			w.visit(c, w.box())
		case "append":
			w.appendMessages(c)
		case "enable":
			w.enable(c)
		}
		return
	}
	steps := map[string]func(*client){
		"store": w.store, "fetch": w.fetch, "search": w.search, "transfer": w.transfer, "expunge": w.expunge, "append": w.appendMessages,
		"replace": w.replace, "leave": w.leave, "idle": w.idle, "compare": w.compare, "learn": w.learn, "catch up": w.catchUp, "cancel": w.cancel,
		"reopen":    func(c *client) { w.visit(c, w.box()) },
		"reconnect": func(c *client) { w.reconnect(c) },
	}
	steps[pick(w, "step", "store", "store", "store", "store", "fetch", "fetch", "fetch", "search", "search", "transfer", "transfer", "expunge", "expunge",
		"append", "replace", "leave", "idle", "compare", "learn", "catch up", "cancel", "reopen", "reconnect")](c)
}

// reconnect breaks off a connection, and comes back as another kind of client.
func (w *world) reconnect(c *client) {
	w.remember(c, c.sync)
	_ = c.c.Close()
	*c = *dialClient(w.s.addr, c.name, w.t.Fatalf, w.t.Logf)
	w.enable(c)
	w.visit(c, w.box())
}
