package netd

import (
	"fmt"
	"net"
	"sync"
)

// Port is one address that is listened on for as long as the process wants,
// while the servers behind it may change: each takes a Listener of its own and
// closes that. A connection that comes in between waits.
type Port struct {
	ln      net.Listener
	arrived chan arrival
	closed  chan struct{}
	end     func()
	wg      sync.WaitGroup
}

type arrival struct {
	conn net.Conn
	err  error
}

// Listen opens a TCP port.
func Listen(address string) (*Port, error) {
	ln, err := net.Listen("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("listen on %q: %w", address, err)
	}
	p := &Port{ln: ln, arrived: make(chan arrival), closed: make(chan struct{})}
	p.end = sync.OnceFunc(func() { close(p.closed) })
	p.wg.Go(p.accept)
	return p, nil
}

func (p *Port) accept() {
	for {
		c, err := p.ln.Accept()
		select {
		case p.arrived <- arrival{c, err}:
		case <-p.closed:
			if err == nil {
				_ = c.Close() // nobody is left to talk to it
			}
			return
		}
	}
}

// Addr is where the port is.
func (p *Port) Addr() net.Addr { return p.ln.Addr() }

// Close closes the port and all its listeners. Connections go on.
func (p *Port) Close() error {
	p.end()
	err := p.ln.Close()
	p.wg.Wait()
	return err
}

// Listener gives a listener that accepts what comes to the port. Closing it
// leaves the port open for the next one.
func (p *Port) Listener() net.Listener {
	l := &portListener{Port: p, shut: make(chan struct{})}
	l.end = sync.OnceFunc(func() { close(l.shut) })
	return l
}

type portListener struct {
	*Port
	shut chan struct{}
	end  func()
}

// Accept implements net.Listener.
func (l *portListener) Accept() (net.Conn, error) {
	select { // who is shut must not win a connection by chance
	case <-l.shut:
		return nil, net.ErrClosed
	case <-l.closed:
		return nil, net.ErrClosed
	default:
	}
	select {
	case <-l.shut:
		return nil, net.ErrClosed
	case <-l.closed:
		return nil, net.ErrClosed
	case a := <-l.arrived:
		return a.conn, a.err
	}
}

// Close implements net.Listener.
func (l *portListener) Close() error {
	l.end()
	return nil
}
