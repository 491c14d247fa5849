// Package delivery is described by its owner.
package delivery
