// Package admin owns what an administrator can ask of the server: the
// operations on domains, accounts, aliases and the store (Service), the control
// socket that offers them as HTTP and JSON (Server), and the client of that
// socket (Client).
//
// Each operation is POST /v1/NAME with one JSON object, answered by one JSON
// value; check answers lines of JSON as it goes, and of the transfer operations,
// with which imports and exports are made, some take and answer bytes. An error is an object with a
// code to decide by and a message to show.
//
// Who can open the socket may do everything: it stands in the data directory
// with mode 0600. It never returns a password or its hash, other than one it has
// just made. Every change is logged, imported messages at level debug.
//
// Imported by cmd/mailstead.
package admin
