package storage_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"mailstead/mail"
	"mailstead/storage"
	"mailstead/storage/storagetest"
)

// flip is one damage to a closed store: bits of one byte turned over.
type flip struct {
	File   string // in the store's directory
	Offset int64
	Mask   byte
	Place  string // what is there
}

func (f flip) String() string {
	return fmt.Sprintf("%s at %d, bits %08b: %s", f.File, f.Offset, f.Mask, f.Place)
}

// soundStore makes a closed store with something of everything and gives what
// must be read from it.
func soundStore(t *testing.T, rng *rand.Rand) (dir string, truth rotTruth) {
	t.Helper()
	dir = t.TempDir()
	s, err := storage.Open(dir, storage.Options{SegmentSize: 40_000})
	if err != nil {
		t.Fatal(err)
	}
	ever := fillStore(t, s, rng)
	storagetest.Verify(t, s)
	var r rotReader
	truth = r.all(t.Context(), s, []mail.AccountID{1, 2})
	truth.Ever = ever
	if len(r.failed) > 0 {
		t.Fatalf("sound store: %q", r.failed)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return dir, truth
}

// fillStore gives all texts it has stored.
func fillStore(t *testing.T, s *storage.Store, rng *rand.Rand) map[string]bool {
	t.Helper()
	ever := map[string]bool{}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	a, b := newAccount(t, s, 1), newAccount(t, s, 2)
	archive := named(t, s, 1, "Archive")
	for i := range 80 {
		to := [][]storage.Ref{{a}, {b}, {archive}, {a, b}}[i%4]
		text := rotText(i, rng.IntN(200))
		ever[text] = true
		put(t, s, text, to...)
		if i == 40 && rng.IntN(2) == 0 {
			must(s.Checkpoint(t.Context()))
		}
	}
	for i := range storage.UID(30) {
		_, err := s.SetFlags(t.Context(), a, storage.UIDs(i+1), storage.FlagChange{Flags: storage.Flags(rng.IntN(32)), Keywords: []string{fmt.Sprint("k", i%5)}})
		must(err)
	}
	_, err := s.Copy(t.Context(), a, storage.UIDs(1, 2, 3), archive)
	must(err)
	_, err = s.Move(t.Context(), a, storage.UIDs(4, 6), named(t, s, 1, "Trash"))
	must(err)
	_, _, err = s.Expunge(t.Context(), b, storage.UIDs(2, 3, 9), false)
	must(err)
	for i := range 20 {
		_, err := s.CreateMailbox(t.Context(), 2, fmt.Sprintf("lists/%d", i), "")
		must(err)
	}
	return ever
}

func rotText(i, lines int) string {
	return fmt.Sprintf("Message-ID: <%d@rot>\r\nSubject: rot %d\r\n\r\n", i, i) + strings.Repeat(fmt.Sprintf("line of message %d\r\n", i), lines)
}

// segmentFlips draws damages to segments, as many each to headers of records, to
// what describes the change, and to bodies, and to checkpoints if there are any. Where records begin is found by their
// magic, where bodies are by their text.
func segmentFlips(t *testing.T, rng *rand.Rand, dir string, truth rotTruth, n int) (flips []flip) {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, "mail", "*.seg"))
	if err != nil || len(names) < 3 {
		t.Fatalf("got segments %v, %v, want several", names, err)
	}
	byPlace := map[string][]flip{}
	for _, name := range names {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		file := filepath.Join("mail", filepath.Base(name))
		addFlips(byPlace, file, segmentPlaces(data, truth))
	}
	checkpoints, err := filepath.Glob(filepath.Join(dir, "mail", "*.ckp"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range checkpoints {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		addFlips(byPlace, filepath.Join("mail", filepath.Base(name)), slices.Repeat([]string{"checkpoint"}, len(data)))
	}
	return drawFlips(rng, byPlace, n)
}

// addFlips adds every place of a file that has a name.
func addFlips(byPlace map[string][]flip, file string, places []string) {
	for off, place := range places {
		if place != "" {
			byPlace[place] = append(byPlace[place], flip{File: file, Offset: int64(off), Place: place})
		}
	}
}

// lastRecord is where the last record of the log begins.
func lastRecord(t *testing.T, dir string) flip {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, "mail", "*.seg"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range slices.Backward(names) {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if at := bytes.LastIndex(data, []byte("MSr")); at >= 0 {
			return flip{File: filepath.Join("mail", filepath.Base(name)), Offset: int64(at)}
		}
	}
	t.Fatal("no records")
	return flip{}
}

// segmentPlaces says of each byte of a segment what it is.
func segmentPlaces(data []byte, truth rotTruth) []string {
	const header = 36 // at least
	places := make([]string, len(data))
	for i := range places {
		places[i] = "change"
	}
	for i := range min(16, len(data)) {
		places[i] = "segment header"
	}
	for i := 0; i+header <= len(data); i++ {
		if string(data[i:i+3]) == "MSr" {
			for j := range header {
				places[i+j] = "record header"
			}
		}
	}
	for _, text := range truth.Texts {
		for i := 0; text != ""; {
			at := bytes.Index(data[i:], []byte(text))
			if at < 0 {
				break
			}
			for j := range len(text) {
				places[i+at+j] = "body"
			}
			i += at + len(text)
		}
	}
	return places
}

// indexFlips draws damages to index.meta and to all kinds of pages of index.db (bbolt's
// layout: number, kind at 8, count at 10, overflow at 12, elements behind 16).
func indexFlips(t *testing.T, rng *rand.Rand, dir string, n int) (flips []flip) {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(dir, "index.db"))
	if err != nil {
		t.Fatal(err)
	}
	size := os.Getpagesize()
	kinds := map[uint16]string{1: "branch", 2: "leaf", 4: "meta", 16: "freelist"}
	byPlace, places := map[string][]flip{}, make([]string, len(data))
	for page := 0; (page+1)*size <= len(data); page++ {
		p := data[page*size:]
		kind := kinds[binary.NativeEndian.Uint16(p[8:])]
		if id := binary.NativeEndian.Uint64(p); kind == "" || id != uint64(page) {
			continue
		}
		elements := 16 + 16*int(binary.NativeEndian.Uint16(p[10:]))
		if kind == "meta" || kind == "freelist" {
			elements = 80
		}
		for off := range size {
			switch {
			case off < min(elements, size):
				places[page*size+off] = kind + " structure"
			case p[off] != 0: // not where a page is empty
				places[page*size+off] = kind + " rows"
			}
		}
	}
	addFlips(byPlace, "index.db", places)
	info, err := os.Stat(filepath.Join(dir, "index.meta"))
	if err != nil {
		t.Fatal(err)
	}
	addFlips(byPlace, "index.meta", slices.Repeat([]string{"index.meta"}, int(info.Size())))
	return drawFlips(rng, byPlace, n)
}

// drawFlips draws as many damages of each place.
func drawFlips(rng *rand.Rand, byPlace map[string][]flip, n int) (flips []flip) {
	var places []string
	for p := range byPlace {
		places = append(places, p)
	}
	slices.Sort(places)
	for i := range n {
		list := byPlace[places[i%len(places)]]
		f := list[rng.IntN(len(list))]
		if f.Mask = 1 << rng.IntN(8); rng.IntN(4) == 0 {
			f.Mask = byte(1 + rng.IntN(255))
		}
		flips = append(flips, f)
	}
	return flips
}

// copyDamaged makes a copy of a store with one damage.
func copyDamaged(from, to string, f flip) error {
	if err := os.CopyFS(to, os.DirFS(from)); err != nil {
		return err
	}
	path := filepath.Join(to, f.File)
	data, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if f.Offset >= int64(len(data)) {
		return fs.ErrInvalid
	}
	data[f.Offset] ^= f.Mask
	return os.WriteFile(path, data, 0o600)
}
