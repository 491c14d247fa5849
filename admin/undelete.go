package admin

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"mailstead/accounts"
	"mailstead/internal/logkey"
	"mailstead/mail"
	"mailstead/storage"
)

// undeleteSlice is how many messages are brought back at once.
const undeleteSlice = 500

// UndeleteQuery chooses expunged messages of an account. What is empty does not
// choose.
type UndeleteQuery struct {
	Address   string    `json:"address"`
	Mailbox   string    `json:"mailbox,omitempty"`    // where they were
	Since     time.Time `json:"since,omitzero"`       // expunged then or later
	Before    time.Time `json:"before,omitzero"`      // expunged earlier; undelete/purge reads no other field but Address
	Subject   string    `json:"subject,omitempty"`    // part of it
	From      string    `json:"from,omitempty"`       // part of a name or address
	MessageID string    `json:"message_id,omitempty"` // all of it, with or without <>
	Into      string    `json:"into,omitempty"`       // undelete/restore: where to; empty: where each was
}

// Expunged is a message that can be brought back.
type Expunged struct {
	Expunged  time.Time `json:"expunged"` // when
	Mailbox   string    `json:"mailbox"`  // where it was
	UID       uint32    `json:"uid"`      // that it had there
	Date      time.Time `json:"date"`     // INTERNALDATE
	From      string    `json:"from"`
	Subject   string    `json:"subject"`
	MessageID string    `json:"message_id"` // without <>
	Size      int64     `json:"size"`
}

// UndeleteReport is what was found, brought back or given up.
type UndeleteReport struct {
	Messages  int64            `json:"messages"`
	Bytes     int64            `json:"bytes"`
	Mailboxes map[string]int64 `json:"mailboxes,omitempty"` // undelete/restore: messages brought back, by where they are now
}

// expunged calls f for each message of an account that can be brought back and
// is asked for.
func (s *Service) expunged(ctx context.Context, id mail.AccountID, q UndeleteQuery, f func(storage.Expunged) error) (err error) {
	if q.Mailbox != "" {
		if q.Mailbox, err = storage.CleanName(q.Mailbox); err != nil {
			return &Error{Invalid, fmt.Sprintf("mailbox %q: %v", q.Mailbox, err)}
		}
	}
	listErr := s.o.Store.Expunged(id, func(e storage.Expunged) bool {
		if err = ctx.Err(); err == nil && q.chooses(e) {
			err = f(e)
		}
		return err == nil
	})
	return errors.Join(err, listErr)
}

func (q *UndeleteQuery) chooses(e storage.Expunged) bool {
	if q.Mailbox != "" && e.Mailbox != q.Mailbox || !q.Since.IsZero() && e.At.Before(q.Since) || !q.Before.IsZero() && !e.At.Before(q.Before) {
		return false
	}
	x := expungedOf(e)
	has := func(text, part string) bool {
		return part == "" || strings.Contains(mail.FoldCase(text), mail.FoldCase(part))
	}
	return has(x.Subject, q.Subject) && has(x.From, q.From) && (q.MessageID == "" || x.MessageID == strings.Trim(q.MessageID, "<> "))
}

func expungedOf(e storage.Expunged) Expunged {
	out := Expunged{Expunged: e.At, Mailbox: e.Mailbox, UID: uint32(e.UID), Date: e.Row.InternalDate, Size: e.Row.Size}
	if m := e.Row.Message; m != nil {
		out.MessageID = m.ID()
		if env := m.Envelope; env != nil {
			out.Subject = mail.DecodeHeader(env.Subject)
			out.From = writers(env.From)
		}
	}
	return out
}

// writers are the authors of a message for people.
func writers(list []mail.Mailbox) string {
	var out []string
	for _, m := range list {
		if m.Host == "" { // the mark of a group
			continue
		}
		text := m.Local + "@" + m.Host
		if m.Name != "" {
			text = mail.DecodeHeader(m.Name) + " <" + text + ">"
		}
		out = append(out, text)
	}
	return strings.Join(out, ", ")
}

// listExpunged tells each message that can be brought back.
func (s *Service) listExpunged(ctx context.Context, q UndeleteQuery, t teller) (out UndeleteReport, err error) {
	a, err := s.find(q.Address)
	if err != nil {
		return out, err
	}
	return out, s.expunged(ctx, a.ID, q, func(e storage.Expunged) error {
		out.Messages++
		out.Bytes += e.Row.Size
		return t.item(expungedOf(e))
	})
}

// undelete brings messages back.
func (s *Service) undelete(ctx context.Context, q UndeleteQuery, t teller) (UndeleteReport, error) {
	a, err := s.find(q.Address)
	if err != nil {
		return UndeleteReport{}, err
	}
	if q.Into != "" {
		if _, err := s.o.Store.Mailbox(a.ID, q.Into); err != nil {
			return UndeleteReport{}, fmt.Errorf("mailbox %q of %q: %w", q.Into, a.Address, err)
		}
	}
	out := UndeleteReport{Mailboxes: map[string]int64{}}
	var slice []storage.Expunged
	flush := func() error {
		if err := s.restore(ctx, a, q.Into, slice, &out); err != nil {
			return err
		}
		slice = nil
		t.progress(Progress{Done: out.Messages})
		return nil
	}
	err = s.expunged(ctx, a.ID, q, func(e storage.Expunged) error {
		if slice = append(slice, e); len(slice) < undeleteSlice {
			return nil
		}
		return flush()
	})
	if err == nil && len(slice) > 0 {
		err = flush()
	}
	if out.Messages > 0 {
		s.log.Info("messages undeleted", logkey.Account, a.Address.String(), logkey.Count, out.Messages)
	}
	if errors.Is(err, storage.ErrOverQuota) {
		err = &Error{Limit, fmt.Sprintf("%v; %d messages were brought back before", err, out.Messages)}
	}
	return out, err
}

// restore brings a few messages back and counts them.
func (s *Service) restore(ctx context.Context, a accounts.Account, into string, list []storage.Expunged, out *UndeleteReport) error {
	back, err := s.o.Store.Undelete(ctx, a.ID, into, list)
	names := map[storage.MailboxID]string{}
	for _, one := range back {
		if names[one.Mailbox] == "" {
			m, merr := s.o.Store.MailboxByID(one.Ref)
			if merr != nil {
				names[one.Mailbox] = "?" // deleted again already
			} else {
				names[one.Mailbox] = m.Name
			}
		}
		out.Messages++
		out.Mailboxes[names[one.Mailbox]]++
	}
	if err == nil {
		for _, e := range list {
			out.Bytes += e.Row.Size
		}
	}
	return err
}

// purge gives up for good what was expunged before a time. Reads Address and
// Before.
func (s *Service) purge(ctx context.Context, q UndeleteQuery, _ teller) (out UndeleteReport, err error) {
	a, err := s.find(q.Address)
	if err != nil {
		return out, err
	}
	if q.Before.IsZero() {
		return out, &Error{Invalid, "before is missing"}
	}
	err = s.expunged(ctx, a.ID, UndeleteQuery{Before: q.Before}, func(e storage.Expunged) error {
		out.Bytes += e.Row.Size
		return nil
	})
	if err != nil {
		return out, err
	}
	n, err := s.o.Store.Purge(ctx, a.ID, q.Before)
	out.Messages = int64(n)
	if err == nil {
		s.log.Info("expunged messages purged", logkey.Account, a.Address.String(), logkey.Count, n)
	}
	return out, err
}
