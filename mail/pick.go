package mail

// FieldNames is a set of names of header fields, which are ASCII (RFC 5322 §2.2),
// in lower case.
type FieldNames map[string]bool

// NewFieldNames makes a set of names in whatever case.
func NewFieldNames(list []string) FieldNames {
	n := make(FieldNames, len(list))
	for _, name := range list {
		n[string(appendLower(nil, name))] = true
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

func (n FieldNames) has(name []byte) bool {
	var room [64]byte // most names need no memory of their own
	return n[string(appendLower(room[:0], name))]
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
