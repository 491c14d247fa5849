package wire

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"pgregory.net/rapid"
)

// TestWriterWritesAllInOrder writes pieces smaller and larger than the buffer.
func TestWriterWritesAllInOrder(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var got, want bytes.Buffer
		w := NewWriter(&got)
		sizes := rapid.OneOf(rapid.IntRange(0, 50), rapid.IntRange(bufferSize/2-3, bufferSize/2+3), rapid.IntRange(bufferSize-30, 2*bufferSize+30))
		t.Repeat(map[string]func(*rapid.T){
			"raw": func(t *rapid.T) {
				s := strings.Repeat("r", sizes.Draw(t, "size"))
				w.Raw(s)
				want.WriteString(s)
			},
			"bytes": func(t *rapid.T) {
				b := bytes.Repeat([]byte("b"), sizes.Draw(t, "size"))
				w.Bytes(b)
				want.Write(b)
			},
			"number": func(*rapid.T) {
				w.Num(-9223372036854775808)
				want.WriteString("-9223372036854775808")
			},
			"literal": func(t *rapid.T) {
				n := sizes.Draw(t, "size")
				s := strings.Repeat("l", n)
				var r io.Reader = strings.NewReader(s)
				if rapid.Bool().Draw(t, "with EOF") {
					r = iotest.DataErrReader(r)
				}
				if err := w.Literal(int64(n), r); err != nil {
					t.Fatal(err)
				}
				w.LiteralBytes([]byte(s))
				for range 2 {
					want.WriteString("{" + itoa(n) + "}\r\n" + s)
				}
			},
			"flush": func(t *rapid.T) {
				if err := w.Flush(); err != nil || w.home != nil {
					t.Fatalf("flush: %v, buffer kept %v", err, w.home != nil)
				}
			},
		})
		if err := w.Flush(); err != nil || !bytes.Equal(got.Bytes(), want.Bytes()) {
			t.Fatalf("got %d bytes, %v, want %d", got.Len(), err, want.Len())
		}
	})
}

func itoa(n int) string {
	var b bytes.Buffer
	w := NewWriter(&b)
	w.Num(int64(n))
	_ = w.Flush() // a Buffer takes everything
	return b.String()
}

func TestLiteralHasNoNUL(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	w := NewWriter(&b)
	body := []byte("a\x00b")
	w.LiteralBytes(body)
	if err := w.Flush(); err != nil || b.String() != "{3}\r\na\x80b" || string(body) != "a\x00b" {
		t.Errorf("got %q, %v; the message is now %q", b.String(), err, body)
	}
}

// TestWriterStaysFailed: what could not be written is told by every Flush until
// Reset, and nothing is written behind it.
func TestWriterStaysFailed(t *testing.T) {
	t.Parallel()
	broken := &failing{}
	w := NewWriter(broken)
	for range 3 {
		w.Raw(strings.Repeat("x", 2*bufferSize))
		w.Bytes(make([]byte, bufferSize))
		if err := w.Flush(); !errors.Is(err, io.ErrClosedPipe) {
			t.Errorf("got %v, want %v", err, io.ErrClosedPipe)
		}
	}
	if broken.calls != 1 {
		t.Errorf("written to %d times, want once", broken.calls)
	}
	var b bytes.Buffer
	w.Reset(&b)
	w.Raw("x")
	if err := w.Flush(); err != nil || b.String() != "x" {
		t.Errorf("after Reset: got %q, %v", b.String(), err)
	}
}

type failing struct{ calls int }

func (f *failing) Write([]byte) (int, error) {
	f.calls++
	return 0, io.ErrClosedPipe
}
