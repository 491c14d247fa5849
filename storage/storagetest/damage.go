package storagetest

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
)

// Damage changes a byte of the stored message that contains text, in the
// segments of the store in dir, until repair is called or the test ends.
func Damage(t testing.TB, dir, text string) (repair func()) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "mail", "*.seg"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range files {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		// The last one: the description before the body may quote it.
		at := bytes.LastIndex(b, []byte(text))
		if at < 0 {
			continue
		}
		set := func(c byte) {
			f, err := os.OpenFile(name, os.O_WRONLY, 0)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			if _, err := f.WriteAt([]byte{c}, int64(at)); err != nil {
				t.Fatal(err)
			}
		}
		set(b[at] ^ 1)
		repair = func() { set(b[at]) }
		t.Cleanup(repair)
		return repair
	}
	t.Fatalf("no message in %q contains %q", dir, text)
	return nil
}
