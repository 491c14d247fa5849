package storage_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"mailstead/storage"
	"mailstead/storage/storagetest"
)

func TestHeldFilesStayUntilReleased(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := storagetest.OpenDir(t, dir, storage.Options{Housekeeping: -1, SegmentSize: 1 << 10})
	if err := s.CreateAccount(t.Context(), 1, "alice"); err != nil {
		t.Fatal(err)
	}
	var ref storage.Ref
	for range 20 {
		out, err := s.Append(t.Context(), storagetest.Body(strings.Repeat("text\r\n", 100)), storage.Target{Ref: storage.Ref{Account: 1}, OrInbox: true})
		if err != nil {
			t.Fatal(err)
		}
		ref = out[0].Ref
	}
	f, err := os.Create(filepath.Join(t.TempDir(), "index.ckp"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	h, err := s.Hold(t.Context(), f)
	if err != nil {
		t.Fatal(err)
	}
	defer h.Release()
	if err := h.List(); err != nil || h.Messages != 20 || h.Bodies != 20 || len(h.Accounts) != 1 {
		t.Fatalf("got %+v, %v", h, err)
	}
	if _, _, err := s.Expunge(t.Context(), ref, storage.UIDSet{{First: 1, Last: 100}}, false); err != nil {
		t.Fatal(err)
	}
	if res, err := s.Compact(t.Context(), storage.CompactOptions{All: true}); err != nil || res.Segments == 0 {
		t.Fatal(res, err)
	}
	for _, held := range h.Files {
		in, err := os.Open(held.Path)
		if err != nil {
			t.Fatal(err)
		}
		if problems, err := h.Prove(held, in); err != nil || len(problems) > 0 {
			t.Errorf("%s: %q, %v", held.Name, problems, err)
		}
		in.Close()
	}
	h.Release()
	if _, err := os.Stat(h.Files[0].Path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("released and compacted, but there: %v", err)
	}
	if h.Context().Err() != context.Canceled {
		t.Error("its context goes on")
	}
}

func TestReservedUIDsAreNotGivenOut(t *testing.T) {
	t.Parallel()
	s := storagetest.Open(t, storage.Options{})
	if err := s.CreateAccount(t.Context(), 1, "alice"); err != nil {
		t.Fatal(err)
	}
	m, err := s.AdoptMailbox(t.Context(), 1, "Old", "", 77)
	if err != nil || m.UIDValidity != 77 {
		t.Fatal(m, err)
	}
	ref := storage.Ref{Account: 1, Mailbox: m.ID}
	for _, next := range []storage.UID{50, 10} {
		if m, err := s.AdoptUIDs(t.Context(), ref, storage.Mailbox{UIDValidity: 99, UIDNext: next, HighestModSeq: 1000}); err != nil || m.UIDValidity != 99 || m.UIDNext != 50 {
			t.Fatal(m, err)
		}
	}
	out, err := s.Append(t.Context(), storagetest.Body("Subject: x\r\n\r\n"), storage.Target{Ref: ref})
	if err != nil || out[0].UID != 50 || out[0].ModSeq != 1001 {
		t.Errorf("got %+v, %v, want UID 50", out, err)
	}
	if m, err := s.AdoptUIDs(t.Context(), ref, storage.Mailbox{UIDValidity: 100, UIDNext: 5}); err != nil || m.UIDValidity != 99 || m.UIDNext != 51 {
		t.Errorf("got %+v, %v, want nothing changed", m, err)
	}
	if _, err := s.AdoptUIDs(t.Context(), storage.Ref{Account: 1, Mailbox: 99}, storage.Mailbox{UIDNext: 5}); !errors.Is(err, storage.ErrNoMailbox) {
		t.Errorf("got %v", err)
	}
}
