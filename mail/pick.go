package mail

import "strings"

// FieldNames is a set of names of header fields, in lower case.
type FieldNames map[string]bool

// NewFieldNames makes a set of names in whatever case.
func NewFieldNames(list []string) FieldNames {
	n := make(FieldNames, len(list))
	for _, name := range list {
		n[strings.ToLower(name)] = true
	}
	return n
}

// maxPlainName is the longest field name that is looked for without memory of its
// own.
const maxPlainName = 64

func (n FieldNames) has(name []byte) bool {
	if len(name) > maxPlainName {
		return n[strings.ToLower(string(name))]
	}
	var lower [maxPlainName]byte
	for i, c := range name {
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		lower[i] = c
	}
	return n[string(lower[:len(name)])]
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
