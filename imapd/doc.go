// Package imapd is described by its owner.
package imapd
