// Package textindex is the format of one piece of the full-text index: of a few
// to some hundred thousand messages it tells which ones contain a string, yes,
// no, or maybe. A piece is written once, from texts or by merging other pieces,
// and then only read. The package knows nothing of stores, files' names or mail;
// it sees folded text and numbers. docs/decisions/0009 says why it is made this
// way.
//
// A text is cut into tokens: words between spaces and punctuation, and pairs of
// characters in scripts that write no spaces. Each token that looks like a word
// has an entry in a dictionary, with the messages that hold it; a search looks
// for its string in the dictionary itself, so that parts of words are found and
// nothing else. Tokens that look like chance (identifiers, signatures) have their
// trigrams noted instead.
//
// Storage may import it.
package textindex
