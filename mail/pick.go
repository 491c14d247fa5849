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
	var room [64]byte // most names need no memory of their own
	low := appendLower(room[:0], name)
	for _, f := range n.few {
		if f == string(low) {
			return true
		}
	}
	return n.many[string(low)]
}

// Pick appends to dst those fields of a raw header, as they stand, that are in
// the set, or with not those that are not. dst may be header[:0].
func (n FieldNames) Pick(dst, header []byte, not bool) []byte {
	walkFields(header, func(name []byte, start, end int) bool {
		if n.has(name) != not {
			dst = append(dst, header[start:end]...)
		}
		return true
	})
	return dst
}
