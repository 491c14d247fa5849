// Command mailstead is the mail server and its admin tool: one binary with
// verbs. Exit codes: 0 ok, 1 failed, 2 usage.
package main

import (
	"fmt"
	"io"
	"os"

	"github.com/alecthomas/kong"
)

// verbs is the command line.
type verbs struct {
	Demo    demoVerb    `cmd:"" help:"Serve a demonstration with two accounts on loopback."`
	Check   checkVerb   `cmd:"" help:"Verify every invariant of a store that no server has open."`
	Version versionVerb `cmd:"" help:"Print the version."`
}

// streams are where answers (out) and talk (err) go.
type streams struct{ out, err io.Writer }

func main() { os.Exit(run(os.Args[1:], streams{os.Stdout, os.Stderr})) }

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
	parser, err := kong.New(&v, kong.Name("mailstead"), kong.Description("A complete mail server in one binary."), kong.Writers(std.out, std.err),
		kong.Exit(func(code int) { panic(exit(code)) }), kong.Bind(std))
	if err != nil {
		fmt.Fprintf(std.err, "mailstead: %v\n", err)
		return 1
	}
	ctx, err := parser.Parse(args)
	if err != nil {
		fmt.Fprintf(std.err, "mailstead: %v\nhint: mailstead --help lists the verbs\n", err)
		return 2
	}
	if err := ctx.Run(); err != nil {
		fmt.Fprintf(std.err, "mailstead: cannot %s: %v\n", ctx.Command(), err)
		return 1
	}
	return 0
}
