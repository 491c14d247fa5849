package accounts_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"mailstead/accounts"
)

// TestCheckReadsTheFile damages an open database: what is in memory is right,
// what is on the disk is not.
func TestCheckReadsTheFile(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, want string
		damage     func(b []byte)
	}{
		{"a row", `account "\x00\x00\x00\x01": `, func(b []byte) {
			const row = "\x04\x01\x05carol" // version, number, the beginning of the address
			for i := 0; ; {
				at := bytes.Index(b[i:], []byte(row))
				if at < 0 {
					return
				}
				b[i+at] = 99
				i += at + len(row)
			}
		}},
		{"pages", "accounts.db: ", func(b []byte) {
			for page := 2; (page+1)*os.Getpagesize() <= len(b); page++ {
				b[page*os.Getpagesize()+8] ^= 0xff // what kind of page it is
			}
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "accounts.db")
			db, err := accounts.Open(path, accounts.Options{Params: fast()})
			if err != nil {
				t.Fatal(err)
			}
			defer db.Close()
			if _, err := db.AddDomain(t.Context(), "example.org"); err != nil {
				t.Fatal(err)
			}
			if _, err := db.AddAccount(t.Context(), addr(t, "carol@example.org"), "a password", accounts.AddOptions{}); err != nil {
				t.Fatal(err)
			}
			if p := db.Check(); len(p) != 0 {
				t.Fatalf("whole: got %q", p)
			}
			b, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			tt.damage(b)
			f, err := os.OpenFile(path, os.O_WRONLY, 0)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			if _, err := f.WriteAt(b, 0); err != nil {
				t.Fatal(err)
			}
			if got := strings.Join(db.Check(), "\n"); !strings.Contains(got, tt.want) {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}
