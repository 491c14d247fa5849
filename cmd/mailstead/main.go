// Command mailstead is the mail server and its admin tool: one binary with
// verbs. The answer goes to standard output, talk to standard error.
//
// Exit codes: 0 ok, 1 failed, 2 usage, 3 no server is running (or none that
// answers), 4 what was named does not exist.
package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"runtime/debug"

	"github.com/alecthomas/kong"

	"mailstead/accounts"
	"mailstead/admin"
	"mailstead/backup"
	"mailstead/transfer"
)

// Exit codes.
const (
	exitFailed     = 1
	exitUsage      = 2
	exitNotRunning = 3
	exitNotFound   = 4
)

// verbs is the command line.
type verbs struct {
	Demo       demoVerb       `cmd:"" help:"Serve a demonstration with two accounts on loopback."`
	Quickstart quickstartVerb `cmd:"" help:"Make a configuration, a data directory and the first account."`
	Serve      serveVerb      `cmd:"" help:"Run the server."`
	Status     statusVerb     `cmd:"" help:"Tell how the server is; exit code 3 when none is running."`
	Domain     struct {
		Add      domainAddVerb      `cmd:"" help:"Receive mail for a domain."`
		List     domainListVerb     `cmd:"" help:"List the domains."`
		CatchAll domainCatchAllVerb `cmd:"" help:"Say who gets mail to addresses that do not exist."`
		Remove   domainRemoveVerb   `cmd:"" help:"Remove a domain that nothing uses any more."`
	} `cmd:"" help:"Domains this server receives mail for."`
	Account struct {
		Add     accountAddVerb     `cmd:"" help:"Add an account."`
		List    accountListVerb    `cmd:"" help:"List the accounts."`
		Show    accountShowVerb    `cmd:"" help:"Show one account."`
		Passwd  accountPasswdVerb  `cmd:"" help:"Set a new password; ends the account's sessions."`
		Disable accountDisableVerb `cmd:"" help:"Forbid login; mail is still received."`
		Enable  accountEnableVerb  `cmd:"" help:"Allow login again."`
		Quota   accountQuotaVerb   `cmd:"" help:"Limit what an account may hold."`
		Set     accountSetVerb     `cmd:"" help:"Make an account an administrator, or let it use CRAM-MD5, or no longer."`
		Cert    struct {
			Add    certAddVerb    `cmd:"" help:"Let a client with this certificate log in to an account, by SASL EXTERNAL. Nobody else vouches for it, nor do its dates count."`
			List   certListVerb   `cmd:"" help:"List the certificates that log in to an account."`
			Remove certRemoveVerb `cmd:"" help:"Take a certificate from an account; ends the account's sessions."`
		} `cmd:"" help:"Certificates of clients that log in without a password."`
		AddAddress    accountAddAddressVerb    `cmd:"" help:"Give an account one more address of its own."`
		RemoveAddress accountRemoveAddressVerb `cmd:"" help:"Take an address from an account."`
		SendAs        struct {
			Add    sendAsAddVerb    `cmd:"" help:"Let an account send with the addresses of another, too."`
			List   sendAsListVerb   `cmd:"" help:"List who may send with the addresses of an account."`
			Remove sendAsRemoveVerb `cmd:"" help:"Take back what add has given."`
		} `cmd:"" name:"sendas" help:"Who may send with the addresses of another account."`
		Remove accountRemoveVerb `cmd:"" help:"Remove an account and all its mail."`
	} `cmd:"" help:"Accounts: who has mail here."`
	Alias struct {
		Set    aliasSetVerb    `cmd:"" help:"Make an address stand for one or more others."`
		List   aliasListVerb   `cmd:"" help:"List the aliases."`
		Remove aliasRemoveVerb `cmd:"" help:"Remove an alias."`
	} `cmd:"" help:"Addresses that stand for others."`
	Mailbox struct {
		List    mailboxListVerb    `cmd:"" help:"List the mailboxes of an account."`
		Share   mailboxShareVerb   `cmd:"" help:"Let another account use a mailbox."`
		Unshare mailboxUnshareVerb `cmd:"" help:"Take back what share has given."`
		Rights  mailboxRightsVerb  `cmd:"" help:"Tell who may do what with a mailbox."`
	} `cmd:"" help:"Mailboxes of an account."`
	Import   importVerb  `cmd:"" help:"Copy mail from a Maildir, mbox or .eml files into an account; what is there already is left alone."`
	Export   exportVerb  `cmd:"" help:"Copy the mail of an account into a Maildir or mbox files."`
	Backup   backupVerb  `cmd:"" help:"Copy everything into a directory, while the server runs; the next time only what is new."`
	Restore  restoreVerb `cmd:"" help:"Look into a backup, prove it, and bring back a message, a mailbox, an account or everything."`
	Undelete struct {
		List    undeleteListVerb    `cmd:"" help:"List the expunged messages that can be brought back."`
		Restore undeleteRestoreVerb `cmd:"" help:"Bring expunged messages back, with flags and dates; they get new UIDs."`
		Purge   undeletePurgeVerb   `cmd:"" help:"Give expunged messages up before their time."`
	} `cmd:"" help:"Messages that were expunged and are kept for a while."`
	Compact compactVerb `cmd:"" help:"Give dead space back to the disk; mail goes on meanwhile. The server does so by itself, too."`
	Check   checkVerb   `cmd:"" help:"Verify every invariant of accounts and mail, and every stored byte."`
	Reindex reindexVerb `cmd:"" help:"Make the index again from the log; no server may run."`
	Version versionVerb `cmd:"" help:"Print the version."`
}

