package storage

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"mailstead/mail"
)

// Limits of annotations (RFC 5464 §4.3 leaves them to the server).
const (
	MaxAnnotation      = 64 << 10 // bytes of a value
	MaxEntryName       = 1024     // bytes of a name
	MaxAnnotations     = 200      // of one mailbox, or of the server, that one user or everybody sees
	MaxAnnotationBytes = 8 << 20  // names and values that one user, or everybody, has in one account
)

// Annotation is one entry of RFC 5464 §3: a name without its /private or
// /shared, and its value, any bytes.
type Annotation struct {
	Entry  string // names are the same without regard to the case of ASCII letters
	Value  string
	Remove bool // Annotate: there shall be none
}

// AnnotationSet is what is to become of annotations of a mailbox: those that
// User alone sees, or with 0 those that everybody does who may see the mailbox.
// With Mailbox 0 they are of the account as a whole, with Account 0 too of the
// server.
type AnnotationSet struct {
	Ref
	User mail.AccountID
	List []Annotation
}

// Annotate sets and removes annotations, all or none. Errors: ErrNoMailbox,
// ErrNoAccount, ErrTooBig for a value, ErrLimit for a name and for the number and
// bytes of all.
func (s *Store) Annotate(ctx context.Context, sets ...AnnotationSet) error {
	if len(sets) == 0 {
		return nil
	}
	req := &request{}
	for _, set := range sets {
		r, err := set.record()
		if err != nil {
			return err
		}
		req.items = append(req.items, &item{rec: r})
	}
	s.annotating.Lock() // what is there when it is counted is there when it is applied
	defer s.annotating.Unlock()
	err := s.view(func(x index) error {
		for _, it := range req.items {
			if err := x.annotationsFit(&it.rec); err != nil {
				return err
			}
			it.meta = it.rec.pack()
		}
		return nil
	})
	if err != nil {
		return err
	}
	out, err := s.commit(ctx, req)
	for i := range out {
		err = errors.Join(err, out[i].err)
	}
	return err
}

// record is a set as the log has it.
func (set *AnnotationSet) record() (record, error) {
	r := record{kind: kindAnnotate, time: time.Now().Unix(), account: set.Account, mailbox: set.Mailbox, user: set.User}
	for _, a := range set.List {
		if len(a.Value) > MaxAnnotation && !a.Remove {
			return r, fmt.Errorf("annotation of %d bytes: %w", len(a.Value), ErrTooBig)
		}
		if a.Entry == "" || len(a.Entry) > MaxEntryName {
			return r, fmt.Errorf("annotation's name of %d bytes: %w", len(a.Entry), ErrLimit)
		}
		n := noted{entry: a.Entry, set: !a.Remove}
		if n.set {
			n.value = a.Value
		}
		r.notes = append(r.notes, n)
	}
	return r, nil
}

// Annotations lists the annotations that Annotate has set, by name. Errors:
// ErrNoMailbox, ErrNoAccount.
func (s *Store) Annotations(ref Ref, user mail.AccountID) (list []Annotation, err error) {
	err = s.view(func(x index) error {
		if err := x.annotable(ref, user); err != nil {
			return err
		}
		for _, v := range x.scan(bucketAnno, annoPrefix(ref, user)) {
			n, err := decodeNoted(v)
			if err != nil {
				return err
			}
			list = append(list, Annotation{Entry: n.entry, Value: n.value})
		}
		return nil
	})
	return list, err
}

// noted is an annotation as the log and the index have it.
type noted struct {
	entry string
	set   bool
	value string
}

func (n *noted) pack() []byte {
	w := rowWriter{}
	w.uint(rowVersion)
	w.str(n.entry)
	w.str(n.value)
	return w.b
}

func decodeNoted(v []byte) (noted, error) {
	d := rowReader{b: v}
	version := d.uint()
	n := noted{entry: d.str(), set: true, value: d.str()}
	if d.bad || len(d.b) > 0 || version != rowVersion {
		return n, fmt.Errorf("annotation: %w", errBadRow)
	}
	return n, nil
}

// annoPrefix is where the keys of a user's annotations begin.
func annoPrefix(ref Ref, user mail.AccountID) []byte {
	return append(refKey(ref), accountKey(user)...)
}

func annoKey(ref Ref, user mail.AccountID, entry string) []byte {
	return append(annoPrefix(ref, user), lowerASCII(entry)...)
}

