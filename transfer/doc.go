// Package transfer owns how many messages get from one place to another: the
// readers of Maildir, mbox and .eml files (Open), the writers of Maildir and
// mbox (Export), and the import into an account (Import), which recognises
// what is there already and can therefore be run again after an interruption.
//
// A Source is what is read, a Sink what is written to. Local is both, directly
// on a store; package admin has the same over the control socket.
//
// A bad message never stops anything: it is counted, named and left out. What
// a message is made of is held in memory only while it is small and few of
// them are under way; of the rest a few bytes a message remain. Nothing of the
// user's is ever overwritten, and symbolic links below the given path are not
// followed, since an administrator may read what others can write.
//
// Imported by admin and cmd/mailstead.
package transfer
