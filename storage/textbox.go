package storage

import (
	"bytes"
	"cmp"
	"slices"
)

// textEntry is a message of a mailbox as the text index needs it. The size shows
// that a piece means the same message: it is the store's own, not another one that
// got the same number after a restore.
type textEntry struct {
	blob BlobID
	uid  UID
	size uint32
}

func clampSize(n int64) uint32 { return uint32(min(n, 1<<32-1)) }

func compareBlobs(a, b BlobID) int { return cmp.Compare(a, b) }

// textPlace is where a message is covered: a piece's place in the list of pieces,
// -1 for none, and its document.
type textPlace struct{ piece, doc int32 }

// textBox is a mailbox as searches go through it: UIDs never change their
// messages, so it only grows. Entries of messages that are gone do no harm.
type textBox struct {
	list   []textEntry // by blob
	end    UID         // all below are in the list
	placed []textPlace // of list, in the present pieces; nil when they have changed
	pieces []*textPiece
}

// holds tells whether the piece has a message.
func (p *textPiece) holds(e textEntry) (int, bool) {
	i, ok := p.Find(uint64(e.blob))
	if !ok {
		return 0, false
	}
	_, size := p.Doc(i)
	return i, clampSize(size) == e.size
}

// box brings a mailbox of an acquired account up to date. What is given is not
// changed any more.
func (t *textIndex) box(ref Ref, a *textAccount, pieces []*textPiece) (textBox, error) {
	t.mu.Lock()
	b := textBox{}
	if was := a.boxes[ref.Mailbox]; was != nil {
		b = *was
	}
	t.mu.Unlock()
	m, err := t.s.MailboxByID(ref)
	if err != nil {
		return b, err
	}
	if len(b.list) > 1024 && len(b.list)/2 > int(m.Messages) {
		b = textBox{} // most are gone
	}
	if b.end < m.UIDNext {
		if err := t.extend(ref, &b); err != nil {
			return b, err
		}
	}
	if b.placed == nil || !slices.Equal(b.pieces, pieces) {
		b.place(pieces)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.accounts[a.id] == a {
		if was := a.boxes[ref.Mailbox]; was != nil {
			t.entries -= len(was.list)
		}
		kept := b
		a.boxes[ref.Mailbox] = &kept
		t.entries += len(b.list)
	}
	return b, nil
}

// extend reads the messages that have come since.
func (t *textIndex) extend(ref Ref, b *textBox) error {
	list := slices.Clone(b.list)
	from := max(b.end, 1)
	for more := true; more; {
		err := t.s.view(func(x index) error {
			c := x.tx.Bucket([]byte(bucketHot)).Cursor()
			prefix := refKey(ref)
			looked := 0
			more = false
			for k, v := x.seek(c, bucketHot, hotKey(ref, from)); k != nil && bytes.HasPrefix(k, prefix); k, v = c.Next() {
				uid := UID(be32(k[8:]))
				if looked++; looked > readSlice {
					more = true
					return nil
				}
				e := textEntry{uid: uid}
				if h, err := x.hot(k, v); err == nil { // else no piece has it, and the search meets the damage
					e.blob, e.size = h.blob, clampSize(h.size)
				}
				list = append(list, e)
				from = uid + 1
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	byBlob := func(a, b textEntry) int { return cmp.Compare(a.blob, b.blob) }
	if !slices.IsSortedFunc(list, byBlob) {
		slices.SortFunc(list, byBlob)
	}
	b.list, b.end, b.placed = list, from, nil
	return nil
}

// place finds the entries in the pieces.
func (b *textBox) place(pieces []*textPiece) {
	placed := make([]textPlace, len(b.list))
	for i := range placed {
		placed[i].piece = -1
	}
	for n, p := range pieces {
		doc := 0
		for i, e := range b.list {
			for doc < p.Len() && p.blob(doc) < uint64(e.blob) {
				doc++
			}
			if doc == p.Len() {
				break
			}
			if _, size := p.Doc(doc); p.blob(doc) == uint64(e.blob) && clampSize(size) == e.size {
				placed[i] = textPlace{int32(n), int32(doc)}
			}
		}
	}
	b.placed, b.pieces = placed, pieces
}

func (p *textPiece) blob(doc int) uint64 { b, _ := p.Doc(doc); return b }

// find gives the place of a blob.
func (b *textBox) find(blob BlobID) textPlace {
	i, ok := slices.BinarySearchFunc(b.list, blob, func(e textEntry, b BlobID) int { return cmp.Compare(e.blob, b) })
	if !ok {
		return textPlace{piece: -1}
	}
	return b.placed[i]
}
