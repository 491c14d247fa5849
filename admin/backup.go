package admin

import (
	"context"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"time"

	"mailstead/accounts"
	"mailstead/backup"
	"mailstead/internal/logkey"
)

// BackupQuery asks for a backup.
type BackupQuery struct {
	Dir     string `json:"dir"`               // absolute, as the server sees it
	Keep    int    `json:"keep,omitempty"`    // generations, 0: the default
	Link    bool   `json:"link,omitempty"`    // link instead of copying
	Recheck bool   `json:"recheck,omitempty"` // read what is there already
	Rate    int64  `json:"rate,omitempty"`    // bytes a second, 0: no bound
	// Files of the configuration, which the server does not know.
	Files []BackupFile `json:"files,omitempty"`
}

// BackupFile is a small file to put into a backup below "config".
type BackupFile struct {
	Name string `json:"name"`
	Data []byte `json:"data"`
}

// BackupResult is what a backup did.
type BackupResult struct {
	Dir         string    `json:"dir"`
	Generation  string    `json:"generation"`
	Time        time.Time `json:"time"` // the moment it is of
	Complete    bool      `json:"complete"`
	Problems    []string  `json:"problems"`
	Accounts    int       `json:"accounts"`
	Mailboxes   int64     `json:"mailboxes"`
	Messages    int64     `json:"messages"`
	Files       int       `json:"files"`
	Bytes       int64     `json:"bytes"` // of all files
	CopiedFiles int       `json:"copied_files"`
	Copied      int64     `json:"copied"` // bytes written
	Linked      int64     `json:"linked"` // bytes linked
	Removed     []string  `json:"removed"`
	Seconds     float64   `json:"seconds"`
}

// progressEvery is how often a backup's progress is told.
const progressEvery = 200 * time.Millisecond

// Backup makes a backup of everything while the server goes on; its progress is
// in bytes.
func (s *Service) Backup(ctx context.Context, q BackupQuery, t teller) (out BackupResult, err error) {
	o, err := s.backupOptions(q)
	if err != nil {
		return out, err
	}
	start := time.Now()
	last := start
	o.Progress = func(p backup.Progress) {
		if time.Since(last) >= progressEvery {
			last = time.Now()
			t.progress(Progress(p))
		}
	}
	s.log.Info("backup started", "dir", q.Dir)
	res, err := backup.Make(ctx, s.o.Store, q.Dir, o)
	if err != nil {
		s.log.Warn("backup failed", "dir", q.Dir, logkey.Err, err)
		return out, err
	}
	out = BackupResult{Dir: q.Dir, Generation: res.Generation, Time: res.Time, Complete: res.Complete, Problems: res.Problems, Accounts: len(res.Accounts), Mailboxes: res.Mailboxes,
		Messages: res.Messages, Files: len(res.Files), Bytes: res.Bytes, CopiedFiles: res.CopiedFiles, Copied: res.Copied, Linked: res.Linked,
		Removed: append([]string{}, res.Removed...), Seconds: time.Since(start).Seconds()}
	for _, p := range res.Problems {
		s.log.Error("backup incomplete", "problem", p)
	}
	s.log.Info("backup made", "dir", q.Dir, "generation", out.Generation, "complete", out.Complete, logkey.Size, out.Copied, logkey.Dur, time.Since(start))
	return out, nil
}

func (s *Service) backupOptions(q BackupQuery) (backup.Options, error) {
	o := backup.Options{Keep: q.Keep, Link: q.Link, Recheck: q.Recheck, Rate: q.Rate, Version: s.o.Version, Still: &s.mu}
	if !filepath.IsAbs(q.Dir) || q.Keep < 0 || q.Rate < 0 {
		return o, &Error{Invalid, fmt.Sprintf("backup to %q: not an absolute path, or a number below zero", q.Dir)}
	}
	o.Extra = []backup.Extra{{Name: backup.AccountsName, Write: func(w io.Writer) error {
		_, err := s.o.Accounts.WriteTo(w)
		return err
	}}}
	for _, f := range q.Files {
		if !filepath.IsLocal(f.Name) || strings.Contains(f.Name, `\`) {
			return o, &Error{Invalid, fmt.Sprintf("file %q: not a local name", f.Name)}
		}
		o.Extra = append(o.Extra, backup.Extra{Name: "config/" + filepath.ToSlash(filepath.Clean(f.Name)), Write: func(w io.Writer) error {
			_, err := w.Write(f.Data)
			return err
		}})
	}
	return o, nil
}

// Backup makes a backup; progress, in bytes, is called now and then.
func (c *Client) Backup(ctx context.Context, q BackupQuery, progress func(Progress)) (BackupResult, error) {
	return Follow[struct{}, BackupResult](ctx, c, "backup", q, Listener[struct{}]{Progress: progress})
}

// AdoptQuery brings an account back.
type AdoptQuery struct {
	Saved accounts.Saved `json:"saved"`
}

// AdoptAccount makes an account as accounts.DB.Save has packed it, with its
// password, and empty mailboxes.
func (s *Service) AdoptAccount(ctx context.Context, q AdoptQuery) (Account, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	a, err := s.o.Accounts.AdoptAccount(ctx, q.Saved, s.o.Store.HasAccount)
	if err != nil {
		return Account{}, hint(err, a.Address)
	}
	if err := s.mailboxes(ctx, a); err != nil {
		return Account{}, err
	}
	s.log.Info("account brought back", logkey.Account, a.Address.String())
	return s.account(a, "")
}
