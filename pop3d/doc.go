// Package pop3d is described by its owner.
package pop3d
