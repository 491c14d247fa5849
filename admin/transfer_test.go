package admin_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"mailstead/admin"
	"mailstead/storage"
	"mailstead/transfer"
)

// addPeople adds accounts of a domain.
func addPeople(t *testing.T, s *suite, names ...string) {
	t.Helper()
	must[admin.Domain](t, s, "domain/add", admin.DomainQuery{Name: "example.org"})
	for _, n := range names {
		must[admin.Account](t, s, "account/add", admin.AccountQuery{Address: n + "@example.org", Password: "a good password"})
	}
}

func mailOf(t *testing.T, s *suite, address string) transfer.Account {
	t.Helper()
	a, err := s.Mail(t.Context(), address)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// texts reads all of an account, one line a message.
func texts(t *testing.T, a transfer.Source) (out string) {
	t.Helper()
	boxes, err := a.Mailboxes(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range boxes {
		for msg, err := range a.Messages(t.Context(), m) {
			if err != nil {
				t.Fatal(err)
			}
			c, err := msg.Open(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			b, err := io.ReadAll(io.NewSectionReader(c, 0, c.Size()))
			if err = errors.Join(err, c.Close()); err != nil {
				t.Fatal(err)
			}
			out += fmt.Sprintf("%s %d %v %v %s %q\n", m.Name, msg.UID, msg.Flags, msg.Keywords, msg.Date.Format(time.RFC3339), b)
		}
	}
	return out
}

func TestTransferBothWays(t *testing.T) {
	t.Parallel()
	for name, socket := range map[string]bool{"socket": true, "in process": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := start(t, socket)
			if err := os.MkdirAll(filepath.Join(s.dir, "spool"), 0o700); err != nil {
				t.Fatal(err)
			}
			addPeople(t, s, "alice", "bob")
			dir := t.TempDir()
			for _, sub := range []string{"cur", ".Neu.Sub/cur"} {
				if err := os.MkdirAll(filepath.Join(dir, sub), 0o700); err != nil {
					t.Fatal(err)
				}
			}
			large := "Subject: large\r\n\r\n" + strings.Repeat("0123456789\r\n", 1<<16)
			for file, text := range map[string]string{"cur/1:2,SF": "Subject: 1\n\n", "cur/2:2,a": large, "cur/3:2,": "Subject: 1\n\n", "dovecot-keywords": "0 word\n", ".Neu.Sub/cur/1:2,": "Subject: 2\n\n"} {
				if err := os.WriteFile(filepath.Join(dir, file), []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			a, b := mailOf(t, s, "alice@example.org"), mailOf(t, s, "bob@example.org")
			for round, want := range []transfer.Result{{Copied: 3, Duplicates: 1}, {Duplicates: 4}} {
				src, _, err := transfer.Open(dir, transfer.FormatAuto)
				if err != nil {
					t.Fatal(err)
				}
				if res, err := transfer.Import(t.Context(), src, a, transfer.ImportOptions{}); err != nil || res.Copied != want.Copied || res.Duplicates != want.Duplicates {
					t.Fatalf("round %d: got %+v, %v", round, res, err)
				}
			}
			out := t.TempDir()
			if res, err := transfer.Export(t.Context(), a, out, transfer.ExportOptions{Format: transfer.FormatMaildir}); err != nil || res.Copied != 3 {
				t.Fatalf("got %+v, %v", res, err)
			}
			src, _, err := transfer.Open(out, transfer.FormatAuto)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := transfer.Import(t.Context(), src, b, transfer.ImportOptions{}); err != nil {
				t.Fatal(err)
			}
			if got, want := texts(t, b), texts(t, a); got != want || !strings.Contains(got, "INBOX 2 0 [word]") || !strings.Contains(got, "Neu/Sub 1") {
				t.Errorf("got %.300s\nwant %.300s", got, want)
			}
		})
	}
}

func TestTransferRefuses(t *testing.T) {
	t.Parallel()
	s := start(t, true)
	addPeople(t, s, "alice")
	a := mailOf(t, s, "alice@example.org")
	if _, err := s.Mail(t.Context(), "nobody@example.org"); admin.AsError(err).Code != admin.NotFound {
		t.Errorf("got %v", err)
	}
	if _, err := a.Create(t.Context(), transfer.Mailbox{Name: "a//b"}); admin.AsError(err).Code != admin.Invalid {
		t.Errorf("got %v", err)
	}
	none := transfer.Mailbox{ID: 99}
	if _, err := a.Body(t.Context(), none, 1); admin.AsError(err).Code != admin.NotFound {
		t.Errorf("got %v", err)
	}
	for _, err := range a.Fingerprints(t.Context(), none) {
		if err == nil {
			t.Error("fingerprints of no mailbox: got no error")
		}
	}
	msg := transfer.Incoming{Body: strings.NewReader("x")}
	if _, err := a.Append(t.Context(), none, []transfer.Incoming{msg}); admin.AsError(err).Code != admin.NotFound {
		t.Errorf("got %v", err)
	}
	quota := int64(10)
	must[admin.Account](t, s, "account/quota", admin.AccountQuery{Address: "alice@example.org", Quota: &quota})
	boxes, err := a.Mailboxes(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	big := transfer.Incoming{Body: strings.NewReader("more than ten bytes")}
	if _, err := a.Append(t.Context(), boxes[0], []transfer.Incoming{big}); admin.AsError(err).Code != admin.Limit {
		t.Errorf("got %v", err)
	}
}

func TestTransferAppendChecksItsBatch(t *testing.T) {
	t.Parallel()
	s := start(t, true)
	addPeople(t, s, "alice")
	post := func(q any, length int, bodies string) int {
		t.Helper()
		head, err := json.Marshal(q)
		if err != nil {
			t.Fatal(err)
		}
		if length < 0 {
			length = len(head)
		}
		b := append(binary.BigEndian.AppendUint32(nil, uint32(length)), head...)
		tr := &http.Transport{DialContext: unixDial(filepath.Join(s.dir, "admin.sock")), DisableKeepAlives: true}
		res, err := (&http.Client{Transport: tr}).Post("http://mailstead/v1/transfer/append", "", bytes.NewReader(append(b, bodies...)))
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		return res.StatusCode
	}
	sizes := func(n int, size int64) admin.TransferQuery {
		q := admin.TransferQuery{Address: "alice@example.org", Batch: make([]admin.TransferMessage, n)}
		for i := range q.Batch {
			q.Batch[i].Size = size
		}
		return q
	}
	for name, tt := range map[string]struct {
		q      any
		length int
		bodies string
		want   int
	}{
		"messages at the limit":   {sizes(transfer.MaxBatchMessages, 0), -1, "", http.StatusNotFound}, // mailbox 0
		"messages over the limit": {sizes(transfer.MaxBatchMessages+1, 0), -1, "", http.StatusBadRequest},
		"bytes over the limit":    {sizes(2, transfer.MaxBatchBytes/2+1), -1, "", http.StatusBadRequest},
		"one message too big":     {sizes(1, storage.MaxMessage+1), -1, "", http.StatusBadRequest},
		"negative":                {sizes(1, -1), -1, "", http.StatusBadRequest},
		"header too long":         {sizes(1, 1), 4<<20 + 1, "x", http.StatusBadRequest},
		"header cut short":        {sizes(1, 1), 4 << 20, "x", http.StatusBadRequest},
		"message cut short":       {sizes(1, 5), -1, "x", http.StatusInternalServerError},
		"no JSON":                 {"x", -1, "", http.StatusBadRequest},
	} {
		if got := post(tt.q, tt.length, tt.bodies); got != tt.want {
			t.Errorf("%s: got %d, want %d", name, got, tt.want)
		}
	}
}

// unixDial dials a socket whatever is asked for.
func unixDial(path string) func(context.Context, string, string) (net.Conn, error) {
	return func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "unix", path)
	}
}
