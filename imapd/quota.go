package imapd

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"

	"mailstead/imapd/wire"
	"mailstead/storage"
)

// Quota roots (RFC 9208 §3.2) are accounts that have a limit, named for the
// account's address.

// storageUnit is the unit of the resource STORAGE (RFC 9208 §5.1).
const storageUnit = 1024

// isAdministrator tells whether the session's user is one.
func (s *session) isAdministrator() bool {
	return s.srv.o.Administration != nil && s.srv.o.Administration.IsAdministrator(s.account)
}

// getQuota is RFC 9208 §4.1.1. Of accounts that are not theirs users are not
// told even that they exist.
func (s *session) getQuota(_ context.Context, c *wire.Command) (reply, error) {
	root := c.Args.(wire.QuotaArgs).Root
	a, err := s.rootAccount(root)
	if err != nil {
		return reply{}, err
	}
	u, err := s.srv.o.Store.Usage(a.ID)
	if err != nil {
		return reply{}, err
	}
	if !limited(u) {
		return noQuotaRoot(), nil
	}
	s.writeQuota(a.Name, u)
	return done(), nil
}

func noQuotaRoot() reply { return no("NONEXISTENT", "No such quota root") }

// rootAccount finds the account that a quota root is named for, for users who may
// ask about it: their own, for administrators anyone's.
func (s *session) rootAccount(root string) (storage.StoredAccount, error) {
	own, err := s.srv.o.Store.AccountName(s.account)
	if err != nil || strings.EqualFold(own, root) {
		return storage.StoredAccount{ID: s.account, Name: own}, err
	}
	if !s.isAdministrator() {
		return storage.StoredAccount{}, protocolError{noQuotaRoot()}
	}
	list, err := s.srv.o.Store.Accounts()
	if err != nil {
		return storage.StoredAccount{}, err
	}
	for _, a := range list {
		if strings.EqualFold(a.Name, root) {
			return a, nil
		}
	}
	return storage.StoredAccount{}, protocolError{noQuotaRoot()}
}

// getQuotaRoot is RFC 9208 §4.1.2. The mailbox need not exist: the answer is
// what would hold for it.
func (s *session) getQuotaRoot(_ context.Context, c *wire.Command) (reply, error) {
	name := c.Args.(wire.SelectArgs).Mailbox
	id := s.account
	at, err := s.locate(name, storage.RightRead)
	switch {
	case err == nil:
		id = at.Account
	case !errors.Is(err, storage.ErrNoMailbox):
		return reply{}, err
	}
	u, err := s.srv.o.Store.Usage(id)
	if err != nil {
		return reply{}, err
	}
	root, err := s.srv.o.Store.AccountName(id)
	if err != nil {
		return reply{}, err
	}
	s.w.Raw("* QUOTAROOT ")
	s.w.Mailbox(name)
	if limited(u) {
		s.w.Raw(" ")
		s.w.String(root)
	}
	s.w.End()
	if limited(u) {
		s.writeQuota(root, u)
	}
	return done(), nil
}

func limited(u storage.Usage) bool { return u.Limit > 0 || u.MessageLimit > 0 }

// writeQuota writes a QUOTA response (RFC 9208 §4.2.1). What an account holds is
// rounded up and what it may hold down, so that what seems to fit does.
func (s *session) writeQuota(root string, u storage.Usage) {
	var list []string
	if u.Limit > 0 {
		list = append(list, fmt.Sprintf("STORAGE %d %d", (u.Bytes+storageUnit-1)/storageUnit, u.Limit/storageUnit))
	}
	if u.MessageLimit > 0 {
		list = append(list, fmt.Sprintf("MESSAGE %d %d", u.Messages, u.MessageLimit))
	}
	s.w.Raw("* QUOTA ")
	s.w.String(root)
	s.w.Raw(" (" + strings.Join(list, " ") + ")")
	s.w.End()
}

// setQuota is RFC 9208 §4.1.3, for administrators. Limits that are not named are
// no more.
func (s *session) setQuota(ctx context.Context, c *wire.Command) (reply, error) {
	if !s.isAdministrator() {
		return no("NOPERM", "Only administrators set quotas"), nil
	}
	a := c.Args.(wire.QuotaArgs)
	limits, refusal := quotaLimits(a.Limits)
	if refusal.kind != "" {
		return refusal, nil
	}
	root, err := s.rootAccount(a.Root)
	if err != nil {
		return reply{}, err
	}
	if err := s.srv.o.Administration.SetLimits(context.WithoutCancel(ctx), root.ID, limits); err != nil {
		return reply{}, fmt.Errorf("set limits of account %d: %w", root.ID, err)
	}
	u, err := s.srv.o.Store.Usage(root.ID)
	if err != nil {
		return reply{}, err
	}
	if limited(u) {
		s.writeQuota(root.Name, u)
	}
	return done(), nil
}

// quotaLimits turns the limits of SETQUOTA into those of an account.
func quotaLimits(list []wire.QuotaLimit) (l storage.Limits, refusal reply) {
	seen := map[string]bool{}
	for _, q := range list {
		if seen[q.Resource] {
			return l, bad("A resource is named twice")
		}
		seen[q.Resource] = true
		if q.Limit == 0 && (q.Resource == "STORAGE" || q.Resource == "MESSAGE") {
			return l, no("CANNOT", "A limit of 0 is not possible; disable the account")
		}
		switch q.Resource {
		case "STORAGE":
			if q.Limit > math.MaxInt64/storageUnit {
				return l, no("CANNOT", "That limit is too big")
			}
			l.Bytes = q.Limit * storageUnit
		case "MESSAGE":
			l.Messages = q.Limit
		default:
			return l, no("CANNOT", "Resources are STORAGE and MESSAGE")
		}
	}
	return l, reply{}
}
