package wire

// The arguments of RFC 4314 §3.
type (
	// SetACLArgs of SETACL; Rights with the + or - before them.
	SetACLArgs struct{ Mailbox, Identifier, Rights string }
	// IdentifierArgs of DELETEACL and LISTRIGHTS.
	IdentifierArgs struct{ Mailbox, Identifier string }
	// ACLArgs of GETACL and MYRIGHTS.
	ACLArgs struct{ Mailbox string }
)

// ACL writes a response of RFC 4314 §3: ACL, LISTRIGHTS or MYRIGHTS, with the
// mailbox and what follows it.
func (w *Writer) ACL(kind, mailbox string, list ...string) {
	w.Raw("* " + kind + " ")
	w.Mailbox(mailbox)
	for _, s := range list {
		w.Raw(" ")
		w.aString(s)
	}
	w.End()
}

// aString writes an astring: an atom when that can be.
func (w *Writer) aString(s string) {
	for i := range len(s) {
		if b := s[i]; b >= 0x80 || !isAtomChar(b) && b != ']' {
			w.String(s)
			return
		}
	}
	if s == "" {
		w.String(s)
		return
	}
	w.Raw(s)
}
