package inflate

// order is that of the lengths of the code for lengths (RFC 1951 §3.2.7).
var order = [19]uint8{16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15}

// The lengths and distances of matches, with their extra bits (RFC 1951 §3.2.5).
var (
	lengthBase = [29]uint16{3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 15, 17, 19, 23, 27, 31, 35, 43, 51, 59, 67, 83, 99, 115, 131, 163, 195, 227, 258}
	lengthBits = [29]uint8{0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0}
	distBase   = [30]uint16{1, 2, 3, 4, 5, 7, 9, 13, 17, 25, 33, 49, 65, 97, 129, 193, 257, 385, 513, 769, 1025, 1537, 2049, 3073, 4097, 6145, 8193, 12289, 16385, 24577}
	distBits   = [30]uint8{0, 0, 0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8, 8, 9, 9, 10, 10, 11, 11, 12, 12, 13, 13}
)

const (
	endOfBlock = 256
	maxLit     = 286
	maxDist    = 30
)

// fixedCodes makes the codes of RFC 1951 §3.2.6.
func (z *Reader) fixedCodes() {
	for i := range 288 {
		switch {
		case i < 144:
			z.lengths[i] = 8
		case i < 256:
			z.lengths[i] = 9
		case i < 280:
			z.lengths[i] = 7
		default:
			z.lengths[i] = 8
		}
	}
	z.lit.make(z.lengths[:288])
	for i := range 32 {
		z.lengths[i] = 5
	}
	z.distances.make(z.lengths[:32])
}

// counts begins a dynamic block (RFC 1951 §3.2.7).
func (z *Reader) counts() error {
	if z.n < 14 {
		return errMore
	}
	z.nlit, z.ndist, z.nlen = z.take(5)+257, z.take(5)+1, z.take(4)+4
	if z.nlit > maxLit || z.ndist > maxDist {
		return ErrCorrupt
	}
	z.have, z.lengths = 0, [320]uint8{}
	z.state = atLengths
	return nil
}

func (z *Reader) lengthLengths() error {
	for ; z.have < z.nlen; z.have++ {
		z.refill()
		if z.n < 3 {
			return errMore
		}
		z.lengths[order[z.have]] = uint8(z.take(3))
	}
	if !z.lit.make(z.lengths[:19]) {
		return ErrCorrupt
	}
	z.have, z.lengths = 0, [320]uint8{}
	z.state = atCodes
	return nil
}

// codeLengths reads the lengths of both codes as one list.
func (z *Reader) codeLengths() error {
	for total := z.nlit + z.ndist; z.have < total; {
		z.refill()
		symbol, used, err := z.lit.decode(z.bits, z.n)
		if err != nil {
			return err
		}
		if symbol < 16 {
			z.take(used)
			z.lengths[z.have] = uint8(symbol)
			z.have++
			continue
		}
		least, extra, repeated := 3, uint(2), uint8(0)
		switch symbol {
		case 16:
			if z.have == 0 {
				return ErrCorrupt
			}
			repeated = z.lengths[z.have-1]
		case 17:
			extra = 3
		case 18:
			least, extra = 11, 7
		}
		if z.n < used+extra {
			return errMore
		}
		z.take(used)
		n := least + z.take(extra)
		if z.have+n > total {
			return ErrCorrupt
		}
		for range n {
			z.lengths[z.have] = repeated
			z.have++
		}
	}
	if !z.lit.make(z.lengths[:z.nlit]) || !z.distances.make(z.lengths[z.nlit:z.nlit+z.ndist]) {
		return ErrCorrupt
	}
	z.state = inBlock
	return nil
}

// symbols decodes into p until it is full, or the block ends, or the bits do.
func (z *Reader) symbols(p []byte) (n int, err error) {
	for n < len(p) {
		if z.copies > 0 {
			for ; z.copies > 0 && n < len(p); z.copies-- {
				p[n] = z.put(z.back(z.dist))
				n++
			}
			continue
		}
		z.refill()
		symbol, used, err := z.lit.decode(z.bits, z.n)
		if err != nil {
			return n, err
		}
		switch {
		case symbol < endOfBlock:
			z.take(used)
			p[n] = z.put(byte(symbol))
			n++
		case symbol == endOfBlock:
			z.take(used)
			z.endBlock()
			return n, nil
		default:
			if err := z.match(symbol-endOfBlock-1, used); err != nil {
				return n, err
			}
		}
	}
	return n, nil
}

// match reads what follows the symbol of a length, which takes 48 bits at most
// together.
func (z *Reader) match(symbol int, used uint) error {
	if symbol >= len(lengthBase) {
		return ErrCorrupt
	}
	extra := uint(lengthBits[symbol])
	if z.n < used+extra {
		return errMore
	}
	length := int(lengthBase[symbol]) + int(z.bits>>used&(1<<extra-1))
	used += extra
	symbol, more, err := z.distances.decode(z.bits>>used, z.n-used)
	if err != nil {
		return err
	}
	if symbol >= len(distBase) {
		return ErrCorrupt
	}
	used += more
	extra = uint(distBits[symbol])
	if z.n < used+extra {
		return errMore
	}
	dist := int(distBase[symbol]) + int(z.bits>>used&(1<<extra-1))
	if dist > len(z.window) {
		return ErrCorrupt
	}
	z.take(used + extra)
	z.copies, z.dist = length, dist
	return nil
}
