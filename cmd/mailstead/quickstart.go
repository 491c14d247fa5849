package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"text/tabwriter"

	"mailstead/accounts"
	"mailstead/admin"
	"mailstead/cmd/mailstead/internal/config"
	"mailstead/internal/durable"
	"mailstead/internal/netd"
	"mailstead/mail"
	"mailstead/storage"
)

// quickstartVerb is mailstead quickstart.
type quickstartVerb struct {
	Address  string `arg:"" help:"Your address; its domain is served and the account made."`
	Dir      string `required:"" help:"Where configuration and data go; must be new or empty." placeholder:"DIR"`
	Hostname string `help:"The name this machine has in the DNS; without it mail. and your domain." placeholder:"NAME"`
	newPassword
	JSON   bool `name:"json" help:"Print the answer as JSON."`
	domain string
}

// started is what quickstart has made.
type started struct {
	Config   string `json:"config"`
	DataDir  string `json:"data_dir"`
	Address  string `json:"address"`
	Password string `json:"password,omitempty"` // when it was generated
	Hostname string `json:"hostname"`
}

// Run is called by kong.
func (v *quickstartVerb) Run(std streams) (err error) {
	addr, err := mail.ParseAddress(v.Address)
	if err != nil || addr.IsNull() {
		return fmt.Errorf("address %q: %w", v.Address, errors.Join(err, errUsage))
	}
	password, err := v.read(std)
	if err != nil {
		return err
	}
	if v.domain = addr.Domain; v.Hostname == "" {
		v.Hostname = "mail." + v.domain
	}
	out := started{Config: filepath.Join(v.Dir, "config.toml"), DataDir: filepath.Join(v.Dir, "data"), Address: addr.String(), Hostname: v.Hostname}
	values := config.Values{Hostname: v.Hostname, DataDir: "data", CertFile: "tls/cert.pem", KeyFile: "tls/key.pem"}
	text := config.Example(values)
	if _, err := config.Decode(out.Config, text); err != nil {
		return err
	}
	made, err := emptyDir(v.Dir)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil { // leave nothing half done; the directory was empty
			err = errors.Join(err, sweep(v.Dir, made))
		}
	}()
	if out.Password, err = v.fill(out, addr, password); err != nil {
		return err
	}
	if err := durable.WriteFile(out.Config, []byte(text), 0o600); err != nil {
		return err
	}
	return v.tell(std, out)
}

// emptyDir makes the directory, or sees that it is empty.
func emptyDir(dir string) (made bool, err error) {
	list, err := os.ReadDir(dir)
	if errors.Is(err, os.ErrNotExist) {
		return true, os.MkdirAll(dir, 0o700)
	}
	if err == nil && len(list) > 0 {
		err = &hinted{fmt.Errorf("%q is not empty, it holds %q", dir, list[0].Name()), "nothing is ever overwritten; choose another --dir"}
	}
	return false, err
}

// sweep removes what quickstart has put into a directory that was empty.
func sweep(dir string, all bool) error {
	if all {
		return os.RemoveAll(dir)
	}
	var errs []error
	for _, name := range []string{"data", "tls", "config.toml"} {
		errs = append(errs, os.RemoveAll(filepath.Join(dir, name)))
	}
	return errors.Join(errs...)
}

// fill makes the certificate, the data directory and the account.
func (v *quickstartVerb) fill(out started, addr mail.Address, password string) (generated string, err error) {
	for _, dir := range []string{out.DataDir, filepath.Join(v.Dir, "tls")} {
		if err := os.Mkdir(dir, 0o700); err != nil {
			return "", err
		}
	}
	if err := netd.WriteSelfSigned(filepath.Join(v.Dir, "tls", "cert.pem"), filepath.Join(v.Dir, "tls", "key.pem"), v.Hostname); err != nil {
		return "", err
	}
	db, err := accounts.Open(filepath.Join(out.DataDir, accountsFile), accounts.Options{})
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	store, err := storage.Open(out.DataDir, storage.Options{})
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	ctx := context.Background()
	s := admin.New(admin.Options{Accounts: db, Store: store, DataDir: out.DataDir})
	if _, err := s.AddDomain(ctx, admin.DomainQuery{Name: addr.Domain}); err != nil {
		return "", err
	}
	a, err := s.AddAccount(ctx, admin.AccountQuery{Address: out.Address, Password: password})
	return a.Password, err
}

// tell says what was made and what to do next.
func (v *quickstartVerb) tell(std streams, out started) error {
	return reach{JSON: v.JSON}.tell(std, out, func(w *tabwriter.Writer) {
		fmt.Fprintf(w, "Account %s is ready.\n", out.Address)
		if out.Password != "" {
			fmt.Fprintf(w, "Its password, shown this once: %s\n", out.Password)
		}
		fmt.Fprintf(w, `
What to do next:
1. In the DNS of %[1]s:
     %[1]s.  MX  10 %[2]s.
     %[2]s.  A   the address of this machine (and AAAA), with a PTR back to the name
2. Put a certificate for %[2]s into %[3]s, or point [tls] elsewhere;
   the one there now is signed by itself and clients will warn.
3. Read through %[4]s, every key is explained.
4. Start the server (ports below 1024 need root or CAP_NET_BIND_SERVICE):
     mailstead serve --config %[4]s
5. In your mail program: server %[2]s, user %[5]s,
   IMAP port 993 or POP3 port 995 with TLS, SMTP port 465 with TLS.
More accounts: mailstead account add NAME@%[1]s --config %[4]s
`, v.domain, out.Hostname, filepath.Join(v.Dir, "tls"), out.Config, out.Address)
	})
}
