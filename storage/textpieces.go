package storage

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"unicode"

	"golang.org/x/text/unicode/norm"

	"mailstead/internal/durable"
	"mailstead/internal/logkey"
	"mailstead/mail"
	"mailstead/textindex"
)

// The text index is files beside the store, text/ACCOUNT/NNNNNN.idx, each a piece
// of package textindex for some messages of an account. It is made from the
// store and never the other way round: a piece that is damaged, of another
// version or of other messages is removed and made again, and what no piece
// covers is searched without. docs/decisions/0009 says why.

const (
	textDir    = "text"
	textSuffix = ".idx"
	textTemp   = "new.tmp"
	// textVersion changes when the text of a message changes: see textof.go.
	textVersion = 1
	// Bounds of what is kept open: accounts, and documents of them.
	maxTextAccounts = 64
	maxTextDocs     = 1 << 21
)

// textStamp is what a piece must be written with. Folding and the cutting of words
// depend on the tables of Unicode.
func textStamp() string {
	return fmt.Sprintf("%d/%s/%s", textVersion, unicode.Version, norm.Version)
}

// textIndex is the pieces of all accounts.
type textIndex struct {
	s    *Store
	dir  string
	seq  uint64 // of the next record when the store was opened
	wake chan struct{}
	work sync.Mutex // held by who makes pieces, one at a time

	newMu sync.Mutex             // held for a moment only: stage 2 takes it
	added map[mail.AccountID]int // messages, since they were last looked at

	mu       sync.Mutex
	accounts map[mail.AccountID]*textAccount
	proved   map[mail.AccountID]bool // its pieces are of this store
	clock    uint64                  // counts uses
	entries  int                     // of all boxes
}

// textAccount is the open pieces of an account.
type textAccount struct {
	id     mail.AccountID
	pieces []*textPiece // never changed, only exchanged
	next   uint64       // number of the next piece
	boxes  map[MailboxID]*textBox
	users  int
	used   uint64
}

// textPiece is one open piece.
type textPiece struct {
	*textindex.Piece
	number uint64
	path   string
	file   durable.File
	size   int64
	users  int
	dead   bool // to be closed by its last user
}

func newTextIndex(s *Store) *textIndex {
	return &textIndex{s: s, dir: filepath.Join(s.dir, textDir), wake: make(chan struct{}, 1),
		accounts: map[mail.AccountID]*textAccount{}, proved: map[mail.AccountID]bool{}, added: map[mail.AccountID]int{}}
}

// begin makes the index ready. Pieces of a store that has lost something, or is
// another one now, are not believed.
func (t *textIndex) begin(anew bool) error {
	t.seq = t.s.seq
	if anew {
		if err := t.s.DropText(); err != nil {
			return err
		}
	}
	if !t.s.opts.SearchIndex {
		return nil
	}
	if err := os.MkdirAll(t.dir, 0o700); err != nil {
		return fmt.Errorf("make text index: %w", err)
	}
	return nil
}

func (t *textIndex) accountDir(id mail.AccountID) string {
	return filepath.Join(t.dir, strconv.FormatUint(uint64(id), 10))
}

// acquire gives an account's pieces, loaded when they are not yet. Release it.
func (t *textIndex) acquire(id mail.AccountID) (*textAccount, []*textPiece) {
	t.mu.Lock()
	defer t.mu.Unlock()
	a := t.accounts[id]
	if a == nil {
		a = t.load(id)
		t.accounts[id] = a
	}
	a.users++
	t.clock++
	a.used = t.clock
	for _, p := range a.pieces {
		p.users++
	}
	list := a.pieces
	t.evict()
	return a, list
}

func (t *textIndex) release(a *textAccount, list []*textPiece) {
	t.mu.Lock()
	defer t.mu.Unlock()
	a.users--
	for _, p := range list {
		p.users--
		t.closeDead(p)
	}
}

// closeDead closes a piece that nobody uses or will.
func (t *textIndex) closeDead(p *textPiece) {
	if p.dead && p.users == 0 {
		_ = p.file.Close() // only read from
	}
}

// evict closes what was not used for longest, when too much is open. The lock is
// held.
func (t *textIndex) evict() {
	for {
		docs := 0
		var oldest *textAccount
		for _, a := range t.accounts {
			for _, p := range a.pieces {
				docs += p.Len()
			}
			if a.users == 0 && (oldest == nil || a.used < oldest.used) {
				oldest = a
			}
		}
		if oldest == nil || len(t.accounts) <= maxTextAccounts && docs+t.entries <= maxTextDocs {
			return
		}
		t.forget(oldest)
	}
}

// forget closes an account that nobody uses. The lock is held.
func (t *textIndex) forget(a *textAccount) {
	for _, p := range a.pieces {
		p.dead = true
		t.closeDead(p)
	}
	for _, b := range a.boxes {
		t.entries -= len(b.list)
	}
	a.boxes = map[MailboxID]*textBox{}
	delete(t.accounts, a.id)
}

