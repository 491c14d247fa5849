package storage

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"mailstead/internal/durable"
	"mailstead/internal/logkey"
	"mailstead/mail"
	"mailstead/textindex"
)

// How the text index is made.
const (
	// textBatch is how many new messages of an account are worth a piece at once,
	// textFew how many are after textEvery. Fewer are searched without.
	textBatch = 256
	textFew   = 16
	textEvery = 10 * time.Second
	// textThin is how often pieces are looked through for what is gone.
	textThin = 24 * time.Hour
	// textMemory is what the messages of a piece take while it is made.
	textMemory = 48 << 20
	textDocs   = 1 << 14 // of one piece, before merging
	// textFlush is how much of a piece is handed to the disk at once.
	textFlush = 1 << 20
)

// textColumns are the header fields that have a column. They must be fields of
// mail.CachedField.
func textColumns() []string {
	return []string{"subject", "from", "to", "cc", "bcc", "message-id", "sender", "reply-to", "in-reply-to", "references", "list-id"}
}

func (t *textIndex) batch() int {
	if n := t.s.opts.SearchBatch; n > 0 {
		return n
	}
	return textBatch
}

// keep makes pieces in the background, and merges them.
func (t *textIndex) keep(ctx context.Context) {
	tick := time.NewTicker(textEvery)
	defer tick.Stop()
	least := min(textFew, t.batch())
	var whole time.Time // when all accounts were looked at
	for {
		var err error
		thin := time.Since(whole) >= textThin
		if thin {
			whole = time.Now()
			err = t.sweep()
			t.all()
		}
		if err == nil {
			err = t.round(ctx, textRound{least: least, gently: true, thin: thin})
		}
		if err != nil && ctx.Err() == nil && !errors.Is(err, ErrClosed) {
			t.s.log.Warn("text index not made", logkey.Err, err)
		}
		least = t.batch()
		select {
		case <-tick.C:
			least = min(textFew, t.batch())
		case <-t.wake:
		case <-ctx.Done():
			return
		}
	}
}

// sweep removes what accounts left that are gone.
func (t *textIndex) sweep() error {
	names, err := os.ReadDir(t.dir)
	if err != nil {
		return fmt.Errorf("look through text index: %w", err)
	}
	for _, e := range names {
		id, err := strconv.ParseUint(e.Name(), 10, 32)
		if err == nil {
			if ok, err := t.s.HasAccount(mail.AccountID(id)); err != nil || ok {
				continue
			}
			t.remove(mail.AccountID(id))
		}
	}
	return nil
}

// all has every account looked at.
func (t *textIndex) all() {
	list, err := t.s.Accounts()
	if err != nil {
		return // the next round says so
	}
	for _, a := range list {
		t.add(a.ID, textBatch)
	}
}

// textRound says how accounts are looked at.
type textRound struct {
	least  int  // new messages that are worth a piece
	gently bool // leave the machine to others half the time
	thin   bool // take out what is gone
}

// round indexes the accounts that have enough new messages.
func (t *textIndex) round(ctx context.Context, how textRound) error {
	t.work.Lock()
	defer t.work.Unlock()
	t.newMu.Lock()
	var ids []mail.AccountID
	for id, n := range t.added {
		if n >= how.least {
			ids = append(ids, id)
			delete(t.added, id)
		}
	}
	t.newMu.Unlock()
	slices.Sort(ids)
	var errs []error
	for _, id := range ids {
		w := textWork{t: t, ctx: ctx, id: id, textRound: how, since: time.Now()}
		left, err := w.index()
		if err != nil {
			errs = append(errs, fmt.Errorf("account %d: %w", id, err))
			left = textFew // tried again at the next tick
		}
		if left > 0 {
			t.add(id, left)
		}
		if ctx.Err() != nil {
			break
		}
	}
	return errors.Join(errs...)
}

// textWork is one account's turn.
type textWork struct {
	textRound
	t     *textIndex
	ctx   context.Context
	id    mail.AccountID
	since time.Time // when it last rested
}

// rest lets deliveries pass, and others work as long as this one did.
func (w *textWork) rest() error {
	if err := w.ctx.Err(); err != nil || !w.gently {
		return err
	}
	for {
		busy := len(w.t.s.queue) > 0
		did := time.Since(w.since)
		if did < 4*time.Millisecond && !busy {
			return nil
		}
		select {
		case <-time.After(min(max(did, 2*time.Millisecond), 50*time.Millisecond)):
		case <-w.ctx.Done():
			return w.ctx.Err()
		}
		w.since = time.Now()
		if len(w.t.s.queue) == 0 {
			return nil
		}
	}
}

// index makes pieces of what no piece has; left are those too few for one.
func (w *textWork) index() (left int, err error) {
	a, pieces := w.t.acquire(w.id)
	list, err := w.missing(pieces)
	w.t.release(a, pieces)
	if err != nil {
		return 0, err
	}
	if len(list) < w.least {
		left = len(list)
	} else {
		for len(list) > 0 {
			if list, err = w.piece(list); err != nil {
				return 0, err
			}
		}
		if err := w.merge(); err != nil {
			return 0, err
		}
	}
	if w.thin {
		err = w.takeOut()
	}
	return left, err
}

