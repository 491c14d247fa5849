package pop3d

import (
	"encoding/base64"
	"errors"
	"strings"
	"sync"

	"mailstead/internal/logkey"
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
	x.login(x.user, arg)
}

// auth is SASL PLAIN (RFC 5034, RFC 4616).
func (x *session) auth(arg string) {
	mechanism, initial, has := strings.Cut(arg, " ")
	switch {
	case arg == "" && x.mayAuth():
		x.ok("mechanisms follow\r\nPLAIN\r\n.")
		return
	case !x.mayAuth():
		x.fail("", "login needs TLS: use STLS or the TLS port")
		return
	case !strings.EqualFold(mechanism, "PLAIN"):
		x.fail("", "mechanism not offered, use PLAIN")
		return
	}
	if !has {
		x.w.WriteString("+ \r\n")
		line, err := x.readLine(maxAuthLine)
		if err != nil {
			x.goodbye(err)
			x.quit = true
			return
		}
		initial = line
	}
	if initial == "*" {
		x.fail("", "cancelled")
		return
	}
	if initial == "=" {
		initial = ""
	}
	raw, err := base64.StdEncoding.DecodeString(initial)
	parts := strings.Split(string(raw), "\x00")
	if err != nil || len(parts) != 3 || parts[1] == "" {
		x.fail("", "not the data of PLAIN")
		return
	}
	if parts[0] != "" && parts[0] != parts[1] {
		x.fail("AUTH", "acting for another account is not allowed")
		return
	}
	x.login(parts[1], parts[2])
}

func (x *session) login(user, password string) {
	log := x.srv.o.Logger.With(logkey.Proto, "pop3", logkey.Remote, x.remote.String(), logkey.Account, user)
	id, err := x.srv.o.Authenticator.Login(x.ctx, user, password, x.remote)
	if err != nil {
		x.user = ""
		if x.failed++; x.failed >= maxFailed {
			x.quit = true
		}
		switch {
		case errors.Is(err, ErrBadCredentials):
			log.Info("login failed")
			x.fail("AUTH", "wrong user name or password")
		case errors.Is(err, ErrThrottled):
			log.Info("login throttled")
			x.fail("SYS/TEMP", "too many attempts, try again later")
		default:
			x.trouble("login failed", err)
		}
		return
	}
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
	log.Info("logged in")
	x.ok("%d messages (%d octets)", len(d.messages), d.bytes)
}
