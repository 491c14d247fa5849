package storage_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"mailstead/mail"
	"mailstead/storage"
)

const rotFile = "MAILSTEAD_TEST_ROT_FILE"

// rotJob is what the child is asked to do.
type rotJob struct {
	Dir     string // the sound store
	Work    string // where copies go
	Flips   []flip
	Part    []int // of the flips, by number
	Rebuild bool  // remove the index before
	Append  bool  // after the first reading, and read again
	Truth   rotTruth
}

// rotTruth is all that can be read of a store, by what it is asked for.
type rotTruth struct {
	Validity map[string]uint32 // by mailbox
	Ever     map[string]bool   // texts that were stored at any time
	Lists    map[string]string // mailboxes, subscriptions, usage, expunged UIDs
	Rows     map[string]string
	Texts    map[string]string
}

// rotResult is what came of one flip.
type rotResult struct {
	Flip                     int
	Refused                  string   // Open's error
	Failed                   []string // reads that gave an error
	Wrong                    []string // reads that gave something else
	Missing                  []string // messages that were silently not there
	Problems                 []string // Check's
	WrongLater, MissingLater []string // after one more message was appended
}

// rotChild damages and reads copies of a store, and prints a line for each. It
// does not survive a fault of memory: its parent notices.
func rotChild(path string) error {
	b, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	var job rotJob
	if err := json.Unmarshal(b, &job); err != nil {
		return err
	}
	for _, i := range job.Part {
		dir := filepath.Join(job.Work, fmt.Sprint(i))
		if err := copyDamaged(job.Dir, dir, job.Flips[i]); err != nil {
			return err
		}
		if job.Rebuild {
			for _, file := range []string{"index.db", "index.meta"} {
				if err := os.RemoveAll(filepath.Join(dir, file)); err != nil {
					return err
				}
			}
		}
		res := tryDamaged(dir, job.Truth, job.Append, job.Rebuild)
		res.Flip = i
		if err := json.NewEncoder(os.Stdout).Encode(res); err != nil {
			return err
		}
		if err := os.RemoveAll(dir); err != nil {
			return err
		}
	}
	return nil
}

// tryDamaged opens a store, reads all of it, checks it, and perhaps appends to it
// and reads it once more.
func tryDamaged(dir string, truth rotTruth, more, rebuilt bool) (res rotResult) {
	ctx := context.Background()
	s, err := storage.Open(dir, storage.Options{MinFree: -1})
	if err != nil {
		res.Refused = err.Error()
		return res
	}
	defer s.Close()
	var r rotReader
	r.all(ctx, s, []mail.AccountID{1, 2})
	if rebuilt {
		r.compareSaved(truth)
	} else {
		r.compare(truth)
	}
	res.Failed, res.Wrong, res.Missing = r.failed, r.wrong, r.missing
	rep, err := s.Check(ctx, storage.CheckOptions{Bodies: true})
	res.Problems = rep.Problems
	if err != nil {
		res.Problems = append(res.Problems, err.Error())
	}
	if !more {
		return res
	}
	box, err := s.Mailbox(2, "lists/7")
	if err == nil {
		_, err = s.Append(ctx, strings.NewReader("later"), storage.Target{Ref: storage.Ref{Account: 2, Mailbox: box.ID}})
	}
	if err != nil {
		return res // that's its right
	}
	later := rotReader{later: true}
	later.all(ctx, s, []mail.AccountID{1, 2})
	later.compare(truth)
	res.WrongLater, res.MissingLater = later.wrong, later.missing
	return res
}

// rotReader reads a whole store, going on behind errors.
type rotReader struct {
	later                  bool // one message was added to lists/7 of account 2
	got                    rotTruth
	failed, wrong, missing []string
}

// all reads what the accounts have.
func (r *rotReader) all(ctx context.Context, s *storage.Store, accounts []mail.AccountID) rotTruth {
	r.got = rotTruth{Validity: map[string]uint32{}, Lists: map[string]string{}, Rows: map[string]string{}, Texts: map[string]string{}}
	for _, id := range accounts {
		boxes, err := s.Mailboxes(id)
		list(r, fmt.Sprint("mailboxes of ", id), boxes, err)
		names, err := s.Subscriptions(id)
		list(r, fmt.Sprint("subscriptions of ", id), names, err)
		usage, err := s.Usage(id)
		list(r, fmt.Sprint("usage of ", id), []storage.Usage{usage}, err)
		for n := range storage.MailboxID(40) {
			r.mailbox(ctx, s, storage.Ref{Account: id, Mailbox: n + 1})
		}
	}
	return r.got
}

// list notes each member of a list by itself, so that what is missing can be told
// from what is wrong.
func list[T any](r *rotReader, what string, got []T, err error) {
	if err != nil {
		r.failed = append(r.failed, what+": "+err.Error())
		return
	}
	for _, g := range got {
		r.got.Lists[fmt.Sprintf("%s: %+v", what, g)] = ""
	}
}

