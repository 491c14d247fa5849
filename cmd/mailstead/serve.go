package main

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	"time"

	"mailstead/cmd/mailstead/internal/config"
	"mailstead/internal/logkey"
)

// serveVerb is mailstead serve.
type serveVerb struct {
	Config string `help:"Configuration file; without it ./config.toml, then /etc/mailstead/config.toml." env:"MAILSTEAD_CONFIG" placeholder:"FILE"`
}

// Run is called by kong.
func (v *serveVerb) Run(std streams) error {
	path, err := findConfig(v.Config)
	if err != nil {
		return err
	}
	c, err := config.Load(path)
	if err != nil {
		return err
	}
	log, level, err := newLogger(std.err, c.Log)
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	hup := make(chan os.Signal, 1)
	signal.Notify(hup, syscall.SIGHUP)
	defer signal.Stop(hup)
	go tuneGC(ctx)
	u, err := open(c, log, level)
	if err != nil {
		return err
	}
	if err := u.start(ctx); err != nil {
		return errors.Join(err, u.finish())
	}
	for at, door := range u.listening() {
		log.Info("listening", logkey.Proto, door, "address", at)
	}
	log.Info("server started", "version", version(), "hostname", c.Hostname, "data_dir", c.DataDir)
	err = u.wait(ctx, func() { u.reload(path) }, hup)
	stop() // a second signal ends the process at once
	log.Info("server stopping", "grace", u.config.ShutdownGrace.String())
	err = errors.Join(err, u.finish())
	if err == nil {
		log.Info("server stopped")
	}
	return err
}

// wait returns when ctx ends or a door fails, and reloads meanwhile.
func (u *suite) wait(ctx context.Context, reload func(), hup <-chan os.Signal) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case err := <-u.failed:
			return err
		case <-hup:
			reload()
		}
	}
}

// finish closes the suite within its grace.
func (u *suite) finish() error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Duration(u.config.ShutdownGrace))
	defer cancel()
	return u.close(ctx)
}

// reload takes the file and the certificates as they are now. When anything is
// wrong with them all stays as it was, and the log says why.
func (u *suite) reload(path string) {
	c, err := config.Load(path)
	if p, ok := errors.AsType[config.Problems](err); ok {
		for _, one := range p {
			u.log.Error("configuration wrong, the old one stays", "problem", one.String())
		}
		return
	}
	if err != nil {
		u.log.Error("configuration not read, the old one stays", logkey.Err, err)
		return
	}
	old := u.config
	if err := u.certs.Load(c.TLS.CertFile, c.TLS.KeyFile); err != nil {
		u.log.Error("certificate not loaded, the old configuration stays", logkey.Err, err)
		return
	}
	if err := u.apply(c); err != nil {
		u.log.Error("configuration not applied, the old one stays", logkey.Err, err)
		if err := u.certs.Load(old.TLS.CertFile, old.TLS.KeyFile); err != nil {
			u.log.Error("old certificate not loaded, the new one is shown", logkey.Err, err)
		}
		return
	}
	if err := setLevel(u.level, c.Log.Level); err != nil {
		u.log.Error("log level not set", logkey.Err, err)
	}
	u.service.SetDefaultQuota(int64(c.Accounts.DefaultQuota))
	for _, key := range needRestart(old, c) {
		u.log.Warn("changed key needs a restart", "key", key)
	}
	u.log.LogAttrs(context.Background(), slog.LevelInfo, "configuration reloaded", slog.String("file", path))
}

// needRestart lists the changed keys that a running server cannot take over.
func needRestart(old, c *config.Config) (keys []string) {
	for _, k := range []struct {
		key     string
		changed bool
	}{
		{"data_dir", old.DataDir != c.DataDir}, {"log.format", old.Log.Format != c.Log.Format}, {"storage", old.Storage != c.Storage},
		{"accounts.detail_separator", old.Accounts.DetailSeparator != c.Accounts.DetailSeparator}, {"accounts.hash_parallel", old.Accounts.HashParallel != c.Accounts.HashParallel},
	} {
		if k.changed {
			keys = append(keys, k.key)
		}
	}
	return keys
}
