package load

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"mailstead/bench/wire"
)

// Group of the workloads that read by IMAP.
const readGroup = "imap-read"

const readRounds = 3

// reading are the workloads that read by IMAP.
func reading() []Workload {
	all := fetches(
		fetch{
			name: "fetch-flags", about: "the flags of all messages", items: "(FLAGS)", part: "FLAGS (", free: true,
			size:  func(line []byte) int64 { return int64(bytes.Count(line, []byte(`\Seen`))) },
			goals: []Goal{{Metric: "first", Times: 2}, {Metric: "warm", Times: 2}},
		},
		fetch{
			name: "fetch-envelope", about: "what a list of messages shows", items: "(ENVELOPE INTERNALDATE RFC822.SIZE)", part: "ENVELOPE (",
			size:  func(line []byte) int64 { return int64(wire.After(line, "RFC822.SIZE ")) },
			goals: []Goal{{Metric: "warm", Times: 4}, {Metric: "first", Times: 15}},
		},
		fetch{
			name: "fetch-structure", about: "the MIME structure of all messages", items: "(BODYSTRUCTURE)", part: "BODYSTRUCTURE (",
			goals: []Goal{{Metric: "first", Times: 15}},
		},
		fetch{
			name: "fetch-headers", about: "the ten fields that Thunderbird asks for first",
			items: "(UID RFC822.SIZE FLAGS BODY.PEEK[HEADER.FIELDS (From To Cc Bcc Subject Date Message-ID Priority X-Priority References)])",
			part:  "BODY[HEADER.FIELDS (", size: wire.Literals,
			goals: []Goal{{Metric: "warm", Times: 3}, {Metric: "first", Times: 10}},
		},
		fetch{
			name: "fetch-bodies", about: "all messages whole", items: "(BODY.PEEK[])", part: "BODY[] ", size: wire.Literals, whole: true,
			goals: []Goal{{Metric: "first", Times: 2}, {Metric: "warm", Times: 2}},
		},
	)
	all = append(all, finding()...)
	all = append(all, logins8(), mix(), idle())
	for i := range all {
		all[i].Group = readGroup
		if all[i].MaxRounds == 0 {
			all[i].MaxRounds = readRounds
		}
	}
	return all
}

func fetches(all ...fetch) []Workload {
	var out []Workload
	for _, f := range all {
		out = append(out, Workload{Name: f.name, About: f.about, Goals: f.goals, Prepare: fillArchive, Run: f.run})
	}
	return out
}

// fetch is one UID FETCH of all messages of the large mailbox: first after a
// start, and again.
type fetch struct {
	name, about string
	items       string
	part        string                  // what each response has
	size        func(line []byte) int64 // what responses are compared by, mostly octets; nil is nothing
	whole       bool                    // they are all the messages have
	free        bool                    // servers may answer more, like \Recent
	goals       []Goal
}

func (f fetch) run(ctx context.Context, b *Bench) (err error) {
	c, err := b.forgotten(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	first, err := b.cost(func() error { return f.all(b, c) })
	if err != nil {
		return err
	}
	warm, err := b.repeated(func() error { return f.all(b, c) })
	if err != nil {
		return err
	}
	b.report("first", first)
	b.report("warm", warm)
	if f.whole {
		b.add("warm rate", "MB/s", true, float64(b.answers[f.name].Size)/megabyte/warm.wall.Seconds())
	}
	return nil
}

// all asks for all messages, and sees that all are answered.
func (f fetch) all(b *Bench, c *wire.IMAP) error {
	var a Answer
	part := []byte(f.part)
	before := c.Octets()
	err := c.Do("UID FETCH 1:* "+f.items, func(line []byte) {
		if !bytes.Contains(line, part) {
			return
		}
		a.Count++
		if f.size != nil {
			a.Size += f.size(line)
		}
	})
	if err != nil {
		return err
	}
	if !f.free {
		a.Octets = c.Octets() - before
	}
	if a.Count != b.Counts.Archive {
		return fmt.Errorf("%s answered for %d messages, want %d", f.items, a.Count, b.Counts.Archive)
	}
	if f.whole {
		if want := b.archiveSize(); a.Size != want {
			return fmt.Errorf("%s answered %d octets, want %d", f.items, a.Size, want)
		}
	}
	return b.answered(f.name, a)
}

// archiveSize is what the messages of the large mailbox have together.
func (b *Bench) archiveSize() int64 {
	if b.oldSize == 0 {
		b.oldSize = b.Old.Size(b.Counts.Archive)
	}
	return b.oldSize
}
