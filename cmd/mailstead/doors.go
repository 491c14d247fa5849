package main

import (
	"context"
	"crypto/tls"
	"net"
	"path/filepath"
	"time"

	"mailstead/cmd/mailstead/internal/config"
	"mailstead/delivery"
	"mailstead/imapd"
	"mailstead/internal/netd"
	"mailstead/internal/spool"
	"mailstead/pop3d"
	"mailstead/smtpd"
)

// door is a protocol's server.
type door interface {
	Serve(net.Listener) error
	Shutdown(context.Context) error
}

// endpoint is an address at which a door listens.
type endpoint struct{ door, address string }

// endpoints lists where a configuration wants to listen.
func endpoints(c *config.Config) (list []endpoint) {
	for _, d := range []struct {
		name string
		at   []string
	}{{"smtp", c.SMTP.Listen}, {"submission", c.Submission.Listen}, {"submissions", c.Submission.ListenTLS}, {"imap", c.IMAP.Listen}, {"imaps", c.IMAP.ListenTLS},
		{"pop3", c.POP3.Listen}, {"pop3s", c.POP3.ListenTLS}} {
		for _, a := range d.at {
			list = append(list, endpoint{d.name, a})
		}
	}
	return list
}

func limits(c config.Connections) netd.Limits {
	return netd.Limits{PerAddress: c.PerAddress, Total: c.Total}
}

// newDoors makes one server for each way in, as c wants them.
func (u *suite) newDoors(c *config.Config) map[string]door {
	conf := u.certs.Config()
	getTLS := func() *tls.Config { return conf }
	// Where users log in they may show a certificate, which nobody vouches for:
	// EXTERNAL knows it by its fingerprint.
	asking := conf.Clone()
	asking.ClientAuth = tls.RequestClientCert
	askTLS := func() *tls.Config { return asking }
	spools := spool.Dir{Path: u.spool}
	mta := smtpd.Options{Hostname: c.Hostname, TLS: getTLS, AllowInsecureAuth: c.AllowInsecureLogin, Authenticator: smtpLogin{login{u.accounts}}, Logger: u.log, Spool: spools,
		Deliverer:      delivery.New(delivery.Deps{Accounts: u.accounts, Store: u.store, Logger: u.log}),
		MaxMessageSize: int64(c.SMTP.MaxSize), MaxRecipients: c.SMTP.MaxRecipients, Limits: limits(c.SMTP.Connections),
		CommandTimeout: time.Duration(c.SMTP.CommandTimeout), DataTimeout: time.Duration(c.SMTP.DataTimeout), GreetDelay: time.Duration(c.SMTP.GreetDelay)}
	msa := mta
	msa.Role, msa.GreetDelay, msa.TLS = smtpd.Submission, 0, askTLS
	msa.MaxMessageSize, msa.MaxRecipients, msa.Limits = int64(c.Submission.MaxSize), c.Submission.MaxRecipients, limits(c.Submission.Connections)
	msa.CommandTimeout, msa.DataTimeout = time.Duration(c.Submission.CommandTimeout), time.Duration(c.Submission.DataTimeout)
	msas := msa
	msas.ImplicitTLS = true
	pop := pop3d.Options{Authenticator: login{u.accounts}, Store: u.store, TLS: asking, AllowInsecureAuth: c.AllowInsecureLogin, Hostname: c.Hostname, Logger: u.log,
		Limits: limits(c.POP3.Connections), IdleTimeout: time.Duration(c.POP3.IdleTimeout), Maildrops: u.maildrops}
	pops := pop
	pops.ImplicitTLS = true
	imap := imapd.Options{Authenticator: imapLogin{login{u.accounts}}, Administration: administration{u.accounts}, Store: u.store, TLS: askTLS, AllowInsecureAuth: c.AllowInsecureLogin, Hostname: c.Hostname, Logger: u.log, Spool: spools,
		MaxMessageSize: int64(c.IMAP.MaxMessageSize), MessageLimit: c.IMAP.MessageLimit, RecentFile: filepath.Join(c.DataDir, "recent"), Limits: limits(c.IMAP.Connections), IdleTimeout: time.Duration(c.IMAP.IdleTimeout), Version: version()}
	imap.Peer = u.imap
	u.imap = imapd.New(imap)
	imaps := imap
	imaps.ImplicitTLS, imaps.Peer = true, u.imap
	return map[string]door{"imap": u.imap, "imaps": imapd.New(imaps), "smtp": smtpd.New(mta), "submission": smtpd.New(msa), "submissions": smtpd.New(msas),
		"pop3": pop3d.New(pop), "pop3s": pop3d.New(pops)}
}
