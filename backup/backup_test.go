package backup_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"go.uber.org/goleak"

	"mailstead/accounts"
	"mailstead/backup"
	"mailstead/internal/durable"
	"mailstead/mail"
	"mailstead/storage"
	"mailstead/storage/storagetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// world is a store with accounts.db and a directory to back up to.
type world struct {
	store *storage.Store
	db    *accounts.DB
	data  string
	dir   string
	sent  int
}

const alice mail.AccountID = 1

func newWorld(t *testing.T, o storage.Options) *world {
	t.Helper()
	w := &world{data: t.TempDir(), dir: filepath.Join(t.TempDir(), "backup")}
	var err error
	if w.db, err = accounts.Open(filepath.Join(w.data, "accounts.db"), accounts.Options{Params: accounts.Argon2{Time: 1, Memory: 8, Threads: 1}}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := w.db.Close(); err != nil {
			t.Error(err)
		}
	})
	o.Housekeeping = -1
	w.store = storagetest.OpenDir(t, w.data, o)
	if _, err := w.db.AddDomain(t.Context(), "example.org"); err != nil {
		t.Fatal(err)
	}
	a, err := w.db.AddAccount(t.Context(), mail.Address{Local: "alice", Domain: "example.org"}, "alice-password", accounts.AddOptions{})
	if err != nil || a.ID != alice {
		t.Fatal(a, err)
	}
	if err := w.store.CreateAccount(t.Context(), alice, "alice@example.org"); err != nil {
		t.Fatal(err)
	}
	for _, user := range []mail.AccountID{0, alice} {
		set := storage.AnnotationSet{Ref: storage.Ref{Account: alice, Mailbox: 1}, User: user, List: []storage.Annotation{{Entry: "/comment", Value: fmt.Sprint("for ", user)}}}
		if err := w.store.Annotate(t.Context(), set); err != nil {
			t.Fatal(err)
		}
	}
	return w
}

// small has segments of a few messages each.
func small() storage.Options { return storage.Options{SegmentSize: 16 << 10} }

func (w *world) options() backup.Options {
	return backup.Options{Version: "test", Extra: []backup.Extra{{Name: backup.AccountsName, Write: func(out io.Writer) error {
		_, err := w.db.WriteTo(out)
		return err
	}}}}
}

// fill appends n messages of size bytes to INBOX.
func (w *world) fill(t testing.TB, n, size int) {
	t.Helper()
	for range n {
		w.sent++
		text := fmt.Sprintf("Message-ID: <%d@test>\r\nSubject: %d\r\n\r\n%s\r\n", w.sent, w.sent, strings.Repeat("text ", size/5))
		if _, err := w.store.Append(t.Context(), storagetest.Body(text), storage.Target{Ref: storage.Ref{Account: alice}, OrInbox: true, Flags: storage.Seen, Keywords: []string{"Work"}}); err != nil {
			t.Fatal(err)
		}
	}
}

func (w *world) make(t testing.TB, change func(*backup.Options)) *backup.Result {
	t.Helper()
	o := w.options()
	if change != nil {
		change(&o)
	}
	res, err := backup.Make(context.Background(), w.store, w.dir, o)
	if err != nil {
		t.Fatal(err)
	}
	return res
}

