package imapd

import (
	"context"
	"fmt"

	"mailstead/imapd/wire"
	"mailstead/storage"
)

// Limits of UIDBATCHES.
const (
	minBatch       = 500     // messages of a batch (RFC 10022 §3.1.3.2)
	maxBatchedSpan = 100_000 // messages of the batches asked for by number (§3.1.5)
)

// uidBatches is RFC 10022: ranges of UIDs that hold as many messages each, from
// the highest UID down.
func (s *session) uidBatches(_ context.Context, c *wire.Command) (reply, error) {
	a := c.Args.(wire.UIDBatchesArgs)
	switch {
	case a.First > a.Last:
		return reply{kind: kindBad, code: "CLIENTBUG", text: "The first batch comes before the last"}, nil
	case a.Size < minBatch:
		return no("TOOFEW", fmt.Sprintf("A batch has %d messages at least", minBatch)), nil
	case a.First != 0 && (int64(a.Last)-int64(a.First)+1)*int64(a.Size) > maxBatchedSpan:
		return no("TOOMANY", fmt.Sprintf("Ask for batches of %d messages together at most", maxBatchedSpan)), nil
	}
	s.w.Raw("* UIDBATCHES (TAG ")
	s.w.String(c.Tag)
	s.w.Raw(")")
	for i, r := range s.view.batches(int(a.Size), int(a.First), int(a.Last)) {
		separator := ","
		if i == 0 {
			separator = " "
		}
		s.w.Raw(fmt.Sprintf("%s%d:%d", separator, r.Last, r.First))
	}
	s.w.End()
	return done(), nil
}

// batches gives the batches from first to last, counted from 1 at the highest
// UID; all of them when first is 0. Each goes down to where the next one begins,
// the lowest to 1.
func (v *view) batches(size, first, last int) (out []storage.UIDRange) {
	n := int(v.size())
	if first == 0 {
		first, last = 1, (n+size-1)/size
	}
	for b := first; b <= last && (b-1)*size < n; b++ {
		r := storage.UIDRange{First: 1, Last: v.uids.At(n - 1 - (b-1)*size)}
		if next := n - 1 - b*size; next >= 0 {
			r.First = v.uids.At(next) + 1
		}
		out = append(out, r)
	}
	return out
}
