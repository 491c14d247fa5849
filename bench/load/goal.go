package load

import (
	"context"
	"errors"
	"fmt"

	"mailstead/bench/peer"
	"mailstead/bench/wire"
)

// ErrNotOffered is in the error for a workload that a server has no command for.
var ErrNotOffered = errors.New("not offered")

// Goal is what a metric of Mailstead is to reach. Processor time has the goal of
// the time it goes with: "first" is a goal for "first CPU", too.
type Goal struct {
	// Metric is its name, or the beginning of several.
	Metric string
	// Times is how much better than the other server it is to be; 0 is no goal.
	Times float64
	// AtMost bounds the figure itself; 0 is no bound.
	AtMost float64
}

// needs fails when a capability is not announced.
func (b *Bench) needs(ctx context.Context, capability string) error {
	c, err := wire.DialIMAP(ctx, b.System.IMAP, b.System.Address(0), peer.Password)
	if err != nil {
		return err
	}
	offered, err := c.Offers(capability)
	if err := errors.Join(err, c.Close()); err != nil {
		return err
	}
	if !offered {
		return fmt.Errorf("%s %w by %s", capability, ErrNotOffered, b.System.Name)
	}
	return nil
}

// Answer is what a server has said to a command, so that answers can be compared.
type Answer struct {
	// Count and Size must be the same for each server: messages, and octets of
	// theirs. Hash is of all the numbers of a search, in their
	// order and with what parentheses are around them.
	Count int
	Size  int64
	Hash  uint64
	// Octets of the whole response may differ by an eighth, and by some hundred.
	Octets int64
}

// answered notes an answer, which must be the same each time.
func (b *Bench) answered(what string, a Answer) error {
	before, ok := b.answers[what]
	if !ok {
		b.answers[what] = a
		return nil
	}
	return agree(what, b.System.Name+" before", before, b.System.Name, a)
}

// Agree sees that servers have answered the same in the workload that has run.
func Agree(benches []*Bench) error {
	var errs []error
	for i, b := range benches {
		for what, a := range b.answers {
			if other, ok := benches[0].answers[what]; ok && i > 0 {
				errs = append(errs, agree(what, benches[0].System.Name, other, b.System.Name, a))
			}
		}
	}
	return errors.Join(errs...)
}

func agree(what, name string, a Answer, otherName string, other Answer) error {
	const part, some = 8, 500
	apart := max(a.Octets, other.Octets)-min(a.Octets, other.Octets) > min(a.Octets, other.Octets)/part+some
	if a.Count != other.Count || a.Size != other.Size || a.Hash != other.Hash || apart {
		return fmt.Errorf("%s: %s answered %+v, %s %+v", what, name, a, otherName, other)
	}
	return nil
}
