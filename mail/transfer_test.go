package mail

import (
	"bytes"
	"encoding/base64"
	"io"
	"mime/quotedprintable"
	"strings"
	"testing"
	"testing/iotest"
)

// decoded undoes the transfer encoding of a body.
func decoded(t testing.TB, encoding, body string) string {
	t.Helper()
	part := &Part{Encoding: encoding, End: int64(len(body))}
	b, err := io.ReadAll(DecodedReader(part, strings.NewReader(body)))
	if err != nil {
		t.Fatalf("%s %.100q: %v", encoding, body, err)
	}
	slow, err := io.ReadAll(iotest.OneByteReader(DecodedReader(part, strings.NewReader(body))))
	if err != nil || !bytes.Equal(b, slow) {
		t.Fatalf("%s %.100q: byte by byte %.100q, %v, want %.100q", encoding, body, slow, err, b)
	}
	return string(b)
}

func TestDamagedTransferEncodingIsReadOn(t *testing.T) {
	t.Parallel()
	long, blanks := strings.Repeat("x", 10000), strings.Repeat(" ", maxBlanks-1)
	for _, tc := range []struct{ name, encoding, in, want string }{
		{"base64, no padding", "base64", "QUI", "AB"},
		{"base64, one character too many", "base64", "QUJDR", "ABC"},
		{"base64, junk inside", "base64", "Q*U-\r\n J\x00D\xff", "ABC"},
		{"base64, two encoders", "base64", "QQ==\r\nQUI=\r\nQUJD", "AABABC"},
		{"base64, nothing", "base64", "\r\n", ""},
		{"base64, only padding", "base64", "====", ""},
		{"quoted-printable, not hexadecimal", "quoted-printable", "a=zz=4", "a=zz=4"},
		{"quoted-printable, lower case", "quoted-printable", "=c3=bc", "ü"},
		{"quoted-printable, control characters", "quoted-printable", "a\x00b\x01=00", "a\x00b\x01\x00"},
		{"quoted-printable, line of 10,000", "quoted-printable", long + "=\r\n" + long + " \r\n", long + long + "\r\n"},
		{"quoted-printable, = at the end", "quoted-printable", "a =", "a "},
		{"quoted-printable, = and blanks at the end", "quoted-printable", "a= \t", "a"},
		{"quoted-printable, padded soft break", "quoted-printable", "a = \t\r\nb", "a b"},
		{"quoted-printable, LF alone", "quoted-printable", "a=\nb \nc", "ab\nc"},
		{"quoted-printable, CR alone", "quoted-printable", "a=\rb \rc", "a=\rb \rc"},
		{"quoted-printable, blanks at the limit", "quoted-printable", "a" + blanks + "\nb=" + blanks + "\nc", "a\nbc"},
		{"quoted-printable, blanks beyond the limit", "quoted-printable", "a" + blanks + " \nb=" + blanks + " \n", "a" + blanks + " \nb=" + blanks + " \n"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			if got := decoded(t, tc.encoding, tc.in); got != tc.want {
				t.Errorf("got %.100q, want %.100q", got, tc.want)
			}
		})
	}
}

func FuzzBase64(f *testing.F) {
	f.Add([]byte("QUJD"), []byte("text"))
	f.Fuzz(func(t *testing.T, junk, plain []byte) {
		decoded(t, "base64", string(junk)) // must end
		if got := decoded(t, "base64", base64.StdEncoding.EncodeToString(plain)); got != string(plain) {
			t.Fatalf("got %q, want %q", got, plain)
		}
	})
}

// What the standard library takes without complaint is read the same; it drops
// a CR before a line break, which is of no meaning in mail.
func FuzzQuotedPrintable(f *testing.F) {
	f.Add("a=3D= \r\nb \r\n\r\n")
	f.Add("=C3=BC=\n")
	f.Fuzz(func(t *testing.T, s string) {
		got := decoded(t, "quoted-printable", s)
		want, err := io.ReadAll(quotedprintable.NewReader(strings.NewReader(s)))
		if err != nil || strings.Contains(strings.ReplaceAll(s, "\r\n", "\n"), "\r") || len(s) > maxBlanks {
			return
		}
		if got != string(want) {
			t.Fatalf("%q: got %q, want %q", s, got, want)
		}
	})
}
