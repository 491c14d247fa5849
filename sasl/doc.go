// Package sasl is the server side of SASL (RFC 4422): who is offered which
// mechanism, and each mechanism as a small state machine that takes responses
// and gives challenges. It knows neither lines nor base64: smtpd, imapd and
// pop3d put their framing around it. It keeps no accounts either: what it
// checks against is Credentials.
//
// Invariants: what Mechanisms does not list, Start does not begin; nobody is
// let in but by Credentials; an unknown user is answered as a wrong password
// is. No secret is ever part of an error.
package sasl
