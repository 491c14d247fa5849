package main

import (
	"context"
	"os"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

// roomyHeap is the heap in bytes up to which garbage is collected rarely: a
// small server would else spend a tenth of its time on it.
const roomyHeap = 64 << 20

// tuneGC lets the heap grow to roomyHeap before it is collected, and to twice
// what is live where that is more, as always. It ends with ctx. A GOGC in the
// environment decides instead.
func tuneGC(ctx context.Context) {
	if os.Getenv("GOGC") != "" {
		return
	}
	sample := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	t := time.NewTicker(10 * time.Second)
	defer t.Stop()
	for {
		metrics.Read(sample)
		live := max(sample[0].Value.Uint64(), 1<<20)
		debug.SetGCPercent(int(min(max(100*roomyHeap/live, 100), 400)))
		select {
		case <-t.C:
		case <-ctx.Done():
			return
		}
	}
}
