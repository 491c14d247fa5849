package pop3d

import (
	"encoding/base64"
	"errors"
	"log/slog"
	"strings"
	"sync"

	"mailstead/internal/logkey"
	"mailstead/mail"
	"mailstead/sasl"
)

func (x *session) userName(arg string) {
	if !x.mayAuth() {
		x.fail("", "login needs TLS: use STLS or the TLS port")
		return
	}
	if arg == "" {
		x.fail("", "USER needs a name")
		return
	}
	x.user = arg
	x.ok("password?") // the same for any name
}

func (x *session) pass(arg string) {
	if x.user == "" || !x.mayAuth() {
		x.fail("", "USER comes first")
		return
	}
	user := x.user
	id, err := x.srv.o.Authenticator.Credentials(x.remote).Password(x.ctx, user, arg)
	if err != nil {
		x.refuse(user, err)
		return
	}
	x.enter(user, "USER command", mail.AccountID(id.Account))
}

// auth is RFC 5034: without a mechanism it lists them.
func (x *session) auth(arg string) {
	mechanism, initial, has := strings.Cut(arg, " ")
	switch {
	case !x.mayAuth():
		x.fail("", "login needs TLS: use STLS or the TLS port")
		return
	case arg == "":
		x.ok("mechanisms follow\r\n" + strings.Join(x.sasl().Mechanisms(), "\r\n") + "\r\n.")
		return
	}
	e, err := x.sasl().Start(mechanism)
	if err != nil {
		x.fail("", "mechanism not offered, use one of "+strings.Join(x.sasl().Mechanisms(), " "))
		return
	}
	var response []byte
	if has {
		if initial == "=" {
			initial = "" // RFC 5034 §4: an empty response
		}
		if response, err = base64.StdEncoding.DecodeString(initial); err != nil {
			x.fail("", "not base64")
			return
		}
	}
	for {
		challenge, id, err := e.Next(x.ctx, response)
		switch {
		case errors.Is(err, sasl.ErrMalformed):
			x.fail("", "not the data of "+e.Mechanism())
			return
		case err != nil:
			x.refuse(e.User(), err)
			return
		case id != nil:
			x.enter(e.User(), e.Mechanism(), mail.AccountID(id.Account))
			return
		}
		var ok bool
		if response, ok = x.challenge(challenge); !ok {
			return
		}
	}
}

// sasl is SASL for this connection.
func (x *session) sasl() sasl.Server {
	return sasl.Server{Credentials: x.srv.o.Authenticator.Credentials(x.remote), Channel: x.channel, Hostname: x.srv.o.Hostname}
}

// challenge asks for the client's response; not ok when there is none, which was
// answered.
func (x *session) challenge(challenge []byte) (response []byte, ok bool) {
	x.w.WriteString("+ " + base64.StdEncoding.EncodeToString(challenge) + "\r\n")
	line, err := x.readLine(maxAuthLine)
	if err != nil {
		x.goodbye(err)
		x.quit = true
		return nil, false
	}
	if line == "*" {
		x.fail("", "cancelled")
		return nil, false
	}
	if response, err = base64.StdEncoding.DecodeString(line); err != nil {
		x.fail("", "not base64")
		return nil, false
	}
	return response, true
}

// loginLog is the log of logins.
func (x *session) loginLog(user string) *slog.Logger {
	return x.srv.o.Logger.With(logkey.Proto, "pop3", logkey.Remote, x.remote.String(), logkey.Account, user)
}

// refuse answers a failed login; after a few the connection ends.
func (x *session) refuse(user string, err error) {
	log := x.loginLog(user)
	x.user = ""
	if x.failed++; x.failed >= maxFailed {
		x.quit = true
	}
	switch {
	case errors.Is(err, sasl.ErrBadCredentials):
		log.Info("login failed")
		x.fail("AUTH", "wrong user name or password")
	case errors.Is(err, sasl.ErrActsForAnother):
		log.Info("login failed", logkey.Err, err)
		x.fail("AUTH", "acting for another account is not allowed")
	case errors.Is(err, sasl.ErrBinding):
		log.Info("login failed", logkey.Err, err)
		x.fail("AUTH", "the channel binding does not fit")
	case errors.Is(err, sasl.ErrThrottled):
		log.Info("login throttled")
		x.fail("SYS/TEMP", "too many attempts, try again later")
	default:
		x.trouble("login failed", err)
	}
}

// enter opens the maildrop of who has logged in.
func (x *session) enter(user, mechanism string, id mail.AccountID) {
	log := x.loginLog(user)
	if !x.srv.o.Maildrops.lock(id) {
		log.Info("maildrop in use")
		x.fail("IN-USE", "the maildrop is open in another session")
		return
	}
	d, err := openMaildrop(x.srv.o.Store, id)
	if err != nil {
		x.srv.o.Maildrops.unlock(id)
		x.trouble("open maildrop", err)
		return
	}
	ended, cancel := x.srv.o.Authenticator.Watch(id)
	done := make(chan struct{})
	conn := x.conn
	var watcher sync.WaitGroup
	watcher.Go(func() {
		select {
		case <-ended:
			_ = conn.Close() // the account is disabled, gone, or has another password
		case <-done:
		}
	})
	d.unwatch = func() {
		close(done)
		cancel()
		watcher.Wait()
	}
	x.drop, x.user = d, user
	log.Info("logged in", "mechanism", mechanism)
	x.ok("%d messages (%d octets)", len(d.messages), d.bytes)
}
