// Package mailtest makes messages that are hard to read: the corpus that the
// parser and the IMAP server are proved with. It is the same in every run.
// For tests only; it imports nothing of the module.
package mailtest
