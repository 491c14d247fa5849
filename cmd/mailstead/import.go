package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"text/tabwriter"

	"mailstead/transfer"
)

// importVerb is mailstead import.
type importVerb struct {
	Account string `arg:"" help:"The account, like alice@example.org."`
	Path    string `arg:"" help:"A Maildir, an mbox, an .eml file, or a directory of those."`
	Format  string `enum:"auto,maildir,mbox,mboxcl2,eml" default:"auto" help:"What is there: auto, maildir, mbox, mboxcl2 (an mbox whose Content-Length counts), eml."`
	Mailbox string `help:"Put everything into this mailbox and below it." placeholder:"NAME"`
	DryRun  bool   `help:"Only say what would be imported."`
	reach
}

// Run is called by kong.
func (v *importVerb) Run(std streams) error {
	src, format, err := transfer.Open(v.Path, transfer.Format(v.Format))
	if errors.Is(err, transfer.ErrFormat) {
		return &hinted{err, "say what it is with --format"}
	}
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%w: %w", errNoSource, err)
	}
	if err != nil {
		return err
	}
	return v.with(v.Account, func(ctx context.Context, a transfer.Account) error {
		show := newMeter(std, "importing "+string(format))
		res, err := transfer.Import(ctx, src, a, transfer.ImportOptions{Into: v.Mailbox, DryRun: v.DryRun, Progress: show.update})
		show.end()
		done := "imported"
		if v.DryRun {
			done = "would be imported"
		}
		return errors.Join(resumable(err), v.tell(std, res, func(w *tabwriter.Writer) { tellResult(w, res, done) }))
	})
}

// exportVerb is mailstead export.
type exportVerb struct {
	Account string   `arg:"" help:"The account, like alice@example.org."`
	Target  string   `arg:"" name:"dir" help:"A new or empty directory, or an earlier export to go on with."`
	Format  string   `enum:"maildir,mbox" required:"" help:"maildir (Maildir++) or mbox (one mboxrd a mailbox)."`
	Mailbox []string `help:"Only this mailbox; may be said more than once." placeholder:"NAME" sep:"none"`
	reach
}

// Run is called by kong.
func (v *exportVerb) Run(std streams) error {
	return v.with(v.Account, func(ctx context.Context, a transfer.Account) error {
		show := newMeter(std, "exporting "+v.Format)
		res, err := transfer.Export(ctx, a, v.Target, transfer.ExportOptions{Format: transfer.Format(v.Format), Account: v.Account, Mailboxes: v.Mailbox, Progress: show.update})
		show.end()
		if errors.Is(err, transfer.ErrNotEmpty) {
			return &hinted{err, "nothing is ever overwritten: name a new directory"}
		}
		if errors.Is(err, transfer.ErrNoMailbox) {
			return err
		}
		return errors.Join(resumable(err), v.tell(std, res, func(w *tabwriter.Writer) { tellResult(w, res, "exported") }))
	})
}

// with does something with an account's mail; a signal ends it early.
func (r reach) with(address string, do func(context.Context, transfer.Account) error) (err error) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	c, end, err := r.connect(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, end()) }()
	a, err := c.Mail(ctx, address)
	if err != nil {
		return err
	}
	return do(ctx, a)
}

// resumable says that what was done is not lost.
func resumable(err error) error {
	if err == nil {
		return nil
	}
	if errors.Is(err, context.Canceled) {
		err = errors.New("interrupted")
	}
	return &hinted{err, "the same command goes on where this one ended"}
}

// tellResult prints what an import or export did.
func tellResult(w *tabwriter.Writer, r *transfer.Result, done string) {
	fmt.Fprintln(w, "MAILBOX\t"+strings.ToUpper(done)+"\tALREADY THERE\tLEFT OUT")
	for _, m := range r.Mailboxes {
		name := m.Name
		if m.New {
			name += " (new)"
		}
		fmt.Fprintf(w, "%s\t%d\t%d\t%d\n", name, m.Copied, m.Duplicates, m.Skipped)
	}
	fmt.Fprintf(w, "%d messages: %d %s (%s), %d already there, %d left out\n", r.Messages, r.Copied, done, bytesText(r.Bytes), r.Duplicates, r.Skipped)
	for _, p := range r.Problems {
		fmt.Fprintln(w, problemText(p))
	}
	if r.Skipped > int64(len(r.Problems)) {
		fmt.Fprintf(w, "and %d more\n", r.Skipped-int64(len(r.Problems)))
	}
}

func problemText(p transfer.Problem) string {
	text := p.Reason
	for _, s := range []string{p.Item, p.Mailbox} {
		if s != "" {
			text = s + ": " + text
		}
	}
	return text
}
