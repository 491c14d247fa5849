package main

import (
	"context"
	"errors"
	"net/netip"

	"mailstead/accounts"
	"mailstead/imapd"
	"mailstead/mail"
	"mailstead/pop3d"
	"mailstead/smtpd"
	"mailstead/storage"
)

// login is accounts as the front doors want it.
type login struct{ db *accounts.DB }

func (l login) authenticate(ctx context.Context, user, password string, from netip.Addr, bad, throttled error) (accounts.Account, error) {
	a, err := l.db.Authenticate(ctx, user, password, from)
	if errors.Is(err, accounts.ErrBadCredentials) {
		return a, bad
	}
	if _, ok := errors.AsType[*accounts.ThrottledError](err); ok {
		return a, throttled
	}
	return a, err
}

// smtpLogin implements smtpd.Authenticator.
type smtpLogin struct{ login }

// Authenticate implements smtpd.Authenticator.
func (l smtpLogin) Authenticate(ctx context.Context, user, password string, from netip.Addr) (smtpd.Identity, error) {
	a, err := l.authenticate(ctx, user, password, from, smtpd.ErrBadCredentials, smtpd.ErrThrottled)
	return smtpd.Identity{Account: a.ID, Login: a.Address}, err
}

// MayUse implements smtpd.Authenticator.
func (l smtpLogin) MayUse(id mail.AccountID, addr mail.Address) bool { return l.db.MaySend(id, addr) }

// popLogin implements pop3d.Authenticator.
type popLogin struct{ login }

// Login implements pop3d.Authenticator.
func (l popLogin) Login(ctx context.Context, user, password string, from netip.Addr) (mail.AccountID, error) {
	a, err := l.authenticate(ctx, user, password, from, pop3d.ErrBadCredentials, pop3d.ErrThrottled)
	return a.ID, err
}

// Watch implements pop3d.Authenticator.
func (l popLogin) Watch(id mail.AccountID) (<-chan struct{}, func()) { return l.db.Watch(id) }

// imapLogin implements imapd.Authenticator.
type imapLogin struct{ login }

// Login implements imapd.Authenticator.
func (l imapLogin) Login(ctx context.Context, user, password string, from netip.Addr) (mail.AccountID, error) {
	a, err := l.authenticate(ctx, user, password, from, imapd.ErrBadCredentials, imapd.ErrThrottled)
	return a.ID, err
}

// AccountAt implements imapd.Authenticator.
func (l imapLogin) AccountAt(address string) (mail.AccountID, bool) {
	addr, err := mail.ParseAddress(address)
	if err != nil {
		return 0, false
	}
	a, err := l.db.Account(addr)
	return a.ID, err == nil
}

// AddressOf implements imapd.Authenticator.
func (l imapLogin) AddressOf(id mail.AccountID) string {
	a, err := l.db.AccountByID(id)
	if err != nil {
		return ""
	}
	return a.Address.String()
}

// Watch implements imapd.Authenticator.
func (l imapLogin) Watch(id mail.AccountID) (<-chan struct{}, func()) { return l.db.Watch(id) }

// administration implements imapd.Administration.
type administration struct{ db *accounts.DB }

// IsAdministrator implements imapd.Administration.
func (a administration) IsAdministrator(id mail.AccountID) bool { return a.db.IsAdmin(id) }

// SetLimits implements imapd.Administration.
func (a administration) SetLimits(ctx context.Context, id mail.AccountID, l storage.Limits) error {
	acct, err := a.db.AccountByID(id)
	if err != nil {
		return err
	}
	return a.db.SetLimits(ctx, acct.Address, l.Bytes, l.Messages)
}
