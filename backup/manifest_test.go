package backup

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func sample() *Manifest {
	return &Manifest{Layout: 1, Generation: "20261124T231743Z", Number: 3, Time: time.Date(2026, 11, 24, 23, 17, 43, 0, time.UTC), Version: "v1", StoreFormat: 2, Sequence: 77,
		Complete: true, Problems: []string{}, Accounts: []Account{{1, "a@example.org", 2, 3}}, Messages: 2, Files: []File{{Name: "mail/000001.seg", Path: "mail/000001.2.seg", Size: 5, SHA256: strings.Repeat("ab", 32)}}}
}

func TestManifestComesBack(t *testing.T) {
	t.Parallel()
	m := sample()
	b, err := m.encode()
	if err != nil {
		t.Fatal(err)
	}
	got, err := decodeManifest(b)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(m, got); d != "" {
		t.Error(d)
	}
	for i := range b {
		c := append([]byte(nil), b...)
		c[i] ^= 1
		if got, err := decodeManifest(c); err == nil && cmp.Diff(m, got) != "" {
			t.Errorf("byte %d flipped: got %+v", i, got)
		}
	}
	m.Layout = 2
	if b, err = m.encode(); err != nil {
		t.Fatal(err)
	}
	if _, err := decodeManifest(b); err == nil {
		t.Error("a newer layout is read")
	}
}

func FuzzManifest(f *testing.F) {
	b, err := sample().encode()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Add([]byte(`{"checksum":"","files":[{"path":"../x"}]}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := decodeManifest(b)
		if err == nil && len(m.Checksum) != len(noChecksum) {
			t.Errorf("believed without a checksum: %q", b)
		}
	})
}
