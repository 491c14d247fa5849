package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"mailstead/storage"
)

func call(args ...string) (code int, out, err string) {
	var o, e bytes.Buffer
	code = run(args, streams{&o, &e})
	return code, o.String(), e.String()
}

func TestCheckVerb(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if code, _, msg := call("check", "--dir", dir); code != 1 || !strings.Contains(msg, "holds no store") {
		t.Errorf("no store: got %d, %q", code, msg)
	}
	s, err := storage.Open(dir, storage.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.CreateAccount(t.Context(), 1, "alice"); err != nil {
		t.Fatal(err)
	}
	m, err := s.Mailbox(1, "INBOX")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Append(t.Context(), strings.NewReader("Subject: x\r\n\r\nbody"), storage.Target{Ref: storage.Ref{Account: 1, Mailbox: m.ID}}); err != nil {
		t.Fatal(err)
	}
	if code, _, msg := call("check", "--dir", dir); code != 1 || !strings.Contains(msg, "in use by another process") {
		t.Errorf("open store: got %d, %q", code, msg)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if code, out, msg := call("check", "--dir", dir); code != 0 || out != "1 accounts, 6 mailboxes, 1 messages, 1 bodies, 0 problems\n" {
		t.Errorf("sound store: got %d, %q, %q", code, out, msg)
	}
	path := filepath.Join(dir, "mail", "000001.seg")
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	b[len(b)-1] ^= 1
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	if code, out, _ := call("check", "--dir", dir, "--json"); code != 1 || !strings.Contains(out, `"problems":["body `) {
		t.Errorf("damaged store: got %d, %q", code, out)
	}
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