// lowerASCII is how entry names are compared (RFC 5464 §3.2).
func lowerASCII(s string) string {
	return strings.Map(func(r rune) rune {
		if 'A' <= r && r <= 'Z' {
			return r + 'a' - 'A'
		}
		return r
	}, s)
}

// annotable tells whether there is what is to be annotated, and the user.
func (x index) annotable(ref Ref, user mail.AccountID) error {
	switch {
	case ref.Account != 0 && !x.has(bucketAcct, accountKey(ref.Account)), user != 0 && !x.has(bucketAcct, accountKey(user)):
		return ErrNoAccount
	case ref.Mailbox != 0 && !x.has(bucketMbox, refKey(ref)):
		return ErrNoMailbox
	}
	return nil
}

// annotationsFit holds what would be there after a record against the limits,
// and completes the record.
func (x index) annotationsFit(r *record) error {
	ref := Ref{r.account, r.mailbox}
	if err := x.annotable(ref, r.user); err != nil {
		return err
	}
	if r.mailbox != 0 {
		m, err := x.mailbox(ref)
		if err != nil {
			return err
		}
		r.name = m.Name // for a log that is damaged
	}
	count, bytes, grows := 0, 0, 0
	size := map[string]int{} // of the new ones
	for _, n := range r.notes {
		size[lowerASCII(n.entry)] = 0
		if n.set {
			size[lowerASCII(n.entry)] = len(n.entry) + len(n.value)
		}
	}
	prefix := string(annoPrefix(ref, r.user))
	for k, v := range x.scan(bucketAnno, accountKey(r.account)) {
		if len(k) < len(prefix) || string(k[8:12]) != prefix[8:] {
			continue
		}
		if string(k[:12]) == prefix {
			if _, again := size[string(k[12:])]; again {
				grows -= len(v)
				continue
			}
			count++
		}
		bytes += len(v)
	}
	for _, n := range size {
		if n > 0 {
			count++
		}
		bytes, grows = bytes+n, grows+n
	}
	// What makes it less may always be done.
	if grows > 0 && (count > MaxAnnotations || bytes > MaxAnnotationBytes) {
		return fmt.Errorf("%d annotations, %d bytes: %w", count, bytes, ErrLimit)
	}
	return nil
}

func (x index) applyAnnotate(r *record) (out outcome, err error) {
	ref := Ref{r.account, r.mailbox}
	if r.revive && r.mailbox != 0 {
		// Behind a hole the number may be another mailbox's.
		if m, err := x.mailbox(ref); err != nil || m.Name != r.name {
			ref.Mailbox, _ = x.byName(r.account, r.name)
		}
		if ref.Mailbox == 0 {
			return outcome{err: ErrNoMailbox}, nil
		}
	}
	if err := x.annotable(ref, r.user); err != nil {
		return outcome{err: err}, nil
	}
	notice := Notice{Ref: ref, Kind: NoticeAnnotated, User: r.user}
	for _, n := range r.notes {
		notice.Entries = append(notice.Entries, n.entry)
		k := annoKey(ref, r.user, n.entry)
		if n.set {
			err = x.put(bucketAnno, k, n.pack())
		} else {
			err = x.del(bucketAnno, k)
		}
		if err != nil {
			return out, err
		}
	}
	x.notice(notice)
	return out, nil
}

// dropAnnotations removes what an account has annotated, also where others'
// mailboxes are, and what is annotated in it.
func (x index) dropAnnotations(id mail.AccountID) error {
	user := string(accountKey(id))
	for _, k := range x.under(bucketAnno, nil) {
		if string(k[:4]) != user && string(k[8:12]) != user {
			continue
		}
		if err := x.del(bucketAnno, k); err != nil {
			return err
		}
	}
	return nil
}

// annotations checks the annotations in an account, or of the server.
func (c *checker) annotations(id mail.AccountID) {
	for k, v := range c.x.scan(bucketAnno, accountKey(id)) {
		if len(k) < 12 {
			c.problem("account %d: annotation %x has no place", id, k)
			continue
		}
		ref, user := Ref{id, MailboxID(be32(k[4:]))}, mail.AccountID(be32(k[8:]))
		n, err := decodeNoted(v)
		if err == nil && string(annoKey(ref, user, n.entry)) != string(k) {
			err = errors.New("its key has another name")
		}
		if err == nil {
			err = c.x.annotable(ref, user)
		}
		if err != nil {
			c.problem("account %d: mailbox %d: annotation %q of account %d: %v", id, ref.Mailbox, k[12:], user, err)
		}
	}
}
