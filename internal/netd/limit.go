package netd

import (
	"net"
	"net/netip"
	"sync"
)

// Limits of connections at one time. Zero means no limit.
type Limits struct {
	PerAddress int // IPv6: per /64
	Total      int
}

// limiter counts connections.
type limiter struct {
	limits Limits
	mu     sync.Mutex
	by     map[netip.Addr]int
	total  int
}

func newLimiter(l Limits) *limiter { return &limiter{limits: l, by: map[netip.Addr]int{}} }

// RemoteAddr is the address of a connection's peer, without its port; the zero
// Addr when it has none.
func RemoteAddr(c net.Conn) netip.Addr {
	if t, ok := c.RemoteAddr().(*net.TCPAddr); ok {
		return t.AddrPort().Addr().Unmap()
	}
	return netip.Addr{}
}

// Network is what limits count by: an IPv4 address, or the /64 of an IPv6
// address, which is what one customer gets.
func Network(a netip.Addr) netip.Addr {
	if a.Is6() && !a.Is4In6() {
		if p, err := a.WithZone("").Prefix(64); err == nil {
			return p.Addr()
		}
	}
	return a.Unmap()
}

// enter counts a connection; false when there are too many.
func (l *limiter) enter(a netip.Addr) bool {
	a = Network(a)
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.limits.Total > 0 && l.total >= l.limits.Total || l.limits.PerAddress > 0 && l.by[a] >= l.limits.PerAddress {
		return false
	}
	l.by[a]++
	l.total++
	return true
}

func (l *limiter) leave(a netip.Addr) {
	a = Network(a)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.total--
	if l.by[a]--; l.by[a] <= 0 {
		delete(l.by, a)
	}
}

// LimitListener accepts from ln within limits. A connection too many is sent
// refuse (a whole line of the protocol) and closed; Accept does not return it.
func LimitListener(ln net.Listener, limits Limits, refuse []byte) net.Listener {
	return &limitListener{ln, newLimiter(limits), refuse}
}

type limitListener struct {
	net.Listener
	lim    *limiter
	refuse []byte
}

// Accept implements net.Listener.
func (l *limitListener) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		a := RemoteAddr(c)
		if l.lim.enter(a) {
			return &countedConn{Conn: c, leave: sync.OnceFunc(func() { l.lim.leave(a) })}, nil
		}
		turnAway(c, l.refuse)
	}
}

// turnAway sends a short line, which fits any socket's buffer, and closes.
func turnAway(c net.Conn, line []byte) {
	_, _ = c.Write(line) // the peer may be gone already
	_ = c.Close()        // nothing was promised
}

type countedConn struct {
	net.Conn
	leave func()
}

// Close implements net.Conn.
func (c *countedConn) Close() error {
	c.leave()
	return c.Conn.Close()
}
