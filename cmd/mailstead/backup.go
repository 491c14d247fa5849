package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"text/tabwriter"

	"github.com/schollz/progressbar/v3"

	"mailstead/admin"
	"mailstead/backup"
	"mailstead/cmd/mailstead/internal/config"
)

// backupVerb is mailstead backup.
type backupVerb struct {
	Target  string    `arg:"" name:"dir" help:"Where to: a new or empty directory, or an earlier backup. The running server writes there."`
	Keep    int       `help:"Generations to keep, with this one; 7 without it." default:"7" placeholder:"N"`
	Link    bool      `help:"Link message files instead of copying them: protects from deletion, but not from a failing disk. Needs the same file system."`
	Recheck bool      `help:"Read what the backup has already, and copy again what is damaged."`
	Rate    rateValue `help:"Copy at most so much a second, like 20MiB." placeholder:"SIZE"`
	reach
}

// rateValue is a size, or nothing.
type rateValue string

func (r rateValue) bytes() (int64, error) {
	if r == "" {
		return 0, nil
	}
	s, err := config.ParseSize(string(r))
	if err != nil {
		return 0, fmt.Errorf("rate %w: %w", err, errUsage)
	}
	return int64(s), nil
}

// errIncomplete is a backup that lacks something.
var errIncomplete = errors.New("the backup is incomplete")

// Run is called by kong.
func (v *backupVerb) Run(std streams) (err error) {
	rate, err := v.Rate.bytes()
	if err != nil {
		return err
	}
	if v.Keep < 1 {
		return fmt.Errorf("keep %d generations: %w", v.Keep, errUsage)
	}
	dir, err := filepath.Abs(v.Target)
	if err != nil {
		return err
	}
	files, err := v.configFiles()
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	c, end, err := v.connect(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, end()) }()
	show := newByteMeter(std, "backup")
	res, err := c.Backup(ctx, admin.BackupQuery{Dir: dir, Keep: v.Keep, Link: v.Link, Recheck: v.Recheck, Rate: rate, Files: files}, func(p admin.Progress) { show.update(backup.Progress(p)) })
	show.end()
	if e, ok := errors.AsType[*admin.Error](err); ok && (e.Code == admin.InUse || e.Code == admin.Invalid) {
		return err
	}
	if err != nil {
		return resumable(err)
	}
	err = v.tell(std, res, func(w *tabwriter.Writer) { tellBackup(w, res, len(files) > 0) })
	if err == nil && !res.Complete {
		return &hinted{errIncomplete, "mailstead check names every message that is damaged; earlier generations may still have it"}
	}
	return err
}

func tellBackup(w *tabwriter.Writer, r admin.BackupResult, keys bool) {
	state := "complete"
	if !r.Complete {
		state = "INCOMPLETE"
	}
	fmt.Fprintf(w, "generation %s, %s\n", r.Generation, state)
	for _, p := range r.Problems {
		fmt.Fprintf(w, "problem: %s\n", p)
	}
	fmt.Fprintf(w, "it has %d accounts, %d mailboxes, %d messages in %d files, %s\n", r.Accounts, r.Mailboxes, r.Messages, r.Files, bytesText(r.Bytes))
	fmt.Fprintf(w, "copied now: %d message files, %s in all, in %.1f s\n", r.CopiedFiles, bytesText(r.Copied), r.Seconds)
	if r.Linked > 0 {
		fmt.Fprintf(w, "linked, not copied: %s; a failing disk takes these with it\n", bytesText(r.Linked))
	}
	if len(r.Removed) > 0 {
		fmt.Fprintf(w, "removed generations: %s\n", strings.Join(r.Removed, ", "))
	}
	if keys {
		fmt.Fprintln(w, "mail, password hashes, configuration and the TLS key are in it: keep it as secret as the server")
	} else {
		fmt.Fprintln(w, "mail and password hashes are in it: keep it as secret as the server; the configuration is not")
	}
}

// maxConfigFile bounds what is taken of the configuration into a backup.
const maxConfigFile = 128 << 10

// configFiles reads the configuration with certificate and key, when it is
// known which it is.
func (r reach) configFiles() ([]admin.BackupFile, error) {
	if r.Dir != "" {
		return nil, nil
	}
	path, err := findConfig(r.Config)
	if err != nil {
		return nil, err
	}
	c, err := config.Load(path)
	if err != nil {
		return nil, err
	}
	var list []admin.BackupFile
	for _, from := range []string{path, c.TLS.CertFile, c.TLS.KeyFile} {
		b, err := os.ReadFile(from)
		if err != nil {
			return nil, fmt.Errorf("read configuration: %w", err)
		}
		if len(b) > maxConfigFile {
			return nil, fmt.Errorf("read configuration: %q has %d bytes, at most %d are taken", from, len(b), maxConfigFile)
		}
		list = append(list, admin.BackupFile{Name: configName(path, from), Data: b})
	}
	return list, nil
}

// configName is what a file of the configuration is called in a backup: its
// path from the configuration file's directory, or below tls.
func configName(config, file string) string {
	base, errA := filepath.Abs(filepath.Dir(config))
	full, errB := filepath.Abs(file)
	if rel, err := filepath.Rel(base, full); errors.Join(errA, errB, err) == nil && filepath.IsLocal(rel) {
		return filepath.ToSlash(rel)
	}
	return "tls/" + filepath.Base(file)
}

// byteMeter shows how far a backup or restore is.
type byteMeter struct{ meter }

func newByteMeter(std streams, what string) *byteMeter {
	return &byteMeter{*makeMeter(std, what, progressbar.OptionShowBytes(true))}
}

// update is told of the progress often.
func (m *byteMeter) update(p backup.Progress) {
	m.show(p.Done, p.Total, func(rate float64) string {
		return fmt.Sprintf("%s of %s, %.1f MB/s", bytesText(p.Done), bytesText(p.Total), rate/1e6)
	})
}
