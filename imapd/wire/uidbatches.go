package wire

// UIDBatchesArgs of UIDBATCHES (RFC 10022 §4). First and Last are 0 when all
// batches are asked for.
type UIDBatchesArgs struct{ Size, First, Last uint32 }

func (r *Reader) uidBatches() (a UIDBatchesArgs) {
	r.need(' ')
	if a.Size = r.number(); a.Size == 0 {
		r.fail("a batch of no messages")
	}
	if !r.take(' ') || r.peek() == '\n' {
		return a
	}
	a.First = r.number()
	r.need(':')
	a.Last = r.number()
	if a.First == 0 || a.Last == 0 {
		r.fail("batches are counted from 1")
	}
	return a
}
