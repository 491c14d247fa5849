package transfer_test

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"mailstead/mail"
	"mailstead/storage"
	"mailstead/storage/storagetest"
	"mailstead/transfer"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// account makes a store with an empty account.
func account(t testing.TB, opts storage.Options) (*storage.Store, *transfer.Local) {
	t.Helper()
	s := storagetest.Open(t, opts)
	return s, addAccount(t, s, 1)
}

func addAccount(t testing.TB, s *storage.Store, id mail.AccountID) *transfer.Local {
	t.Helper()
	if err := s.CreateAccount(t.Context(), id, fmt.Sprint("account ", id)); err != nil {
		t.Fatal(err)
	}
	return transfer.NewLocal(s, id)
}

// seen is what a test compares of a message.
type seen struct {
	Mailbox  string
	Text     string
	Flags    storage.Flags
	Keywords string
	Date     string
}

// contents reads all messages of a source, by mailbox and UID.
func contents(t testing.TB, src transfer.Source) (list []seen) {
	t.Helper()
	boxes, err := src.Mailboxes(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range boxes {
		for msg, err := range src.Messages(t.Context(), m) {
			if err != nil {
				t.Fatalf("%s: %v", m.Name, err)
			}
			c, err := msg.Open(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			b, err := io.ReadAll(io.NewSectionReader(c, 0, c.Size()))
			if err != nil {
				t.Fatal(err)
			}
			if err := c.Close(); err != nil {
				t.Fatal(err)
			}
			words := slices.Sorted(slices.Values(msg.Keywords))
			list = append(list, seen{m.Name, string(b), msg.Flags, strings.Join(words, " "), msg.Date.Format(time.RFC3339)})
		}
	}
	return list
}

// fill writes files below a new directory; a name that ends in "/" is an empty
// directory.
func fill(t testing.TB, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		path := filepath.Join(dir, name)
		if strings.HasSuffix(name, "/") {
			if err := os.MkdirAll(path, 0o700); err != nil {
				t.Fatal(err)
			}
			continue
		}
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(path, day, day); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

var day = time.Date(2023, 11, 14, 22, 13, 20, 0, time.UTC)

const dayText = "2023-11-14T22:13:20Z"

// load imports a path into a new account and gives what it then has.
func load(t testing.TB, path string, f transfer.Format, o transfer.ImportOptions) (*transfer.Result, []seen, *transfer.Local) {
	t.Helper()
	_, a := account(t, storage.Options{})
	res := again(t, path, f, a, o)
	return res, contents(t, a), a
}

// again imports a path into an account.
func again(t testing.TB, path string, f transfer.Format, a *transfer.Local, o transfer.ImportOptions) *transfer.Result {
	t.Helper()
	src, _, err := transfer.Open(path, f)
	if err != nil {
		t.Fatal(err)
	}
	res, err := transfer.Import(t.Context(), src, a, o)
	if err != nil {
		t.Fatal(err)
	}
	return res
}

func wantSeen(t testing.TB, got, want []seen) {
	t.Helper()
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("messages differ (-want +got):\n%s", d)
	}
}

func TestImportMaildir(t *testing.T) {
	t.Parallel()
	dir := fill(t, map[string]string{
		"cur/1700000002.M2P1.h,S=999,W=5:2,FS":    "Subject: b\n\nLF\n",
		"cur/1700000001.M1P1.h;2,Rab":             "Subject: a\r\n\r\nCRLF\nkept\r\n",
		"new/1700000003.M3P1.h":                   "Subject: c\n\nnew\n",
		"cur/1700000009.M9P1.h:2,DT":              "Subject: listed first\n\n",
		"cur/1700000004.M9P1.h:2,":                "",
		"cur/.hidden":                             "x",
		"tmp/1700000005.M5P1.h":                   "Subject: half",
		"dovecot-keywords":                        "0 $Work\n1 later\n",
		"dovecot-uidlist":                         "3 V1700000000 N8 Gabc\n5 W20 :1700000009.M9P1.h\n6 :gone\n",
		"subscriptions":                           "V\t2\n\nA\tB\nEntw&APw-rfe\n",
		".A.B/cur/1:2,P":                          "Subject: sub\n\n",
		".Entw&APw-rfe/cur/1:2,S":                 "Subject: mutf-7\n\n",
		".Grüße/new/1":                            "Subject: utf-8\n\n",
		".Grüße/cur/":                             "",
		".empty/cur/":                             "",
		"dovecot.index":                           "x",
		"courierimapkeywords/x":                   "x",
		".A.B/courierimapuiddb":                   "x",
		".Fifo/cur/" + strings.Repeat("n", 20):    "Subject: n\n\n",
		".Fifo/cur/1700000000_12.1.h,U=1:2,S":     "Subject: 12\n\n",
		".Fifo/cur/1700000000_3.1.h,U=2,FMD5=:2,": "Subject: 3\n\n",
	})
	res, got, a := load(t, dir, transfer.FormatAuto, transfer.ImportOptions{})
	wantSeen(t, got, []seen{
		{"A/B", "Subject: sub\r\n\r\n", 0, "$Forwarded", dayText},
		{"Entwürfe", "Subject: mutf-7\r\n\r\n", storage.Seen, "", dayText},
		{"Fifo", "Subject: 3\r\n\r\n", 0, "", dayText},
		{"Fifo", "Subject: 12\r\n\r\n", storage.Seen, "", dayText},
		{"Fifo", "Subject: n\r\n\r\n", 0, "", dayText},
		{"Grüße", "Subject: utf-8\r\n\r\n", 0, "", dayText},
		{"INBOX", "Subject: listed first\r\n\r\n", storage.Deleted | storage.Draft, "", dayText},
		{"INBOX", "Subject: a\r\n\r\nCRLF\nkept\r\n", storage.Answered, "$Work later", dayText},
		{"INBOX", "Subject: b\r\n\r\nLF\r\n", storage.Seen | storage.Flagged, "", dayText},
		{"INBOX", "Subject: c\r\n\r\nnew\r\n", 0, "", dayText},
	})
	if res.Copied != 10 || res.Skipped != 1 || len(res.Problems) != 1 || !strings.Contains(res.Problems[0].Item, "1700000004") {
		t.Errorf("got %+v", res)
	}
	subscribed := map[string]bool{}
	boxes, err := a.Mailboxes(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range boxes {
		subscribed[m.Name] = m.Subscribed
	}
	if !subscribed["A/B"] || !subscribed["Entwürfe"] || subscribed["Grüße"] || subscribed["A"] {
		t.Errorf("got subscriptions %v", subscribed)
	}
	if _, ok := subscribed["empty"]; !ok {
		t.Error("the empty mailbox is missing")
	}
	if res := again(t, dir, transfer.FormatAuto, a, transfer.ImportOptions{}); res.Copied != 0 || res.Duplicates != 10 {
		t.Errorf("again: got %+v", res)
	}
}

func TestImportFollowsNoLinks(t *testing.T) {
	t.Parallel()
	secret := fill(t, map[string]string{"file": "Subject: secret\n\n", "cur/1:2,": "Subject: secret\n\n", "box": "From a@b Tue Nov 14 22:13:20 2023\nSubject: secret\n\n"})
	dir := fill(t, map[string]string{"cur/": "", ".b/new/": "", "new/1": "Subject: mine\n\n"})
	for link, to := range map[string]string{"cur/2:2,": "file", ".a": "", ".b/cur": "cur", "sub": ""} {
		if err := os.Symlink(filepath.Join(secret, to), filepath.Join(dir, link)); err != nil {
			t.Fatal(err)
		}
	}
	res, got, _ := load(t, dir, transfer.FormatMaildir, transfer.ImportOptions{})
	if len(got) != 1 || res.Skipped != 3 { // the file and two directories
		t.Errorf("got %+v, %+v", got, res)
	}
	boxes := fill(t, map[string]string{"a": "From a@b Tue Nov 14 22:13:20 2023\nSubject: mine\n\n", "1.eml": "Subject: mine\n\n"})
	for _, link := range []string{"b", "2.eml"} {
		if err := os.Symlink(filepath.Join(secret, "box"), filepath.Join(boxes, link)); err != nil {
			t.Fatal(err)
		}
	}
	for _, f := range []transfer.Format{transfer.FormatMbox, transfer.FormatEML} {
		if _, got, _ := load(t, boxes, f, transfer.ImportOptions{}); len(got) != 1 || !strings.Contains(got[0].Text, "mine") {
			t.Errorf("%s: got %+v", f, got)
		}
	}
}

func TestImportMaildirsInDirectories(t *testing.T) {
	t.Parallel()
	dir := fill(t, map[string]string{"Work/cur/1:2,S": "Subject: a\n\n", "Work/Old/cur/1:2,S": "Subject: b\n\n"})
	_, got, _ := load(t, dir, transfer.FormatAuto, transfer.ImportOptions{Into: "From elsewhere"})
	wantSeen(t, got, []seen{
		{"From elsewhere/Work", "Subject: a\r\n\r\n", storage.Seen, "", dayText},
		{"From elsewhere/Work/Old", "Subject: b\r\n\r\n", storage.Seen, "", dayText},
	})
}

func TestImportDirectoryOfMboxes(t *testing.T) {
	t.Parallel()
	one := func(subject string) string {
		return "From - Tue Nov 14 22:13:20 2023\nX-Mozilla-Status: 0005\nX-Mozilla-Status2: 00000000\nX-Mozilla-Keys: $label1          \nSubject: " + subject + "\n\ntext\n\n"
	}
	dir := fill(t, map[string]string{"Inbox": one("in"), "Inbox.msf": "x", "Inbox.sbd/Sub": one("sub"), "Inbox.sbd/Sub.sbd/Deep.mbox": one("deep"), "Void": "", "notes.pdf": "%PDF"})
	res, got, _ := load(t, dir, transfer.FormatAuto, transfer.ImportOptions{})
	want := func(box, subject string) seen {
		return seen{box, "Subject: " + subject + "\r\n\r\ntext\r\n", storage.Seen | storage.Flagged, "$label1", dayText}
	}
	wantSeen(t, got, []seen{want("INBOX", "in"), want("INBOX/Sub", "sub"), want("INBOX/Sub/Deep", "deep")})
	if res.Skipped != 1 || !strings.Contains(res.Problems[0].Item, "notes.pdf") {
		t.Errorf("got %+v", res)
	}
}

func TestImportEML(t *testing.T) {
	t.Parallel()
	dir := fill(t, map[string]string{
		"b.eml": "Date: Mon, 13 Nov 2023 10:00:00 +0100\nX-Status: F\nSubject: b\n\n", "a.EML": "Subject: a\n\n", "x.txt": "no",
		"Old/2022/c.eml": "Subject: c\r\n\r\n", "Old/bad.eml": "",
	})
	res, got, _ := load(t, dir, transfer.FormatAuto, transfer.ImportOptions{})
	wantSeen(t, got, []seen{
		{"INBOX", "Subject: a\r\n\r\n", 0, "", dayText},
		{"INBOX", "Date: Mon, 13 Nov 2023 10:00:00 +0100\r\nX-Status: F\r\nSubject: b\r\n\r\n", storage.Flagged, "", "2023-11-13T10:00:00+01:00"},
		{"Old/2022", "Subject: c\r\n\r\n", 0, "", dayText},
	})
	if res.Skipped != 1 {
		t.Errorf("got %+v", res)
	}
	_, got, _ = load(t, filepath.Join(dir, "b.eml"), transfer.FormatAuto, transfer.ImportOptions{Into: "One"})
	if len(got) != 1 || got[0].Mailbox != "One" {
		t.Errorf("got %+v", got)
	}
}

func TestOpenRefusesWhatItDoesNotKnow(t *testing.T) {
	t.Parallel()
	dir := fill(t, map[string]string{"x": "y"})
	for _, f := range []transfer.Format{transfer.FormatAuto, transfer.FormatMaildir} {
		if _, _, err := transfer.Open(dir, f); err == nil {
			t.Errorf("%s: got no error", f)
		}
	}
	if _, _, err := transfer.Open(filepath.Join(dir, "none"), transfer.FormatAuto); !os.IsNotExist(err) {
		t.Errorf("got %v", err)
	}
}

func TestStoreSourceFilters(t *testing.T) {
	t.Parallel()
	dir := fill(t, map[string]string{"cur/1:2,": "Message-ID: <a@x>\n\n", "cur/2:2,": "Message-ID: <b@x>\n\n", ".Sub/cur/1:2,": "Message-ID: <a@x>\nX: 1\n\n"})
	s, a := account(t, storage.Options{})
	again(t, dir, transfer.FormatMaildir, a, transfer.ImportOptions{})
	for name, tt := range map[string]struct {
		f    transfer.Filter
		want int
	}{
		"all": {transfer.Filter{}, 3}, "mailbox": {transfer.Filter{Mailboxes: []string{"Sub"}}, 1},
		"id": {transfer.Filter{MessageIDs: []string{"<a@x>"}}, 2}, "both": {transfer.Filter{Mailboxes: []string{"inbox"}, MessageIDs: []string{"b@x"}}, 1},
	} {
		if got := contents(t, transfer.StoreSource(s, 1, tt.f)); len(got) != tt.want {
			t.Errorf("%s: got %+v, want %d", name, got, tt.want)
		}
	}
	// From one account into another, as a restore does it.
	b := addAccount(t, s, 2)
	if _, err := transfer.Import(t.Context(), transfer.StoreSource(s, 1, transfer.Filter{}), b, transfer.ImportOptions{}); err != nil {
		t.Fatal(err)
	}
	wantSeen(t, contents(t, b), contents(t, a))
}

// failing is a sink that takes only so many batches, or refuses a message.
type failing struct {
	*transfer.Local
	left int
	bad  string
}

func (f *failing) Append(ctx context.Context, m transfer.Mailbox, msgs []transfer.Incoming) ([]storage.UID, error) {
	if f.left--; f.left < 0 {
		return nil, storage.ErrNoSpace
	}
	for _, in := range msgs {
		b := make([]byte, in.Body.Size())
		_, _ = in.Body.ReadAt(b, 0)
		if f.bad != "" && strings.Contains(string(b), f.bad) {
			return nil, fmt.Errorf("%q: %w", f.bad, transfer.ErrMessage)
		}
	}
	return f.Local.Append(ctx, m, msgs)
}
