// Command bench puts load on mail servers over the wire and compares them:
// Mailstead with what Debian installs, under the same messages and on the same
// machine, in turns. It drives built programs and imports nothing of Mailstead.
// docs/performance.md tells how to measure with it, and what was measured.
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/alecthomas/kong"
)

// verbs is the command line.
type verbs struct {
	Compare compareVerb `cmd:"" help:"Run workloads on each server in turns, and print medians and ratios."`
	Growth  growthVerb  `cmd:"" help:"Fill Mailstead's store and print how it does as it grows."`
	Curve   curveVerb   `cmd:"" help:"Print what IMAP commands cost on mailboxes of different sizes in Mailstead."`
	List    listVerb    `cmd:"" help:"List the workloads."`
}

// streams are where answers (out) and talk (err) go.
type streams struct{ out, err io.Writer }

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], streams{os.Stdout, os.Stderr})
	stop()
	if err != nil {
		fmt.Fprintf(os.Stderr, "bench: %v\n", err)
		os.Exit(1)
	}
}

// run does what the arguments ask for.
func run(ctx context.Context, args []string, std streams) error {
	var v verbs
	parser, err := kong.New(&v, kong.Name("bench"), kong.Description("Put load on mail servers and compare them."),
		kong.Writers(std.out, std.err), kong.ConfigureHelp(kong.HelpOptions{Compact: true}), kong.Bind(std), kong.BindTo(ctx, (*context.Context)(nil)))
	if err != nil {
		return err
	}
	command, err := parser.Parse(args)
	if err != nil {
		return err
	}
	return command.Run()
}
