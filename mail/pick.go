package mail

// FieldNames is a set of names of header fields, which are ASCII (RFC 5322 §2.2).
type FieldNames struct {
	few     []string        // in lower case, when there are few
	many    map[string]bool // the same, otherwise
	lengths uint64          // bit n tells that some name has the length n, modulo 64
}

// fewNames is how many names are gone through one by one.
const fewNames = 24

// NewFieldNames makes a set of names in whatever case.
func NewFieldNames(list []string) FieldNames {
	var n FieldNames
	for _, name := range list {
		n.few = append(n.few, string(appendLower(nil, name)))
		n.lengths |= 1 << (len(name) & 63)
	}
	if len(n.few) > fewNames {
		n.many = make(map[string]bool, len(n.few))
		for _, name := range n.few {
			n.many[name] = true
		}
		n.few = nil
	}
	return n
}

func appendLower[T string | []byte](b []byte, name T) []byte {
	for i := range len(name) {
		c := name[i]
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		b = append(b, c)
	}
	return b
}

func (n *FieldNames) has(name []byte) bool {
	if n.lengths>>(len(name)&63)&1 == 0 {
		return false
	}
	for _, f := range n.few {
		if len(f) == len(name) && isLower(f, name) {
			return true
		}
	}
	if n.many == nil {
		return false
	}
	var room [64]byte // most names need no memory of their own
	return n.many[string(appendLower(room[:0], name))]
}

// isLower tells that low is name in lower case; both have the same length.
func isLower(low string, name []byte) bool {
	for i, c := range name[:len(low)] {
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		if c != low[i] {
			return false
		}
	}
	return true
}

// Pick appends to dst those fields of a raw header, as they stand, that are in
// the set, or with not those that are not. dst may be header[:0].
func (n FieldNames) Pick(dst, header []byte, not bool) []byte {
	from, to := 0, 0 // fields that stand together are copied together
	walkFields(header, func(name []byte, start, end int) bool {
		if n.has(name) == not {
			return true
		}
		if start != to {
			dst = append(dst, header[from:to]...)
			from = start
		}
		to = end
		return true
	})
	return append(dst, header[from:to]...)
}