// streams are where questions come from (in) and answers (out) and talk (err)
// go.
type streams struct {
	in       io.Reader
	out, err io.Writer
}

func main() { os.Exit(run(os.Args[1:], streams{os.Stdin, os.Stdout, os.Stderr})) }

// run does what the arguments ask for and gives the exit code.
func run(args []string, std streams) (code int) {
	var v verbs
	type exit int
	defer func() {
		switch p := recover().(type) {
		case nil:
		case exit: // help was asked for
			code = int(p)
		default:
			panic(p)
		}
	}()
	parser, err := newParser(&v, std, func(code int) { panic(exit(code)) })
	if err != nil {
		fmt.Fprintf(std.err, "mailstead: %v\n", err)
		return exitFailed
	}
	ctx, err := parser.Parse(args)
	if err != nil {
		fmt.Fprintf(std.err, "mailstead: %v\nhint: mailstead --help lists the verbs\n", err)
		return exitUsage
	}
	err = ctx.Run()
	if err == nil {
		return 0
	}
	what := ctx.Selected().FullPath()[len("mailstead "):]
	if errors.Is(err, errNotRunning) { // the answer has been given
		return exitNotRunning
	}
	fmt.Fprintf(std.err, "mailstead: cannot %s: %v\n", what, err)
	if h, ok := errors.AsType[*hinted](err); ok {
		fmt.Fprintf(std.err, "hint: %s\n", h.hint)
	}
	return exitCode(err)
}

// newParser makes the parser of the command line.
func newParser(v *verbs, std streams, exit func(int)) (*kong.Kong, error) {
	return kong.New(v, kong.Name("mailstead"), kong.Description("A complete mail server in one binary."), kong.Writers(std.out, std.err),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true}), kong.Exit(exit), kong.Bind(std))
}

// exitCode tells the kinds of errors apart.
func exitCode(err error) int {
	if e, ok := errors.AsType[*admin.Error](err); ok && e.Code == admin.NotFound || errors.Is(err, errNoData) || errors.Is(err, errNoSource) || errors.Is(err, errNoSuchMessage) || errors.Is(err, accounts.ErrNotFound) ||
		errors.Is(err, backup.ErrNoBackup) || errors.Is(err, backup.ErrNoGeneration) || errors.Is(err, transfer.ErrNoMailbox) {
		return exitNotFound
	}
	if errors.Is(err, admin.ErrNotRunning) || errors.Is(err, errMute) {
		return exitNotRunning
	}
	if errors.Is(err, errUsage) {
		return exitUsage
	}
	return exitFailed
}

// Errors with an exit code or a silence of their own.
var (
	errNotRunning = errors.New("no server is running")
	errNoData     = errors.New("holds no Mailstead data")
	errMute       = errors.New("a process has the data open but does not answer")
	errNoSource   = errors.New("nothing is there")
	errUsage      = errors.New("not possible with these arguments")
)

// hinted is an error with a word on what to do.
type hinted struct {
	error
	hint string
}

// Unwrap gives the error without the hint.
func (h *hinted) Unwrap() error { return h.error }

// versionVerb is mailstead version.
type versionVerb struct{}

// Run is called by kong.
func (versionVerb) Run(std streams) error {
	_, err := fmt.Fprintln(std.out, "mailstead", version())
	return err
}

// version is what the build says about itself.
func version() string {
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return "unknown"
}
