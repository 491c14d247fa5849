package storage

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"iter"
	"slices"
	"sync"
	"unsafe"

	"github.com/klauspost/compress/s2"
	bolt "go.etcd.io/bbolt"

	"mailstead/mail"
)

// One read transaction copies so many rows at most, and ends after so many bytes
// of descriptions.
const (
	rowSlice       = 512
	maxDescription = 256 << 10
)

// Rows reads the messages of the set that are there, by ascending UID. No
// transaction is held while the caller's loop runs: rows of one slice are as
// they were when the slice was read. It ends with the first error.
func (s *Store) Rows(ref Ref, uids UIDSet, o ReadOptions) iter.Seq2[Row, error] {
	return func(yield func(Row, error) bool) {
		if o.ChangedSince > 0 {
			d, err := s.describe(ref)
			if err != nil && !errors.Is(err, ErrNoMailbox) {
				yield(Row{}, err)
				return
			}
			if few, ok := d.changedSince(o.ChangedSince, uids); ok && err == nil {
				uids = few
			}
		}
		r := s.readings.Get().(*reading)
		defer s.readings.Put(r)
		for r.begin(ref, uids, o); len(r.rest) > 0; {
			if err := s.view(r.slice); err != nil {
				yield(Row{}, err)
				return
			}
			if !r.yield(yield) {
				return
			}
		}
	}
}

// reading is Rows on its way. Its memory is used again by the next one.
type reading struct {
	ref  Ref
	o    ReadOptions
	rest UIDSet

	rows    []Row
	packed  []byte // the descriptions of rows, one after the other
	ends    []int  // of each in packed, negative for one that can't be read
	places  []locRow
	decoder mail.Decoder
	key     []byte            // to look up with
	words   map[uint32]string // keywords by number, as far as they were met
	ids     []uint32          // the keywords of the last row that had some
	names   []string          // the same
}

func newReadings() *sync.Pool {
	return &sync.Pool{New: func() any { return &reading{words: map[uint32]string{}} }}
}

func (r *reading) begin(ref Ref, uids UIDSet, o ReadOptions) {
	r.ref, r.rest, r.o = ref, uids, o
	clear(r.words)
	r.ids, r.names = nil, nil
}

// slice reads the next of the set.
func (r *reading) slice(x index) error {
	r.rows, r.packed, r.ends, r.places = r.rows[:0], r.packed[:0], r.ends[:0], r.places[:0]
	prefix := refKey(r.ref)
	c := x.tx.Bucket([]byte(bucketHot)).Cursor()
	cold, loc := neighbours{x: x, bucket: bucketCold}, neighbours{x: x, bucket: bucketLoc}
	looked := 0
	for i, in := range r.rest {
		from := hotKey(r.ref, in.First)
		k, v := c.Seek(from)
		if k != nil && bytes.Compare(k, from) < 0 { // see seek; here nothing may be left out in silence
			return x.state.damaged(bucketHot, from)
		}
		for ; bytes.HasPrefix(k, prefix); k, v = c.Next() {
			uid := UID(binary.BigEndian.Uint32(k[8:]))
			if uid > in.Last {
				break
			}
			if looked++; looked > rowSlice || len(r.packed) > maxDescription {
				r.rest = append(UIDSet{{uid, in.Last}}, r.rest[i+1:]...)
				return nil
			}
			if err := r.add(x, uid, k, v, &cold, &loc); err != nil {
				return err
			}
		}
	}
	r.rest = nil
	return nil
}

