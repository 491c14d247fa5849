package storage_test

import (
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"mailstead/mail"
	"mailstead/storage"
	"mailstead/storage/storagetest"
)

// TestFormat1IsMigrated opens a store that the first release wrote: everything
// is there as it was, and what it was is kept beside.
func TestFormat1IsMigrated(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	copyV1(t, dir)
	s := storagetest.OpenDir(t, dir, storage.Options{SegmentSize: 6000})
	want, err := os.ReadFile("testdata/v1/want.txt")
	if err != nil {
		t.Fatal(err)
	}
	if got := describe(t, s, 1, 2); got != string(want) {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	for _, name := range []string{"index.db", "mail/000001.seg", "mail/000004.seg"} {
		if _, err := os.Stat(filepath.Join(dir, "before-format2", name)); err != nil {
			t.Errorf("copy of the old store: %v", err)
		}
	}
	ref := named(t, s, 1, "INBOX")
	a, err := s.Append(t.Context(), storagetest.Body("Subject: new\r\n\r\n"), storage.Target{Ref: ref})
	if err != nil || a[0].UID != 13 {
		t.Errorf("append after the migration: got %+v, %v, want UID 13", a, err)
	}
}

func TestNewerFormatIsRefusedByName(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, "mail"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "mail", "000001.seg"), []byte("MSTDSEG4"+strings.Repeat("\x00", 100)), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := storage.Open(dir, storage.Options{})
	if err == nil || !strings.Contains(err.Error(), "format 4") || !strings.Contains(err.Error(), "formats up to 3") {
		t.Errorf("got %v, want an error that names both formats", err)
	}
}

func copyV1(t *testing.T, dir string) {
	t.Helper()
	if err := os.CopyFS(dir, os.DirFS("testdata/v1")); err != nil {
		t.Fatal(err)
	}
	unzip(t, dir, "index.db", "testdata/v1")
}

// unzip puts a file that is kept compressed into dir.
func unzip(t *testing.T, dir, name, from string) {
	t.Helper()
	in, err := os.Open(filepath.Join(from, name+".gz"))
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	z, err := gzip.NewReader(in)
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, name), b, 0o600); err != nil {
		t.Fatal(err)
	}
}

// describe is all that clients see of accounts.
func describe(t *testing.T, s *storage.Store, ids ...mail.AccountID) string {
	t.Helper()
	var out strings.Builder
	for _, id := range ids {
		list, err := s.Mailboxes(id)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range list {
			fmt.Fprintf(&out, "mailbox %d %+v\n", id, m)
			ref := storage.Ref{Account: id, Mailbox: m.ID}
			for r, err := range s.Rows(ref, storage.UIDSet{{First: 1, Last: 1<<32 - 1}}, storage.ReadOptions{}) {
				if err != nil {
					t.Fatal(err)
				}
				body := bodyOf(t, s, r.Blob)
				fmt.Fprintf(&out, "message %d %d %d %d %v %d %d %d %d %q\n", r.UID, r.ModSeq, r.Flags, r.InternalDate.Unix(), r.Keywords,
					r.Size, r.Blob, r.Thread, len(body), body[:min(40, len(body))])
			}
		}
	}
	return out.String()
}

func bodyOf(t *testing.T, s *storage.Store, blob storage.BlobID) string {
	t.Helper()
	c, err := s.OpenBlob(context.Background(), blob) // also after the test's own context has ended
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	b := make([]byte, c.Size())
	if _, err := c.ReadAt(b, 0); err != nil && err != io.EOF {
		t.Fatal(err)
	}
	return string(b)
}

// TestFormat1IsCompacted moves messages out of segments of the first format.
func TestFormat1IsCompacted(t *testing.T) {
	t.Parallel()
	dir, o := t.TempDir(), noHouse(storage.Options{SegmentSize: 6000})
	copyV1(t, dir)
	s := storagetest.OpenDir(t, dir, o)
	want := describe(t, s, 1, 2)
	if res, err := s.Compact(t.Context(), storage.CompactOptions{All: true}); err != nil || res.Segments < 2 || res.Moved == 0 || res.Kept != 0 {
		t.Errorf("got %+v, %v, want those with something dead removed", res, err)
	}
	if got := describe(t, s, 1, 2); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	sameAfter(t, s, dir, o, 1, 2)
}
