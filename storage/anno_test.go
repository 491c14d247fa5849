package storage_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"mailstead/mail"
	"mailstead/storage"
	"mailstead/storage/storagetest"
)

// annotations gives what is annotated as one text.
func annotations(t *testing.T, s *storage.Store, ref storage.Ref, user mail.AccountID) string {
	t.Helper()
	list, err := s.Annotations(ref, user)
	if err != nil {
		return err.Error()
	}
	var out []string
	for _, a := range list {
		out = append(out, a.Entry+"="+a.Value)
	}
	return strings.Join(out, " ")
}

func annotate(t *testing.T, s *storage.Store, ref storage.Ref, user mail.AccountID, list ...storage.Annotation) {
	t.Helper()
	if err := s.Annotate(t.Context(), storage.AnnotationSet{Ref: ref, User: user, List: list}); err != nil {
		t.Fatal(err)
	}
}

func TestAnnotationsAreSetAndRemoved(t *testing.T) {
	t.Parallel()
	s := storagetest.Open(t, storage.Options{})
	inbox, server := newAccount(t, s, 1), storage.Ref{}
	newAccount(t, s, 2)
	annotate(t, s, inbox, 0, storage.Annotation{Entry: "/comment", Value: "everybody's"})
	annotate(t, s, inbox, 1, storage.Annotation{Entry: "/comment", Value: "one's"}, storage.Annotation{Entry: "/vendor/X/y", Value: "\x00\xff\r\n"})
	annotate(t, s, inbox, 2, storage.Annotation{Entry: "/comment", Value: "two's"})
	annotate(t, s, server, 0, storage.Annotation{Entry: "/motd", Value: "the server's"})
	annotate(t, s, inbox, 1, storage.Annotation{Entry: "/VENDOR/x/Y", Value: ""}) // the same entry
	for _, tc := range []struct {
		ref  storage.Ref
		user mail.AccountID
		want string
	}{
		{inbox, 0, "/comment=everybody's"},
		{inbox, 1, "/comment=one's /VENDOR/x/Y="},
		{inbox, 2, "/comment=two's"},
		{server, 0, "/motd=the server's"},
		{server, 1, ""},
		{storage.Ref{Account: 1}, 1, ""},
	} {
		if got := annotations(t, s, tc.ref, tc.user); got != tc.want {
			t.Errorf("%+v of user %d: got %q, want %q", tc.ref, tc.user, got, tc.want)
		}
	}
	annotate(t, s, inbox, 1, storage.Annotation{Entry: "/Comment", Remove: true}, storage.Annotation{Entry: "/never", Remove: true})
	if got := annotations(t, s, inbox, 1); got != "/VENDOR/x/Y=" {
		t.Errorf("after removing one: got %q", got)
	}
	for _, ref := range []storage.Ref{{Account: 1, Mailbox: 99}, {Account: 9}} {
		if err := s.Annotate(t.Context(), storage.AnnotationSet{Ref: ref, List: []storage.Annotation{{Entry: "/a"}}}); !errors.Is(err, storage.ErrNoMailbox) && !errors.Is(err, storage.ErrNoAccount) {
			t.Errorf("annotate %+v: got %v, want no mailbox or account", ref, err)
		}
	}
	if err := s.Annotate(t.Context(), storage.AnnotationSet{Ref: inbox, User: 9, List: []storage.Annotation{{Entry: "/a"}}}); !errors.Is(err, storage.ErrNoAccount) {
		t.Errorf("annotate for a user who is not there: got %v", err)
	}
}

