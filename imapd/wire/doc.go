// Package wire is described by its owner.
package wire
