package storage_test

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"mailstead/mail"
	"mailstead/storage"
)

// modelChecks is how many random histories are tried: MAILSTEAD_MODEL_CHECKS, or
// what takes a few seconds.
const modelChecks = "MAILSTEAD_MODEL_CHECKS"

// setModelChecks is called before the flags are parsed, so that -rapid.checks on
// the command line wins.
func setModelChecks() error {
	checks := os.Getenv(modelChecks)
	if checks == "" {
		checks = "15"
	}
	if err := flag.Set("rapid.checks", checks); err != nil {
		return fmt.Errorf("%s: %w", modelChecks, err)
	}
	return flag.Set("rapid.steps", "60")
}

// machine is a store and the model of it.
type machine struct {
	dir, sub  string // sub is below dir: after a crash it is another one
	crashes   int
	opts      storage.Options
	s         *storage.Store
	m         *model
	followers []*follower
	numbers   mail.AccountID // given out
	texts     int
}

// TestStoreIsLikeTheModel does random things to a store and to a model of it, and
// compares all that callers can see after each.
func TestStoreIsLikeTheModel(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		dir, err := os.MkdirTemp(t.TempDir(), "")
		if err != nil {
			rt.Fatal(err)
		}
		rt.Cleanup(func() { _ = os.RemoveAll(dir) }) // t's own cleanup takes what is left
		h := &machine{dir: dir, m: newModel()}
		h.opts = storage.Options{MinFree: -1, SegmentSize: rapid.SampledFrom([]int64{600, 4000, 1 << 20}).Draw(rt, "segment"),
			KeepExpunged: rapid.SampledFrom([]time.Duration{0, time.Hour}).Draw(rt, "keep"), Compress: rapid.Bool().Draw(rt, "compress"), Housekeeping: -1,
			Quota: func(id mail.AccountID) int64 { return h.m.limits[id] }}
		h.open(rt)
		rt.Cleanup(func() { _ = h.s.Close() }) // has been closed when all is well
		h.CreateAccount(rt)
		h.CreateAccount(rt)
		rt.Repeat(h.actions())
		h.Rebuild(rt)
		h.compare(rt)
		h.shut(rt)
	})
}

// actions are what can happen; the number says how often.
func (h *machine) actions() map[string]func(*rapid.T) {
	all := map[string]func(*rapid.T){"": h.compare}
	for _, a := range []struct {
		name string
		n    int
		do   func(*rapid.T)
	}{
		{"append", 6, h.Append}, {"flags", 6, h.SetFlags}, {"copy", 3, h.Copy}, {"move", 3, h.Move}, {"expunge", 3, h.Expunge},
		{"create", 2, h.CreateMailbox}, {"delete", 2, h.DeleteMailbox}, {"rename", 2, h.RenameMailbox}, {"subscribe", 1, h.Subscribe},
		{"new account", 1, h.CreateAccount}, {"remove account", 1, h.RemoveAccount}, {"quota", 1, h.SetQuota},
		{"follow", 2, h.Follow}, {"reopen", 1, h.Reopen}, {"rebuild", 1, h.Rebuild}, {"crash", 1, h.Crash},
		{"deliver", 2, h.Deliver}, {"compact", 1, h.Compact}, {"checkpoint", 1, h.Checkpoint}, {"undelete", 2, h.Undelete}, {"purge", 1, h.Purge}, {"share", 3, h.Share},
	} {
		for i := range a.n {
			all[fmt.Sprint(a.name, " ", i)] = a.do
		}
	}
	return all
}

func (h *machine) open(t *rapid.T) {
	s, err := openAgain(filepath.Join(h.dir, h.sub), h.opts)
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	h.s = s
}

// openAgain opens a store that was closed right before. Another test that starts
// a process at this moment has a copy of the lock, until that process runs.
func openAgain(dir string, o storage.Options) (*storage.Store, error) {
	for late := time.Now().Add(10 * time.Second); ; runtime.Gosched() {
		s, err := storage.Open(dir, o)
		if !errors.Is(err, storage.ErrLocked) || time.Now().After(late) {
			return s, err
		}
	}
}

// shut closes the store after a check of its own invariants.
func (h *machine) shut(t *rapid.T) {
	rep, err := h.s.Check(t.Context(), storage.CheckOptions{Bodies: true})
	if err != nil || len(rep.Problems) > 0 {
		t.Fatalf("check: %v, %q", err, rep.Problems)
	}
	for _, f := range h.followers {
		f.feed.Close()
	}
	h.followers = nil
	if err := h.s.Close(); err != nil {
		t.Fatalf("close: %v", err)
	}
}

// Reopen closes the store and opens it.
func (h *machine) Reopen(t *rapid.T) {
	h.shut(t)
	h.open(t)
	h.readBodies(t)
}

// Rebuild opens the store after its index is gone.
func (h *machine) Rebuild(t *rapid.T) {
	h.shut(t)
	for _, file := range []string{"index.db", "index.meta"} {
		if err := os.RemoveAll(filepath.Join(h.dir, h.sub, file)); err != nil {
			t.Fatal(err)
		}
	}
	h.open(t)
	h.readBodies(t)
}

