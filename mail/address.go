package mail

// AccountID names an account in every database of the server. It is given out
// once by accounts and never again. Zero is no account.
type AccountID uint32

// Address is one mail address (RFC 5321 §4.1.2), normalised: the domain is in
// lower-case A-labels (RFC 5891), the local part in Unicode NFC as written. The
// zero value is the null reverse-path "<>".
type Address struct {
	Local  string
	Domain string
}
