package storage_test

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"mailstead/storage"
	"mailstead/storage/storagetest"
)

// wordy is a message of about size bytes that compresses well, with a word at
// its end.
func wordy(size int) string {
	var b strings.Builder
	b.WriteString("Subject: long\r\nMIME-Version: 1.0\r\n\r\n")
	for i := 0; b.Len() < size; i++ {
		fmt.Fprintf(&b, "this is line %d of a text\r\n", i)
	}
	return b.String() + "lastword\r\n"
}

func noise(size int, seed uint64) string {
	r := rand.New(rand.NewPCG(seed, 1))
	b := []byte("Subject: noise\r\n\r\n")
	for len(b) < size {
		b = append(b, byte(r.IntN(256)))
	}
	return string(b)
}

func onDisk(t testing.TB, dir string) (bytes int64) {
	t.Helper()
	for _, name := range append(files(t, dir, "*.seg"), files(t, dir, "big/*.msg")...) {
		if strings.HasSuffix(name, ".msg") {
			name = filepath.Join("big", name)
		}
		info, err := os.Stat(filepath.Join(dir, "mail", name))
		if err != nil {
			t.Fatal(err)
		}
		bytes += info.Size()
	}
	return bytes
}

// readAnywhere reads parts of a body at random places and sizes.
func readAnywhere(t *testing.T, s *storage.Store, ref storage.Ref, uid storage.UID, want string) {
	t.Helper()
	c, err := s.OpenBody(t.Context(), ref, uid)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if c.Size() != int64(len(want)) {
		t.Fatalf("got size %d, want %d", c.Size(), len(want))
	}
	seed := rand.Uint64()
	r := rand.New(rand.NewPCG(seed, 2))
	for range 200 {
		off := r.IntN(len(want) + 10)
		b := make([]byte, r.IntN(300_000))
		if r.IntN(2) == 0 {
			b = b[:min(len(b), 100)]
		}
		n, err := c.ReadAt(b, int64(off))
		part := want[min(off, len(want)):min(off+len(b), len(want))]
		if string(b[:n]) != part || (n < len(b)) != (err == io.EOF) || err != nil && err != io.EOF {
			t.Fatalf("seed %d: %d bytes at %d: got %d bytes, %v, want %d", seed, len(b), off, n, err, len(part))
		}
	}
}

func TestCompressedBodiesReadTheSame(t *testing.T) {
	t.Parallel()
	const block = 128 << 10
	dir, o := t.TempDir(), noHouse(storage.Options{})
	s := storagetest.OpenDir(t, dir, o)
	a := newAccount(t, s, 1)
	texts := []string{message, "", "x"}
	for _, size := range []int{500, block - 1, block, block + 1, 3*block - 7, 900_000, 3 << 20} {
		texts = append(texts, wordy(size))
	}
	texts = append(texts, noise(200_000, 1), noise(2<<20, 2))
	for i, text := range texts {
		// Every second one is stored as it is.
		if want := i%2 == 0; want != o.Compress {
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			o.Compress = want
			s = storagetest.OpenDir(t, dir, o)
		}
		put(t, s, text, a)
	}
	for i, text := range texts {
		readAnywhere(t, s, a, storage.UID(i+1), text)
		if r := rowOf(t, s, a, storage.UID(i+1)); r.Size != int64(len(text)) {
			t.Errorf("message %d: got size %d, want %d", i, r.Size, len(text))
		}
	}
	if m, err := s.MailboxByID(a); err != nil || m.Bytes != int64(len(strings.Join(texts, ""))) {
		t.Errorf("got %d bytes, %v", m.Bytes, err)
	}
	sameAfter(t, s, dir, o, 1)
}

func TestCompressionSavesSpaceWhereItCan(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := storagetest.OpenDir(t, dir, noHouse(storage.Options{Compress: true, SegmentSize: 2 << 20}))
	a := newAccount(t, s, 1)
	before := onDisk(t, dir)
	put(t, s, wordy(900_000), a)
	if grown := onDisk(t, dir) - before; grown > 300_000 {
		t.Errorf("a text of 900 kB took %d bytes", grown)
	}
	before = onDisk(t, dir)
	text := noise(400_000, 3)
	put(t, s, text, a)
	grown := onDisk(t, dir) - before
	if grown < int64(len(text)) || grown > int64(len(text))+1000 {
		t.Errorf("noise of %d bytes took %d", len(text), grown)
	}
	b, err := os.ReadFile(filepath.Join(dir, "mail", "000001.seg"))
	if err != nil || !bytes.Contains(b, []byte(text)) {
		t.Errorf("noise is not stored as it is (%v)", err)
	}
}

func TestCompressedBodiesAreSearchedAndMoved(t *testing.T) {
	t.Parallel()
	dir, o := t.TempDir(), noHouse(storage.Options{Compress: true, SegmentSize: 100_000})
	s := storagetest.OpenDir(t, dir, o)
	a := newAccount(t, s, 1)
	for i := range 20 {
		put(t, s, strings.Replace(wordy(300_000), "lastword", fmt.Sprintf("word%d.", i), 1), a)
	}
	for i := range 20 {
		if i%4 != 0 {
			expunge(t, s, a, storage.UID(i+1))
		}
	}
	if res, err := s.Compact(t.Context(), storage.CompactOptions{All: true}); err != nil || res.Segments == 0 {
		t.Fatalf("got %+v, %v", res, err)
	}
	for i := range 20 {
		found := 0
		for r, err := range s.Search(t.Context(), a, storage.Query{Body: []string{fmt.Sprintf("WORD%d.", i)}}, storage.All) {
			if err != nil {
				t.Fatal(err)
			}
			if found++; r.UID != storage.UID(i+1) {
				t.Errorf("word %d: found UID %d", i, r.UID)
			}
		}
		if want := 0; i%4 == 0 && found != 1 || i%4 != 0 && found != want {
			t.Errorf("word %d: found %d", i, found)
		}
	}
	sameAfter(t, s, dir, o, 1)
}

func TestDamagedCompressedBodyIsNotServed(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := openDamaged(t, dir, noHouse(storage.Options{Compress: true, SegmentSize: 2 << 20}))
	a := newAccount(t, s, 1)
	put(t, s, wordy(900_000), a)
	spoil(t, dir, "000001.seg")
	if c, err := s.OpenBody(t.Context(), a, 1); err == nil {
		c.Close()
		t.Error("a damaged body was opened")
	}
}
