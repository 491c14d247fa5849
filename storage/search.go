package storage

import (
	"context"
	"iter"
	"slices"
	"strings"
	"time"

	"mailstead/mail"
)

// Search gives the messages of a mailbox that match, by ascending UID; with
// First or Last only the one asked for. What costs least is asked first: UIDs
// bound what is read at all, then flags, numbers and dates of the small row, then
// the description, the text index, and the body only of what is still left. A
// body that can't be read matches nothing.
func (s *Store) Search(ctx context.Context, ref Ref, q Query, o Order) iter.Seq2[Row, error] {
	return s.search(ctx, ref, q, o, s.opts.SearchIndex)
}

// search is Search with the text index or without.
func (s *Store) search(ctx context.Context, ref Ref, q Query, o Order, indexed bool) iter.Seq2[Row, error] {
	return func(yield func(Row, error) bool) {
		set := q.Within()
		if len(set) == 0 {
			return
		}
		var ask *textAsk
		if indexed {
			ask = s.text.ask(ref, &q, set)
			defer ask.close()
		}
		set = ask.narrow(&q, set)
		opts := ReadOptions{}
		if q.ModSeq > 0 {
			opts.ChangedSince = q.ModSeq - 1
		}
		var last Row
		place := placeOf(ctx)
		now, strs, fuzzy := time.Now(), map[*Query][]textCond{}, q.hasFuzzy()
		for r, err := range s.Rows(ref, set, opts) {
			if err == nil {
				err = ctx.Err()
			}
			if err != nil {
				yield(Row{}, err)
				return
			}
			place.come(r.UID)
			m := candidate{s: s, ctx: ctx, account: ref.Account, row: r, now: now, ask: ask, conds: strs}
			match := m.matches(&q)
			if match && fuzzy {
				r.Relevancy = max(m.relevancy(&q), 1)
			}
			if err := ctx.Err(); err != nil { // what was not looked through matches nothing
				yield(Row{}, err)
				return
			}
			if !match {
				continue
			}
			if last = r; o == Last {
				continue
			}
			if !yield(r, nil) || o == First {
				return
			}
		}
		if o == Last && last.UID != 0 {
			yield(last, nil)
		}
	}
}

// Within is where messages that match can be.
func (q *Query) Within() UIDSet {
	set := UIDSet{{1, 1<<32 - 1}}
	if q.None {
		return nil
	}
	for _, s := range q.UIDs {
		set = set.and(s)
	}
	return set
}

// candidate is one message being looked at. Its description and its text are
// read once at most, and only when they are asked for.
type candidate struct {
	s       *Store
	ctx     context.Context
	account mail.AccountID
	row     Row
	now     time.Time
	ask     *textAsk
	conds   map[*Query][]textCond // folded once for the whole search

	described bool
	msg       *mail.Message
	raw       []byte // the header as it stands
	header    *string
	text      *string
	likeness  map[FuzzyMatch]int
}

// matches decides by what costs least first.
func (c *candidate) matches(q *Query) bool {
	return c.cheap(q) && c.sent(q) && c.texts(q) && c.fuzzy(q) &&
		!c.any(q.Not) && !c.none(q.Or)
}

func (c *candidate) any(not []Query) bool {
	for i := range not {
		if c.matches(&not[i]) {
			return true
		}
	}
	return false
}

// none tells whether both sides of one of the pairs fail.
func (c *candidate) none(or [][2]Query) bool {
	for i := range or {
		if !c.matches(&or[i][0]) && !c.matches(&or[i][1]) {
			return true
		}
	}
	return false
}

// cheap asks what the small row tells, of everything that must hold: what is
// left of Not and Or is asked in its turn.
func (c *candidate) cheap(q *Query) bool {
	return !q.None && c.flags(q) && c.numbers(q) && c.dates(q) &&
		!slices.ContainsFunc(q.Or, func(or [2]Query) bool { return !c.cheap(&or[0]) && !c.cheap(&or[1]) }) &&
		!slices.ContainsFunc(q.Not, func(n Query) bool { return n.plain() && c.cheap(&n) })
}

// plain tells whether the small row answers all of a query.
func (q *Query) plain() bool {
	return q.SentSince.IsZero() && q.SentBefore.IsZero() && q.SentOn.IsZero() && len(q.Header)+len(q.Body)+len(q.Text)+len(q.Fuzzy) == 0 &&
		!slices.ContainsFunc(q.Not, func(n Query) bool { return !n.plain() }) &&
		!slices.ContainsFunc(q.Or, func(or [2]Query) bool { return !or[0].plain() || !or[1].plain() })
}

func (c *candidate) flags(q *Query) bool {
	has := func(k string) bool {
		return slices.ContainsFunc(c.row.Keywords, func(h string) bool { return strings.EqualFold(h, k) })
	}
	return c.row.Flags&q.Has == q.Has && c.row.Flags&q.HasNot == 0 &&
		!slices.ContainsFunc(q.Keyword, func(k string) bool { return !has(k) }) && !slices.ContainsFunc(q.NoKeyword, has)
}

func (c *candidate) numbers(q *Query) bool {
	r := &c.row
	age := c.now.Sub(r.InternalDate)
	return !slices.ContainsFunc(q.UIDs, func(s UIDSet) bool { return !s.Contains(r.UID) }) &&
		(q.Larger == nil || r.Size > *q.Larger) && (q.Smaller == nil || r.Size < *q.Smaller) && r.ModSeq >= q.ModSeq &&
		(q.Younger == 0 || age <= q.Younger) && (q.Older == 0 || age >= q.Older) &&
		(q.Blob == 0 || r.Blob == q.Blob) && (q.Thread == 0 || r.Thread == q.Thread)
}

// day is a date without its time and zone.
func day(t time.Time) int { y, m, d := t.Date(); return (y*16+int(m))*32 + d }

func within(t, since, before, on time.Time) bool {
	return (since.IsZero() || day(t) >= day(since)) && (before.IsZero() || day(t) < day(before)) && (on.IsZero() || day(t) == day(on))
}

func (c *candidate) dates(q *Query) bool {
	return within(c.row.InternalDate, q.Since, q.Before, q.On) && within(c.row.SaveDate, q.SavedSince, q.SavedBefore, q.SavedOn)
}

func (c *candidate) sent(q *Query) bool {
	if q.SentSince.IsZero() && q.SentBefore.IsZero() && q.SentOn.IsZero() {
		return true
	}
	m := c.message()
	if m == nil || m.SentDate == 0 {
		return false
	}
	return within(time.Unix(m.SentDate, 0).In(time.FixedZone("", m.SentZone*60)), q.SentSince, q.SentBefore, q.SentOn)
}
