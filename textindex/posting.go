package textindex

import (
	"encoding/binary"
	"errors"
	"math/bits"
)

// ErrDamaged is what reading a piece gives when it is not what was written.
var ErrDamaged = errors.New("text index damaged")

// Bitmap is a set of the documents of a piece, by their number.
type Bitmap []uint64

// NewBitmap makes an empty set for n documents.
func NewBitmap(n int) Bitmap { return make(Bitmap, (n+63)/64) }

// Has tells whether document i is in the set.
func (m Bitmap) Has(i int) bool { return m[i/64]>>(i%64)&1 != 0 }

func (m Bitmap) set(i uint32) { m[i/64] |= 1 << (i % 64) }

func (m Bitmap) count() (n int) {
	for _, w := range m {
		n += bits.OnesCount64(w)
	}
	return n
}

func (m Bitmap) or(o Bitmap) {
	for i, w := range o {
		m[i] |= w
	}
}

func (m Bitmap) and(o Bitmap) {
	for i, w := range o {
		m[i] &= w
	}
}

func (m Bitmap) minus(o Bitmap) {
	for i, w := range o {
		m[i] &^= w
	}
}

func (m Bitmap) fill(n int) {
	for i := range n {
		m.set(uint32(i))
	}
}

// A posting is the ascending documents of one token: a varint of their number,
// doubled, plus one for a bitmap of all documents; otherwise the gaps between
// them follow as Rice codes, which come near to what the gaps are worth.

// riceBits is how many low bits of a gap stand as they are.
func riceBits(n, count int) int {
	return max(0, bits.Len32(uint32(n/count*11/16))-1)
}

// appendPosting packs a posting for a piece of n documents.
func appendPosting(b []byte, docs []uint32, n int) []byte {
	k := riceBits(n, len(docs))
	size, last := 0, uint32(0)
	for _, d := range docs {
		size += int((d-last)>>k) + 1 + k
		last = d + 1
	}
	if (size+7)/8 > (n+7)/8 {
		b = binary.AppendUvarint(b, uint64(len(docs))<<1|1)
		at := len(b)
		b = append(b, make([]byte, (n+7)/8)...)
		for _, d := range docs {
			b[at+int(d/8)] |= 1 << (d % 8)
		}
		return b
	}
	b = binary.AppendUvarint(b, uint64(len(docs))<<1)
	var acc uint64
	have := 0
	put := func(v uint64, n int) { // n <= 32
		acc |= v << have
		for have += n; have >= 8; have -= 8 {
			b, acc = append(b, byte(acc)), acc>>8
		}
	}
	last = 0
	for _, d := range docs {
		gap := d - last
		last = d + 1
		q := int(gap >> k)
		for ; q >= 32; q -= 32 {
			put(1<<32-1, 32)
		}
		put(1<<q-1, q+1) // ones, and a zero
		put(uint64(gap)&(1<<k-1), k)
	}
	if have > 0 {
		b = append(b, byte(acc))
	}
	return b
}

// appendDocs unpacks a posting.
func appendDocs(docs []uint32, b []byte, n int) ([]uint32, error) {
	head, used := binary.Uvarint(b)
	count := head >> 1
	if used <= 0 || count == 0 || count > uint64(n) {
		return nil, ErrDamaged
	}
	b = b[used:]
	if head&1 != 0 {
		if len(b) != (n+7)/8 {
			return nil, ErrDamaged
		}
		for i, c := range b {
			for ; c != 0; c &= c - 1 {
				docs = append(docs, uint32(i*8+bits.TrailingZeros8(c)))
			}
		}
		if len(docs) > 0 && docs[len(docs)-1] >= uint32(n) {
			return nil, ErrDamaged
		}
		return docs, nil
	}
	r := bitReader{b: b}
	k := riceBits(n, int(count))
	next := uint64(0)
	for range count {
		d := next + r.unary()<<k + r.bits(k)
		if r.bad || d >= uint64(n) {
			return nil, ErrDamaged
		}
		docs, next = append(docs, uint32(d)), d+1
	}
	return docs, nil
}

type bitReader struct {
	b    []byte
	acc  uint64
	have int
	bad  bool
}

func (r *bitReader) fill() {
	for r.have <= 56 && len(r.b) > 0 {
		r.acc |= uint64(r.b[0]) << r.have
		r.b, r.have = r.b[1:], r.have+8
	}
}

// unary reads ones up to a zero, and gives their number.
func (r *bitReader) unary() (q uint64) {
	for {
		r.fill()
		ones := bits.TrailingZeros64(^r.acc)
		if ones < r.have {
			r.acc, r.have = r.acc>>(ones+1), r.have-ones-1
			return q + uint64(ones)
		}
		if len(r.b) == 0 {
			r.bad = true
			return 0
		}
		q, r.acc, r.have = q+uint64(r.have), 0, 0
	}
}

func (r *bitReader) bits(n int) uint64 {
	if r.have < n {
		if r.fill(); r.have < n {
			r.bad = true
			return 0
		}
	}
	v := r.acc & (1<<n - 1)
	r.acc, r.have = r.acc>>n, r.have-n
	return v
}