func TestAnnotationsHaveLimits(t *testing.T) {
	t.Parallel()
	s := storagetest.Open(t, storage.Options{})
	inbox := newAccount(t, s, 1)
	other := named(t, s, 1, "Sent")
	value := func(n int) string { return strings.Repeat("v", n) }
	try := func(name string, ref storage.Ref, want error, list ...storage.Annotation) {
		t.Helper()
		if err := s.Annotate(t.Context(), storage.AnnotationSet{Ref: ref, List: list}); !errors.Is(err, want) {
			t.Errorf("%s: got %v, want %v", name, err, want)
		}
	}
	try("greatest value", inbox, nil, storage.Annotation{Entry: "/a", Value: value(storage.MaxAnnotation)})
	try("greater value", inbox, storage.ErrTooBig, storage.Annotation{Entry: "/b", Value: value(storage.MaxAnnotation + 1)})
	try("longest name", inbox, nil, storage.Annotation{Entry: value(storage.MaxEntryName)})
	try("longer name", inbox, storage.ErrLimit, storage.Annotation{Entry: value(storage.MaxEntryName + 1)})
	var list []storage.Annotation
	for i := range storage.MaxAnnotations - 2 {
		list = append(list, storage.Annotation{Entry: fmt.Sprint("/n", i)})
	}
	try("as many as there may be", inbox, nil, list...)
	try("one more", inbox, storage.ErrLimit, storage.Annotation{Entry: "/more"})
	try("one of them again", inbox, nil, storage.Annotation{Entry: "/N0", Value: "x"})
	try("one for another", inbox, nil, storage.Annotation{Entry: "/n0", Remove: true}, storage.Annotation{Entry: "/m0"})
	if err := s.Annotate(t.Context(), storage.AnnotationSet{Ref: inbox, User: 1, List: []storage.Annotation{{Entry: "/more"}}}); err != nil {
		t.Errorf("one's own, beside everybody's: %v", err)
	}
	list = list[:0]
	for i := range storage.MaxAnnotationBytes/storage.MaxAnnotation - 3 {
		list = append(list, storage.Annotation{Entry: fmt.Sprint("/n", i), Value: value(storage.MaxAnnotation)})
	}
	try("many bytes", other, nil, list...)
	try("too many bytes", other, storage.ErrLimit, storage.Annotation{Entry: "/a", Value: value(storage.MaxAnnotation)}, storage.Annotation{Entry: "/b", Value: value(storage.MaxAnnotation)})
	try("fewer bytes", other, nil, storage.Annotation{Entry: "/n0", Value: "x"})
}

// TestAnnotationsStayWithTheirMailbox renames and deletes what is annotated, and
// removes who has annotated.
func TestAnnotationsStayWithTheirMailbox(t *testing.T) {
	t.Parallel()
	s := storagetest.Open(t, storage.Options{})
	inbox := newAccount(t, s, 1)
	newAccount(t, s, 2)
	ref := named(t, s, 1, "Sent")
	note := storage.Annotation{Entry: "/comment", Value: "x"}
	for _, user := range []mail.AccountID{0, 1, 2} {
		annotate(t, s, ref, user, note)
		annotate(t, s, inbox, user, note)
	}
	annotate(t, s, storage.Ref{Account: 2}, 2, note)
	annotate(t, s, storage.Ref{}, 0, note)
	if err := s.RenameMailbox(t.Context(), 1, "Sent", "Gone"); err != nil {
		t.Fatal(err)
	}
	if got := annotations(t, s, ref, 2); got != "/comment=x" {
		t.Errorf("renamed: got %q", got)
	}
	if err := s.DeleteMailbox(t.Context(), 1, "Gone"); err != nil {
		t.Fatal(err)
	}
	storagetest.Verify(t, s)
	if err := s.RemoveAccount(t.Context(), 2); err != nil {
		t.Fatal(err)
	}
	storagetest.Verify(t, s)
	newAccount(t, s, 2)
	for _, r := range []storage.Ref{inbox, {Account: 2}} {
		if got := annotations(t, s, r, 2); got != "" {
			t.Errorf("%+v: what an account removed had annotated is there: %q", r, got)
		}
	}
	if got := annotations(t, s, inbox, 0) + annotations(t, s, inbox, 1) + annotations(t, s, storage.Ref{}, 0); got != strings.Repeat("/comment=x", 3) {
		t.Errorf("what others have annotated: got %q", got)
	}
}

