package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"path/filepath"
	"sync"

	"mailstead/accounts"
	"mailstead/delivery"
	"mailstead/imapd"
	"mailstead/internal/netd"
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
func (l smtpLogin) MayUse(id mail.AccountID, addr mail.Address) bool { return l.db.Owns(id, addr) }

// popLogin implements pop3d.Authenticator.
type popLogin struct{ login }

// Login implements pop3d.Authenticator.
func (l popLogin) Login(ctx context.Context, user, password string, from netip.Addr) (mail.AccountID, error) {
	a, err := l.authenticate(ctx, user, password, from, pop3d.ErrBadCredentials, pop3d.ErrThrottled)
	return a.ID, err
}

// Watch implements pop3d.Authenticator.
func (l popLogin) Watch(id mail.AccountID) (<-chan struct{}, func()) { return l.db.Watch(id) }

// door is a protocol's server.
type door interface {
	Serve(net.Listener) error
	Shutdown(context.Context) error
}

// imapLogin implements imapd.Authenticator.
type imapLogin struct{ login }

// Login implements imapd.Authenticator.
func (l imapLogin) Login(ctx context.Context, user, password string, from netip.Addr) (mail.AccountID, error) {
	a, err := l.authenticate(ctx, user, password, from, imapd.ErrBadCredentials, imapd.ErrThrottled)
	return a.ID, err
}

// Watch implements imapd.Authenticator.
func (l imapLogin) Watch(id mail.AccountID) (<-chan struct{}, func()) { return l.db.Watch(id) }

// settings are what a suite is made of.
type settings struct {
	dir        string
	hostname   string
	certs      *netd.CertStore
	plainLogin bool // login without TLS on loopback
	log        *slog.Logger
}

// suite is everything that serves.
type suite struct {
	accounts *accounts.DB
	store    *storage.Store
	doors    map[string]door
	ports    []net.Listener
	wg       sync.WaitGroup
}

// open opens the data directory and makes the servers.
func open(s settings) (*suite, error) {
	db, err := accounts.Open(filepath.Join(s.dir, "accounts.db"), accounts.Options{Logger: s.log})
	if err != nil {
		return nil, err
	}
	store, err := storage.Open(s.dir, storage.Options{Logger: s.log, Quota: db.Quota})
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	u := &suite{accounts: db, store: store}
	u.doors = s.doors(db, store)
	return u, nil
}

// doors makes one server for each way in.
func (s settings) doors(db *accounts.DB, store *storage.Store) map[string]door {
	conf := s.certs.Config()
	getTLS := func() *tls.Config { return conf }
	mta := smtpd.Options{Hostname: s.hostname, TLS: getTLS, AllowInsecureAuth: s.plainLogin, Deliverer: delivery.New(delivery.Deps{Accounts: db, Store: store, Logger: s.log}),
		Authenticator: smtpLogin{login{db}}, Logger: s.log, Limits: netd.Limits{PerAddress: 50, Total: 1000}}
	msa := mta
	msa.Role = smtpd.Submission
	msas := msa
	msas.ImplicitTLS = true
	pop := pop3d.Options{Authenticator: popLogin{login{db}}, Store: store, TLS: conf, AllowInsecureAuth: s.plainLogin, Hostname: s.hostname, Logger: s.log,
		Limits: netd.Limits{PerAddress: 50, Total: 1000}}
	pops := pop
	pops.ImplicitTLS = true
	imap := imapd.Options{Authenticator: imapLogin{login{db}}, Store: store, TLS: getTLS, AllowInsecureAuth: s.plainLogin, Hostname: s.hostname, Logger: s.log,
		MaxMessageSize: smtpd.DefaultMaxMessageSize, Limits: netd.Limits{PerAddress: 50, Total: 2000}}
	imaps := imap
	imaps.ImplicitTLS = true
	return map[string]door{"imap": imapd.New(imap), "imaps": imapd.New(imaps), "smtp": smtpd.New(mta), "submission": smtpd.New(msa), "submissions": smtpd.New(msas), "pop3": pop3d.New(pop), "pop3s": pop3d.New(pops)}
}

// serve takes connections for a door.
func (u *suite) serve(name string, ln net.Listener, failed chan<- error) {
	u.wg.Go(func() {
		if err := u.doors[name].Serve(ln); err != nil && !errors.Is(err, netd.ErrServerClosed) && !errors.Is(err, net.ErrClosed) {
			failed <- fmt.Errorf("serve %s: %w", name, err)
		}
	})
}

// close says goodbye to the clients until ctx is done, then closes everything.
func (u *suite) close(ctx context.Context) error {
	var mu sync.Mutex
	var errs []error
	var wg sync.WaitGroup
	for _, d := range u.doors {
		wg.Go(func() {
			err := d.Shutdown(ctx)
			mu.Lock()
			defer mu.Unlock()
			errs = append(errs, err)
		})
	}
	wg.Wait()
	for _, ln := range u.ports {
		if err := ln.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
			errs = append(errs, err)
		}
	}
	u.wg.Wait()
	return errors.Join(append(errs, u.store.Close(), u.accounts.Close())...)
}
