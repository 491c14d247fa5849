package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"mailstead/accounts"
	"mailstead/internal/netd"
	"mailstead/mail"
	"mailstead/storage"
)

// demoVerb is mailstead demo.
type demoVerb struct {
	Dir      string `help:"Data directory, kept and opened again; without it a temporary one, removed at the end."`
	PortBase int    `default:"2000" help:"Ports are this and 525 (smtp), 587 (submission), 465 (submissions), 143 (imap), 993 (imaps), 110 (pop3), 995 (pop3s)."`
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

// demoPorts are the doors of the demo and what is added to the port base.
func demoPorts() []struct {
	name   string
	offset int
} {
	return []struct {
		name   string
		offset int
	}{{"smtp", 525}, {"submission", 587}, {"submissions", 465}, {"imap", 143}, {"imaps", 993}, {"pop3", 110}, {"pop3s", 995}}
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
	u, err := v.prepare(ctx, dir, std)
	if err != nil {
		return err
	}
	failed := make(chan error, len(u.doors))
	ports := map[string]int{}
	for i, p := range demoPorts() {
		ports[p.name] = u.ports[i].Addr().(*net.TCPAddr).Port
		u.serve(p.name, u.ports[i], failed)
	}
	if err = v.tell(std, dir, ports); err == nil {
		select {
		case <-ctx.Done():
		case err = <-failed:
		}
	}
	stop() // a second signal ends the process at once
	grace, cancel := context.WithTimeout(context.Background(), demoGrace)
	defer cancel()
	return errors.Join(err, u.close(grace))
}

// prepare opens the data directory, fills it, and listens.
func (v *demoVerb) prepare(ctx context.Context, dir string, std streams) (*suite, error) {
	if err := os.MkdirAll(filepath.Join(dir, "tls"), 0o700); err != nil {
		return nil, err
	}
	cert, key := filepath.Join(dir, "tls", "cert.pem"), filepath.Join(dir, "tls", "key.pem")
	if _, err := os.Stat(cert); errors.Is(err, os.ErrNotExist) {
		if err := netd.WriteSelfSigned(cert, key, "localhost", "127.0.0.1", "::1"); err != nil {
			return nil, err
		}
	}
	certs, err := netd.LoadCertificates(cert, key)
	if err != nil {
		return nil, err
	}
	u, err := open(settings{dir: dir, hostname: "localhost", certs: certs, plainLogin: true, log: slog.New(slog.NewTextHandler(std.err, &slog.HandlerOptions{Level: slog.LevelWarn}))})
	if err != nil {
		return nil, err
	}
	err = fillDemo(ctx, u.accounts, u.store)
	for _, p := range demoPorts() {
		if err != nil {
			break
		}
		var ln net.Listener
		port := 0
		if v.PortBase != 0 {
			port = v.PortBase + p.offset
		}
		if ln, err = net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port))); err != nil {
			err = fmt.Errorf("listen for %s: %w; choose other ports with --port-base", p.name, err)
			break
		}
		u.ports = append(u.ports, ln)
	}
	if err != nil {
		return nil, errors.Join(err, u.close(ctx))
	}
	return u, nil
}

// fillDemo makes what is missing of the demo's domain and accounts.
func fillDemo(ctx context.Context, db *accounts.DB, store *storage.Store) error {
	if _, err := db.AddDomain(ctx, demoDomain); err != nil && !errors.Is(err, accounts.ErrExists) {
		return err
	}
	var first mail.Address
	for _, a := range demoAccounts() {
		addr, err := mail.ParseAddress(a[0])
		if err != nil {
			return err
		}
		if first.IsNull() {
			first = addr
		}
		acct, err := db.AddAccount(ctx, addr, a[1], accounts.AddOptions{SkipIDs: store.HasAccount})
		if errors.Is(err, accounts.ErrExists) {
			acct, err = db.Account(addr)
		}
		if err != nil {
			return err
		}
		if err := store.CreateAccount(ctx, acct.ID, a[0]); err != nil && !errors.Is(err, storage.ErrExists) {
			return err
		}
	}
	return db.SetAlias(ctx, mail.Address{Local: "info", Domain: demoDomain}, first)
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
	for _, p := range demoPorts() {
		fmt.Fprintf(std.out, "  %-12s %d\n", p.name, ports[p.name])
	}
	_, err := fmt.Fprintf(std.out, `
Send a mail from bob to alice, read it by IMAP, fetch it by POP3:

  printf 'From: bob@example.test\nTo: alice@example.test\nSubject: hello\n\nIt works.\n' | curl -s --crlf smtp://127.0.0.1:%d --user bob@example.test:bob-password --mail-from bob@example.test --mail-rcpt alice@example.test -T -
  curl -s 'imap://127.0.0.1:%d/INBOX;MAILINDEX=1' --user alice@example.test:alice-password
  curl -s pop3://127.0.0.1:%d/1 --user alice@example.test:alice-password
`, ports["submission"], ports["imap"], ports["pop3"])
	return err
}
