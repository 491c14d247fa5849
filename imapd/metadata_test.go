package imapd

import (
	"fmt"
	"strings"
	"testing"

	"mailstead/imapd/wire"
	"mailstead/storage"
)

// Both sides of the limit are one number.
const (
	_ = uint(storage.MaxAnnotation - wire.MaxMetadata)
	_ = uint(wire.MaxMetadata - storage.MaxAnnotation)
)

func TestMetadataLimits(t *testing.T) {
	t.Parallel()
	s := newSuite(t)
	c := s.login()
	value := func(n int) string { return fmt.Sprintf("{%d+}\r\n%s", n, strings.Repeat("v", n)) }
	c.ok("SETMETADATA INBOX (/private/big " + value(storage.MaxAnnotation) + ")")
	c.answers("SETMETADATA INBOX (/private/big "+value(storage.MaxAnnotation+1)+" /private/small x)", "BAD")
	c.answers("SETMETADATA INBOX (/private/small \"x\" /private/big "+value(storage.MaxAnnotation+1)+")", "NO [METADATA MAXSIZE 65536]")
	c.says("GETMETADATA INBOX /private/small", `* METADATA "INBOX" (/private/small NIL)`)
	c.answers("GETMETADATA (MAXSIZE 65535) INBOX /private/big", "OK [METADATA LONGENTRIES 65536]")
	c.answers("GETMETADATA (MAXSIZE 65536) INBOX /private/big", "OK GETMETADATA")
	c.answers("SETMETADATA INBOX (/private/"+strings.Repeat("n", storage.MaxEntryName)+" \"x\")", "NO [METADATA TOOMANY]")
	// More in one command than is read into memory.
	var many []string
	for i := range 17 {
		many = append(many, fmt.Sprintf("/private/b%d %s", i, value(storage.MaxAnnotation)))
	}
	c.answers("SETMETADATA INBOX ("+strings.Join(many, " ")+")", "NO [METADATA MAXSIZE 65536]")
	c.ok("SETMETADATA Sent (" + strings.Join(many[:16], " ") + ")")
	// All but one of as many as there may be, then two more.
	var set []string
	for i := range storage.MaxAnnotations - 2 {
		set = append(set, fmt.Sprintf("/private/n%d \"\"", i))
	}
	c.ok("SETMETADATA INBOX (" + strings.Join(set, " ") + ")")
	c.answers("SETMETADATA INBOX (/private/x \"\" /private/y \"\")", "NO [METADATA TOOMANY]")
	c.ok("SETMETADATA INBOX (/private/x \"\")")
	c.ok("SETMETADATA INBOX (/shared/x \"\")")
	c.answers("SETMETADATA INBOX (/private/y \"\")", "NO [METADATA TOOMANY]")
	c.ok("SETMETADATA INBOX (/private/x NIL /private/y \"\")")
}

// TestMetadataOfOthersIsTheirs: what is private is not told to others, nor that
// it has changed.
func TestMetadataOfOthersIsTheirs(t *testing.T) {
	t.Parallel()
	s := newSuite(t)
	a, b := s.login(), s.dial()
	b.ok("LOGIN bob@example.test \"" + password + "\"")
	b.ok("ENABLE METADATA")
	a.ok("SETMETADATA \"\" (/private/comment \"hers\")")
	a.ok("SETMETADATA INBOX (/private/comment \"hers\" /shared/comment \"also\")")
	if got := b.ok("NOOP"); strings.Contains(strings.Join(got, "\n"), "METADATA") {
		t.Errorf("told of another account's annotations: %q", got)
	}
	for _, mailbox := range []string{`""`, "INBOX"} {
		if got := b.ok("GETMETADATA " + mailbox + " (/private/comment /shared/comment)"); !strings.Contains(strings.Join(got, "\n"), "(/private/comment NIL /shared/comment NIL)") {
			t.Errorf("%s: got %q", mailbox, got)
		}
	}
}
