package backup

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"mailstead/storage"
)

// VerifyOptions of Verify. The zero value works.
type VerifyOptions struct {
	Temp string // where an index is made; empty: the system's place
	// Progress is called often. Nil: not.
	Progress func(Progress)
}

// Report is what Verify found.
type Report struct {
	Generation string   `json:"generation"`
	Files      int      `json:"files"`
	Bytes      int64    `json:"bytes"`
	Opened     bool     `json:"opened"` // as a store, and its messages were read
	Accounts   int64    `json:"accounts"`
	Mailboxes  int64    `json:"mailboxes"`
	Messages   int64    `json:"messages"`
	Bodies     int64    `json:"bodies"`
	Problems   []string `json:"problems"`
}

// Verify proves a generation: every file has the bytes that were copied, it
// opens as a store, every invariant holds, every message can be read, and there
// are as many as the manifest says. Nothing but a temporary directory is
// written to. The error is only that it could not be done.
func Verify(ctx context.Context, dir string, m *Manifest, o VerifyOptions) (*Report, error) {
	rep := &Report{Generation: m.Generation, Problems: append([]string{}, m.Problems...)}
	defer reading(dir)()
	p := pace{total: 2 * m.Bytes, tell: o.Progress}
	for _, f := range m.Files {
		sum, err := sumFile(ctx, filepath.Join(dir, f.Path), f.Size)
		if ctx.Err() != nil {
			return rep, ctx.Err()
		}
		switch {
		case err != nil:
			rep.problem("%s: %v", f.Path, err)
		case sum != f.SHA256:
			rep.problem("%s: its bytes are not those that were copied", f.Path)
		}
		rep.Files++
		rep.Bytes += f.Size
		if err := p.step(ctx, f.Size); err != nil {
			return rep, err
		}
	}
	b, err := Open(ctx, dir, m, o.Temp)
	if ctx.Err() != nil {
		return rep, errors.Join(ctx.Err(), err)
	}
	if err != nil {
		rep.problem("it does not open: %v", err)
		return rep, nil
	}
	rep.Opened = true
	err = rep.check(ctx, b, func(done, total int64) {
		if o.Progress != nil && total > 0 {
			o.Progress(Progress{m.Bytes + int64(float64(m.Bytes)*float64(done)/float64(total)), 2 * m.Bytes})
		}
	})
	return rep, errors.Join(err, b.Close())
}

// check looks at a generation that is open.
func (rep *Report) check(ctx context.Context, b *Opened, progress func(done, total int64)) error {
	found, err := b.Store.Check(ctx, storage.CheckOptions{Bodies: true, Progress: progress})
	if err != nil {
		return fmt.Errorf("check messages: %w", err)
	}
	rep.Accounts, rep.Mailboxes, rep.Messages, rep.Bodies = found.Accounts, found.Mailboxes, found.Messages, found.Bodies
	rep.Problems = append(rep.Problems, found.Problems...)
	rep.compare(b.Manifest)
	if b.Accounts == nil {
		rep.problem("%s: is not in it: nobody could log in", AccountsName)
		return nil
	}
	rep.Problems = append(rep.Problems, b.Accounts.Check()...)
	known := map[uint32]bool{}
	for _, a := range b.Accounts.Accounts() {
		known[uint32(a.ID)] = true
	}
	for _, a := range b.Manifest.Accounts {
		if !known[a.ID] {
			rep.problem("there is mail of account %d (%s), which %s does not know", a.ID, a.Address, AccountsName)
		}
	}
	return nil
}

// compare counts what is there against the manifest.
func (rep *Report) compare(m *Manifest) {
	for _, c := range []struct {
		what      string
		got, want int64
	}{
		{"accounts", rep.Accounts, int64(len(m.Accounts))}, {"mailboxes", rep.Mailboxes, m.Mailboxes},
		{"messages", rep.Messages, m.Messages}, {"bodies", rep.Bodies, m.Bodies},
	} {
		if c.got != c.want {
			rep.problem("there are %d %s, the manifest says %d", c.got, c.what, c.want)
		}
	}
}

func (rep *Report) problem(format string, args ...any) {
	rep.Problems = append(rep.Problems, fmt.Sprintf(format, args...))
}
