package storage

import (
	"context"
	"io"
	"iter"
	"slices"
	"strings"
	"time"

	"mailstead/mail"
)

// maxSearchText bounds the text of one part that a search looks into, in bytes.
const maxSearchText = 8 << 20

// Search gives the messages of a mailbox that match, by ascending UID; with
// First or Last only the one asked for. Bodies are read only where the rest of
// the query leaves it open. A body that can't be read matches nothing.
func (s *Store) Search(ctx context.Context, ref Ref, q Query, o Order) iter.Seq2[Row, error] {
	return func(yield func(Row, error) bool) {
		var last Row
		for r, err := range s.Rows(ref, UIDSet{{1, 1<<32 - 1}}, ReadOptions{Message: true}) {
			if err == nil {
				err = ctx.Err()
			}
			if err != nil {
				yield(Row{}, err)
				return
			}
			m := candidate{s: s, ctx: ctx, row: r, now: time.Now()}
			if !m.matches(&q) {
				continue
			}
			r.Message = nil
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

// candidate is one message being looked at. Its header and text are read once
// at most.
type candidate struct {
	s            *Store
	ctx          context.Context
	row          Row
	now          time.Time
	header, text *string
}

// matches decides by what costs least first.
func (c *candidate) matches(q *Query) bool {
	return !q.None && c.flags(q) && c.numbers(q) && c.dates(q) && c.texts(q) &&
		!slices.ContainsFunc(q.Not, func(n Query) bool { return c.matches(&n) }) &&
		!slices.ContainsFunc(q.Or, func(or [2]Query) bool { return !c.matches(&or[0]) && !c.matches(&or[1]) })
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
	if !within(c.row.InternalDate, q.Since, q.Before, q.On) || !within(c.row.SaveDate, q.SavedSince, q.SavedBefore, q.SavedOn) {
		return false
	}
	if q.SentSince.IsZero() && q.SentBefore.IsZero() && q.SentOn.IsZero() {
		return true
	}
	m := c.row.Message
	if m == nil || m.SentDate == 0 {
		return false
	}
	return within(time.Unix(m.SentDate, 0).In(time.FixedZone("", m.SentZone*60)), q.SentSince, q.SentBefore, q.SentOn)
}

func (c *candidate) texts(q *Query) bool {
	for _, h := range q.Header {
		if !c.hasHeader(h) {
			return false
		}
	}
	for _, t := range q.Text {
		if !strings.Contains(c.wholeHeader(), mail.FoldCase(t)) && !strings.Contains(c.body(), mail.FoldCase(t)) {
			return false
		}
	}
	return !slices.ContainsFunc(q.Body, func(b string) bool { return !strings.Contains(c.body(), mail.FoldCase(b)) })
}

func (c *candidate) hasHeader(h HeaderMatch) bool {
	m, want := c.row.Message, mail.FoldCase(h.Value)
	fields := []byte(nil)
	if m != nil && m.FieldsComplete && mail.CachedField(h.Field) {
		fields = m.Fields
	} else {
		fields = c.rawHeader()
	}
	for f := range mail.HeaderFields(fields) {
		if f.Is(h.Field) && strings.Contains(mail.FoldCase(mail.DecodeHeader(f.Value())), want) {
			return true
		}
	}
	return false
}

// read hands f the open body; a damaged one is logged.
func (c *candidate) read(f func(Content)) {
	b, err := c.s.OpenBlob(c.ctx, c.row.Blob)
	if err != nil {
		c.s.log.Warn("message not searched", "uid", c.row.UID, "err", err)
		return
	}
	f(b)
	_ = b.Close() // only read from
}

func (c *candidate) rawHeader() (h []byte) {
	m := c.row.Message
	if m == nil {
		return nil
	}
	c.read(func(b Content) {
		h = make([]byte, min(m.Root.BodyStart, maxSearchText))
		if n, err := b.ReadAt(h, 0); err != nil {
			h = h[:n]
		}
	})
	return h
}

// wholeHeader is the header, decoded and folded.
func (c *candidate) wholeHeader() string {
	if c.header == nil {
		var b strings.Builder
		for f := range mail.HeaderFields(c.rawHeader()) {
			b.WriteString(f.Name + ": " + mail.DecodeHeader(f.Value()) + "\n")
		}
		s := mail.FoldCase(b.String())
		c.header = &s
	}
	return *c.header
}

// body is the text of every text part and the header of every message within,
// decoded and folded.
func (c *candidate) body() string {
	if c.text == nil {
		var b strings.Builder
		if m := c.row.Message; m != nil {
			c.read(func(r Content) { collect(&b, m.Root, r, false) })
		}
		s := mail.FoldCase(b.String())
		c.text = &s
	}
	return *c.text
}

func collect(b *strings.Builder, p *mail.Part, r io.ReaderAt, inner bool) {
	if inner {
		h := make([]byte, min(p.BodyStart-p.HeaderStart, 1<<20))
		n, _ := r.ReadAt(h, p.HeaderStart) // what could be read is searched
		for f := range mail.HeaderFields(h[:n]) {
			b.WriteString(f.Name + ": " + mail.DecodeHeader(f.Value()) + "\n")
		}
	}
	if p.Type == "text" {
		_, _ = io.Copy(b, io.LimitReader(mail.TextReader(p, r), maxSearchText)) // the same
		b.WriteByte('\n')
	}
	for _, c := range p.Children {
		collect(b, c, r, p.Type == "message")
	}
}
