package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"mailstead/admin"
	"mailstead/cmd/mailstead/internal/config"
	"mailstead/internal/netd"
)

// demoVerb is mailstead demo.
type demoVerb struct {
	Dir      string `help:"Data directory, kept and opened again; without it a temporary one, removed at the end."`
	PortBase int    `default:"2000" help:"Ports are this and 525 (smtp), 587 (submission), 465 (submissions), 143 (imap), 993 (imaps), 110 (pop3), 995 (pop3s); 0: any that are free."`
	JSON     bool   `name:"json" help:"Print accounts and ports as one JSON object once everything listens."`
}

const (
	demoDomain = "example.test"
	demoGrace  = 5 * time.Second
)

// demoAccounts are the demo's users with their passwords, which are the same
// in every demo: it listens on loopback only.
func demoAccounts() [][2]string {
	return [][2]string{{"alice@" + demoDomain, "alice-password"}, {"bob@" + demoDomain, "bob-password"}}
}

// Run is called by kong.
func (v *demoVerb) Run(std streams) (err error) {
	dir := v.Dir
	if dir == "" {
		if dir, err = os.MkdirTemp("", "mailstead-demo-*"); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	c, err := v.config(dir)
	if err != nil {
		return err
	}
	log, level, err := newLogger(std.err, c.Log)
	if err != nil {
		return err
	}
	u, err := open(c, log, level)
	if err != nil {
		return err
	}
	if err = fillDemo(ctx, u.service); err == nil {
		err = v.taken(u.start(ctx))
	}
	if err == nil {
		err = v.tell(std, dir, u.demoPorts())
	}
	if err == nil {
		err = u.wait(ctx, nil, nil)
	}
	stop() // a second signal ends the process at once
	return errors.Join(err, u.finish())
}

// taken says what to do about a port that something else listens on.
func (v *demoVerb) taken(err error) error {
	if errors.Is(err, syscall.EADDRINUSE) || errors.Is(err, syscall.EACCES) {
		return &hinted{err, fmt.Sprintf("choose other ports with --port-base, like --port-base %d, or any free ones with --port-base 0", v.PortBase+10000)}
	}
	return err
}

// config is the demo's configuration: everything on loopback, a certificate
// signed by itself.
func (v *demoVerb) config(dir string) (*config.Config, error) {
	c := config.Default()
	c.Hostname, c.DataDir, c.AllowInsecureLogin, c.ShutdownGrace = "localhost", dir, true, config.Duration(demoGrace)
	c.Log.Level, c.SMTP.GreetDelay = "warn", 0
	tls := filepath.Join(dir, "tls")
	c.TLS = config.TLS{CertFile: filepath.Join(tls, "cert.pem"), KeyFile: filepath.Join(tls, "key.pem")}
	at := func(offset int) []string {
		if v.PortBase == 0 {
			offset = 0
		}
		return []string{net.JoinHostPort("127.0.0.1", strconv.Itoa(v.PortBase+offset))}
	}
	c.SMTP.Listen, c.Submission.Listen, c.Submission.ListenTLS = at(525), at(587), at(465)
	c.IMAP.Listen, c.IMAP.ListenTLS, c.POP3.Listen, c.POP3.ListenTLS = at(143), at(993), at(110), at(995)
	if v.PortBase < 0 || v.PortBase > 65535-995 {
		return nil, fmt.Errorf("port base %d: must be 0 to %d: %w", v.PortBase, 65535-995, errUsage)
	}
	if err := os.MkdirAll(tls, 0o700); err != nil {
		return nil, err
	}
	if _, err := os.Stat(c.TLS.CertFile); errors.Is(err, os.ErrNotExist) {
		return &c, netd.WriteSelfSigned(c.TLS.CertFile, c.TLS.KeyFile, "localhost", "127.0.0.1", "::1")
	}
	return &c, nil
}

// fillDemo makes what is missing of the demo's domain and accounts.
func fillDemo(ctx context.Context, s *admin.Service) error {
	there := func(err error) error {
		if err != nil && admin.AsError(err).Code == admin.Exists {
			return nil
		}
		return err
	}
	if _, err := s.AddDomain(ctx, admin.DomainQuery{Name: demoDomain}); there(err) != nil {
		return err
	}
	for _, a := range demoAccounts() {
		if _, err := s.AddAccount(ctx, admin.AccountQuery{Address: a[0], Password: a[1]}); there(err) != nil {
			return err
		}
	}
	_, err := s.SetAlias(ctx, admin.Alias{Address: "info@" + demoDomain, Targets: []string{demoAccounts()[0][0]}})
	return err
}

// demoPorts tells the port of each door.
func (u *suite) demoPorts() map[string]int {
	u.mu.Lock()
	defer u.mu.Unlock()
	ports := map[string]int{}
	for e, o := range u.ports {
		if a, ok := o.port.Addr().(*net.TCPAddr); ok {
			ports[e.door] = a.Port
		}
	}
	return ports
}

// tell prints how to use the demo.
func (v *demoVerb) tell(std streams, dir string, ports map[string]int) error {
	if v.JSON {
		type account struct {
			Address  string `json:"address"`
			Password string `json:"password"`
		}
		var list []account
		for _, a := range demoAccounts() {
			list = append(list, account{a[0], a[1]})
		}
		return json.NewEncoder(std.out).Encode(map[string]any{"accounts": list, "ports": ports})
	}
	fmt.Fprintf(std.out, "Mailstead demo on 127.0.0.1, data in %s. Ctrl-C stops it.\n\n", dir)
	for _, a := range demoAccounts() {
		fmt.Fprintf(std.out, "  %-20s password %s\n", a[0], a[1])
	}
	fmt.Fprintf(std.out, "  %-20s alias of alice\n\n", "info@"+demoDomain)
	for _, name := range []string{"smtp", "submission", "submissions", "imap", "imaps", "pop3", "pop3s"} {
		fmt.Fprintf(std.out, "  %-12s %d\n", name, ports[name])
	}
	_, err := fmt.Fprintf(std.out, `
Send a mail from bob to alice, read it by IMAP, fetch it by POP3:

  printf 'From: bob@example.test\nTo: alice@example.test\nSubject: hello\n\nIt works.\n' | curl -s --crlf smtp://127.0.0.1:%d --user bob@example.test:bob-password --mail-from bob@example.test --mail-rcpt alice@example.test -T -
  curl -s 'imap://127.0.0.1:%d/INBOX;MAILINDEX=1' --user alice@example.test:alice-password
  curl -s pop3://127.0.0.1:%d/1 --user alice@example.test:alice-password
`, ports["submission"], ports["imap"], ports["pop3"])
	return err
}
