// Package peer starts and stops the mail servers that are compared, each in a
// directory of its own with ports of its own on loopback, and tells what they
// cost: processor time, memory and disk. Every server keeps its safe defaults:
// what it has answered for is synced. It imports nothing of Mailstead and drives
// the built program.
package peer

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

const (
	// Domain is the one that every system serves.
	Domain = "bench.test"
	// Password is every account's.
	Password = "bench-password"

	loopback   = "127.0.0.1"
	longestDir = 75               // bytes; a socket's whole path has at most 107
	startTime  = 30 * time.Second // for a server to answer
	pollTime   = 10 * time.Millisecond
)

// System is one mail server: where it listens, what it keeps, what it costs.
// Its methods are for one goroutine, but those of cost are safe at any time.
type System struct {
	// Name is how reports call it.
	Name string
	// SMTP and IMAP are the addresses to connect to.
	SMTP, IMAP string
	// Accounts is how many there are.
	Accounts int

	dir     string // everything it has
	store   string // where the mail ends up
	engine  engine
	daemons []*daemon
	meter   *meter
}

// engine is the kind of server.
type engine interface {
	// prepare writes configuration before the first start.
	prepare(ctx context.Context, s *System) error
	// launch starts the daemons.
	launch(s *System) error
	// populate makes what can be made only while it runs.
	populate(ctx context.Context, s *System) error
	// fill puts mail into a mailbox.
	fill(ctx context.Context, s *System, f Fill) error
	// forget removes, while it does not run, what is kept only to answer faster.
	forget(s *System) error
}

// newSystem makes the directory, and finds ports that are free now.
func newSystem(name, parent string, accounts int, e engine) (*System, error) {
	s := &System{Name: name, Accounts: accounts, engine: e}
	var err error
	if s.dir, err = os.MkdirTemp(parent, name[:1]+"*"); err != nil {
		return nil, err
	}
	if len(s.dir) > longestDir {
		return nil, errors.Join(fmt.Errorf("directory %q: longer than %d bytes, too long for sockets in it", s.dir, longestDir), os.Remove(s.dir))
	}
	// The servers' own users must get through.
	if err := os.Chmod(s.dir, 0o755); err != nil {
		return nil, errors.Join(err, os.RemoveAll(s.dir))
	}
	ports, err := freePorts(2)
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(s.dir))
	}
	s.SMTP, s.IMAP = ports[0], ports[1]
	s.meter = newMeter(name)
	return s, nil
}

// freePorts gives addresses on loopback that nothing listens on.
func freePorts(n int) ([]string, error) {
	var out []string
	for range n {
		l, err := net.Listen("tcp", loopback+":0")
		if err != nil {
			return nil, err
		}
		defer l.Close() // at the end, so that no port comes twice
		out = append(out, l.Addr().String())
	}
	return out, nil
}

// Address is the address of account i, counted from 0.
func (s *System) Address(i int) string { return address(i) }

func address(i int) string { return fmt.Sprintf("u%04d@%s", i, Domain) }

// Setup prepares, starts and fills the system.
func (s *System) Setup(ctx context.Context) error {
	if err := s.engine.prepare(ctx, s); err != nil {
		return fmt.Errorf("set up %s: %w", s.Name, err)
	}
	if err := s.Start(ctx); err != nil {
		return err
	}
	if err := s.engine.populate(ctx, s); err != nil {
		return fmt.Errorf("fill %s: %w", s.Name, err)
	}
	return nil
}

// Start starts the server, and returns once it greets on both ports.
func (s *System) Start(ctx context.Context) error {
	if err := s.engine.launch(s); err != nil {
		return fmt.Errorf("start %s: %w", s.Name, err)
	}
	for _, addr := range []string{s.SMTP, s.IMAP} {
		if err := s.greets(ctx, addr); err != nil {
			return fmt.Errorf("start %s: %w\n%s", s.Name, err, s.lastLog())
		}
	}
	return nil
}

// greets waits until a server says something on an address.
func (s *System) greets(ctx context.Context, addr string) error {
	var err error
	for end := time.Now().Add(startTime); time.Now().Before(end); {
		if err = greeting(ctx, addr); err == nil {
			return nil
		}
		if d := s.ended(); d != nil {
			return fmt.Errorf("%s has ended: %w", d.name, d.err)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(pollTime):
		}
	}
	return fmt.Errorf("no greeting within %v: %w", startTime, err)
}

func greeting(ctx context.Context, addr string) error {
	var d net.Dialer
	conn, err := d.DialContext(ctx, "tcp", addr)
	if err != nil {
		return err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(startTime)); err != nil {
		return err
	}
	_, err = conn.Read(make([]byte, 1))
	return err
}

// ended gives a daemon that is no longer there.
func (s *System) ended() *daemon {
	for _, d := range s.daemons {
		select {
		case <-d.done:
			return d
		default:
		}
	}
	return nil
}

// Stop stops the server and waits for the end of all its processes.
func (s *System) Stop() error {
	var errs []error
	for _, d := range s.daemons {
		errs = append(errs, d.stop())
	}
	s.daemons = nil
	return errors.Join(append(errs, s.meter.sweep())...)
}

// Restart stops and starts it.
func (s *System) Restart(ctx context.Context) error {
	if err := s.Stop(); err != nil {
		return err
	}
	return s.Start(ctx)
}

// Close stops the server. Its directory stays for the caller to remove.
func (s *System) Close() error { return errors.Join(s.Stop(), s.meter.close()) }

// Disk tells the bytes on disk of what the server keeps for good: allocated
// blocks, and each file once however many names it has.
func (s *System) Disk() (int64, error) {
	var sum int64
	seen := map[uint64]bool{}
	err := filepath.WalkDir(s.store, func(_ string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil // gone since the directory was read
		}
		if err != nil {
			return err
		}
		info, err := d.Info()
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		if st, ok := info.Sys().(*syscall.Stat_t); ok && !seen[st.Ino] {
			seen[st.Ino] = true
			sum += st.Blocks * 512
		}
		return nil
	})
	return sum, err
}

// CPU is the processor time of all its processes since the first start, with
// those that have ended.
func (s *System) CPU() (time.Duration, error) { return s.meter.cpu(s.daemons) }

// Memory is the memory of all its processes now, in bytes: the sum of their
// proportional shares (PSS), where what several processes share counts once.
func (s *System) Memory() (int64, error) { return s.meter.memory(s.daemons) }

// lastLog is the end of what the server wrote, for error messages.
func (s *System) lastLog() []byte {
	var out []byte
	logs, err := filepath.Glob(filepath.Join(s.dir, "*.log"))
	if err != nil {
		return nil
	}
	for _, name := range logs {
		text, err := os.ReadFile(name)
		if err != nil {
			continue
		}
		out = append(append(out, filepath.Base(name)+":\n"...), text[max(0, len(text)-2000):]...)
	}
	return out
}
