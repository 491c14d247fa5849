// Package admin is described by its owner.
package admin
