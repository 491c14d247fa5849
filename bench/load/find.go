package load

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"hash/fnv"

	"mailstead/bench/corpus"
	"mailstead/bench/wire"
)

// textRounds are few: a server that reads everything takes long.
const textRounds = 2

// query is one command that is answered with numbers of messages.
type query struct {
	name    string // of its metrics
	command string
	word    corpus.Word // that is looked for; none finds all
}

// finding are the workloads that look for messages and order them.
func finding() []Workload {
	search := func(name, about, key string, rounds int, goals []Goal, words map[string]corpus.Word) Workload {
		var all []query
		for _, how := range []string{"rare", "common"} {
			if w, ok := words[how]; ok {
				all = append(all, query{name: how, command: "UID SEARCH " + key + " " + w.Text, word: w})
			}
		}
		return found(Workload{Name: name, About: about, MaxRounds: rounds, Goals: goals}, all...)
	}
	four := []Goal{{Metric: "first", Times: 4}, {Metric: "warm", Times: 4}}
	text := []Goal{{Metric: "first", Times: 20}, {Metric: "warm", Times: 50}}
	return []Workload{
		search("search-subject", "a rare and a common word in subjects", "SUBJECT", 0, four,
			map[string]corpus.Word{"rare": corpus.RareSubject(), "common": corpus.CommonSubject()}),
		search("search-from", "a rare and a common sender", "FROM", 0, four,
			map[string]corpus.Word{"rare": corpus.RareSender(), "common": corpus.CommonSender()}),
		search("search-text", "a rare word anywhere in a message", "TEXT", textRounds, text, map[string]corpus.Word{"rare": corpus.RareText()}),
		search("search-body", "a rare word in the text", "BODY", textRounds, text, map[string]corpus.Word{"rare": corpus.RareBody()}),
		found(Workload{Name: "sort", About: "all messages by date and by subject", Needs: "SORT", Goals: four},
			query{name: "DATE", command: "UID SORT (DATE) UTF-8 ALL"}, query{name: "SUBJECT", command: "UID SORT (SUBJECT) UTF-8 ALL"}),
		found(Workload{Name: "thread", About: "all messages by references", Needs: "THREAD=REFERENCES", Goals: four},
			query{name: "REFERENCES", command: "UID THREAD REFERENCES UTF-8 ALL"}),
	}
}

// found makes a workload of queries, the first of which is also measured after a
// start.
func found(w Workload, all ...query) Workload {
	w.Prepare = fillArchive
	w.Run = func(ctx context.Context, b *Bench) (err error) {
		c, err := b.forgotten(ctx)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, c.Close()) }()
		for i, q := range all {
			if i == 0 {
				first, err := b.cost(func() error { return q.ask(b, c) })
				if err != nil {
					return err
				}
				b.report("first "+q.name, first)
			} else if err := q.ask(b, c); err != nil { // what it reads for the first time is not warm
				return err
			}
			warm, err := b.repeated(func() error { return q.ask(b, c) })
			if err != nil {
				return err
			}
			b.report("warm "+q.name, warm)
		}
		return nil
	}
	return w
}

// ask does it once and sees that the answer is right.
func (q query) ask(b *Bench, c *wire.IMAP) error {
	var a Answer
	hash, before := fnv.New64a(), c.Octets()
	err := c.Do(q.command, func(line []byte) {
		for _, name := range []string{"* SEARCH", "* SORT", "* THREAD"} {
			if numbers, ok := bytes.CutPrefix(line, []byte(name)); ok {
				a.Count += countNumbers(numbers)
				_, _ = hash.Write(bytes.TrimSpace(numbers)) // never fails, says hash.Hash
			}
		}
	})
	if err != nil {
		return err
	}
	a.Octets, a.Hash = c.Octets()-before, hash.Sum64()
	want := b.Counts.Archive
	if q.word.Text != "" {
		want = q.word.Count(want)
	}
	if a.Count != want {
		return fmt.Errorf("%s found %d messages, want %d", q.command, a.Count, want)
	}
	return b.answered(q.command, a)
}

// countNumbers counts the runs of digits.
func countNumbers(line []byte) int {
	n, in := 0, false
	for _, x := range line {
		digit := x >= '0' && x <= '9'
		if digit && !in {
			n++
		}
		in = digit
	}
	return n
}
