package transfer_test

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"mailstead/mail"
	"mailstead/storage"
	"mailstead/storage/storagetest"
	"mailstead/transfer"
)

// put stores a message in a mailbox, made when it is missing.
func put(t testing.TB, s *storage.Store, id mail.AccountID, m seen) {
	t.Helper()
	box, err := s.Mailbox(id, m.Mailbox)
	if errors.Is(err, storage.ErrNoMailbox) {
		box, err = s.CreateMailbox(t.Context(), id, m.Mailbox, "")
	}
	if err != nil {
		t.Fatal(err)
	}
	date, err := time.Parse(time.RFC3339, m.Date)
	if err != nil {
		t.Fatal(err)
	}
	to := storage.Target{Ref: storage.Ref{Account: id, Mailbox: box.ID}, Flags: m.Flags, Keywords: strings.Fields(m.Keywords), InternalDate: date}
	if _, err := s.Append(t.Context(), storagetest.Body(m.Text), to); err != nil {
		t.Fatal(err)
	}
}

// nasty are messages that formats easily change.
func nasty() []seen {
	words := ""
	for i := range 40 {
		words += fmt.Sprintf(" k%02d", i)
	}
	list := []seen{
		{"INBOX", "Subject: plain\r\n\r\ntext\r\n", storage.Seen, "", "2023-11-14T22:13:20Z"},
		{"INBOX", "Subject: flags\r\n\r\n", 31, "$Forwarded $Junk", "1999-12-31T23:59:59-08:00"},
		{"INBOX", "Subject: words\r\n\r\n", 0, words[1:], "2023-11-14T22:13:20+05:30"},
		{"INBOX", "no header", 0, "", "1970-01-01T00:00:00Z"},
		{"INBOX", "Status: RO\r\nX-Status: F\r\nX-UID: 9\r\nX-Keywords: a\r\nContent-Length: 3\r\n\r\nx\r\n", 0, "", dayText},
		{"INBOX", "From a@b Tue Nov 14 22:13:20 2023\r\nFrom: x\r\n\r\nFrom \r\n>From x\r\n\r\nFrom a@b Tue Nov 14 22:13:20 2023\r\nFrom me\r\n", 0, "", dayText},
		{"INBOX", "\r\n\r\n\r\n", 0, "", dayText},
		{"INBOX", "\n", 0, "", dayText},
		{"INBOX", "Subject: LF\n\nonly\n", 0, "", dayText},
		{"INBOX", "Subject: mixed\r\n\r\na\nb\rc\r\r\nd\n\r\n", 0, "", dayText},
		{"INBOX", "Subject: end\r\n\r\nx\r", 0, "", dayText},
		{"INBOX", "\x00\xff binary\r\n\r\n\x00\r\n", 0, "", dayText},
		{"INBOX", "Subject: long\r\n\r\n" + strings.Repeat("x", 64<<10-1) + "\r\n" + strings.Repeat("y", 64<<10) + "\r\n" + strings.Repeat("z", 200<<10), 0, "", dayText},
		{"INBOX", "Subject: large\r\n\r\n" + strings.Repeat("line\r\n", 100<<10), 0, "", dayText},
		{"INBOX", "X-Mailstead-Mbox: lines=lf; end=lf; date=2023-11-14T22:13:20+0000; fields=1\r\nX-UID: 3\r\n\r\nx\r\n", 0, "", dayText},
	}
	for _, box := range []string{"A", "A/B.c/d", "A.mbox", "A.mbox/x.sbd", ".dot/..", "100 %25", "& co", "Entwürfe/日本語", "INBOX/sub", "~x"} {
		list = append(list, seen{box, "Subject: " + box + "\r\n\r\n", storage.Flagged, "$Junk", dayText})
	}
	return list
}

func formats() []transfer.Format {
	return []transfer.Format{transfer.FormatMaildir, transfer.FormatMbox}
}

// roundTrip exports an account and imports it into a new one.
func roundTrip(t testing.TB, s *storage.Store, from, to mail.AccountID, f transfer.Format, dir string) (a, b *transfer.Local) {
	t.Helper()
	a = transfer.NewLocal(s, from)
	res, err := transfer.Export(t.Context(), a, dir, transfer.ExportOptions{Format: f, Account: fmt.Sprint(from)})
	if err != nil || res.Skipped > 0 {
		t.Fatalf("export: got %+v, %v", res, err)
	}
	b = addAccount(t, s, to)
	if res := again(t, dir, transfer.FormatAuto, b, transfer.ImportOptions{}); res.Skipped > 0 || len(res.Problems) > 0 {
		t.Fatalf("import: got %+v", res)
	}
	return a, b
}