// TestAnnotationsAreInLogAndCheckpoint opens a store again, without its index,
// and from a checkpoint without the log before it.
func TestAnnotationsAreInLogAndCheckpoint(t *testing.T) {
	t.Parallel()
	dir, o := t.TempDir(), noHouse(storage.Options{})
	s := storagetest.OpenDir(t, dir, o)
	inbox := newAccount(t, s, 1)
	annotate(t, s, inbox, 1, storage.Annotation{Entry: "/comment", Value: "first"})
	want := "/comment=first"
	for _, step := range []string{"opened again", "without index", "checkpoint, without index"} {
		if step == "checkpoint, without index" {
			annotate(t, s, inbox, 1, storage.Annotation{Entry: "/more", Value: "x"})
			want += " /more=x"
			if err := s.Checkpoint(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		if step != "opened again" {
			if err := os.Remove(filepath.Join(dir, "index.db")); err != nil {
				t.Fatal(err)
			}
		}
		s = storagetest.OpenDir(t, dir, o)
		if got := annotations(t, s, inbox, 1); got != want {
			t.Errorf("%s: got %q, want %q", step, got, want)
		}
	}
}

// TestFormat2IsBroughtToThePresent opens a store that was written before there
// were annotations: from its index, from its checkpoint and log, and from its log
// alone it is what it was, and what is written from then on is refused by a
// program of that time.
func TestFormat2IsBroughtToThePresent(t *testing.T) {
	t.Parallel()
	for _, lost := range [][]string{nil, {"index.db"}, {"index.db", "index.meta", "mail/0000000000000010.ckp"}} {
		dir, o := t.TempDir(), noHouse(storage.Options{KeepExpunged: 1 << 62})
		if err := os.CopyFS(dir, os.DirFS("testdata/v2")); err != nil {
			t.Fatal(err)
		}
		unzip(t, dir, "index.db", "testdata/v2")
		unzip(t, dir, "index.meta", "testdata/v2")
		for _, f := range lost {
			if err := os.Remove(filepath.Join(dir, f)); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile("testdata/v2/want.txt")
		if err != nil {
			t.Fatal(err)
		}
		s := storagetest.OpenDir(t, dir, o)
		if d := cmp.Diff(string(want), describe(t, s, 1, 2)); d != "" {
			t.Errorf("lost %v (-want +got):\n%s", lost, d)
		}
		kept := 0
		if err := s.Expunged(1, func(storage.Expunged) bool { kept++; return true }); err != nil || kept != 1 {
			t.Errorf("lost %v: %d expunged messages, %v, want 1", lost, kept, err)
		}
		inbox := named(t, s, 1, "INBOX")
		annotate(t, s, inbox, 1, storage.Annotation{Entry: "/comment", Value: "new"})
		if err := s.Checkpoint(t.Context()); err != nil {
			t.Fatal(err)
		}
		for name, magic := range map[string]string{"mail/000002.seg": "MSTDSEG3", "mail/*.ckp": "MSTDCKP3"} {
			list, err := filepath.Glob(filepath.Join(dir, name))
			if err != nil || len(list) == 0 {
				t.Fatalf("%s: %v, %v", name, list, err)
			}
			b, err := os.ReadFile(list[len(list)-1])
			if err != nil || string(b[:8]) != magic {
				t.Errorf("%s begins with %q, %v, want %q", name, b[:8], err, magic)
			}
		}
		for range 2 {
			storagetest.Verify(t, s)
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			s = storagetest.OpenDir(t, dir, o)
			if d := cmp.Diff(string(want), describe(t, s, 1, 2)); d != "" {
				t.Errorf("lost %v, opened again (-want +got):\n%s", lost, d)
			}
			if got := annotations(t, s, inbox, 1); got != "/comment=new" {
				t.Errorf("lost %v: annotation: got %q", lost, got)
			}
			dropIndex(t, dir)
		}
	}
}

// TestAnnotationsBehindAHole loses a part of the log: what is annotated
// behind it is found by the mailbox's name, and never put where it does not
// belong.
func TestAnnotationsBehindAHole(t *testing.T) {
	t.Parallel()
	dir, o := t.TempDir(), noHouse(storage.Options{})
	s := storagetest.OpenDir(t, dir, o)
	newAccount(t, s, 1)
	lost, err := s.CreateMailbox(t.Context(), 1, "lost", "")
	if err != nil {
		t.Fatal(err)
	}
	found, err := s.CreateMailbox(t.Context(), 1, "found", "")
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range []storage.MailboxID{lost.ID, found.ID} {
		annotate(t, s, storage.Ref{Account: 1, Mailbox: id}, 1, storage.Annotation{Entry: "/comment", Value: fmt.Sprint(id)})
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "mail", "000001.seg")
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	b[strings.Index(string(b), "lost")] ^= 1 // in the record that makes the mailbox
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, f := range []string{"index.db", "index.meta"} {
		if err := os.Remove(filepath.Join(dir, f)); err != nil {
			t.Fatal(err)
		}
	}
	s, err = storage.Open(dir, o)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	m, err := s.Mailbox(1, "found")
	if err != nil || m.ID == found.ID {
		t.Fatalf("got %+v, %v, want the number of the one that is lost", m, err)
	}
	if got := annotations(t, s, storage.Ref{Account: 1, Mailbox: m.ID}, 1); got != fmt.Sprint("/comment=", found.ID) {
		t.Errorf("got %q, want what was annotated there", got)
	}
	if rep, err := s.Check(t.Context(), storage.CheckOptions{}); err != nil || len(rep.Problems) != 1 {
		t.Errorf("check: got %q, %v, want the hole alone", rep.Problems, err)
	}
}
