package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"mailstead/accounts"
	"mailstead/mail"
	"mailstead/storage"
)

// inStore does something with the INBOX of an account while no server runs.
func inStore(ts *testscript.TestScript, dir, address string, do func(*storage.Store, storage.Ref) error) {
	dir = ts.MkAbs(dir)
	db, err := accounts.Open(filepath.Join(dir, accountsFile), accounts.Options{})
	ts.Check(err)
	addr, err := mail.ParseAddress(address)
	ts.Check(err)
	a, err := db.Account(addr)
	ts.Check(errors.Join(err, db.Close()))
	s, err := storage.Open(dir, storage.Options{KeepExpunged: time.Hour, SegmentSize: 20_000, Housekeeping: -1})
	ts.Check(err)
	m, err := s.Mailbox(a.ID, "INBOX")
	if err == nil {
		err = do(s, storage.Ref{Account: a.ID, Mailbox: m.ID})
	}
	ts.Check(errors.Join(err, s.Close()))
}

// cmdFill is: fill DIR ADDRESS COUNT. It stores messages in INBOX.
func cmdFill(ts *testscript.TestScript, _ bool, args []string) {
	n, err := strconv.Atoi(args[2])
	ts.Check(err)
	inStore(ts, args[0], args[1], func(s *storage.Store, ref storage.Ref) error {
		for i := 1; i <= n; i++ {
			text := fmt.Sprintf("From: Bob <bob@example.net>\r\nSubject: report %d\r\nMessage-ID: <%d@example.net>\r\n\r\n%s", i, i, strings.Repeat(fmt.Sprintf("line of %d\r\n", i), 100))
			if _, err := s.Append(context.Background(), strings.NewReader(text), storage.Target{Ref: ref}); err != nil {
				return err
			}
		}
		return nil
	})
}

// cmdExpunge is: expunge DIR ADDRESS FIRST LAST. It expunges UIDs of INBOX.
func cmdExpunge(ts *testscript.TestScript, _ bool, args []string) {
	first, err := strconv.Atoi(args[2])
	ts.Check(err)
	last, err := strconv.Atoi(args[3])
	ts.Check(err)
	inStore(ts, args[0], args[1], func(s *storage.Store, ref storage.Ref) error {
		_, _, err := s.Expunge(context.Background(), ref, storage.UIDSet{{First: storage.UID(first), Last: storage.UID(last)}}, false)
		return err
	})
}

// cmdSpoil is: spoil FILE TEXT. It changes a byte where the text stands,
// everywhere in the file.
func cmdSpoil(ts *testscript.TestScript, _ bool, args []string) {
	path := ts.MkAbs(args[0])
	b, err := os.ReadFile(path)
	ts.Check(err)
	text := []byte(args[1])
	if !bytes.Contains(b, text) {
		ts.Fatalf("%s does not hold %q", args[0], text)
	}
	bad := bytes.Clone(text)
	bad[0] ^= 0x20
	ts.Check(os.WriteFile(path, bytes.ReplaceAll(b, text, bad), 0o600))
}
