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

// meter shows how far a long operation is: a bar on a terminal, elsewhere a
// line now and then.
type meter struct {
	err   io.Writer
	what  string
	bar   *progressbar.ProgressBar // nil: no terminal
	start time.Time
	next  time.Time // when to show again
}

func newMeter(std streams, what string) *meter {
	return makeMeter(std, what, progressbar.OptionShowIts(), progressbar.OptionSetItsString("messages"))
}

func makeMeter(std streams, what string, unit ...progressbar.Option) *meter {
	m := &meter{err: std.err, what: what, start: time.Now()}
	m.next = m.start.Add(lineEvery)
	if f, ok := std.err.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		m.next = m.start
		o := append(unit, progressbar.OptionSetWriter(f), progressbar.OptionSetDescription(what), progressbar.OptionShowCount(),
			progressbar.OptionSetPredictTime(true), progressbar.OptionClearOnFinish(), progressbar.OptionSetWidth(20))
		m.bar = progressbar.NewOptions64(0, o...)
	}
	return m
}

// update is told of every message.
func (m *meter) update(p transfer.Progress) {
	m.show(p.Done, p.Total, func(rate float64) string {
		return fmt.Sprintf("%d of %d messages, %.0f/s", p.Done, p.Total, rate)
	})
}

// show shows the progress when it is time; line is what a line says of it, but
// for the time left.
func (m *meter) show(done, total int64, line func(rate float64) string) {
	now := time.Now()
	if now.Before(m.next) || total == 0 {
		return
	}
	if m.bar != nil {
		m.next = now.Add(barEvery)
		m.bar.ChangeMax64(total)
		_ = m.bar.Set64(min(done, total-1)) // the last one ends the bar too early
		return
	}
	m.next = now.Add(lineEvery)
	rate := float64(done) / now.Sub(m.start).Seconds()
	left := time.Duration(float64(total-done) / rate * float64(time.Second))
	fmt.Fprintf(m.err, "%s: %s, %s left\n", m.what, line(rate), left.Round(time.Second))
}

// end wipes the bar away.
func (m *meter) end() {
	if m.bar != nil {
		_ = m.bar.Clear() // only talk
	}
}
