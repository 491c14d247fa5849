package peer

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"golang.org/x/sync/errgroup"
)

// MailsteadName is how reports call Mailstead.
const MailsteadName = "Mailstead"

// NewMailstead makes a system of Mailstead from its built program. Everything it
// has goes under parent.
func NewMailstead(program, parent string, accounts int) (*System, error) {
	return newSystem(MailsteadName, parent, accounts, &mailstead{program: program})
}

// mailstead is the engine.
type mailstead struct {
	program string
	config  string
}

// mailsteadConfig is all that differs from the defaults: ports, and no limit or
// wait that one address under load would meet.
const mailsteadConfig = `hostname = "mail.bench.test"
data_dir = "data"
allow_insecure_login = true
[tls]
cert_file = "tls/cert.pem"
key_file = "tls/key.pem"
[smtp]
listen = ["%s"]
max_connections = 4000
max_connections_per_address = 4000
greet_delay = "0s"
[submission]
listen = []
listen_tls = []
[imap]
listen = ["%s"]
listen_tls = []
max_connections = 10000
max_connections_per_address = 10000
[pop3]
listen = []
listen_tls = []
`

func (m *mailstead) prepare(ctx context.Context, s *System) error {
	home := filepath.Join(s.dir, "home")
	m.config, s.store = filepath.Join(home, "config.toml"), filepath.Join(home, "data")
	if err := m.run(ctx, "quickstart", address(0), "--dir", home, "--hostname", "mail."+Domain, "--password-stdin"); err != nil {
		return err
	}
	return os.WriteFile(m.config, fmt.Appendf(nil, mailsteadConfig, s.SMTP, s.IMAP), 0o600)
}

func (m *mailstead) launch(s *System) error {
	return s.spawn("mailstead", m.program, "serve", "--config", m.config)
}

// populate adds the accounts but the first, which quickstart has made.
func (m *mailstead) populate(ctx context.Context, s *System) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(4)
	for i := 1; i < s.Accounts; i++ {
		g.Go(func() error {
			return m.run(ctx, "account", "add", address(i), "--password-stdin", "--config", m.config)
		})
	}
	return g.Wait()
}

// run runs a verb with the password on standard input.
func (m *mailstead) run(ctx context.Context, args ...string) error {
	cmd := exec.CommandContext(ctx, m.program, args...)
	cmd.Stdin = strings.NewReader(Password + "\n")
	if out, err := cmd.CombinedOutput(); err != nil {
		return errors.Join(fmt.Errorf("mailstead %s: %w", strings.Join(args, " "), err), errors.New(string(out)))
	}
	return nil
}

// Build builds Mailstead from the module in the current directory or above.
func Build(ctx context.Context, dir string) (program string, err error) {
	program = filepath.Join(dir, "mailstead")
	if out, err := exec.CommandContext(ctx, "go", "build", "-o", program, "mailstead/cmd/mailstead").CombinedOutput(); err != nil {
		return "", fmt.Errorf("build mailstead: %w\n%s", err, out)
	}
	return program, nil
}
