package imapd

import (
	"time"

	"github.com/emersion/go-imap/v2"

	"mailstead/imapd/wire"
	"mailstead/storage"
)

// systemKeys are the SEARCH keys that name one system flag (RFC 9051 §6.4.4).
var systemKeys = map[string]storage.Flags{
	"ANSWERED": storage.Answered, "DELETED": storage.Deleted, "DRAFT": storage.Draft, "FLAGGED": storage.Flagged, "SEEN": storage.Seen,
}

// headerKeys are those that look into one header field.
var headerKeys = map[string]string{"FROM": "From", "TO": "To", "CC": "Cc", "BCC": "Bcc", "SUBJECT": "Subject"}

// query turns a search into the store's, with sequence numbers and "$" as the
// UIDs they are in this view.
func (v *view) query(k wire.SearchKey, saved []storage.UID) (storage.Query, error) {
	var q storage.Query
	if f, ok := fuzzyMatch(k); ok {
		q.Fuzzy = []storage.FuzzyMatch{f}
		return q, nil
	}
	switch k.Name {
	case "ALL", "SAVEDATESUPPORTED": // RFC 8514 §4.3: every message has a date
	case "AND":
		return v.all(k.Keys, saved)
	case "OR":
		return v.either(k.Keys, saved)
	case "NOT":
		inner, err := v.query(k.Keys[0], saved)
		q.Not = []storage.Query{inner}
		return q, err
	case "SET", "UID":
		set, err := v.searchSet(k.Set, saved)
		q.UIDs, q.None = []storage.UIDSet{set}, len(set) == 0
		return q, err
	case "UIDAFTER": // RFC 9738 §3.2
		after := storage.UID(k.N)
		q.UIDs, q.None = []storage.UIDSet{from(min(after, maxUID-1) + 1)}, after == maxUID
	case "UIDBEFORE":
		q.UIDs, q.None = []storage.UIDSet{{{First: 1, Last: max(storage.UID(k.N)-1, 1)}}}, k.N == 1
	case "RECENT":
		return v.recentQuery(), nil
	case "NEW": // RFC 3501 §6.4.4: RECENT UNSEEN
		q = v.recentQuery()
		q.HasNot = storage.Seen
	case "OLD":
		q.Not = []storage.Query{v.recentQuery()}
	case "KEYWORD":
		q.Keyword = []string{k.Value}
	case "UNKEYWORD":
		q.NoKeyword = []string{k.Value}
	case "HEADER":
		q.Header = []storage.HeaderMatch{{Field: k.Field, Value: k.Value}}
	case "BODY":
		q.Body = []string{k.Value}
	case "TEXT":
		q.Text = []string{k.Value}
	case "YOUNGER":
		q.Younger = time.Duration(k.N) * time.Second
	case "OLDER":
		q.Older = time.Duration(k.N) * time.Second
	case "LARGER":
		q.Larger = &k.N
	case "SMALLER":
		q.Smaller = &k.N
	case "EMAILID":
		q.Blob = storage.BlobID(objectNumber(k.Value, "M"))
		q.None = q.Blob == 0
	case "THREADID":
		q.Thread = objectNumber(k.Value, "T")
		q.None = q.Thread == 0
	case "MODSEQ":
		q.ModSeq = storage.ModSeq(k.N)
	default:
		simpleQuery(&q, k)
	}
	return q, nil
}

// fuzzyMatch is what FUZZY makes of a key that looks for text; the others match
// as they always do (RFC 6203 §3).
func fuzzyMatch(k wire.SearchKey) (f storage.FuzzyMatch, ok bool) {
	f.Value = k.Value
	switch field, isHeader := headerKeys[k.Name]; {
	case !k.Fuzzy:
		return f, false
	case isHeader:
		f.Field = field
	case k.Name == "HEADER":
		f.Field = k.Field
	case k.Name == "BODY":
		f.Body = true
	default:
		return f, k.Name == "TEXT"
	}
	return f, true
}

// simpleQuery is query for flags, dates and address fields.
func simpleQuery(q *storage.Query, k wire.SearchKey) {
	if bit, ok := systemKeys[k.Name]; ok {
		q.Has = bit
		return
	}
	if len(k.Name) > 2 && k.Name[:2] == "UN" {
		q.HasNot = systemKeys[k.Name[2:]]
		return
	}
	if field, ok := headerKeys[k.Name]; ok {
		q.Header = []storage.HeaderMatch{{Field: field, Value: k.Value}}
		return
	}
	switch k.Name {
	case "BEFORE":
		q.Before = k.Date
	case "ON":
		q.On = k.Date
	case "SINCE":
		q.Since = k.Date
	case "SENTBEFORE":
		q.SentBefore = k.Date
	case "SENTON":
		q.SentOn = k.Date
	case "SENTSINCE":
		q.SentSince = k.Date
	case "SAVEDBEFORE":
		q.SavedBefore = k.Date
	case "SAVEDON":
		q.SavedOn = k.Date
	case "SAVEDSINCE":
		q.SavedSince = k.Date
	default:
		panic("search key " + k.Name + " has no query")
	}
}

