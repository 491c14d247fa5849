package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"text/tabwriter"

	"mailstead/accounts"
	"mailstead/admin"
	"mailstead/cmd/mailstead/internal/config"
	"mailstead/storage"
)

// reach is how a verb finds the server: its socket when it runs, its files when
// it does not.
type reach struct {
	Config string `help:"Configuration file; without it ./config.toml, then /etc/mailstead/config.toml." env:"MAILSTEAD_CONFIG" placeholder:"FILE"`
	Dir    string `help:"Data directory, instead of a configuration file." placeholder:"DIR"`
	JSON   bool   `name:"json" help:"Print the answer as JSON."`
}

// configPaths are looked at in this order.
func configPaths() []string { return []string{"config.toml", "/etc/mailstead/config.toml"} }

// findConfig is the configuration file to use.
func findConfig(asked string) (string, error) {
	if asked != "" {
		return asked, nil
	}
	for _, p := range configPaths() {
		if _, err := os.Stat(p); err == nil {
			return p, nil
		}
	}
	return "", &hinted{fmt.Errorf("find a configuration: %w", fs.ErrNotExist), "say --config FILE or --dir DIR, or make one with: mailstead quickstart you@example.org --dir DIR"}
}

// where gives the configuration; of a data directory alone, the defaults.
func (r reach) where() (*config.Config, error) {
	if r.Dir != "" {
		c := config.Default()
		c.DataDir = r.Dir
		return &c, nil
	}
	path, err := findConfig(r.Config)
	if err != nil {
		return nil, err
	}
	return config.Load(path)
}

// connectTries is how often connect looks for a server that holds the files but
// does not answer yet; each try waits a second.
const connectTries = 5

// connect gives a client of the running server, or of the files.
func (r reach) connect(ctx context.Context) (c *admin.Client, end func() error, err error) {
	conf, err := r.where()
	if err != nil {
		return nil, nil, err
	}
	for range connectTries {
		c, err := admin.Dial(ctx, conf.Socket())
		if err == nil {
			return c, c.Close, nil
		}
		if !errors.Is(err, admin.ErrNotRunning) {
			return nil, nil, err
		}
		c, end, err = r.openFiles(conf, func(*storage.Options) {})
		if !errors.Is(err, errMute) {
			return c, end, err
		}
	}
	_, _, err = r.openFiles(conf, func(*storage.Options) {})
	return nil, nil, err
}

// openFiles gives a client of the files, which no server may have open. adjust
// may change how the store is opened.
func (r reach) openFiles(conf *config.Config, adjust func(*storage.Options)) (*admin.Client, func() error, error) {
	dir := conf.DataDir
	if _, err := os.Stat(filepath.Join(dir, accountsFile)); err != nil {
		return nil, nil, &hinted{fmt.Errorf("%q %w", dir, errNoData), "mailstead quickstart makes some"}
	}
	db, err := accounts.Open(filepath.Join(dir, accountsFile), accounts.Options{})
	if err != nil {
		return nil, nil, muted(err, accounts.ErrLocked)
	}
	o := storageOptions(conf, db, nil)
	o.SearchIndex = false // the server makes it; what it has made stays
	adjust(&o)
	store, err := storage.Open(dir, o)
	if err != nil {
		return nil, nil, errors.Join(muted(err, storage.ErrLocked), db.Close())
	}
	c := admin.InProcess(admin.New(admin.Options{Accounts: db, Store: store, DataDir: dir, DefaultQuota: int64(conf.Accounts.DefaultQuota), Version: version()}))
	return c, func() error { return errors.Join(c.Close(), store.Close(), db.Close()) }, nil
}

// muted explains files that are locked while nobody answers at the socket.
func muted(err, locked error) error {
	if errors.Is(err, locked) {
		return &hinted{fmt.Errorf("%w: %w", errMute, err), "the server may be starting or stopping: try again"}
	}
	return err
}

// ask does one operation.
func (r reach) ask(operation string, in, out any) (err error) {
	ctx := context.Background()
	c, end, err := r.connect(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, end()) }()
	return c.Ask(ctx, operation, in, out)
}

// tell prints an answer: v as JSON, or what text prints.
func (r reach) tell(std streams, v any, text func(w *tabwriter.Writer)) error {
	if r.JSON {
		e := json.NewEncoder(std.out)
		e.SetIndent("", "  ")
		return e.Encode(v)
	}
	w := tabwriter.NewWriter(std.out, 0, 8, 2, ' ', 0)
	text(w)
	return w.Flush()
}
