// Package accounts is described by its owner.
package accounts
