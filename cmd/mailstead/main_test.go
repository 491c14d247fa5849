package main

import (
	"bytes"
	"flag"
	"os"
	"strings"
	"testing"
)

func call(args ...string) (code int, out, err string) {
	var o, e bytes.Buffer
	code = run(args, streams{strings.NewReader(""), &o, &e})
	return code, o.String(), e.String()
}

func TestUsage(t *testing.T) {
	t.Parallel()
	if code, _, msg := call("nosuch"); code != 2 || !strings.Contains(msg, "hint:") {
		t.Errorf("got %d, %q", code, msg)
	}
	if code, out, _ := call("--help"); code != 0 || !strings.Contains(out, "check") {
		t.Errorf("got %d, %q", code, out)
	}
	if code, out, _ := call("version"); code != 0 || !strings.HasPrefix(out, "mailstead ") {
		t.Errorf("got %d, %q", code, out)
	}
}

var update = flag.Bool("update", false, "write docs/cli.md")

// cliIntro is the beginning of docs/cli.md.
const cliIntro = `# The command line

Every verb that manages something asks the running server over its control
socket, and works on the files itself when no server runs. The data is found by
--config, by --dir, or by ./config.toml and /etc/mailstead/config.toml. Answers
go to standard output, all else to standard error.

Exit codes: 0 done, 1 failed, 2 wrong usage, 3 no server is running, 4 what was
named does not exist.
`

func TestEveryVerbIsDocumented(t *testing.T) {
	t.Parallel()
	parser, err := newParser(&verbs{}, streams{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	text := cliIntro
	for _, verb := range parser.Model.Leaves(true) {
		words := strings.Fields(verb.Path())
		code, help, msg := call(append(words, "--help")...)
		if code != 0 {
			t.Fatalf("%s: %s", verb.Path(), msg)
		}
		text += "\n## " + verb.Path() + "\n\n```\n" + strings.TrimSpace(help) + "\n```\n"
		if more, err := os.ReadFile("testdata/examples/" + strings.Join(words, "-") + ".md"); err == nil {
			text += "\n" + string(more)
		}
	}
	const file = "../../docs/cli.md"
	if *update {
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != text {
		t.Error("docs/cli.md is old; write it with: go test ./cmd/mailstead -run TestEveryVerb -update")
	}
}
