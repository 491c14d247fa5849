package admin

import (
	"context"
	"fmt"
	"strings"

	"mailstead/accounts"
	"mailstead/internal/logkey"
	"mailstead/mail"
	"mailstead/storage"
)

// anyone is everybody who has an account here (RFC 4314 §2).
const anyone = "anyone"

// sets are names for the rights that are mostly given together.
var sets = map[string]storage.Rights{
	"read": storage.RightLookup | storage.RightRead,
	"write": storage.RightLookup | storage.RightRead | storage.RightSeen | storage.RightWrite | storage.RightInsert |
		storage.RightTrash | storage.RightExpunge,
	"all": storage.AllRights,
}

// ShareQuery names a mailbox and who is to use it.
type ShareQuery struct {
	Address string `json:"address"` // of the owner
	Mailbox string `json:"mailbox"`
	Who     string `json:"who,omitempty"`    // an account's address, or "anyone"
	Rights  string `json:"rights,omitempty"` // read, write, all, or letters of RFC 4314, + or - before them
	Deny    bool   `json:"deny,omitempty"`   // the rights are taken, whatever else gives them
}

// Sharing is who may do what with a mailbox; the owner comes first.
type Sharing struct {
	Address string  `json:"address"`
	Mailbox string  `json:"mailbox"`
	Entries []Entry `json:"entries"`
}

// Entry is what one account, or anyone, may do, or with Deny may not do.
type Entry struct {
	Who    string `json:"who"`
	Rights string `json:"rights"` // letters of RFC 4314 §2.1
	Deny   bool   `json:"deny"`
}

// parseRights reads rights as ShareQuery has them.
func parseRights(text string) (op storage.FlagOp, rights storage.Rights, err error) {
	op = storage.ReplaceFlags
	if rest, ok := strings.CutPrefix(text, "+"); ok {
		op, text = storage.AddFlags, rest
	} else if rest, ok := strings.CutPrefix(text, "-"); ok {
		op, text = storage.RemoveFlags, rest
	}
	if r, ok := sets[text]; ok {
		return op, r, nil
	}
	rights, err = storage.ParseRights(text)
	return op, rights, err
}

// Share changes what somebody may do with a mailbox. Reads all of ShareQuery.
func (s *Service) Share(ctx context.Context, q ShareQuery) (Sharing, error) {
	op, rights, err := parseRights(q.Rights)
	if err != nil {
		return Sharing{}, &Error{Invalid, fmt.Sprintf("rights %q: %v; they are read, write, all, or letters of lrswipkxtea", q.Rights, err)}
	}
	a, ref, err := s.mailbox(q)
	if err != nil {
		return Sharing{}, err
	}
	who, err := s.who(q.Who)
	if err != nil {
		return Sharing{}, err
	}
	if err := s.o.Store.SetRights(ctx, ref, op, storage.Grant{To: who, Negative: q.Deny, Rights: rights}); err != nil {
		return Sharing{}, err
	}
	s.log.Info("mailbox shared", logkey.Account, a.Address.String(), logkey.Mailbox, q.Mailbox, "with", q.Who)
	return s.Sharing(ctx, q)
}

// Unshare removes what Share has set. Reads Address, Mailbox, Who and Deny.
func (s *Service) Unshare(ctx context.Context, q ShareQuery) (Sharing, error) {
	a, ref, err := s.mailbox(q)
	if err != nil {
		return Sharing{}, err
	}
	who, err := s.who(q.Who)
	if err != nil {
		return Sharing{}, err
	}
	if err := s.o.Store.Unshare(ctx, ref, who, q.Deny); err != nil {
		return Sharing{}, err
	}
	s.log.Info("mailbox no longer shared", logkey.Account, a.Address.String(), logkey.Mailbox, q.Mailbox, "with", q.Who)
	return s.Sharing(ctx, q)
}

// Sharing tells who may do what with a mailbox. Reads Address and Mailbox.
func (s *Service) Sharing(_ context.Context, q ShareQuery) (Sharing, error) {
	a, ref, err := s.mailbox(q)
	if err != nil {
		return Sharing{}, err
	}
	m, err := s.o.Store.MailboxByID(ref)
	if err != nil {
		return Sharing{}, err
	}
	list, err := s.o.Store.Grants(ref)
	if err != nil {
		return Sharing{}, err
	}
	out := Sharing{Address: a.Address.String(), Mailbox: m.Name}
	for _, g := range list {
		e := Entry{Who: anyone, Rights: g.Rights.Letters(), Deny: g.Negative}
		if g.To != storage.Anyone {
			who, err := s.o.Accounts.AccountByID(g.To)
			if err != nil {
				continue // is being removed
			}
			e.Who = who.Address.String()
		}
		out.Entries = append(out.Entries, e)
	}
	return out, nil
}

// mailbox finds what a query names.
func (s *Service) mailbox(q ShareQuery) (accounts.Account, storage.Ref, error) {
	addr, err := parse("account", q.Address)
	if err != nil {
		return accounts.Account{}, storage.Ref{}, err
	}
	a, err := s.o.Accounts.Account(addr)
	if err != nil {
		return a, storage.Ref{}, err
	}
	m, err := s.o.Store.Mailbox(a.ID, q.Mailbox)
	if err != nil {
		return a, storage.Ref{}, fmt.Errorf("mailbox %q: %w", q.Mailbox, err)
	}
	return a, storage.Ref{Account: a.ID, Mailbox: m.ID}, nil
}

func (s *Service) who(text string) (mail.AccountID, error) {
	if text == anyone {
		return storage.Anyone, nil
	}
	addr, err := parse("account", text)
	if err != nil {
		return 0, err
	}
	a, err := s.o.Accounts.Account(addr)
	return a.ID, err
}

// AddSender lets another account send with the addresses of one. Reads Address
// and, who may send, Extra.
func (s *Service) AddSender(ctx context.Context, q AccountQuery) (Account, error) {
	return s.setSender(ctx, q, true)
}

// RemoveSender takes back what AddSender gave.
func (s *Service) RemoveSender(ctx context.Context, q AccountQuery) (Account, error) {
	return s.setSender(ctx, q, false)
}

func (s *Service) setSender(ctx context.Context, q AccountQuery, on bool) (Account, error) {
	who, err := parse("account", q.Extra)
	if err != nil {
		return Account{}, err
	}
	event := "sender removed"
	if on {
		event = "sender added"
	}
	return s.edit(q.Address, event, func(addr mail.Address) error { return s.o.Accounts.SetSender(ctx, addr, who, on) })
}