// add takes in one message.
func (r *reading) add(x index, uid UID, k, v []byte, cold, loc *neighbours) error {
	h, err := x.hot(k, v)
	if err != nil {
		r.rows, r.ends = append(r.rows, Row{UID: uid, damaged: true}), append(r.ends, -1)
		r.places = append(r.places, locRow{})
		return nil
	}
	if h.modseq <= r.o.ChangedSince {
		return nil
	}
	row := h.row(uid)
	if len(h.keywords) > 0 {
		if row.Keywords, err = r.keywords(x, h.keywords); err != nil {
			return err
		}
	}
	end := -1
	if r.o.Message {
		r.key = binary.BigEndian.AppendUint32(r.key[:0], uint32(r.ref.Account)) // as wideKey
		r.key = binary.BigEndian.AppendUint64(r.key, uint64(h.blob))
		if r.unpack(cold.get(r.key)) {
			end = len(r.packed)
		}
	}
	if r.o.Place {
		r.key = binary.BigEndian.AppendUint64(r.key[:0], uint64(h.blob)) // as blobKey
		l, _ := decodeLoc(loc.get(r.key))                                // what is not found is looked for again
		r.places = append(r.places, l)
	}
	r.rows, r.ends = append(r.rows, row), append(r.ends, end)
	return nil
}

// unpack adds a description.
func (r *reading) unpack(row []byte) bool {
	if len(row) == 0 || row[0] != coldS2 {
		return false
	}
	n, err := s2.DecodedLen(row[1:])
	if err != nil {
		return false
	}
	at := len(r.packed)
	r.packed = slices.Grow(r.packed, n)
	if _, err := s2.Decode(r.packed[at:at+n], row[1:]); err != nil {
		return false
	}
	r.packed = r.packed[:at+n]
	return true
}

// keywords gives the names of keywords. Messages beside each other often have the
// same ones.
func (r *reading) keywords(x index, ids []uint32) ([]string, error) {
	if slices.Equal(ids, r.ids) {
		return r.names, nil
	}
	names := make([]string, len(ids))
	for i, k := range ids {
		name, ok := r.words[k]
		if !ok {
			v := x.get(bucketKw, binary.BigEndian.AppendUint32(accountKey(r.ref.Account), k))
			if v == nil {
				return nil, fmt.Errorf("keyword %d of account %d: %w", k, r.ref.Account, errBadRow)
			}
			name = string(v)
			r.words[k] = name
		}
		names[i] = name
	}
	slices.Sort(names)
	r.ids, r.names = ids, names
	return names, nil
}

// yield gives out what was read; false when the caller wants no more.
func (r *reading) yield(yield func(Row, error) bool) bool {
	text := ""
	if r.o.Brief {
		// The descriptions of all rows are parts of it. The bytes change when the
		// next slice is read: no sooner than the last row is good for.
		text = unsafe.String(unsafe.SliceData(r.packed), len(r.packed))
	}
	at := 0
	for i, row := range r.rows {
		if end := r.ends[i]; end >= 0 {
			if r.o.Brief {
				row.Message, _ = r.decoder.Decode(text[at:end], r.o.Want) // nil when damaged
			} else {
				row.Message, _ = mail.DecodeMessage(r.packed[at:end])
			}
			at = end
		}
		if r.o.Place {
			row.place = &r.places[i]
		}
		var err error
		if row.damaged {
			err = fmt.Errorf("message with UID %d: %w", row.UID, ErrDamaged)
		}
		if !yield(row, err) {
			return false
		}
	}
	return true
}

// neighbours reads rows of a bucket whose keys mostly follow each other.
type neighbours struct {
	x      index
	bucket string
	c      *bolt.Cursor
}

// get is index.get.
func (n *neighbours) get(key []byte) []byte {
	var k, v []byte
	if n.c == nil {
		n.c = n.x.tx.Bucket([]byte(n.bucket)).Cursor()
	} else {
		k, v = n.c.Next()
	}
	if !bytes.Equal(k, key) {
		if k, v = n.c.Seek(key); !bytes.Equal(k, key) {
			return nil
		}
	}
	val, ok := openRow(k, v)
	if !ok {
		_ = n.x.state.damaged(n.bucket, key) // kept in the state
		return nil
	}
	return val
}

// message reads the parsed form of a message, nil when it is damaged.
func (x index) message(id mail.AccountID, b BlobID) *mail.Message {
	m, err := unpackCold(x.get(bucketCold, wideKey(id, uint64(b))))
	if err != nil {
		return nil
	}
	return m
}
