package main

import (
	"bytes"
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
