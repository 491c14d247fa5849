package wire

import "github.com/emersion/go-imap/v2"

// QResync are the parameters of SELECT's QRESYNC (RFC 7162 §3.2.5): what the
// client knew of the mailbox when it last looked.
type QResync struct {
	UIDValidity uint32
	ModSeq      uint64
	Known       imap.UIDSet // nil: all UIDs
	// SeqMatch and UIDMatch pair sequence numbers with UIDs, number by number
	// (§3.2.5.2); nil when not given.
	SeqMatch imap.SeqSet
	UIDMatch imap.UIDSet
}

// selectArgs reads SELECT's mailbox and its parameters (RFC 4466 §2.1).
func (r *Reader) selectArgs() (a SelectArgs) {
	a.Mailbox = r.arg(r.mailbox)
	if !r.take(' ') || r.peek() == '\n' {
		return a
	}
	r.list(func() {
		switch k := r.keyword(); k {
		case "CONDSTORE":
			a.CondStore = true
		case "QRESYNC":
			if a.QResync != nil {
				r.fail("QRESYNC is given twice")
			}
			r.need(' ')
			a.QResync = r.qresync()
		default:
			r.fail("SELECT parameter %q is not known", k)
		}
	})
	if !a.CondStore && a.QResync == nil {
		r.fail("SELECT parameters are missing")
	}
	return a
}

// qresync reads "(uidvalidity modseq [known-uids] [seq-match-data])".
func (r *Reader) qresync() *QResync {
	q := &QResync{}
	r.need('(')
	if q.UIDValidity = r.number(); q.UIDValidity == 0 {
		r.fail("0 is no UIDVALIDITY")
	}
	r.need(' ')
	if q.ModSeq = r.modSeq(); q.ModSeq == 0 {
		r.fail("0 is no modseq")
	}
	more := r.take(' ')
	if more && r.peek() != '(' {
		q.Known = r.plainSet()
		more = r.take(' ')
	}
	if more {
		r.need('(')
		for _, u := range r.plainSet() {
			q.SeqMatch = append(q.SeqMatch, imap.SeqRange{Start: uint32(u.Start), Stop: uint32(u.Stop)})
		}
		r.need(' ')
		q.UIDMatch = r.plainSet()
		r.need(')')
	}
	r.need(')')
	return q
}

// plainSet is a set of numbers without "*" and "$" (RFC 7162 §7: known-uids).
func (r *Reader) plainSet() imap.UIDSet {
	if r.peek() == '$' {
		r.fail("$ has no meaning here")
	}
	set, _ := r.set(true).(imap.UIDSet)
	for _, u := range set {
		if u.Start == 0 || u.Stop == 0 {
			r.fail("* has no meaning here")
		}
	}
	return set
}

// modSeq is RFC 7162 §7 mod-sequence-valzer: 63 bits.
func (r *Reader) modSeq() uint64 { return uint64(r.number64()) }

// storeModifiers reads "(UNCHANGEDSINCE n)".
func (r *Reader) storeModifiers() (since *uint64) {
	r.list(func() {
		if k := r.keyword(); k != "UNCHANGEDSINCE" || since != nil {
			r.fail("STORE modifier %q is not known or given twice", k)
			return
		}
		r.need(' ')
		n := r.modSeq()
		since = &n
	})
	if since == nil {
		r.fail("STORE modifiers are missing")
	}
	return since
}

// fetchModifiers reads what may follow FETCH's items: "(CHANGEDSINCE n
// [VANISHED] PARTIAL range)"; with preview, the list may be "(LAZY)" instead, and lazy is set.
func (r *Reader) fetchModifiers(a *FetchArgs, preview bool) (lazy bool) {
	given := 0
	r.list(func() {
		given++
		switch k := r.keyword(); {
		case k == "LAZY" && preview && given == 1:
			lazy = true
		case lazy:
			r.fail("PREVIEW has the modifier LAZY alone")
		case k == "CHANGEDSINCE" && a.ChangedSince == 0:
			r.need(' ')
			if a.ChangedSince = r.modSeq(); a.ChangedSince == 0 {
				r.fail("0 is no modseq")
			}
		case k == "VANISHED" && !a.Vanished:
			a.Vanished = true
		case k == "PARTIAL" && a.Partial == nil:
			r.need(' ')
			p := r.partialRange()
			a.Partial = &p
		default:
			r.fail("FETCH modifier %q is not known or given twice", k)
		}
	})
	if given == 0 {
		r.fail("FETCH modifiers are missing")
	}
	return lazy
}

// previewModifiers reads "(LAZY)" (RFC 8970 §3.1).
func (r *Reader) previewModifiers() (lazy bool) {
	r.list(func() {
		if k := r.keyword(); k != "LAZY" || lazy {
			r.fail("PREVIEW modifier %q is not known or given twice", k)
		}
		lazy = true
	})
	if !lazy {
		r.fail("PREVIEW modifiers are missing")
	}
	return lazy
}

// searchModSeq reads SEARCH's MODSEQ: an optional entry name and type, which
// say nothing where a message has one modseq (RFC 7162 §3.1.5), and the modseq.
func (r *Reader) searchModSeq() int64 {
	r.need(' ')
	if r.peek() == '"' {
		r.quoted()
		r.need(' ')
		switch k := r.keyword(); k {
		case "PRIV", "SHARED", "ALL":
		default:
			r.fail("entry type %q is not known", k)
		}
		r.need(' ')
	}
	return r.number64()
}