func TestRoundTripKeepsEverything(t *testing.T) {
	t.Parallel()
	for _, f := range formats() {
		t.Run(string(f), func(t *testing.T) {
			t.Parallel()
			s, _ := account(t, storage.Options{})
			for _, m := range nasty() {
				put(t, s, 1, m)
			}
			for _, box := range []string{"A", "A/B.c/d", "INBOX/sub"} { // a gap in the UIDs
				put(t, s, 1, seen{box, "Subject: two\r\n\r\n", 0, "", dayText})
				put(t, s, 1, seen{box, "Subject: three\r\n\r\n", 0, "", dayText})
				m, err := s.Mailbox(1, box)
				if err != nil {
					t.Fatal(err)
				}
				put(t, s, 1, seen{box, "Subject: four\r\n\r\n", 0, "", dayText})
				if _, _, err := s.Expunge(t.Context(), storage.Ref{Account: 1, Mailbox: m.ID}, storage.UIDs(2, 4), false); err != nil {
					t.Fatal(err)
				}
			}
			if err := s.Subscribe(t.Context(), 1, "A/B.c/d", true); err != nil {
				t.Fatal(err)
			}
			a, b := roundTrip(t, s, 1, 2, f, filepath.Join(t.TempDir(), "new", "dir"))
			got, want := contents(t, b), contents(t, a)
			if len(got) != len(want) || len(got) != len(nasty())+3 {
				t.Fatalf("got %d messages, want %d", len(got), len(want))
			}
			for i := range got {
				if got[i] != want[i] {
					t.Errorf("got %.200q\nwant %.200q", fmt.Sprint(got[i]), fmt.Sprint(want[i]))
				}
			}
			sameUIDs(t, s, "A", "A/B.c/d", "INBOX/sub")
			if f == transfer.FormatMaildir {
				sameMailboxes(t, b, a)
			}
		})
	}
}

// sameUIDs looks that mailboxes the import has made are to clients as before.
func sameUIDs(t *testing.T, s *storage.Store, names ...string) {
	t.Helper()
	for _, name := range names {
		var got [2]string
		for i := range got {
			m, err := s.Mailbox(mail.AccountID(i+1), name)
			if err != nil {
				t.Fatal(err)
			}
			got[i] = fmt.Sprint(m.UIDValidity, m.UIDNext)
			for row, err := range s.Rows(storage.Ref{Account: mail.AccountID(i + 1), Mailbox: m.ID}, storage.UIDSet{{First: 1, Last: 1 << 31}}, storage.ReadOptions{}) {
				got[i] += fmt.Sprint(" ", row.UID, err)
			}
		}
		if got[0] != got[1] || !strings.Contains(got[0], " 5 1 <nil> 3") {
			t.Errorf("%s: UIDs %s, want %s", name, got[1], got[0])
		}
	}
}

