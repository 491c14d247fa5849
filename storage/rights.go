package storage

import (
	"fmt"
	"strings"
)

// Rights is a set of the rights of RFC 4314 §2.1.
type Rights uint16

// The standard rights, in the order in which they are written.
const (
	RightLookup  Rights = 1 << iota // l: LIST shows the mailbox
	RightRead                       // r: SELECT, STATUS
	RightSeen                       // s: \Seen
	RightWrite                      // w: flags other than \Seen and \Deleted, and keywords
	RightInsert                     // i: APPEND, COPY into it
	RightPost                       // p: send mail to it; not enforced
	RightCreate                     // k: CREATE below it
	RightDelete                     // x: DELETE, RENAME
	RightTrash                      // t: \Deleted
	RightExpunge                    // e: EXPUNGE
	RightAdmin                      // a: SETACL and its like

	AllRights = RightAdmin<<1 - 1
)

const rightLetters = "lrswipkxtea"

// ParseRights reads the letters of rights. The obsolete c stands for k and x, d
// for t and e (RFC 4314 §2.1.1). Errors name the letter that is no right.
func ParseRights(text string) (r Rights, err error) {
	for _, c := range text {
		switch i := strings.IndexRune(rightLetters, c); {
		case i >= 0:
			r |= 1 << i
		case c == 'c':
			r |= RightCreate | RightDelete
		case c == 'd':
			r |= RightTrash | RightExpunge
		default:
			return 0, fmt.Errorf("%q is not a right", c)
		}
	}
	return r, nil
}

// String gives the letters, with c and d where one of their members is set, as
// RFC 4314 §2.1.1 wants it for old clients.
func (r Rights) String() string {
	s := r.Letters()
	if r&(RightCreate|RightDelete) != 0 {
		s += "c"
	}
	if r&(RightTrash|RightExpunge) != 0 {
		s += "d"
	}
	return s
}

// Letters gives the letters without the obsolete c and d.
func (r Rights) Letters() string {
	var b strings.Builder
	for i, c := range []byte(rightLetters) {
		if r&(1<<i) != 0 {
			b.WriteByte(c)
		}
	}
	return b.String()
}

// Has tells whether all of want are in the set.
func (r Rights) Has(want Rights) bool { return r&want == want }