// all joins keys that must hold together: as one query where the fields are
// lists, else by double negation.
func (v *view) all(keys []wire.SearchKey, saved []storage.UID) (storage.Query, error) {
	var q storage.Query
	for _, k := range keys {
		one, err := v.query(k, saved)
		if err != nil {
			return q, err
		}
		q.UIDs = append(q.UIDs, one.UIDs...)
		q.Has |= one.Has
		q.HasNot |= one.HasNot
		q.Keyword = append(q.Keyword, one.Keyword...)
		q.NoKeyword = append(q.NoKeyword, one.NoKeyword...)
		q.Header = append(q.Header, one.Header...)
		q.Body = append(q.Body, one.Body...)
		q.Text = append(q.Text, one.Text...)
		q.Fuzzy = append(q.Fuzzy, one.Fuzzy...)
		q.Not = append(q.Not, one.Not...)
		q.Or = append(q.Or, one.Or...)
		q.None = q.None || one.None
		q.ModSeq = max(q.ModSeq, one.ModSeq)
		if one.Younger != 0 && (q.Younger == 0 || one.Younger < q.Younger) {
			q.Younger = one.Younger
		}
		q.Older = max(q.Older, one.Older)
		narrowDates(&q, one)
		narrowObjects(&q, one)
		if one.Larger != nil && (q.Larger == nil || *one.Larger > *q.Larger) {
			q.Larger = one.Larger
		}
		if one.Smaller != nil && (q.Smaller == nil || *one.Smaller < *q.Smaller) {
			q.Smaller = one.Smaller
		}
	}
	return q, nil
}

// narrowDates adds the dates of one to q. Two days for the same ON match
// nothing.
func narrowDates(q *storage.Query, one storage.Query) {
	if one.Since.After(q.Since) {
		q.Since = one.Since
	}
	if one.SentSince.After(q.SentSince) {
		q.SentSince = one.SentSince
	}
	if !one.Before.IsZero() && (q.Before.IsZero() || one.Before.Before(q.Before)) {
		q.Before = one.Before
	}
	if !one.SentBefore.IsZero() && (q.SentBefore.IsZero() || one.SentBefore.Before(q.SentBefore)) {
		q.SentBefore = one.SentBefore
	}
	if !one.On.IsZero() {
		q.None = q.None || !q.On.IsZero() && !q.On.Equal(one.On)
		q.On = one.On
	}
	if one.SavedSince.After(q.SavedSince) {
		q.SavedSince = one.SavedSince
	}
	if !one.SavedBefore.IsZero() && (q.SavedBefore.IsZero() || one.SavedBefore.Before(q.SavedBefore)) {
		q.SavedBefore = one.SavedBefore
	}
	if !one.SavedOn.IsZero() {
		q.None = q.None || !q.SavedOn.IsZero() && !q.SavedOn.Equal(one.SavedOn)
		q.SavedOn = one.SavedOn
	}
	if !one.SentOn.IsZero() {
		q.None = q.None || !q.SentOn.IsZero() && !q.SentOn.Equal(one.SentOn)
		q.SentOn = one.SentOn
	}
}

// narrowObjects adds the identifiers of one to q. Two different ones match
// nothing.
func narrowObjects(q *storage.Query, one storage.Query) {
	if one.Blob != 0 {
		q.None = q.None || q.Blob != 0 && q.Blob != one.Blob
		q.Blob = one.Blob
	}
	if one.Thread != 0 {
		q.None = q.None || q.Thread != 0 && q.Thread != one.Thread
		q.Thread = one.Thread
	}
}

func (v *view) either(keys []wire.SearchKey, saved []storage.UID) (storage.Query, error) {
	a, err := v.query(keys[0], saved)
	if err != nil {
		return a, err
	}
	b, err := v.query(keys[1], saved)
	return storage.Query{Or: [][2]storage.Query{{a, b}}}, err
}

// searchSet is a set within SEARCH: numbers that name no message match none.
func (v *view) searchSet(set imap.NumSet, saved []storage.UID) (storage.UIDSet, error) {
	if seqs, ok := set.(imap.SeqSet); ok {
		return v.resolveSeqs(seqs, false)
	}
	return v.resolve(set, saved)
}

func (v *view) recentQuery() storage.Query {
	return storage.Query{UIDs: []storage.UIDSet{v.recent.Set()}, None: v.recent.Len() == 0}
}