// sameMailboxes compares names and subscriptions.
func sameMailboxes(t *testing.T, got, want *transfer.Local) {
	t.Helper()
	var names [2][]string
	for i, l := range []*transfer.Local{got, want} {
		boxes, err := l.Mailboxes(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range boxes {
			names[i] = append(names[i], fmt.Sprint(m.Name, m.Subscribed))
		}
	}
	if !slices.Equal(names[0], names[1]) {
		t.Errorf("got %q, want %q", names[0], names[1])
	}
}

func TestExportGoesOnAndNeverOverwrites(t *testing.T) {
	t.Parallel()
	for _, f := range formats() {
		t.Run(string(f), func(t *testing.T) {
			t.Parallel()
			s, a := account(t, storage.Options{})
			put(t, s, 1, seen{"INBOX", "Subject: 1\r\n\r\n", storage.Seen, "one", dayText})
			dir := t.TempDir()
			o := transfer.ExportOptions{Format: f, Account: "a", Mailboxes: []string{"inbox"}}
			res, err := transfer.Export(t.Context(), a, dir, o)
			if err != nil || res.Copied != 1 || len(res.Mailboxes) != 1 {
				t.Fatalf("got %+v, %v", res, err)
			}
			before := tree(t, dir)
			put(t, s, 1, seen{"INBOX", "Subject: 2\r\n\r\n", 0, "two", dayText})
			put(t, s, 1, seen{"Sent", "Subject: 3\r\n\r\n", 0, "", dayText})
			o.Mailboxes = nil
			if res, err = transfer.Export(t.Context(), a, dir, o); err != nil || res.Messages != 3 || res.Duplicates != 1 || (res.Skipped == 1) != (f == transfer.FormatMbox) {
				t.Errorf("again: got %+v, %v", res, err)
			}
			after := tree(t, dir)
			for path, text := range before {
				if strings.Contains(path, "U1.mailstead") && after[path] != text || strings.HasSuffix(path, ".mbox") && after[path] != text {
					t.Errorf("%s has changed", path)
				}
			}
			if o.Account = "b"; !refused(t, a, dir, o) {
				t.Error("another account's export was taken")
			}
			if !refused(t, a, fill(t, map[string]string{"x": ""}), o) {
				t.Error("a directory with something in it was taken")
			}
			o.Mailboxes = []string{"none"}
			if _, err := transfer.Export(t.Context(), a, filepath.Join(dir, "not made"), o); !errors.Is(err, transfer.ErrNoMailbox) {
				t.Errorf("got %v", err)
			}
			if _, err := os.Stat(filepath.Join(dir, "not made")); err == nil {
				t.Error("a directory was made for a mailbox that is not there")
			}
		})
	}
}

func refused(t *testing.T, a *transfer.Local, dir string, o transfer.ExportOptions) bool {
	t.Helper()
	before := tree(t, dir)
	_, err := transfer.Export(t.Context(), a, dir, o)
	return errors.Is(err, transfer.ErrNotEmpty) && maps.Equal(before, tree(t, dir))
}

// tree reads all files below a directory.
func tree(t *testing.T, dir string) map[string]string {
	t.Helper()
	files := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		files[path[len(dir):]] = string(b)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func TestExportWritesThroughNoLinks(t *testing.T) {
	t.Parallel()
	_, a := account(t, storage.Options{})
	precious := fill(t, map[string]string{"file": "precious", "dir/": ""})
	dir := t.TempDir()
	o := transfer.ExportOptions{Format: transfer.FormatMaildir}
	if _, err := transfer.Export(t.Context(), a, dir, o); err != nil {
		t.Fatal(err)
	}
	link := func(to, from string) {
		t.Helper()
		if err := errors.Join(os.RemoveAll(filepath.Join(dir, from)), os.Symlink(filepath.Join(precious, to), filepath.Join(dir, from))); err != nil {
			t.Fatal(err)
		}
	}
	link("file", "subscriptions")
	link("file", ".Sent/maildirfolder")
	if _, err := transfer.Export(t.Context(), a, dir, o); err != nil {
		t.Error(err)
	}
	for to, from := range map[string]string{"file": ".Sent/tmp/dovecot-uidlist", "dir": ".Sent/cur"} {
		link(to, from)
		if _, err := transfer.Export(t.Context(), a, dir, o); err == nil {
			t.Errorf("%s: got no error", from)
		}
	}
	if got := tree(t, precious); len(got) != 1 || got["/file"] != "precious" {
		t.Errorf("got %v", got)
	}
}

func TestExportedMaildirIsDovecots(t *testing.T) {
	t.Parallel()
	s, a := account(t, storage.Options{})
	put(t, s, 1, seen{"INBOX", "Subject: 1\r\n\r\n", storage.Seen | storage.Flagged, "one $Forwarded", "2023-11-14T23:13:20+01:00"})
	put(t, s, 1, seen{"A/ü", "Subject: 2\r\n\r\n", 0, "", dayText})
	dir := t.TempDir()
	if _, err := transfer.Export(t.Context(), a, dir, transfer.ExportOptions{Format: transfer.FormatMaildir}); err != nil {
		t.Fatal(err)
	}
	inbox, err := s.Mailbox(1, "INBOX")
	if err != nil {
		t.Fatal(err)
	}
	base := fmt.Sprintf("1700000000.V%dU1.mailstead,S=14", inbox.UIDValidity)
	files := tree(t, dir)
	for path, want := range map[string]string{
		"/cur/" + base + ":2,FPSa": "Subject: 1\r\n\r\n",
		"/dovecot-keywords":        "0 one\n",
		"/dovecot-uidlist":         fmt.Sprintf("3 V%d N2\n1 W14 Z60 :%s\n", inbox.UIDValidity, base),
		"/subscriptions":           "Archive\nDrafts\nINBOX\nJunk\nSent\nTrash\n",
		"/.A.&APw-/maildirfolder":  "",
	} {
		if got, ok := files[path]; !ok || got != want {
			t.Errorf("%s: got %q, want %q", path, got, want)
		}
	}
	info, err := os.Stat(filepath.Join(dir, "cur", base+":2,FPSa"))
	if err != nil || !info.ModTime().Equal(day) {
		t.Errorf("got %v, %v", info.ModTime(), err)
	}
	// A file cut short by a crash is written again.
	torn := filepath.Join(dir, "cur", base+":2,FPSa")
	if err := os.Truncate(torn, 3); err != nil {
		t.Fatal(err)
	}
	if _, err := transfer.Export(t.Context(), a, dir, transfer.ExportOptions{Format: transfer.FormatMaildir}); err != nil {
		t.Fatal(err)
	}
	if b, err := os.ReadFile(torn); err != nil || string(b) != "Subject: 1\r\n\r\n" {
		t.Errorf("got %q, %v", b, err)
	}
}
