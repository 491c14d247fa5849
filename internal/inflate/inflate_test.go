package inflate_test

import (
	"bytes"
	"compress/flate"
	"encoding/hex"
	"errors"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/iotest"

	"mailstead/internal/inflate"
)

func deflate(t testing.TB, level int, pieces ...string) []byte {
	t.Helper()
	var b bytes.Buffer
	w, err := flate.NewWriter(&b, level)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range pieces {
		if _, err := w.Write([]byte(p)); err != nil {
			t.Fatal(err)
		}
		if err := w.Flush(); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestDecodesAllLevels(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 2))
	noise := make([]byte, 100_000)
	for i := range noise {
		noise[i] = byte(random.Uint32() >> (random.Uint32() % 8))
	}
	for _, text := range []string{"", "a", strings.Repeat("a", 70000), string(noise), strings.Repeat("a1 FETCH 1:* (FLAGS)\r\n", 5000) + string(noise) + strings.Repeat("b", 1000)} {
		for _, level := range []int{flate.HuffmanOnly, 0, 1, 6, 9} {
			for _, wrap := range []func(io.Reader) io.Reader{func(r io.Reader) io.Reader { return r }, iotest.OneByteReader} {
				z := inflate.NewReader(wrap(bytes.NewReader(deflate(t, level, text[:len(text)/2], text[len(text)/2:]))))
				got, err := io.ReadAll(z)
				if err != nil || string(got) != text {
					t.Fatalf("%d bytes at level %d: got %d, %v", len(text), level, len(got), err)
				}
			}
		}
	}
}

var errWouldWait = errors.New("would wait")

// TestHandsOutWhatIsThere: partial was made by zlib, which ends each command
// with Z_PARTIAL_FLUSH: no empty stored block, and not at a byte's end.
func TestHandsOutWhatIsThere(t *testing.T) {
	t.Parallel()
	partial := []string{"4a3454f0f3f70fe0e50208", "a04423280320", "80128d157c3c83431494941494b49478b90002", "28d104950f10"}
	want := []string{"a1 NOOP\r\n", "a2 NOOP\r\n", "a3 LIST \"\" \"*\"\r\n", "a4 LIST \"\" \"*\"\r\n"}
	in := &bytes.Buffer{}
	z := inflate.NewReader(waiting{in})
	for i, h := range partial {
		b, err := hex.DecodeString(h)
		if err != nil {
			t.Fatal(err)
		}
		in.Write(b)
		got := make([]byte, 100)
		n := 0
		for n < len(want[i]) {
			k, err := z.Read(got[n:])
			if err != nil {
				t.Fatalf("command %d: got %q, then %v", i+1, got[:n], err)
			}
			n += k
		}
		if string(got[:n]) != want[i] {
			t.Errorf("got %q, want %q", got[:n], want[i])
		}
	}
}

// waiting fails the reads that would wait.
type waiting struct{ b *bytes.Buffer }

func (w waiting) Read(p []byte) (int, error) {
	if w.b.Len() == 0 {
		return 0, errWouldWait
	}
	return w.b.Read(p)
}

// TestEnd ends streams as flate does with Flush and with Close, and looks for
// what comes behind them, however the bytes arrive.
func TestEnd(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	w, err := flate.NewWriter(&b, 6)
	if err != nil {
		t.Fatal(err)
	}
	const line = "a UNAUTHENTICATE\r\n"
	if _, err := w.Write([]byte(line)); err != nil {
		t.Fatal(err)
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	var closed bytes.Buffer
	w.Reset(&closed)
	if _, err := w.Write([]byte(line)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	for name, stream := range map[string][]byte{"flushed": b.Bytes(), "closed": closed.Bytes()} {
		for cut := range len(stream) + 8 {
			all := append(bytes.Clone(stream), "b NOOP\r\n"...)
			z := inflate.NewReader(io.MultiReader(bytes.NewReader(all[:cut]), bytes.NewReader(all[cut:])))
			if _, err := io.ReadFull(z, make([]byte, len(line))); err != nil {
				t.Fatal(err)
			}
			z.End()
			if got, err := io.ReadAll(z); err != nil || string(got) != "b NOOP\r\n" {
				t.Errorf("%s, cut at %d: got %q, %v", name, cut, got, err)
			}
		}
	}
	z := inflate.NewReader(bytes.NewReader(deflate(t, 6, "abcd")))
	if _, err := io.ReadFull(z, make([]byte, 2)); err != nil {
		t.Fatal(err)
	}
	z.End()
	if _, err := z.Read(make([]byte, 1)); !errors.Is(err, inflate.ErrCorrupt) {
		t.Errorf("in the middle: got %v", err)
	}
}

func TestCorrupt(t *testing.T) {
	t.Parallel()
	for _, in := range []string{"\x07", "\x00\x01\x00\x00\x00", "\x05\xe0\xff\xff", "\x4b\x04\x22\x00"} {
		if got, err := io.ReadAll(inflate.NewReader(strings.NewReader(in))); err == nil {
			t.Errorf("%x: got %q", in, got)
		}
	}
	if _, err := io.ReadAll(inflate.NewReader(strings.NewReader("\x00\x05"))); err != io.ErrUnexpectedEOF {
		t.Errorf("cut off: got %v", err)
	}
}

// FuzzInflate compares with compress/flate.
func FuzzInflate(f *testing.F) {
	f.Add(deflate(f, 9, "hello hello hello"))
	f.Add(deflate(f, 0, "hello", "x"))
	f.Fuzz(func(t *testing.T, in []byte) {
		const most = 1 << 20
		got, err := io.ReadAll(io.LimitReader(inflate.NewReader(iotest.HalfReader(bytes.NewReader(in))), most))
		want, wantErr := io.ReadAll(io.LimitReader(flate.NewReader(bytes.NewReader(in)), most))
		if wantErr == nil && (err != nil || !bytes.Equal(got, want)) {
			t.Fatalf("got %d bytes, %v, want %d", len(got), err, len(want))
		}
		if n := min(len(got), len(want)); !bytes.Equal(got[:n], want[:n]) {
			t.Fatalf("got %q, want %q", got[:n], want[:n])
		}
	})
}
