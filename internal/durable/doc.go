// Package durable is described by its owner.
package durable