// load opens the pieces of an account and removes what is none. The lock is held.
func (t *textIndex) load(id mail.AccountID) *textAccount {
	a := &textAccount{id: id, next: 1, boxes: map[MailboxID]*textBox{}}
	names, err := os.ReadDir(t.accountDir(id))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.s.log.Warn("text index not read", logkey.Account, id, logkey.Err, err)
	}
	var list []*textPiece
	replaced := map[uint64]bool{}
	for _, e := range names {
		path := filepath.Join(t.accountDir(id), e.Name())
		base, ok := strings.CutSuffix(e.Name(), textSuffix)
		n, err := strconv.ParseUint(base, 10, 64)
		if !ok || err != nil {
			if e.Name() != textTemp {
				t.drop(path, "not a piece")
			}
			continue
		}
		a.next = max(a.next, n+1)
		p, err := t.open(path, n, !t.proved[id])
		if err != nil {
			t.drop(path, err.Error())
			continue
		}
		for _, old := range p.Replaces() {
			replaced[old] = true
		}
		list = append(list, p)
	}
	t.proved[id] = true
	for _, p := range list {
		if replaced[p.number] {
			_ = p.file.Close() // only read from
			t.drop(p.path, "merged into another")
			continue
		}
		a.pieces = append(a.pieces, p)
	}
	return a
}

var errOtherText = errors.New("made by another version, or for another store")

// open opens a piece. prove asks whether it is of this store.
func (t *textIndex) open(path string, number uint64, prove bool) (p *textPiece, err error) {
	f, err := t.s.fs.Open(path, os.O_RDONLY, 0)
	if err != nil {
		return nil, err
	}
	p = &textPiece{number: number, path: path, file: f}
	if p.size, err = f.Size(); err == nil {
		p.Piece, err = textindex.Open(f, p.size)
	}
	if err == nil && (p.Stamp() != textStamp() || prove && p.last() >= t.seq) {
		err = errOtherText
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return p, nil
}

// last is the highest blob of a piece.
func (p *textPiece) last() uint64 {
	if p.Len() == 0 {
		return 0
	}
	blob, _ := p.Doc(p.Len() - 1)
	return blob
}

// drop removes a file of the index.
func (t *textIndex) drop(path, why string) {
	t.s.log.Info("piece of the text index dropped", "file", path, "why", why)
	if err := t.s.fs.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.s.log.Warn("piece of the text index not removed", "file", path, logkey.Err, err)
	}
}

// exchange puts a new piece, which may be nil, in the place of old ones.
func (t *textIndex) exchange(a *textAccount, fresh *textPiece, old ...*textPiece) {
	t.mu.Lock()
	defer t.mu.Unlock()
	gone := map[*textPiece]bool{}
	for _, p := range old {
		gone[p] = true
	}
	var list []*textPiece
	for _, p := range a.pieces {
		if !gone[p] {
			list = append(list, p)
			continue
		}
		t.discard(p)
	}
	if fresh != nil {
		list = append(list, fresh)
	}
	a.pieces = list
	if fresh != nil && t.accounts[a.id] != a { // the account has gone meanwhile
		t.discard(fresh)
	}
	for _, b := range a.boxes {
		b.placed = nil
	}
}

// discard closes a piece and removes its file. The lock is held.
func (t *textIndex) discard(p *textPiece) {
	p.dead = true
	t.closeDead(p)
	if err := t.s.fs.Remove(p.path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.s.log.Warn("piece of the text index not removed", "file", p.path, logkey.Err, err)
	}
}

// damaged drops a piece that could not be read, and has its messages indexed
// anew.
func (t *textIndex) damaged(a *textAccount, p *textPiece, err error) {
	t.s.log.Warn("piece of the text index damaged", "file", p.path, logkey.Err, err)
	t.exchange(a, nil, p)
	t.note(a.id, 1<<20)
}

// note has an account looked at when there is enough to do.
func (t *textIndex) note(id mail.AccountID, n int) {
	if t.add(id, n) >= t.batch() {
		select {
		case t.wake <- struct{}{}:
		default:
		}
	}
}

func (t *textIndex) add(id mail.AccountID, n int) int {
	t.newMu.Lock()
	defer t.newMu.Unlock()
	t.added[id] += n
	return t.added[id]
}

// arrived notes new messages.
func (t *textIndex) arrived(events []addressed) {
	if !t.s.opts.SearchIndex {
		return
	}
	for _, e := range events {
		if e.Kind == EventAdded {
			t.note(e.Account, len(e.Rows))
		}
	}
}

// remove drops all of an account.
func (t *textIndex) remove(id mail.AccountID) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if a := t.accounts[id]; a != nil {
		t.forget(a)
	}
	t.newMu.Lock()
	delete(t.added, id)
	t.newMu.Unlock()
	if err := os.RemoveAll(t.accountDir(id)); err != nil {
		t.s.log.Warn("text index of an account not removed", logkey.Account, id, logkey.Err, err)
	}
}

// close ends the index; nothing uses it any more.
func (t *textIndex) close() {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, a := range t.accounts {
		t.forget(a)
	}
}

// measure tells how many pieces there are and their bytes.
func (t *textIndex) measure() (pieces int, bytes int64) {
	_ = filepath.WalkDir(t.dir, func(path string, e fs.DirEntry, err error) error { // what is gone meanwhile does not count
		if err != nil || e.IsDir() {
			return nil
		}
		if info, err := e.Info(); err == nil {
			pieces, bytes = pieces+1, bytes+info.Size()
		}
		return nil
	})
	return pieces, bytes
}

// DropText removes the text index. With Options.SearchIndex it is for Open alone.
func (s *Store) DropText() error {
	if err := os.RemoveAll(s.text.dir); err != nil {
		return fmt.Errorf("drop text index: %w", err)
	}
	return nil
}

// IndexText brings the text index up to the mail there is, and returns when it
// is done. The store does so by itself, at leisure.
func (s *Store) IndexText(ctx context.Context) error {
	if !s.opts.SearchIndex {
		return nil
	}
	s.text.all()
	return s.text.round(ctx, textRound{least: 1, thin: true})
}