// missing lists the messages of the account that no piece has, by blob.
func (w *textWork) missing(pieces []*textPiece) (list []textEntry, err error) {
	from := accountKey(w.id)
	for from != nil {
		err := w.t.s.view(func(x index) error {
			c := x.tx.Bucket([]byte(bucketHot)).Cursor()
			looked := 0
			k, v := x.seek(c, bucketHot, from)
			from = nil
			for ; k != nil && bytes.HasPrefix(k, accountKey(w.id)); k, v = c.Next() {
				if looked++; looked > readSlice {
					from = bytes.Clone(k)
					return nil
				}
				h, err := x.hot(k, v)
				if err != nil {
					continue // it is noted, and not searched for either
				}
				e := textEntry{blob: h.blob, size: clampSize(h.size)}
				if !slices.ContainsFunc(pieces, func(p *textPiece) bool { _, ok := p.holds(e); return ok }) {
					list = append(list, e)
				}
			}
			return nil
		})
		if err == nil {
			err = w.rest()
		}
		if err != nil {
			return nil, err
		}
	}
	slices.SortFunc(list, func(a, b textEntry) int { return compareBlobs(a.blob, b.blob) })
	return slices.CompactFunc(list, func(a, b textEntry) bool { return a.blob == b.blob }), nil
}

// piece makes a piece of the first messages of a list, and gives the rest.
func (w *textWork) piece(list []textEntry) ([]textEntry, error) {
	columns := textColumns()
	b := textindex.NewBuilder(len(columns))
	for len(list) > 0 && b.Len() < textDocs && b.Bytes() < textMemory {
		d, err := w.document(list[0], columns)
		if errors.Is(err, ErrNoMessage) {
			list = list[1:]
			continue
		}
		if err == nil {
			err = w.rest()
		}
		if err != nil {
			return nil, err
		}
		b.Add(d)
		list = list[1:]
	}
	if b.Len() == 0 {
		return list, nil
	}
	if err := w.t.s.room(int64(b.Bytes())); err != nil {
		return nil, err
	}
	a, pieces := w.t.acquire(w.id)
	defer w.t.release(a, pieces)
	fresh, err := w.write(a, func(f io.WriterAt) error { return b.Write(f, textStamp(), nil) })
	if err != nil {
		return nil, err
	}
	w.t.exchange(a, fresh)
	return list, nil
}

// document reads a message. One that can't be read is in the index as unsure.
func (w *textWork) document(e textEntry, columns []string) (textindex.Doc, error) {
	d := textindex.Doc{Blob: uint64(e.blob), Size: int64(e.size)}
	var m *mail.Message
	err := w.t.s.view(func(x index) error {
		if !x.has(bucketCold, wideKey(w.id, uint64(e.blob))) {
			return ErrNoMessage
		}
		m = x.message(w.id, e.blob)
		return nil
	})
	if err != nil {
		return d, err
	}
	body, err := w.t.s.OpenBlob(w.ctx, e.blob)
	if errors.Is(err, ErrNoMessage) || w.ctx.Err() != nil {
		return d, errOr(w.ctx.Err(), err)
	}
	if err != nil { // damaged: the search tells of it
		d.Unsure = true
		return d, nil
	}
	if d.Unsure = m == nil; d.Unsure {
		return d, body.Close()
	}
	noted := &notedReader{r: body}
	raw := readHeader(m, noted)
	d.Header, d.Body = headerText(raw), bodyText(m, noted)
	if m.FieldsComplete {
		raw = m.Fields
	}
	for _, name := range columns {
		d.Fields = append(d.Fields, slices.Collect(fieldTexts(raw, name)))
	}
	d.Unsure = noted.err != nil
	return d, body.Close()
}

// notedReader remembers that something could not be read.
type notedReader struct {
	r   io.ReaderAt
	err error
}

// ReadAt implements io.ReaderAt.
func (n *notedReader) ReadAt(b []byte, off int64) (int, error) {
	k, err := n.r.ReadAt(b, off)
	if err != nil && !errors.Is(err, io.EOF) {
		n.err = err
	}
	return k, err
}

// write makes the file of a new piece and opens it. The account is held.
func (w *textWork) write(a *textAccount, fill func(io.WriterAt) error) (_ *textPiece, err error) {
	fsys, dir := w.t.s.fs, w.t.accountDir(w.id)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	temp := filepath.Join(dir, textTemp)
	path := filepath.Join(dir, fmt.Sprintf("%06d%s", a.next, textSuffix))
	f, err := fsys.Open(temp, os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			_ = fsys.Remove(temp) // the first error says why
		}
	}()
	if err = errors.Join(fill(&steady{File: f}), f.Datasync(), f.Close()); err != nil {
		return nil, err
	}
	if err = fsys.Rename(temp, path); err != nil {
		return nil, err
	}
	if err = fsys.SyncDir(dir); err != nil {
		return nil, err
	}
	a.next++
	return w.t.open(path, a.next-1, false)
}

// steady hands what is written to the disk bit by bit, so that no other sync
// waits for much of it.
type steady struct {
	durable.File
	from, end int64
}

// WriteAt implements io.WriterAt.
func (s *steady) WriteAt(b []byte, off int64) (int, error) {
	n, err := s.File.WriteAt(b, off)
	s.end = max(s.end, off+int64(n))
	if f, ok := s.File.(interface{ Flush(off, n int64) error }); ok && err == nil && s.end-s.from >= textFlush {
		err = f.Flush(s.from, s.end-s.from)
		s.from = s.end
	}
	return n, err
}

// alive tells which blobs the account still has.
func (w *textWork) alive(blobs []uint64) (map[uint64]bool, error) {
	out := make(map[uint64]bool, len(blobs))
	for len(blobs) > 0 {
		n := min(len(blobs), readSlice)
		err := w.t.s.view(func(x index) error {
			for _, b := range blobs[:n] {
				if x.has(bucketCold, binary.BigEndian.AppendUint64(accountKey(w.id), b)) {
					out[b] = true
				}
			}
			return nil
		})
		if err == nil {
			err = w.rest()
		}
		if err != nil {
			return nil, err
		}
		blobs = blobs[n:]
	}
	return out, nil
}
