package wire

import (
	"slices"
	"time"

	"github.com/emersion/go-imap/v2"
	"golang.org/x/text/encoding"

	"mailstead/mail"
)

// SearchKey is one node of a search: what Name says about the fields its
// comment lists. The root is an AND.
type SearchKey struct {
	// Name is the key in upper case; the UNx and NEW, OLD keys stand for
	// themselves. AND and SET (a sequence set) are names too.
	Name  string
	Keys  []SearchKey // AND, OR (two), NOT (one)
	Set   imap.NumSet // SET, UID
	Field string      // HEADER
	Fuzzy bool        // FUZZY stood before it, or before what it is in (RFC 6203 §3)
	Value string      // HEADER, FROM, TO, CC, BCC, SUBJECT, BODY, TEXT, KEYWORD, UNKEYWORD, EMAILID, THREADID; UTF-8
	Date  time.Time   // BEFORE, ON, SINCE, SENTBEFORE, SENTON, SENTSINCE, SAVEDBEFORE, SAVEDON, SAVEDSINCE
	N     int64       // LARGER, SMALLER, MODSEQ, YOUNGER, OLDER
}

// SearchArgs of SEARCH, and of what is built like it. Return is nil when there
// was no RETURN; an empty RETURN is ALL (RFC 4731 §3.1).
type SearchArgs struct {
	// Return has MIN, MAX, ALL, COUNT, SAVE, PARTIAL, UPDATE, CONTEXT, RELEVANCY.
	Return  []string
	Partial *Partial // of PARTIAL
	Key     SearchKey
	Update  []FetchItem // of UPDATE: what is told of new messages (RFC 5465 §7)
}

// decoder of a SEARCH's strings; nil when they are UTF-8.
func (r *Reader) charset(name string) *encoding.Decoder {
	enc, ok := mail.Charset(name)
	if !ok {
		if r.err == nil {
			r.err = &BadCharsetError{Charset: name}
		}
		return nil
	}
	if enc == nil {
		return nil
	}
	return enc.NewDecoder()
}

func (r *Reader) search() (a SearchArgs) {
	r.need(' ')
	r.searchFrom(&a, r.searchWord())
	return a
}

// searchFrom reads a search from its first word on.
func (r *Reader) searchFrom(a *SearchArgs, word string) {
	if word == "RETURN" {
		r.need(' ')
		r.searchReturn(a)
		r.need(' ')
		word = r.searchWord()
	}
	var dec *encoding.Decoder
	if word == "CHARSET" {
		dec = r.charset(r.arg(r.astring))
		r.need(' ')
		word = r.searchWord()
	}
	r.searchProgram(a, word, dec)
}

// searchProgram reads the keys of a search.
func (r *Reader) searchProgram(a *SearchArgs, word string, dec *encoding.Decoder) {
	a.Key = SearchKey{Name: "AND"}
	for r.err == nil {
		a.Key.Keys = append(a.Key.Keys, r.searchKey(word, dec, 0))
		if len(a.Key.Keys) > maxListed {
			r.fail("too many search keys")
		}
		if !r.take(' ') || r.peek() == '\n' {
			break
		}
		word = r.searchWord()
	}
	if slices.Contains(a.Return, "RELEVANCY") && !a.Key.HasFuzzy() {
		r.fail("RELEVANCY needs a FUZZY search key") // RFC 6203 §4
	}
}

// searchWord is the next key's name; empty before a parenthesis or a set.
func (r *Reader) searchWord() string {
	switch b := r.peek(); {
	case b == '(' || b == '*' || b == '$' || b >= '0' && b <= '9':
		return ""
	}
	return r.keyword()
}

func (r *Reader) searchKey(word string, dec *encoding.Decoder, depth int) (k SearchKey) {
	if depth >= r.lim.Depth {
		r.fail("search keys nested too deep")
	}
	if r.err != nil {
		return k
	}
	k.Name = word
	sub := func() SearchKey {
		r.need(' ')
		return r.searchKey(r.searchWord(), dec, depth+1)
	}
	switch word {
	case "":
		if r.peek() != '(' {
			k.Name, k.Set = "SET", r.set(false)
			return k
		}
		k.Name = "AND"
		r.list(func() { k.Keys = append(k.Keys, r.searchKey(r.searchWord(), dec, depth+1)) })
		if len(k.Keys) == 0 {
			r.fail("a search key is missing")
		}
	case "ALL", "ANSWERED", "DELETED", "DRAFT", "FLAGGED", "NEW", "OLD", "RECENT", "SEEN", "UNANSWERED", "UNDELETED", "UNDRAFT", "UNFLAGGED", "UNSEEN", "SAVEDATESUPPORTED":
	case "NOT":
		k.Keys = []SearchKey{sub()}
	case "OR":
		k.Keys = []SearchKey{sub(), sub()}
	case "UID":
		r.need(' ')
		k.Set = r.set(true)
	case "KEYWORD", "UNKEYWORD":
		k.Value = r.arg(r.atom)
	case "FROM", "TO", "CC", "BCC", "SUBJECT", "BODY", "TEXT":
		k.Value = r.searchString(dec)
	case "HEADER":
		k.Field = r.arg(r.astring)
		k.Value = r.searchString(dec)
	case "BEFORE", "ON", "SINCE", "SENTBEFORE", "SENTON", "SENTSINCE", "SAVEDBEFORE", "SAVEDON", "SAVEDSINCE":
		r.need(' ')
		k.Date = r.date()
	case "LARGER", "SMALLER":
		r.need(' ')
		k.N = r.number64()
	case "EMAILID", "THREADID":
		k.Value = r.arg(r.astring)
	case "MODSEQ":
		k.N = r.searchModSeq()
	case "UIDAFTER", "UIDBEFORE": // RFC 9738 §3.2
		r.need(' ')
		if k.N = int64(r.number()); k.N == 0 {
			r.fail("0 is no UID")
		}
	case "YOUNGER", "OLDER":
		r.need(' ')
		if k.N = int64(r.number()); k.N == 0 {
			r.fail("0 is no interval") // RFC 5032 §4
		}
	case "FUZZY":
		k = sub()
		k.setFuzzy()
	default:
		r.fail("search key %q is not known", word)
	}
	return k
}

// searchString reads a string and gives it as UTF-8.
func (r *Reader) searchString(dec *encoding.Decoder) string {
	s := r.arg(r.astring)
	if dec == nil || r.err != nil {
		return s
	}
	out, err := dec.String(s)
	if err != nil {
		r.fail("string is not in the charset named")
	}
	return out
}
