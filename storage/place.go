package storage

import (
	"context"
	"sync/atomic"
)

// Place tells how far an operation on many messages of a mailbox is, which it
// works on by ascending UID. Any goroutine may ask.
type Place struct{ at atomic.Uint32 }

// At is the highest UID that the operation has come to, 0 before the first.
func (p *Place) At() UID { return UID(p.at.Load()) }

// come notes a message that the operation has come to; one that begins anew is
// where it was.
func (p *Place) come(u UID) {
	if p != nil && uint32(u) > p.at.Load() {
		p.at.Store(uint32(u))
	}
}

type placeKey struct{}

// WithPlace gives a context with which Search, Arrange, Thread, SetFlags, Transfer and Expunge
// note in p how far they are.
func WithPlace(ctx context.Context, p *Place) context.Context {
	return context.WithValue(ctx, placeKey{}, p)
}

func placeOf(ctx context.Context) *Place {
	p, _ := ctx.Value(placeKey{}).(*Place)
	return p
}