func (r *rotReader) mailbox(ctx context.Context, s *storage.Store, ref storage.Ref) {
	what := fmt.Sprintf("mailbox %d/%d", ref.Account, ref.Mailbox)
	m, err := s.MailboxByID(ref)
	if errors.Is(err, storage.ErrNoMailbox) {
		return
	}
	list(r, what, []storage.Mailbox{m}, err)
	r.got.Validity[fmt.Sprintf("%d/%d", ref.Account, ref.Mailbox)] = m.UIDValidity
	var uids []storage.UID
	snap, err := s.Snapshot(ref)
	if err == nil {
		snap.Feed.Close()
		uids = slices.Collect(snap.UIDs.All())
	}
	list(r, "UIDs of "+what, uids, err)
	gone, _, err := s.Vanished(ref, 0)
	list(r, "gone from "+what, slices.Collect(gone.All()), err)
	for uid := range storage.UID(60) {
		r.message(ctx, s, ref, uid+1)
	}
}

// message reads one message's row and its body.
func (r *rotReader) message(ctx context.Context, s *storage.Store, ref storage.Ref, uid storage.UID) {
	what := fmt.Sprintf("%d/%d/%d", ref.Account, ref.Mailbox, uid)
	for row, err := range s.Rows(ref, storage.UIDs(uid), storage.ReadOptions{Message: true}) {
		if err == nil && row.Message == nil {
			err = errors.New("no description")
		}
		if err != nil {
			r.failed = append(r.failed, "row "+what+": "+err.Error())
			break
		}
		subject := row.Message.Envelope.Subject
		row.Message = nil
		r.got.Rows[what] = fmt.Sprintf("%+v %s", row, subject)
	}
	c, err := s.OpenBody(ctx, ref, uid)
	if errors.Is(err, storage.ErrNoMessage) {
		return
	}
	var text []byte
	if err == nil {
		text, err = io.ReadAll(io.NewSectionReader(c, 0, c.Size()))
		err = errors.Join(err, c.Close())
	}
	if err != nil {
		r.failed = append(r.failed, "body "+what+": "+err.Error())
		return
	}
	r.got.Texts[what] = string(text)
}

// compare sorts what was read into right, wrong and missing.
func (r *rotReader) compare(truth rotTruth) {
	r.compareMap(truth.Lists, r.got.Lists)
	r.compareMap(truth.Rows, r.got.Rows)
	r.compareMap(truth.Texts, r.got.Texts)
}

func (r *rotReader) compareMap(want, got map[string]string) {
	for _, k := range slices.Sorted(maps.Keys(got)) {
		if w, ok := want[k]; (ok || !r.later) && (!ok || w != got[k]) {
			r.wrong = append(r.wrong, fmt.Sprintf("%s: got %.300q, want %.300q", k, got[k], w))
		}
	}
	for _, k := range slices.Sorted(maps.Keys(want)) {
		what, _, _ := strings.Cut(k, ": ")
		failed := func(f string) bool { return strings.HasPrefix(f, what+": ") || strings.Contains(f, " "+what+": ") }
		if _, ok := got[k]; !ok && !slices.ContainsFunc(r.failed, failed) && !r.grew(k) {
			r.missing = append(r.missing, k)
		}
	}
}

// grew tells whether what is known of the mailbox and the account that got one
// more message.
func (r *rotReader) grew(k string) bool {
	return r.later && (strings.Contains(k, "lists/7 ") || strings.HasPrefix(k, "usage of 2"))
}

// compareSaved judges what was read behind a hole in the log. One message may be
// lost, and changes that were in the hole; a mailbox whose UIDs may mean others
// has another UIDVALIDITY (RFC 9051 §2.3.1.1). Any difference counts as a failed
// read, which Check has to explain.
func (r *rotReader) compareSaved(truth rotTruth) {
	if !maps.Equal(r.got.Texts, truth.Texts) || !maps.Equal(r.got.Rows, truth.Rows) || !maps.Equal(r.got.Lists, truth.Lists) {
		r.failed = append(r.failed, "something is other than it was")
	}
	have := map[string]bool{} // account and text
	for k, text := range r.got.Texts {
		account, _, _ := strings.Cut(k, "/")
		have[account+text] = true
		box := k[:strings.LastIndex(k, "/")]
		was, known := truth.Texts[k]
		if !truth.Ever[text] || known && was != text && truth.Validity[box] == r.got.Validity[box] {
			r.wrong = append(r.wrong, fmt.Sprintf("%s: got %.60q, want %.60q", k, text, was))
		}
	}
	lost := map[string]bool{}
	for k, text := range truth.Texts {
		if account, _, _ := strings.Cut(k, "/"); !have[account+text] && !lost[text] {
			lost[text] = true
			r.missing = append(r.missing, k)
		}
	}
}
