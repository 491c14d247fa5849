package storage

import (
	"hash/maphash"
	"sync"

	"github.com/klauspost/compress/s2"

	"mailstead/mail"
)

// maxSortKeys bounds the sort keys in memory, in bytes. A message takes some
// 300.
const maxSortKeys = 64 << 20

// maxSortText is how much of a subject or a name is compared, in bytes.
const maxSortText = 1 << 10

// The texts of a sort key.
const (
	textSubject = iota
	textFrom
	textTo
	textCC
	textDisplayFrom
	textDisplayTo
	sortTexts
)

// sortKey is what SORT and THREAD look at of a message. It is made once, from
// the packed description, and does not change.
type sortKey struct {
	sent    int64 // Unix seconds
	hasSent bool
	reply   bool   // the subject says so (RFC 5256 §2.1)
	text    string // all texts
	ends    [sortTexts]uint16
	id      uint64   // hash of the Message-ID, 0 for none
	parents []uint64 // hashes of what it answers, nearest last
}

func (k *sortKey) at(n int) string {
	from := uint16(0)
	if n > 0 {
		from = k.ends[n-1]
	}
	return k.text[from:k.ends[n]]
}

func (k *sortKey) cost() int { return 160 + len(k.text) + 8*len(k.parents) }

// blobOf names a body in one account.
type blobOf struct {
	account mail.AccountID
	blob    BlobID
}

// sortKeys remembers the keys of bodies. When it is full, any of them make room:
// whoever asks for more messages than there is room for, one after the other and
// again, still finds a part of them.
type sortKeys struct {
	seed maphash.Seed

	mu    sync.Mutex
	by    map[blobOf]*sortKey
	bytes int
	limit int
}

func newSortKeys(limit int) *sortKeys {
	return &sortKeys{seed: maphash.MakeSeed(), by: map[blobOf]*sortKey{}, limit: limit}
}

// find fills in the keys that are known and gives the places of the others.
func (c *sortKeys) find(id mail.AccountID, list []Match, keys []*sortKey) (missing []int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i := range list {
		if keys[i] = c.by[blobOf{id, list[i].Blob}]; keys[i] == nil {
			missing = append(missing, i)
		}
	}
	return missing
}

func (c *sortKeys) add(b blobOf, k *sortKey) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.by[b] != nil {
		return // somebody else was asked for it at the same time
	}
	if c.bytes += k.cost(); c.bytes > c.limit {
		// The order of a map is not the order in which they are asked for.
		for other, old := range c.by {
			if c.bytes <= c.limit-c.limit/64 {
				break
			}
			delete(c.by, other)
			c.bytes -= old.cost()
		}
	}
	c.by[b] = k
}

// make reads a row of cold.
func (c *sortKeys) make(row []byte) *sortKey {
	if len(row) == 0 || row[0] != coldS2 {
		return nil
	}
	packed, err := s2.Decode(nil, row[1:])
	if err != nil {
		return nil
	}
	f, err := mail.DecodeSortFields(packed)
	if err != nil {
		return nil
	}
	k := &sortKey{}
	k.sent, k.hasSent = f.Sent()
	base, reply := mail.BaseSubject(f.Subject)
	k.reply = reply
	texts := [sortTexts]string{base, f.From.Local, f.To.Local, f.Cc.Local, f.From.Display(), f.To.Display()}
	b := make([]byte, 0, 128)
	for i, t := range texts {
		t = mail.SortForm(t[:min(len(t), maxSortText)])
		b = append(b, t[:min(len(t), 4*maxSortText)]...)
		k.ends[i] = uint16(len(b))
	}
	k.text = string(b)
	k.id = c.hash(f.ID())
	for _, p := range f.Parents() {
		k.parents = append(k.parents, c.hash(p))
	}
	return k
}

// hash makes an identifier a number: that two of an account share one is as
// good as impossible, and nobody can bring it about from outside.
func (c *sortKeys) hash(id string) uint64 {
	if id == "" {
		return 0
	}
	return max(maphash.String(c.seed, id), 1)
}

// emptyKey is that of a message that can't be read.
func emptyKey() *sortKey { return &sortKey{} }

// sortKeysOf gives the key of each message. It is sound when all could be read.
func (s *Store) sortKeysOf(id mail.AccountID, list []Match) (keys []*sortKey, sound bool, err error) {
	keys, sound = make([]*sortKey, len(list)), true
	missing := s.sortKeys.find(id, list, keys)
	for len(missing) > 0 {
		slice := missing[:min(readSlice, len(missing))]
		missing = missing[len(slice):]
		err = s.view(func(x index) error {
			for _, i := range slice {
				b := list[i].Blob
				k := s.sortKeys.make(x.get(bucketCold, wideKey(id, uint64(b))))
				if k == nil {
					keys[i], sound = emptyKey(), false // not remembered: a repair may bring it back
					continue
				}
				keys[i] = k
				s.sortKeys.add(blobOf{id, b}, k)
			}
			return nil
		})
		if err != nil {
			return nil, false, err
		}
	}
	return keys, sound, nil
}
