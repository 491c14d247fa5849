package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"text/tabwriter"
	"time"

	"mailstead/backup"
)

// restoreVerb is mailstead restore.
type restoreVerb struct {
	Backup string `arg:"" help:"The directory of the backup."`
	Of     string `arg:"" optional:"" name:"account" help:"With --list: show this account's mailboxes."`

	List   bool   `help:"Show the generations, and the accounts in one." xor:"do"`
	Verify bool   `help:"Prove that a generation is good, without touching anything." xor:"do"`
	To     string `help:"Bring everything back into this data directory, which must be empty." placeholder:"DIR" xor:"do"`

	Account     string   `help:"Bring this account's mail back into the server." placeholder:"ADDRESS" xor:"do"`
	Mailbox     []string `help:"Of the account, only this mailbox; may be said more than once." placeholder:"NAME" sep:"none"`
	MessageID   []string `name:"message-id" help:"Of the account, only this message; may be said more than once." placeholder:"ID" sep:"none"`
	IntoMailbox string   `help:"Put what comes back into this mailbox and below it." placeholder:"NAME"`
	Recreate    bool     `help:"Make the account again, with its old password, if it is gone."`
	DryRun      bool     `help:"Only say what would come back."`

	Generation string `help:"The generation, or the beginning of its name; without it the newest." placeholder:"NAME"`
	Temp       string `help:"Where to make an index for reading the backup; without it the system's temporary directory." placeholder:"DIR"`
	reach
}

// errBadBackup is a generation that is not good.
var errBadBackup = errors.New("the backup is not good")

// Run is called by kong.
func (v *restoreVerb) Run(std streams) error {
	if v.Account == "" && (len(v.Mailbox) > 0 || len(v.MessageID) > 0 || v.IntoMailbox != "" || v.Recreate || v.DryRun) || v.Of != "" && !v.List {
		return &hinted{errUsage, "--mailbox, --message-id, --into-mailbox, --recreate and --dry-run go with --account, a second argument goes with --list"}
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	m, err := backup.Find(v.Backup, v.Generation)
	if err != nil {
		return err
	}
	switch {
	case v.List && v.Of != "":
		return v.listMailboxes(ctx, std, m)
	case v.List:
		return v.list(std, m)
	case v.Verify:
		return v.verify(ctx, std, m)
	case v.To != "":
		return v.everything(ctx, std, m)
	case v.Account != "":
		return v.account(ctx, std, m)
	}
	return &hinted{errUsage, "say --list, --verify, --to DIR or --account ADDRESS"}
}

// generation is one line of a list.
type generation struct {
	Name     string    `json:"name"`
	Time     time.Time `json:"time"`
	Version  string    `json:"version"`
	Complete bool      `json:"complete"`
	Problems []string  `json:"problems"`
	Accounts int       `json:"accounts"`
	Messages int64     `json:"messages"`
	Bytes    int64     `json:"bytes"`
}

// list shows the generations, and the accounts of one.
func (v *restoreVerb) list(std streams, m *backup.Manifest) error {
	all, err := backup.Generations(v.Backup)
	if err != nil {
		fmt.Fprintf(std.err, "mailstead: %v\n", err) // the others are as good as ever
	}
	var out struct {
		Generations []generation     `json:"generations"`
		Of          string           `json:"of"` // whose accounts follow
		Accounts    []backup.Account `json:"accounts"`
	}
	out.Of, out.Accounts = m.Generation, m.Accounts
	for _, g := range all {
		out.Generations = append(out.Generations, generation{g.Generation, g.Time, g.Version, g.Complete, g.Problems, len(g.Accounts), g.Messages, g.Bytes})
	}
	return v.tell(std, out, func(w *tabwriter.Writer) {
		fmt.Fprintln(w, "GENERATION\tSTATE\tACCOUNTS\tMESSAGES\tSIZE")
		for _, g := range out.Generations {
			state := "complete"
			if !g.Complete {
				state = fmt.Sprintf("%d problems", len(g.Problems))
			}
			fmt.Fprintf(w, "%s\t%s\t%d\t%d\t%s\n", g.Name, state, g.Accounts, g.Messages, bytesText(g.Bytes))
		}
		fmt.Fprintf(w, "\nACCOUNT IN %s\tMESSAGES\tSIZE\n", m.Generation)
		for _, a := range m.Accounts {
			fmt.Fprintf(w, "%s\t%d\t%s\n", a.Address, a.Messages, bytesText(a.Bytes))
		}
	})
}

// verify proves a generation and says how.
func (v *restoreVerb) verify(ctx context.Context, std streams, m *backup.Manifest) error {
	show := newByteMeter(std, "verify")
	rep, err := backup.Verify(ctx, v.Backup, m, backup.VerifyOptions{Temp: v.Temp, Progress: show.update})
	show.end()
	if err != nil {
		return err
	}
	err = v.tell(std, rep, func(w *tabwriter.Writer) {
		fmt.Fprintf(w, "generation %s of %s\n", m.Generation, m.Time.Format(time.DateTime))
		fmt.Fprintf(w, "read %d files, %s, and compared their SHA-256 with the manifest\n", rep.Files, bytesText(rep.Bytes))
		if rep.Opened {
			fmt.Fprintf(w, "opened it as a store beside the backup, read all %d messages, compared %d accounts, %d mailboxes, %d messages with the manifest\n", rep.Bodies, rep.Accounts, rep.Mailboxes, rep.Messages)
		}
		tellProblems(w, rep.Problems, "it is good")
	})
	if err == nil && len(rep.Problems) > 0 {
		return &hinted{errBadBackup, "try an earlier --generation; mailstead backup --recheck copies again what the server still has"}
	}
	return err
}

func tellProblems(w *tabwriter.Writer, problems []string, good string) {
	for _, p := range problems {
		fmt.Fprintf(w, "problem: %s\n", p)
	}
	if len(problems) == 0 {
		fmt.Fprintln(w, good)
		return
	}
	fmt.Fprintf(w, "%d problems\n", len(problems))
}

// everything brings a whole generation back into an empty directory.
func (v *restoreVerb) everything(ctx context.Context, std streams, m *backup.Manifest) error {
	to, err := filepath.Abs(v.To)
	if err != nil {
		return err
	}
	show := newByteMeter(std, "restore")
	rep, err := backup.Restore(ctx, v.Backup, m, to, backup.RestoreOptions{Progress: show.update})
	show.end()
	if errors.Is(err, backup.ErrNotEmpty) {
		return &hinted{err, "nothing is ever overwritten: name a new directory"}
	}
	if err != nil {
		return err
	}
	err = v.tell(std, rep, func(w *tabwriter.Writer) {
		fmt.Fprintf(w, "brought generation %s of %s back into %s: %d accounts, %d mailboxes, %d messages, %s\n", m.Generation, m.Time.Format(time.DateTime), to, rep.Accounts, rep.Mailboxes, rep.Messages, bytesText(rep.Bytes))
		tellProblems(w, rep.Problems, "every file is as it was copied, and the store is sound")
		fmt.Fprintf(w, "clients keep what they have: UIDVALIDITY is as before, UIDs given out after the backup are left out\n")
		if m.Has("config/") {
			fmt.Fprintf(w, "the configuration is in %s/config: move it to where it belongs and set data_dir to %s\n", to, to)
		}
	})
	if err == nil && len(rep.Problems) > 0 {
		return &hinted{errBadBackup, "what is whole is there; mailstead check --dir " + to + " names the messages that are not"}
	}
	return err
}
