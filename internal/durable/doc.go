// Package durable writes files so that they survive a power loss: data synced
// before the name, the name's directory after it. Every file that is replaced
// as a whole goes through it. It knows nothing of mail; any package may import
// it.
package durable
