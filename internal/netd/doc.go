// Package netd is described by its owner.
package netd
