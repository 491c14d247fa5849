// Package logkey is described by its owner.
package logkey
