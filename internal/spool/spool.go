// Package spool holds a message while it is being received: in memory while it
// is small, in a temporary file beyond that. It gives no durability; a message
// is safe only after the store or the queue has taken it.
package spool