// Crash opens what the files were like at some moment while the store was open,
// as a killed process leaves them.
func (h *machine) Crash(t *rapid.T) {
	h.crashes++
	dir := filepath.Join(h.dir, fmt.Sprint("crash", h.crashes))
	for _, name := range []string{"index.db", "index.meta", "mail"} {
		from := filepath.Join(h.dir, h.sub, name)
		if err := copyTree(from, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	h.shut(t)
	h.sub = filepath.Base(dir)
	h.open(t)
	h.readBodies(t)
}

func copyTree(from, to string) error {
	if info, err := os.Stat(from); err != nil || info.IsDir() {
		return errors.Join(err, os.CopyFS(to, os.DirFS(from)))
	}
	b, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	return errors.Join(os.MkdirAll(filepath.Dir(to), 0o700), os.WriteFile(to, b, 0o600))
}

// boxName is a name as clients may write it and as the store must keep it.
type boxName struct {
	raw, clean string
	bad        bool
}

// drawName draws names from few, so that they meet.
func drawName(t *rapid.T, label string) boxName {
	if rapid.IntRange(0, 19).Draw(t, label+" bad") == 0 {
		return boxName{raw: rapid.SampledFrom([]string{"", "/a", "a/", "a//b", "a\x01", "\xff"}).Draw(t, label), bad: true}
	}
	levels := [][2]string{{"a", "a"}, {"b", "b"}, {"e\u0301", "\u00e9"}, {"Sent", "Sent"}, {"inbox", "inbox"}}
	first := rapid.SampledFrom(append(levels[:4:4], [2]string{"iNbOx", "INBOX"})).Draw(t, label)
	n := boxName{raw: first[0], clean: first[1]}
	for range rapid.SampledFrom([]int{0, 0, 0, 1, 1, 2}).Draw(t, label+" depth") {
		l := rapid.SampledFrom(levels).Draw(t, label)
		n.raw, n.clean = n.raw+"/"+l[0], n.clean+"/"+l[1]
	}
	return n
}

// drawRef draws a mailbox that is there, or sometimes one that is not.
func (h *machine) drawRef(t *rapid.T, label string) storage.Ref {
	if rapid.IntRange(0, 19).Draw(t, label+" gone") == 0 {
		dead := []storage.Ref{{Account: 1, Mailbox: 9999}, {Account: 9999, Mailbox: 1}, {Account: 1}}
		for _, b := range h.m.boxes {
			if b.deleted {
				dead = append(dead, b.ref)
			}
		}
		return rapid.SampledFrom(dead).Draw(t, label)
	}
	var live, used []storage.Ref
	for _, b := range h.m.boxes {
		if !b.deleted {
			live = append(live, b.ref)
			if len(b.messages) > 0 {
				used = append(used, b.ref)
			}
		}
	}
	if len(live) == 0 {
		return storage.Ref{Account: 1, Mailbox: 1}
	}
	if len(used) > 0 && rapid.Bool().Draw(t, label+" with mail") {
		return rapid.SampledFrom(used).Draw(t, label)
	}
	return rapid.SampledFrom(live).Draw(t, label)
}

// drawSet draws UIDs, most of which the mailbox may have.
func (h *machine) drawSet(t *rapid.T, ref storage.Ref) storage.UIDSet {
	next := storage.UID(5)
	if b := h.m.box(ref); b != nil {
		next = b.next
	}
	switch rapid.IntRange(0, 9).Draw(t, "set kind") {
	case 0:
		return storage.UIDSet{}
	case 1:
		return storage.UIDSet{{First: 1, Last: 1<<32 - 1}}
	}
	uid := rapid.Custom(func(t *rapid.T) storage.UID { return storage.UID(rapid.Uint32Range(1, uint32(next)+1).Draw(t, "uid")) })
	return storage.UIDs(rapid.SliceOfN(uid, 1, 6).Draw(t, "set")...)
}

func drawFlags(t *rapid.T) storage.Flags {
	return storage.Flags(rapid.IntRange(0, 31).Draw(t, "flags"))
}

func drawMask(t *rapid.T) (m storage.FlagMask) {
	if rapid.IntRange(0, 2).Draw(t, "masked") == 0 {
		m = storage.FlagMask{Flags: drawFlags(t), Keywords: rapid.Bool().Draw(t, "no keywords")}
	}
	return m
}

func drawKeywords(t *rapid.T) []string {
	return rapid.SliceOfN(rapid.SampledFrom([]string{"work", "Work", "$Forwarded", "$forwarded", "x1"}), 0, 2).Draw(t, "keywords")
}

// message makes a message like no other.
func (h *machine) message(t *rapid.T) string {
	h.texts++
	if rapid.IntRange(0, 19).Draw(t, "empty") == 0 {
		return ""
	}
	id := rapid.IntRange(1, max(1, h.texts)).Draw(t, "message id")
	text := fmt.Sprintf("Subject: m%d\r\nMessage-ID: <%d@x>\r\n\r\n", h.texts, id)
	for range rapid.IntRange(0, 20).Draw(t, "lines") {
		text += "a line of text\r\n"
	}
	if rapid.IntRange(0, 99).Draw(t, "big") == 0 {
		text += strings.Repeat(fmt.Sprint(h.texts, " is a big message\r\n"), 60_000)
	}
	return text
}

func drawDate(t *rapid.T) time.Time {
	return rapid.SampledFrom([]time.Time{{}, time.Unix(1700000000, 0).UTC(), time.Date(1999, 12, 31, 23, 59, 59, 0, time.FixedZone("", -90*60))}).Draw(t, "date")
}
