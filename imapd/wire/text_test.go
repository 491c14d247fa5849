package wire

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"mailstead/mail"
)

// A byte that can't stand in a quoted string as it is, is seen wherever it
// stands, whatever stands beside it.
func TestOddBytesAreSeenEverywhere(t *testing.T) {
	t.Parallel()
	for _, beside := range []byte{' ', '!', 'a', '~', 0x7f} {
		for at := range 20 {
			for c := range 256 {
				text := bytes.Repeat([]byte{beside}, 20)
				text[at] = byte(c)
				want := c >= ' ' && c < 0x80 && c != '"' && c != '\\'
				if got := isPlain(string(text)); got != want {
					t.Fatalf("byte %#x at %d beside %#x: plain %v, want %v", c, at, beside, got, want)
				}
				if !want {
					continue
				}
				if plain, odd := appendString(nil, string(text), false), appendOdd(nil, string(text), false); !bytes.Equal(plain, odd) {
					t.Fatalf("%q is written %q, want %q", text, plain, odd)
				}
			}
		}
	}
}

// Pieces longer than the buffer, and those that come when it is nearly full, are
// written whole and in order.
func TestPiecesLongerThanTheBuffer(t *testing.T) {
	t.Parallel()
	var out, want strings.Builder
	w := NewWriter(&out)
	for n := range 40 {
		subject := strings.Repeat("s", n*n*100)
		w.Raw("* ")
		w.Envelope(&mail.Envelope{Subject: subject})
		w.String(subject)
		w.End()
		shown := string(appendNString(nil, subject, false))
		want.WriteString("* (NIL " + shown + strings.Repeat(" NIL", 8) + ")")
		want.Write(appendString(nil, subject, false))
		want.WriteString("\r\n")
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	if out.String() != want.String() {
		t.Fatalf("got %d bytes, want %d, or others", out.Len(), want.Len())
	}
}

// Dates are written as package time writes them.
func TestDatesAreWrittenAsTimeDoes(t *testing.T) {
	t.Parallel()
	for _, zone := range []int{0, 60, -60, 5*3600 + 1800, -12 * 3600, 14 * 3600, 99*3600 + 59*60, -99*3600 - 59*60, 100 * 3600, 61} {
		for at := int64(-63e9); at < 260e9; at += 86_399*1237 + 7 {
			d := time.Unix(at, 0).In(time.FixedZone("", zone))
			if got, want := string(appendDateTime(nil, d)), d.Format(dateTime); got != want {
				t.Fatalf("got %s, want %s", got, want)
			}
		}
	}
}
