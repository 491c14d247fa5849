package transfer_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"mailstead/storage"
	"mailstead/transfer"
)

// many makes a Maildir of n messages.
func many(t testing.TB, n int) string {
	t.Helper()
	files := map[string]string{}
	for i := range n {
		files[fmt.Sprintf("cur/%d.M1P1.h:2,", 1700000000+i)] = fmt.Sprintf("Subject: %d\n\n", i)
	}
	return fill(t, files)
}

func TestImportGoesOnWhereItEnded(t *testing.T) {
	t.Parallel()
	dir := many(t, 2*transfer.MaxBatchMessages+10)
	_, a := account(t, storage.Options{})
	src, _, err := transfer.Open(dir, transfer.FormatAuto)
	if err != nil {
		t.Fatal(err)
	}
	res, err := transfer.Import(t.Context(), src, &failing{Local: a, left: 1}, transfer.ImportOptions{})
	if !errors.Is(err, storage.ErrNoSpace) || res.Copied != transfer.MaxBatchMessages {
		t.Fatalf("got %+v, %v", res, err)
	}
	res = again(t, dir, transfer.FormatAuto, a, transfer.ImportOptions{})
	if res.Duplicates != transfer.MaxBatchMessages || res.Copied != transfer.MaxBatchMessages+10 {
		t.Errorf("got %+v", res)
	}
	for i, m := range contents(t, a) {
		if want := fmt.Sprintf("Subject: %d\r\n\r\n", i); m.Text != want {
			t.Fatalf("message %d: got %q, want %q", i, m.Text, want)
		}
	}
}

func TestBadMessageIsLeftOutAlone(t *testing.T) {
	t.Parallel()
	_, a := account(t, storage.Options{})
	src, _, err := transfer.Open(many(t, 20), transfer.FormatAuto)
	if err != nil {
		t.Fatal(err)
	}
	res, err := transfer.Import(t.Context(), src, &failing{Local: a, left: 1000, bad: "Subject: 7\r\n"}, transfer.ImportOptions{})
	if err != nil || res.Copied != 19 || res.Skipped != 1 || !strings.Contains(res.Problems[0].Item, "1700000007") || res.Mailboxes[0].Skipped != 1 {
		t.Errorf("got %+v, %v", res, err)
	}
}

func TestImportStopsAtQuota(t *testing.T) {
	t.Parallel()
	s, a := account(t, storage.Options{Quota: quota(100)})
	src, _, err := transfer.Open(many(t, 20), transfer.FormatAuto)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := transfer.Import(t.Context(), src, a, transfer.ImportOptions{}); !errors.Is(err, storage.ErrOverQuota) {
		t.Errorf("got %v", err)
	}
	if u, err := s.Usage(1); err != nil || u.Messages != 0 {
		t.Errorf("got %+v, %v", u, err)
	}
}

func TestDryRunChangesNothing(t *testing.T) {
	t.Parallel()
	dir := fill(t, map[string]string{"cur/1:2,": "Subject: a\n\n", "cur/2:2,": "Subject: a\r\n\r\n", ".Neu/cur/1:2,": "Subject: b\n\n"})
	res, got, a := load(t, dir, transfer.FormatAuto, transfer.ImportOptions{DryRun: true})
	if res.Copied != 2 || res.Duplicates != 1 || len(got) != 0 || !res.Mailboxes[1].New {
		t.Errorf("got %+v, %+v", res, got)
	}
	boxes, err := a.Mailboxes(t.Context())
	if err != nil || len(boxes) != 6 {
		t.Errorf("got %+v, %v", boxes, err)
	}
}

func TestDuplicatesAreFoundByTheirBytes(t *testing.T) {
	t.Parallel()
	// Two messages of the same size and CRC32C that are not the same: the four
	// bytes after "x" make up for the difference.
	a, b := collision(t)
	dir := fill(t, map[string]string{"cur/1:2,": a, "cur/2:2,": b, "cur/3:2,": a, "cur/4:2,": b})
	res, got, acct := load(t, dir, transfer.FormatAuto, transfer.ImportOptions{})
	if res.Copied != 2 || res.Duplicates != 2 || len(got) != 2 || got[0].Text != a || got[1].Text != b {
		t.Errorf("got %+v, %+v", res, got)
	}
	if res := again(t, dir, transfer.FormatAuto, acct, transfer.ImportOptions{}); res.Copied != 0 || res.Duplicates != 4 {
		t.Errorf("again: got %+v", res)
	}
}

func TestLargeMessagesAndLineEnds(t *testing.T) {
	t.Parallel()
	line := strings.Repeat("x", 70) + "\n"
	large := "Subject: large\n\n" + strings.Repeat(line, 20000)
	long := "Subject: long\n\n" + strings.Repeat("y", 300<<10) + "\n"
	crlf := strings.ReplaceAll("Subject: crlf\n\n"+strings.Repeat(line, 20000), "\n", "\r\n")
	huge := "Subject: huge\r\n\r\n" + strings.Repeat("z", transfer.MaxBatchBytes)
	dir := fill(t, map[string]string{"cur/1:2,": large, "cur/2:2,": long, "cur/3:2,": crlf, "cur/4:2,": huge, "cur/5:2,": large})
	res, got, _ := load(t, dir, transfer.FormatAuto, transfer.ImportOptions{})
	if res.Copied != 4 || res.Duplicates != 1 {
		t.Errorf("got %+v", res)
	}
	for i, want := range []string{strings.ReplaceAll(large, "\n", "\r\n"), strings.ReplaceAll(long, "\n", "\r\n"), crlf, huge} {
		if got[i].Text != want {
			t.Errorf("message %d: got %d bytes, want %d", i, len(got[i].Text), len(want))
		}
	}
}

func TestImportEndsWithItsContext(t *testing.T) {
	t.Parallel()
	_, a := account(t, storage.Options{})
	src, _, err := transfer.Open(many(t, 3*transfer.MaxBatchMessages), transfer.FormatAuto)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	res, err := transfer.Import(ctx, src, a, transfer.ImportOptions{Progress: func(transfer.Progress) { cancel() }})
	if !errors.Is(err, context.Canceled) || res.Copied == 0 {
		t.Errorf("got %+v, %v", res, err)
	}
}

func TestKeywordsThatCannotBeKept(t *testing.T) {
	t.Parallel()
	dir := fill(t, map[string]string{"cur/1:2,abc": "Subject: a\n\n", "dovecot-keywords": "0 good\n1 b(d\n2 " + strings.Repeat("k", 300) + "\n"})
	res, got, _ := load(t, dir, transfer.FormatAuto, transfer.ImportOptions{})
	if len(got) != 1 || got[0].Keywords != "good" || res.Skipped != 0 || len(res.Problems) != 1 {
		t.Errorf("got %+v, %+v", res, got)
	}
}
