package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"net/netip"

	"mailstead/accounts"
	"mailstead/mail"
	"mailstead/sasl"
	"mailstead/storage"
)

// login is accounts as the front doors want it.
type login struct{ db *accounts.DB }

// Credentials implements Authenticator of every door.
func (l login) Credentials(from netip.Addr) sasl.Credentials { return credentials{l.db, from} }

// Watch implements Authenticator of imapd and pop3d.
func (l login) Watch(id mail.AccountID) (<-chan struct{}, func()) { return l.db.Watch(id) }

// credentials implements sasl.Credentials.
type credentials struct {
	db   *accounts.DB
	from netip.Addr
}

// Offers implements sasl.Credentials.
func (c credentials) Offers(certificate []byte) (o sasl.Offers) {
	o.Scram, o.CRAMMD5 = c.db.Offers()
	o.External = certificate != nil && c.db.KnowsCertificate(sha256.Sum256(certificate))
	return o
}

// Password implements sasl.Credentials.
func (c credentials) Password(ctx context.Context, user, password string) (sasl.Identity, error) {
	return identity(c.db.Authenticate(ctx, user, password, c.from))
}

// Challenge implements sasl.Credentials.
func (c credentials) Challenge(user string, kind sasl.Secrets) (sasl.Challenge, error) {
	a, err := c.db.Challenge(user, kind, c.from)
	if err != nil {
		_, err = identity(accounts.Account{}, err)
		return sasl.Challenge{}, err
	}
	return sasl.Challenge{Keys: a.Keys, CRAM: a.CRAM, Finish: func(proved bool) (sasl.Identity, error) { return identity(a.Finish(proved)) }}, nil
}

// Certificate implements sasl.Credentials.
func (c credentials) Certificate(certificate []byte, user string) (sasl.Identity, error) {
	return identity(c.db.AuthenticateCertificate(sha256.Sum256(certificate), user, c.from))
}

// identity is what accounts says in the words of sasl.
func identity(a accounts.Account, err error) (sasl.Identity, error) {
	if errors.Is(err, accounts.ErrBadCredentials) {
		return sasl.Identity{}, sasl.ErrBadCredentials
	}
	if _, ok := errors.AsType[*accounts.ThrottledError](err); ok {
		return sasl.Identity{}, sasl.ErrThrottled
	}
	return sasl.Identity{Account: uint32(a.ID), Name: a.Address.String()}, err
}

// smtpLogin implements smtpd.Authenticator.
type smtpLogin struct{ login }

// MayUse implements smtpd.Authenticator.
func (l smtpLogin) MayUse(id mail.AccountID, addr mail.Address) bool { return l.db.MaySend(id, addr) }

// imapLogin implements imapd.Authenticator.
type imapLogin struct{ login }

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
