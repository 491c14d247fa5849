package imapd

import (
	"bufio"
	"fmt"
	"io"
	"math"
	"net"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"testing"
	"time"

	"mailstead/internal/netd"
	"mailstead/storage"
)

// maxIdleConnection is what a connection in IDLE may take of memory, in bytes.
const maxIdleConnection = 28 << 10

// TestIdleConnectionsAreSmall has many clients in IDLE on a mailbox of 1,000
// messages: what each takes is bounded, and all hear of a new message at once.
// IMAPD_IDLE is their number, where it shall not be 200.
func TestIdleConnectionsAreSmall(t *testing.T) {
	// Not parallel: it measures the memory of the process.
	clients, err := strconv.Atoi(os.Getenv("IMAPD_IDLE"))
	if err != nil {
		clients = 200
	}
	s := newSuite(t, func(o *Options) { o.Limits = netd.Limits{} })
	s.fill("INBOX", 1000)
	idle := func() net.Conn {
		c, err := net.Dial("tcp", s.addr)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		r := bufio.NewReader(c)
		fmt.Fprintf(c, "a LOGIN alice@example.test %q\r\nb SELECT INBOX\r\nc IDLE\r\n", password)
		for {
			l, err := r.ReadString('\n')
			if err != nil {
				t.Fatal(err)
			}
			if l[0] == '+' {
				return c
			}
		}
	}
	conns := []net.Conn{idle()}
	before := memoryInUse()
	for range clients {
		conns = append(conns, idle())
	}
	each := (memoryInUse() - before) / int64(clients)
	t.Logf("%d clients in IDLE: %d bytes each, the client's side of the connection included", clients, each)
	limit := int64(maxIdleConnection)
	if info, ok := debug.ReadBuildInfo(); ok && slices.Contains(info.Settings, debug.BuildSetting{Key: "-race", Value: "true"}) {
		limit += limit / 2 // what the race detector notes of each goroutine
	}
	if each > limit {
		t.Errorf("an idle connection takes %d bytes, want %d at most", each, limit)
	}
	start := time.Now()
	s.deliver("INBOX", "Subject: new\n\n", storage.Flags(0))
	for _, c := range conns {
		if _, err := io.ReadFull(c, make([]byte, len("* 1001 EXISTS\r\n"))); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("all told after %v", time.Since(start))
}

// memoryInUse is what heap and stacks take after everything unused was given up.
func memoryInUse() int64 {
	least := int64(math.MaxInt64)
	for range 8 { // stacks shrink by half each time; the store's own work makes garbage meanwhile
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		least = min(least, int64(m.HeapAlloc+m.StackInuse))
	}
	return least
}
