package main

import (
	"fmt"
	"io"
	"os"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"

	"mailstead/transfer"
)

const (
	barEvery  = 200 * time.Millisecond // how often a bar is drawn
	lineEvery = 10 * time.Second       // and a line written where there is no terminal
)

// meter shows how far an import or export is: a bar on a terminal, elsewhere a
// line now and then.
type meter struct {
	err   io.Writer
	what  string
	bar   *progressbar.ProgressBar // nil: no terminal
	start time.Time
	next  time.Time // when to show again
}

func newMeter(std streams, what string) *meter {
	m := &meter{err: std.err, what: what, start: time.Now()}
	m.next = m.start.Add(lineEvery)
	if f, ok := std.err.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		m.next = m.start
		m.bar = progressbar.NewOptions64(0, progressbar.OptionSetWriter(f), progressbar.OptionSetDescription(what), progressbar.OptionShowCount(), progressbar.OptionShowIts(),
			progressbar.OptionSetItsString("messages"), progressbar.OptionSetPredictTime(true), progressbar.OptionClearOnFinish(), progressbar.OptionSetWidth(20))
	}
	return m
}

// update is told of every message.
func (m *meter) update(p transfer.Progress) {
	now := time.Now()
	if now.Before(m.next) || p.Total == 0 {
		return
	}
	if m.bar != nil {
		m.next = now.Add(barEvery)
		m.bar.ChangeMax64(p.Total)
		_ = m.bar.Set64(min(p.Done, p.Total-1)) // the last message ends the bar too early
		return
	}
	m.next = now.Add(lineEvery)
	rate := float64(p.Done) / now.Sub(m.start).Seconds()
	left := time.Duration(float64(p.Total-p.Done) / rate * float64(time.Second))
	fmt.Fprintf(m.err, "%s: %d of %d messages, %.0f/s, %s left\n", m.what, p.Done, p.Total, rate, left.Round(time.Second))
}

// end wipes the bar away.
func (m *meter) end() {
	if m.bar != nil {
		_ = m.bar.Clear() // only talk
	}
}
