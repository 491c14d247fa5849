package storage

// For tests of the descriptions in memory.
const MaxChanges = maxChanges

// ForgetDescriptions has every mailbox described anew.
func (s *Store) ForgetDescriptions() { s.feeds.forgetAll() }

// DescribedRoom bounds what descriptions take, in bytes.
func (s *Store) DescribedRoom(n int) {
	s.feeds.mu.Lock()
	defer s.feeds.mu.Unlock()
	s.feeds.room = n
}

// Described tells what the descriptions take and how many there are, once it is
// sure that what they are said to take is what they take.
func (s *Store) Described() (weight, n int) {
	fs := &s.feeds
	fs.mu.Lock()
	defer fs.mu.Unlock()
	for _, d := range fs.boxes {
		if d.ready {
			weight += d.size()
		}
	}
	if weight != fs.weight || fs.order.Len() != len(fs.boxes) {
		return -1, -1
	}
	return weight, len(fs.boxes)
}
