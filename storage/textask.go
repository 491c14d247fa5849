package storage

import (
	"errors"
	"slices"
	"strings"
	"unicode/utf8"

	"mailstead/internal/logkey"
	"mailstead/mail"
	"mailstead/textindex"
)

// textFewUIDs is how many UIDs are looked into without the index.
const textFewUIDs = 32

// verdict is what the index says of a message.
type verdict uint8

const (
	maybe verdict = iota // it must be looked into
	yes
	no
)

// textKind says what a condition looks into.
type textKind uint8

const (
	inText textKind = iota // header or body
	inBody
	inField
)

// textCond is one string of a query.
type textCond struct {
	kind         textKind
	field, value string // field in lower case, value folded
}

// textAsk answers the strings of one search from the pieces. The nil one knows
// nothing. For one goroutine.
type textAsk struct {
	t       *textIndex
	account *textAccount
	pieces  []*textPiece
	box     textBox
	answers map[textCond][]textindex.Answer // by piece
	broken  []bool                          // pieces that could not be read
}

// ask prepares the index for a query; nil when it is of no use.
func (t *textIndex) ask(ref Ref, q *Query, set UIDSet) *textAsk {
	if !q.hasText() || set.few(textFewUIDs) {
		return nil
	}
	a, pieces := t.acquire(ref.Account)
	k := &textAsk{t: t, account: a, pieces: pieces, answers: map[textCond][]textindex.Answer{}, broken: make([]bool, len(pieces))}
	var err error
	if len(pieces) > 0 {
		k.box, err = t.box(ref, a, pieces)
	}
	if len(pieces) == 0 || err != nil {
		k.close()
		return nil // the search itself tells what is wrong
	}
	return k
}

func (k *textAsk) close() {
	if k != nil {
		k.t.release(k.account, k.pieces)
	}
}

// hasText tells whether a query looks into what messages say.
func (q *Query) hasText() bool {
	return len(q.Header)+len(q.Body)+len(q.Text) > 0 || slices.ContainsFunc(q.Not, func(n Query) bool { return n.hasText() }) ||
		slices.ContainsFunc(q.Or, func(or [2]Query) bool { return or[0].hasText() || or[1].hasText() })
}

// conds are the strings that must hold.
func (q *Query) conds() (list []textCond) {
	for _, h := range q.Header {
		list = append(list, fieldCond(h))
	}
	for _, v := range q.Text {
		list = append(list, textCond{inText, "", mail.FoldCase(v)})
	}
	for _, v := range q.Body {
		list = append(list, textCond{inBody, "", mail.FoldCase(v)})
	}
	return list
}

func fieldCond(h HeaderMatch) textCond {
	return textCond{inField, strings.ToLower(h.Field), mail.FoldCase(h.Value)}
}

// says gives the verdict on a message.
func (k *textAsk) says(c textCond, blob BlobID) verdict {
	if k == nil {
		return maybe
	}
	return k.at(c, k.box.find(blob))
}

func (k *textAsk) at(c textCond, p textPlace) verdict {
	if p.piece < 0 || k.broken[p.piece] {
		return maybe
	}
	a := k.answer(c, int(p.piece))
	switch {
	case k.broken[p.piece] || a.Maybe.Has(int(p.doc)):
		return maybe
	case a.Yes.Has(int(p.doc)):
		return yes
	}
	return no
}

// answer asks a piece, once.
func (k *textAsk) answer(c textCond, piece int) textindex.Answer {
	list := k.answers[c]
	if list == nil {
		list = make([]textindex.Answer, len(k.pieces))
		k.answers[c] = list
	}
	if list[piece].Yes == nil {
		p := k.pieces[piece]
		a, err := askPiece(p.Piece, c)
		if err != nil {
			k.broken[piece] = true
			if errors.Is(err, textindex.ErrDamaged) {
				k.t.damaged(k.account, p, err)
			} else {
				k.t.s.log.Warn("text index not asked", "file", p.path, logkey.Err, err)
			}
		}
		list[piece] = a
	}
	return list[piece]
}

// askPiece has a piece answer a condition.
func askPiece(p *textindex.Piece, c textCond) (textindex.Answer, error) {
	switch c.kind {
	case inBody:
		return p.Text(textindex.Body, c.value)
	case inField:
		return askField(p, c)
	}
	a, err := p.Text(textindex.Header, c.value)
	if err != nil {
		return a, err
	}
	b, err := p.Text(textindex.Body, c.value)
	if err != nil {
		return b, err
	}
	for i := range a.Yes {
		a.Yes[i] |= b.Yes[i]
		a.Maybe[i] = (a.Maybe[i] | b.Maybe[i]) &^ a.Yes[i]
	}
	return a, nil
}

// askField looks into a column; for a field without one, the header must have
// its name and the value.
func askField(p *textindex.Piece, c textCond) (textindex.Answer, error) {
	if i := slices.Index(textColumns(), c.field); i >= 0 {
		return p.Field(i, c.value)
	}
	a, err := p.Text(textindex.Header, c.value)
	if err != nil {
		return a, err
	}
	all := func(yes, maybe uint64) uint64 { return yes | maybe }
	name := textindex.Answer{}
	if isASCII(c.field) {
		if name, err = p.Text(textindex.Header, c.field+":"); err != nil {
			return a, err
		}
	}
	for i := range a.Yes {
		a.Maybe[i] = all(a.Yes[i], a.Maybe[i])
		a.Yes[i] = 0
		if name.Yes != nil {
			a.Maybe[i] &= all(name.Yes[i], name.Maybe[i])
		}
	}
	return a, nil
}

func isASCII(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r >= utf8.RuneSelf })
}

// narrow gives the part of the set where messages can match.
func (k *textAsk) narrow(q *Query, set UIDSet) UIDSet {
	if k == nil {
		return set
	}
	open := make([]bool, len(k.box.list))
	for i := range open {
		open[i] = true
	}
	if !k.strike(q, open) {
		return set
	}
	list := make([]UID, 0, 64)
	for i, e := range k.box.list {
		if open[i] {
			list = append(list, e.uid)
		}
	}
	may := UIDs(list...)
	if k.box.end != 0 {
		may = append(may, UIDRange{max(k.box.end, 1), 1<<32 - 1}) // what has come since
	}
	return set.and(may)
}

// strike closes what can't match, and tells whether it could say anything.
func (k *textAsk) strike(q *Query, open []bool) (told bool) {
	for _, c := range q.conds() {
		told = true
		var list []textindex.Answer
		for n := range k.pieces {
			list = append(list, k.answer(c, n))
		}
		for i, is := range open {
			p := k.box.placed[i]
			if !is || p.piece < 0 || k.broken[p.piece] {
				continue
			}
			a, doc := &list[p.piece], int(p.doc)
			open[i] = a.Yes.Has(doc) || a.Maybe.Has(doc)
		}
	}
	for _, or := range q.Or {
		if !or[0].hasText() || !or[1].hasText() {
			continue
		}
		a, b := slices.Clone(open), slices.Clone(open)
		if !k.strike(&or[0], a) || !k.strike(&or[1], b) {
			continue
		}
		told = true
		for i := range open {
			open[i] = a[i] || b[i]
		}
	}
	return told
}
