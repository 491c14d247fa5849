package inflate

const (
	maxCode  = 15 // bits of the longest code
	fastBits = 9  // codes up to here are found at once
)

// code is a Huffman code (RFC 1951 §3.2.2).
type code struct {
	fast    [1 << fastBits]uint16 // by the bits as they come: symbol<<4 | length, 0 for none
	count   [maxCode + 1]uint16   // of codes by length
	symbols [288]uint16           // in the order of their codes
}

// make makes the code with the lengths given. It is false when there is no such
// code. One that is not complete may have a single symbol, or none and then
// can't be used.
func (c *code) make(lengths []uint8) bool {
	*c = code{}
	for _, l := range lengths {
		c.count[l]++
	}
	used := len(lengths) - int(c.count[0])
	c.count[0] = 0
	if used == 0 {
		return true
	}
	var first, offset [maxCode + 2]uint16
	left := 1
	for l := 1; l <= maxCode; l++ {
		if left = left<<1 - int(c.count[l]); left < 0 {
			return false
		}
		first[l+1] = (first[l] + c.count[l]) << 1
		offset[l+1] = offset[l] + c.count[l]
	}
	if left > 0 && (used > 1 || c.count[1] != 1) {
		return false
	}
	for symbol, l := range lengths {
		if l == 0 {
			continue
		}
		c.symbols[offset[l]] = uint16(symbol)
		offset[l]++
		if l <= fastBits {
			for i := reverse(first[l], l); i < 1<<fastBits; i += 1 << l {
				c.fast[i] = uint16(symbol)<<4 | uint16(l)
			}
		}
		first[l]++
	}
	return true
}

// reverse turns the lowest n bits round: codes come highest bit first.
func reverse(v uint16, n uint8) (r uint16) {
	for range n {
		r = r<<1 | v&1
		v >>= 1
	}
	return r
}

// decode finds the symbol at the beginning of n bits, and its length.
func (c *code) decode(bits uint64, n uint) (symbol int, used uint, err error) {
	if e := c.fast[bits&(1<<fastBits-1)]; e != 0 {
		if used = uint(e & 15); used > n {
			return 0, 0, errMore
		}
		return int(e >> 4), used, nil
	}
	value, first, index := 0, 0, 0
	for l := uint(1); l <= maxCode; l++ {
		if l > n {
			return 0, 0, errMore
		}
		value |= int(bits & 1)
		bits >>= 1
		count := int(c.count[l])
		if value < first+count {
			return int(c.symbols[index+value-first]), l, nil
		}
		index += count
		first = (first + count) << 1
		value <<= 1
	}
	return 0, 0, ErrCorrupt
}
