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

// OrdersOfSmall has the orders of mailboxes of any size brought forward, for as
// many new messages as there are.
func (s *Store) OrdersOfSmall() { s.orders.least = 0 }

// OrdersRoom bounds what orders and threads take, in bytes.
func (s *Store) OrdersRoom(n int) {
	s.orders.mu.Lock()
	defer s.orders.mu.Unlock()
	s.orders.room = n
	s.orders.trim()
}

// Orders tells what orders and threads take and how many there are, or -1 when
// the two do not agree.
func (s *Store) Orders() (weight, n int) {
	o := s.orders
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, a := range o.by {
		weight += a.weight
	}
	if weight != o.weight || len(o.by) != o.used.Len() {
		return -1, -1
	}
	return weight, len(o.by)
}
