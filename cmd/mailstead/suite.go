package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"sync"
	"time"

	"mailstead/accounts"
	"mailstead/admin"
	"mailstead/cmd/mailstead/internal/config"
	"mailstead/imapd"
	"mailstead/internal/logkey"
	"mailstead/internal/netd"
	"mailstead/mail"
	"mailstead/pop3d"
	"mailstead/storage"
)

// accountsFile is the name of the account database in the data directory.
const accountsFile = "accounts.db"

// suite is everything that serves. Its methods are for one goroutine, but for
// listening.
type suite struct {
	log       *slog.Logger
	level     *slog.LevelVar
	config    *config.Config // in force
	spool     string
	accounts  *accounts.DB
	store     *storage.Store
	certs     *netd.CertStore
	maildrops *pop3d.Maildrops
	imap      *imapd.Server // the newest, peer of all others
	service   *admin.Service
	admin     *admin.Server
	doors     map[string]door
	retired   []door // of configurations before; their sessions go on
	failed    chan error
	wg        sync.WaitGroup

	mu    sync.Mutex
	ports map[endpoint]*opened
}

// opened is a port and the listener of the door behind it now.
type opened struct {
	port *netd.Port
	ln   net.Listener // nil before the first
}

// open opens the data directory. Nothing listens yet.
func open(c *config.Config, log *slog.Logger, level *slog.LevelVar) (_ *suite, err error) {
	u := &suite{log: log, level: level, config: c, spool: filepath.Join(c.DataDir, "spool"), maildrops: pop3d.NewMaildrops(), ports: map[endpoint]*opened{}, failed: make(chan error, 16)}
	for _, dir := range []string{c.DataDir, u.spool} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return nil, fmt.Errorf("make data directory: %w", err)
		}
	}
	if u.certs, err = netd.LoadCertificates(c.TLS.CertFile, c.TLS.KeyFile); err != nil {
		return nil, err
	}
	o := accounts.Options{Logger: log, Detail: c.Accounts.DetailSeparator, Parallel: c.Accounts.HashParallel}
	if u.accounts, err = accounts.Open(filepath.Join(c.DataDir, accountsFile), o); err != nil {
		return nil, err
	}
	if u.store, err = storage.Open(c.DataDir, storageOptions(c, u.accounts, log)); err != nil {
		return nil, errors.Join(err, u.accounts.Close())
	}
	if !c.Storage.SearchIndex {
		if err := u.store.DropText(); err != nil {
			return nil, errors.Join(err, u.store.Close(), u.accounts.Close())
		}
	}
	u.service = admin.New(admin.Options{Accounts: u.accounts, Store: u.store, DataDir: c.DataDir, DefaultQuota: int64(c.Accounts.DefaultQuota), Version: version(),
		Listening: u.listening, Logger: log})
	u.admin = admin.NewServer(u.service)
	return u, nil
}

// storageOptions are the store's as the configuration has them.
func storageOptions(c *config.Config, db *accounts.DB, log *slog.Logger) storage.Options {
	o := storage.Options{Logger: log, Limits: func(id mail.AccountID) storage.Limits {
		bytes, messages := db.Limits(id)
		return storage.Limits{Bytes: bytes, Messages: messages}
	}, MinFree: int64(c.Storage.MinFree), SegmentSize: int64(c.Storage.SegmentSize),
		KeepExpunged: time.Duration(c.Storage.KeepExpunged), Compress: c.Storage.Compression == "zstd", SearchIndex: c.Storage.SearchIndex}
	if o.MinFree == 0 {
		o.MinFree = -1
	}
	return o
}

// start listens on every port and on the control socket.
func (u *suite) start(ctx context.Context) error {
	if err := u.service.Repair(ctx); err != nil {
		return err
	}
	if err := u.apply(u.config); err != nil {
		return err
	}
	return u.admin.Listen(u.config.Socket())
}

// apply makes the doors as c wants them. Sessions that are open stay as they
// are. When a port cannot be opened nothing changes.
func (u *suite) apply(c *config.Config) error {
	u.mu.Lock()
	defer u.mu.Unlock()
	wanted := map[endpoint]*opened{}
	for _, e := range endpoints(c) {
		o := u.ports[e]
		if o == nil {
			p, err := netd.Listen(e.address)
			if err != nil {
				for e, o := range wanted {
					if u.ports[e] == nil {
						_ = o.port.Close() // just opened, never used
					}
				}
				return fmt.Errorf("%s: %w", e.door, err)
			}
			o = &opened{port: p}
		}
		wanted[e] = o
	}
	old := u.doors
	u.doors = u.newDoors(c)
	for e, o := range wanted {
		before := o.ln
		o.ln = o.port.Listener()
		u.serve(e.door, o.ln)
		if before != nil {
			_ = before.Close() // gives no error: the port stays open
		}
	}
	for e, o := range u.ports {
		if wanted[e] == nil {
			if err := o.port.Close(); err != nil {
				u.log.Warn("port not closed", "door", e.door, "address", e.address, logkey.Err, err)
			}
		}
	}
	for _, d := range old {
		u.retired = append(u.retired, d)
	}
	u.ports, u.config = wanted, c
	return nil
}

// serve takes connections for a door.
func (u *suite) serve(name string, ln net.Listener) {
	d := u.doors[name]
	u.wg.Go(func() {
		if err := d.Serve(ln); err != nil && !errors.Is(err, netd.ErrServerClosed) && !errors.Is(err, net.ErrClosed) {
			select {
			case u.failed <- fmt.Errorf("serve %s: %w", name, err):
			default: // one is enough to end
			}
		}
	})
}

// listening tells which door is behind which address.
func (u *suite) listening() map[string]string {
	u.mu.Lock()
	defer u.mu.Unlock()
	list := map[string]string{}
	for e, o := range u.ports {
		list[o.port.Addr().String()] = e.door
	}
	return list
}

// close says goodbye to the clients until ctx is done, then closes everything.
func (u *suite) close(ctx context.Context) error {
	var mu sync.Mutex
	var errs []error
	var wg sync.WaitGroup
	end := func(shutdown func(context.Context) error) {
		wg.Go(func() {
			err := shutdown(ctx)
			mu.Lock()
			defer mu.Unlock()
			errs = append(errs, err)
		})
	}
	for _, d := range u.doors {
		end(d.Shutdown)
	}
	for _, d := range u.retired {
		end(d.Shutdown)
	}
	end(u.admin.Shutdown)
	wg.Wait()
	for _, o := range u.ports {
		if err := o.port.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
			errs = append(errs, err)
		}
	}
	u.wg.Wait()
	return errors.Join(append(errs, u.store.Close(), u.accounts.Close())...)
}