// verify proves a generation and gives the problems.
func verify(t testing.TB, dir, generation string) []string {
	t.Helper()
	m, err := backup.Find(dir, generation)
	if err != nil {
		t.Fatal(err)
	}
	rep, err := backup.Verify(context.Background(), dir, m, backup.VerifyOptions{Temp: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	return rep.Problems
}

func wantGood(t testing.TB, dir string, generations int) {
	t.Helper()
	list, err := backup.Generations(dir)
	if err != nil {
		t.Fatal(err)
	}
	if len(list) != generations {
		t.Fatalf("got %d generations, want %d", len(list), generations)
	}
	for _, m := range list {
		if p := verify(t, dir, m.Generation); len(p) > 0 || !m.Complete {
			t.Errorf("generation %s: complete %v, problems %q", m.Generation, m.Complete, p)
		}
	}
}

// dump is everything a client can see of an account.
func dump(t testing.TB, s *storage.Store, id mail.AccountID) string {
	t.Helper()
	var b bytes.Buffer
	boxes, err := s.Mailboxes(id)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range boxes {
		fmt.Fprintf(&b, "%s %d %d %v %s\n", m.Name, m.UIDValidity, m.Messages, m.Subscribed, m.SpecialUse)
		for _, user := range []mail.AccountID{0, id} {
			list, err := s.Annotations(storage.Ref{Account: id, Mailbox: m.ID}, user)
			if err != nil {
				t.Fatal(err)
			}
			fmt.Fprintf(&b, "  annotated for %d: %v\n", user, list)
		}
		for row, err := range s.Rows(storage.Ref{Account: id, Mailbox: m.ID}, storage.UIDSet{{First: 1, Last: 1<<32 - 1}}, storage.ReadOptions{}) {
			if err != nil {
				t.Fatal(err)
			}
			c, err := s.OpenBlob(context.Background(), row.Blob)
			if err != nil {
				t.Fatal(err)
			}
			text, err := io.ReadAll(io.NewSectionReader(c, 0, c.Size()))
			if err = errors.Join(err, c.Close()); err != nil {
				t.Fatal(err)
			}
			fmt.Fprintf(&b, "  %d %d %v %v %v %q\n", row.UID, row.Flags, row.Keywords, row.InternalDate, row.SaveDate, text)
		}
	}
	return b.String()
}

func TestRestoredStoreIsTheSame(t *testing.T) {
	t.Parallel()
	w := newWorld(t, small())
	w.fill(t, 40, 2000)
	w.fill(t, 2, 3<<20)
	want := dump(t, w.store, alice)
	res := w.make(t, nil)
	if !res.Complete || res.Messages != 42 || len(res.Accounts) != 1 || res.Accounts[0].Messages != 42 {
		t.Errorf("got %+v", res.Manifest)
	}
	w.fill(t, 5, 2000) // after the backup
	target := filepath.Join(t.TempDir(), "data")
	rep, err := backup.Restore(t.Context(), w.dir, res.Manifest, target, backup.RestoreOptions{})
	if err != nil || len(rep.Problems) > 0 {
		t.Fatal(rep, err)
	}
	s := storagetest.OpenDir(t, target, storage.Options{})
	if got := dump(t, s, alice); got != want {
		t.Errorf("got %.2000s\nwant %.2000s", got, want)
	}
	old, err := w.store.Mailbox(alice, "INBOX")
	if err != nil {
		t.Fatal(err)
	}
	out, err := s.Append(t.Context(), storagetest.Body("Subject: new\r\n\r\n"), storage.Target{Ref: storage.Ref{Account: alice}, OrInbox: true})
	if err != nil {
		t.Fatal(err)
	}
	if out[0].UID < old.UIDNext || out[0].UIDValidity != old.UIDValidity || out[0].ModSeq < old.HighestModSeq {
		t.Errorf("got %+v, want nothing that was given out before: %+v", out[0], old)
	}
	gone, _, err := s.Vanished(out[0].Ref, old.HighestModSeq)
	if err != nil || !slices.Contains(slices.Collect(gone.All()), old.UIDNext-1) {
		t.Errorf("the UID of a lost message is not told as vanished: %v, %v", len(gone), err)
	}
	if _, err := backup.Restore(t.Context(), w.dir, res.Manifest, target, backup.RestoreOptions{}); !errors.Is(err, backup.ErrNotEmpty) {
		t.Errorf("into a directory in use: got %v", err)
	}
	db, err := accounts.Open(filepath.Join(target, "accounts.db"), accounts.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if list := db.Accounts(); len(list) != 1 || list[0].Address.String() != "alice@example.org" {
		t.Errorf("got %+v", list)
	}
	if err := db.Close(); err != nil {
		t.Error(err)
	}
}

func TestSecondRunCopiesOnlyWhatIsNew(t *testing.T) {
	t.Parallel()
	w := newWorld(t, storage.Options{SegmentSize: 256 << 10})
	w.fill(t, 400, 4000)
	w.fill(t, 1, 2<<20)
	first := w.make(t, nil)
	again := w.make(t, nil)
	if again.CopiedFiles != 0 {
		t.Errorf("nothing has changed: got %d files", again.CopiedFiles)
	}
	index := again.Copied // checkpoint and accounts.db
	w.fill(t, 10, 4000)
	second := w.make(t, nil)
	if n := second.Copied - index; n < 40_000 || n > 100_000 {
		t.Errorf("got %d bytes copied for 10 messages of 4000, the first run had %d", n, first.Copied)
	}
	wantGood(t, w.dir, 3)
	for _, name := range []string{"mail/000001.seg", "mail/big/0000000001.msg"} {
		if _, err := os.Stat(filepath.Join(w.dir, name)); err != nil {
			t.Error(err)
		}
	}
}

func TestBackupWhileMailComesAndGoes(t *testing.T) {
	t.Parallel()
	w := newWorld(t, small())
	w.fill(t, 60, 2000)
	ctx, stop := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	inbox, err := w.store.Mailbox(alice, "INBOX")
	if err != nil {
		t.Fatal(err)
	}
	ref := storage.Ref{Account: alice, Mailbox: inbox.ID}
	work := func(f func(i int) error) {
		wg.Go(func() {
			for i := 0; ctx.Err() == nil; i++ {
				if err := f(i); err != nil && ctx.Err() == nil {
					t.Error(err)
					return
				}
			}
		})
	}
	work(func(i int) error {
		size := 2000
		if i%10 == 0 {
			size = 1 << 20
		}
		_, err := w.store.Append(context.Background(), storagetest.Body(fmt.Sprintf("Subject: %d\r\n\r\n%s", i, strings.Repeat("x", size))), storage.Target{Ref: ref})
		return err
	})
	work(func(i int) error {
		_, _, err := w.store.Expunge(context.Background(), ref, storage.UIDSet{{First: storage.UID(1 + 3*i), Last: storage.UID(2 + 3*i)}}, false)
		return err
	})
	work(func(int) error {
		_, err := w.store.Compact(ctx, storage.CompactOptions{All: true})
		return err
	})
	for range 5 {
		w.make(t, nil)
	}
	stop()
	wg.Wait()
	last := w.make(t, nil)
	wantGood(t, w.dir, 6)
	want := dump(t, w.store, alice)
	b, err := backup.Open(t.Context(), w.dir, last.Manifest, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if got := dump(t, b.Store, alice); got != want {
		t.Error("the last generation is not what the store has")
	}
	if err := b.Close(); err != nil {
		t.Error(err)
	}
	if _, err := w.store.Compact(t.Context(), storage.CompactOptions{All: true}); err != nil {
		t.Fatal(err)
	}
	segs, err := filepath.Glob(filepath.Join(w.data, "mail", "*.seg"))
	if err != nil || len(segs) > 40 {
		t.Errorf("got %d segments, what was held was not removed: %v", len(segs), err)
	}
}

// killer is a file system that dies at its n-th write: half of that is done,
// and nothing after it.
type killer struct {
	durable.OS
	left *atomic.Int64
}

var errKilled = errors.New("killed")

func (k killer) dead() bool { return k.left.Add(-1) < 0 }

// Open implements durable.FS.
func (k killer) Open(name string, flag int, perm fs.FileMode) (durable.File, error) {
	if flag&os.O_CREATE != 0 && k.dead() {
		return nil, errKilled
	}
	f, err := k.OS.Open(name, flag, perm)
	return mortal{f, k}, err
}

// Rename implements durable.FS.
func (k killer) Rename(a, b string) error {
	if k.dead() {
		return errKilled
	}
	return k.OS.Rename(a, b)
}

// Remove implements durable.FS.
func (k killer) Remove(name string) error {
	if k.dead() {
		return errKilled
	}
	return k.OS.Remove(name)
}

type mortal struct {
	durable.File
	k killer
}

// WriteAt implements io.WriterAt.
func (m mortal) WriteAt(b []byte, off int64) (int, error) {
	if !m.k.dead() {
		return m.File.WriteAt(b, off)
	}
	if m.k.left.Load() == -1 {
		_, _ = m.File.WriteAt(b[:len(b)/2], off) // killed in the middle of it
	}
	return 0, errKilled
}

func TestKilledAtAnyWriteNothingIsLost(t *testing.T) {
	t.Parallel()
	w := newWorld(t, small())
	w.fill(t, 20, 2000)
	w.make(t, nil)
	w.fill(t, 15, 2000)
	w.fill(t, 1, 1<<20)
	if _, _, err := w.store.Expunge(t.Context(), storage.Ref{Account: alice, Mailbox: 1}, storage.UIDSet{{First: 1, Last: 18}}, false); err != nil {
		t.Fatal(err)
	}
	if _, err := w.store.Compact(t.Context(), storage.CompactOptions{All: true}); err != nil {
		t.Fatal(err)
	}
	base := w.dir
	died := 0
	for n := int64(0); ; n++ {
		w.dir = filepath.Join(t.TempDir(), "backup")
		if err := os.CopyFS(w.dir, os.DirFS(base)); err != nil {
			t.Fatal(err)
		}
		o := w.options()
		k := killer{left: &atomic.Int64{}}
		k.left.Store(n)
		o.FS, o.Keep = k, 1
		_, err := backup.Make(t.Context(), w.store, w.dir, o)
		if err == nil {
			break
		}
		if !errors.Is(err, errKilled) {
			t.Fatalf("killed at write %d: %v", n, err)
		}
		died++
		list, err := backup.Generations(w.dir)
		if err != nil || len(list) == 0 {
			t.Fatalf("killed at write %d: generations %v, %v", n, len(list), err)
		}
		for _, m := range list {
			if p := verify(t, w.dir, m.Generation); len(p) > 0 {
				t.Fatalf("killed at write %d: generation %s: %q", n, m.Generation, p)
			}
		}
		w.make(t, func(o *backup.Options) { o.Keep = 1 })
		wantGood(t, w.dir, 1)
		left, err := filepath.Glob(filepath.Join(w.dir, "mail", "*.partial"))
		if err != nil || len(left) > 0 {
			t.Errorf("killed at write %d: left behind: %v, %v", n, left, err)
		}
	}
	if died < 20 {
		t.Errorf("killed only %d times", died)
	}
}

func TestNextRunGoesOnWhereOneWasInterrupted(t *testing.T) {
	t.Parallel()
	w := newWorld(t, small())
	w.fill(t, 100, 4000)
	ctx, cancel := context.WithCancel(t.Context())
	o := w.options()
	o.Progress = func(p backup.Progress) {
		if p.Done > p.Total/2 {
			cancel()
		}
	}
	if _, err := backup.Make(ctx, w.store, w.dir, o); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	if _, err := backup.Find(w.dir, ""); !errors.Is(err, backup.ErrNoGeneration) {
		t.Errorf("half a generation: got %v", err)
	}
	total := int64(0)
	res := w.make(t, func(o *backup.Options) { o.Progress = func(p backup.Progress) { total = p.Total } })
	if total > 250_000 || total == 0 {
		t.Errorf("the second run copied %d of about 420000 bytes, half was there", total)
	}
	if p := verify(t, w.dir, res.Generation); len(p) > 0 {
		t.Error(p)
	}
}

func flip(t *testing.T, path string, at int64) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	b := []byte{0}
	if _, err := f.ReadAt(b, at); err != nil {
		t.Fatal(err)
	}
	b[0] ^= 1
	if _, err := f.WriteAt(b, at); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestFlippedByteIsFoundAndNamed(t *testing.T) {
	t.Parallel()
	w := newWorld(t, small())
	w.fill(t, 30, 2000)
	w.fill(t, 1, 1<<20)
	res := w.make(t, func(o *backup.Options) {
		o.Extra = append(o.Extra, backup.Extra{Name: "config/config.toml", Write: func(w io.Writer) error { _, err := io.WriteString(w, "x = 1\n"); return err }})
	})
	for _, f := range res.Files {
		for _, at := range []int64{0, f.Size / 2, f.Size - 1} {
			path := filepath.Join(w.dir, f.Path)
			flip(t, path, at)
			got := strings.Join(verify(t, w.dir, ""), "\n")
			if !strings.Contains(got, f.Path) {
				t.Errorf("byte %d of %s: got %q", at, f.Path, got)
			}
			flip(t, path, at)
		}
	}
	wantGood(t, w.dir, 1)
	manifest := filepath.Join(w.dir, "generations", res.Generation, "manifest.json")
	flip(t, manifest, 200)
	if _, err := backup.Find(w.dir, ""); err == nil {
		t.Error("a damaged manifest is believed")
	}
	flip(t, manifest, 200)
	// A run that rechecks mends it.
	flip(t, filepath.Join(w.dir, "mail", "000001.seg"), 500)
	w.make(t, nil)
	if p := verify(t, w.dir, ""); len(p) == 0 {
		t.Error("what was there is not read again unless asked for")
	}
	w.make(t, func(o *backup.Options) { o.Recheck = true })
	wantGood(t, w.dir, 3)
}

func TestRotInTheSourceIsNamed(t *testing.T) {
	t.Parallel()
	w := newWorld(t, small())
	w.fill(t, 30, 2000)
	w.make(t, nil)
	w.fill(t, 30, 2000)
	segs, err := filepath.Glob(filepath.Join(w.data, "mail", "*.seg"))
	if err != nil || len(segs) < 5 {
		t.Fatal(segs, err)
	}
	rotten := segs[len(segs)-2]
	flip(t, rotten, 6000)
	defer flip(t, rotten, 6000) // the store is checked when the test ends
	for range 2 {               // it is not forgotten the second time
		res := w.make(t, func(o *backup.Options) { o.Keep = 1 })
		if res.Complete || len(res.Problems) != 1 || !strings.Contains(res.Problems[0], filepath.Base(rotten)) {
			t.Errorf("got complete %v, %q", res.Complete, res.Problems)
		}
		if list, err := backup.Generations(w.dir); err != nil || len(list) != 2 {
			t.Errorf("the newest complete generation must stay: %d, %v", len(list), err)
		}
	}
	// Missing here, but the backup has it.
	if err := os.Rename(segs[0], segs[0]+".away"); err != nil {
		t.Fatal(err)
	}
	defer os.Rename(segs[0]+".away", segs[0])
	flip(t, rotten, 6000)
	res := w.make(t, nil)
	flip(t, rotten, 6000)
	if res.Complete || !strings.Contains(strings.Join(res.Problems, "\n"), "missing in the store; this backup has it") {
		t.Errorf("got %q", res.Problems)
	}
	if m, err := backup.Find(w.dir, ""); err != nil || len(m.Files) < len(segs) {
		t.Error(m, err)
	}
}

func TestOldGenerationsGo(t *testing.T) {
	t.Parallel()
	w := newWorld(t, small())
	for i := range 5 {
		w.fill(t, 20, 2000)
		if _, _, err := w.store.Expunge(t.Context(), storage.Ref{Account: alice, Mailbox: 1}, storage.UIDSet{{First: 1, Last: storage.UID(20 * i)}}, false); err != nil && i > 0 {
			t.Fatal(err)
		}
		if _, err := w.store.Compact(t.Context(), storage.CompactOptions{All: true}); err != nil {
			t.Fatal(err)
		}
		res := w.make(t, func(o *backup.Options) { o.Keep = 2 })
		if want := max(0, min(1, i-1)); len(res.Removed) != want {
			t.Errorf("run %d: removed %v, want %d", i, res.Removed, want)
		}
	}
	wantGood(t, w.dir, 2)
	segs, err := filepath.Glob(filepath.Join(w.dir, "mail", "*.seg"))
	if err != nil || len(segs) > 15 {
		t.Errorf("got %d segments in the backup, %v", len(segs), err)
	}
}

func TestRestoredStoreBacksUpToTheSamePlace(t *testing.T) {
	t.Parallel()
	w := newWorld(t, small())
	w.fill(t, 20, 2000)
	first := w.make(t, nil)
	w.fill(t, 30, 2000)
	w.make(t, nil)
	target := filepath.Join(t.TempDir(), "data")
	if _, err := backup.Restore(t.Context(), w.dir, first.Manifest, target, backup.RestoreOptions{}); err != nil {
		t.Fatal(err)
	}
	was := w.store
	w.store = storagetest.OpenDir(t, target, small())
	w.sent = 1000
	w.fill(t, 40, 2500)
	w.make(t, nil)
	wantGood(t, w.dir, 3)
	// And both go on side by side, like a snapshot that was started again.
	w.fill(t, 5, 2000)
	w.make(t, nil)
	w.store = was
	w.fill(t, 5, 2000)
	w.make(t, nil)
	wantGood(t, w.dir, 5)
}

func TestLinkedFilesAreTheSameFiles(t *testing.T) {
	t.Parallel()
	w := newWorld(t, small())
	w.dir = filepath.Join(filepath.Dir(w.data), filepath.Base(w.data)+"-backup")
	t.Cleanup(func() { os.RemoveAll(w.dir) })
	w.fill(t, 40, 2000)
	res := w.make(t, func(o *backup.Options) { o.Link = true })
	if res.Linked == 0 {
		t.Error("nothing was linked")
	}
	w.fill(t, 10, 2000)
	w.make(t, func(o *backup.Options) { o.Link = true })
	w.make(t, nil)
	wantGood(t, w.dir, 3)
}

func TestBackupIsRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t, small())
	inside := filepath.Join(w.data, "backup")
	if _, err := backup.Make(t.Context(), w.store, inside, w.options()); !errors.Is(err, backup.ErrInside) {
		t.Errorf("inside: got %v", err)
	}
	other := t.TempDir()
	if err := os.WriteFile(filepath.Join(other, "something"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := backup.Make(t.Context(), w.store, other, w.options()); !errors.Is(err, backup.ErrNotEmpty) {
		t.Errorf("not empty: got %v", err)
	}
	if _, err := backup.Find(other, ""); !errors.Is(err, backup.ErrNoBackup) {
		t.Errorf("no backup: got %v", err)
	}
	w.fill(t, 10, 2000)
	o := w.options()
	busy := error(nil)
	o.Progress = func(backup.Progress) { _, busy = backup.Make(t.Context(), w.store, w.dir, w.options()) }
	if _, err := backup.Make(t.Context(), w.store, w.dir, o); err != nil || !errors.Is(busy, backup.ErrBusy) {
		t.Errorf("busy: got %v, %v", err, busy)
	}
}

func TestEmptyStoreIsBackedUp(t *testing.T) {
	t.Parallel()
	w := newWorld(t, small())
	w.store = storagetest.Open(t, storage.Options{})
	w.make(t, func(o *backup.Options) { o.Extra = nil })
	if p := verify(t, w.dir, ""); len(p) != 1 || !strings.Contains(p[0], "nobody could log in") {
		t.Error(p)
	}
}

func TestStoreClosesWhileABackupIsMade(t *testing.T) {
	t.Parallel()
	w := newWorld(t, small())
	w.fill(t, 50, 2000)
	o := w.options()
	closed := make(chan error, 1)
	var once sync.Once
	o.Rate = 20_000
	o.Progress = func(backup.Progress) { once.Do(func() { go func() { closed <- w.store.Close() }() }) }
	if _, err := backup.Make(t.Context(), w.store, w.dir, o); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if err := <-closed; err != nil {
		t.Error(err)
	}
}

func TestNothingGoesWhileSomebodyReads(t *testing.T) {
	t.Parallel()
	w := newWorld(t, small())
	w.fill(t, 20, 2000)
	first := w.make(t, nil)
	b, err := backup.Open(t.Context(), w.dir, first.Manifest, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	want := dump(t, w.store, alice)
	if _, _, err := w.store.Expunge(t.Context(), storage.Ref{Account: alice, Mailbox: 1}, storage.UIDSet{{First: 1, Last: 20}}, false); err != nil {
		t.Fatal(err)
	}
	if _, err := w.store.Compact(t.Context(), storage.CompactOptions{All: true}); err != nil {
		t.Fatal(err)
	}
	one := func(o *backup.Options) { o.Keep = 1 }
	if res := w.make(t, one); len(res.Removed) > 0 {
		t.Errorf("removed %v", res.Removed)
	}
	if got := dump(t, b.Store, alice); got != want {
		t.Error("what is read has changed")
	}
	if err := b.Close(); err != nil {
		t.Error(err)
	}
	if res := w.make(t, one); len(res.Removed) != 2 {
		t.Errorf("removed %v, want both", res.Removed)
	}
}

// The sample was made by the first version; it must open for ever.
func TestFirstLayoutOpens(t *testing.T) {
	t.Parallel()
	const sample = "testdata/layout1"
	if os.Getenv("MAILSTEAD_SAMPLE") != "" {
		w := newWorld(t, storage.Options{})
		w.dir = sample
		w.fill(t, 3, 500)
		w.make(t, nil)
		return
	}
	wantGood(t, sample, 1)
	m, err := backup.Find(sample, "")
	if err != nil {
		t.Fatal(err)
	}
	b, err := backup.Open(t.Context(), sample, m, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if got := dump(t, b.Store, alice); !strings.Contains(got, "Message-ID: <3@test>") || !strings.Contains(got, "INBOX") {
		t.Errorf("got %s", got)
	}
	if err := b.Close(); err != nil {
		t.Error(err)
	}
}
