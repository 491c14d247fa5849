package imapd

import (
	"bytes"
	"compress/flate"
	"crypto/tls"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"

	"mailstead/internal/inflate"
)

// deflated is the client's side of COMPRESS, as zlib has it.
type deflated struct {
	net.Conn
	r io.Reader
	w *flate.Writer
}

func (d *deflated) Read(p []byte) (int, error) { return d.r.Read(p) }

func (d *deflated) Write(p []byte) (int, error) {
	n, err := d.w.Write(p)
	return n, errors.Join(err, d.w.Flush())
}

// deflate begins compression after the server's OK.
func (sc *script) deflate() {
	sc.t.Helper()
	w, err := flate.NewWriter(sc.c, flate.BestCompression)
	if err != nil {
		sc.t.Fatal(err)
	}
	sc.c = &deflated{sc.c, flate.NewReader(sc.c), w}
	sc.r.Reset(sc.c)
}

// plain ends it after UNAUTHENTICATE: what the client sends next is sent plain,
// and so is what the server says.
func (sc *script) plain() {
	sc.t.Helper()
	d, ok := sc.c.(*deflated)
	if !ok || sc.r.Buffered() > 0 {
		sc.t.Fatal("not compressed, or something is unread")
	}
	sc.c = d.Conn
	sc.r.Reset(sc.c)
}

// TestCompressOverTLS compresses over STARTTLS and over implicit TLS.
func TestCompressOverTLS(t *testing.T) {
	t.Parallel()
	for _, implicit := range []bool{false, true} {
		t.Run(fmt.Sprintf("implicit %v", implicit), func(t *testing.T) {
			t.Parallel()
			s := newSuite(t, func(o *Options) { o.ImplicitTLS, o.AllowInsecureAuth = implicit, false })
			s.fill("INBOX", 300)
			c := s.open()
			if !implicit {
				c.expect("* OK")
				c.ok("STARTTLS")
			}
			tc := tls.Client(c.c, &tls.Config{RootCAs: s.roots, ServerName: "127.0.0.1"})
			c.c = tc
			c.r.Reset(tc)
			if implicit {
				c.expect("* OK")
			}
			c.ok(`LOGIN alice@example.test "` + password + `"`)
			c.ok("COMPRESS DEFLATE")
			c.deflate()
			c.ok("SELECT INBOX")
			if got := c.ok("FETCH 1:* (FLAGS ENVELOPE)"); len(got) != 300 {
				t.Errorf("got %d responses, want 300", len(got))
			}
			c.send("x IDLE\r\n")
			c.expect("+")
			s.fill("INBOX", 1)
			c.expect("* 301 EXISTS")
			c.expect("* 301 RECENT")
			c.send("DONE\r\n")
			c.expect("x OK")
		})
	}
}

// TestCompressPartialFlush speaks as zlib does with Z_PARTIAL_FLUSH: the server
// must not wait for more.
func TestCompressPartialFlush(t *testing.T) {
	t.Parallel()
	c := newSuite(t).login()
	c.ok("COMPRESS DEFLATE")
	raw := c.c
	c.deflate()
	for i, h := range []string{"4a3454f0f3f70fe0e50208", "a04423280320", "80128d157c3c83431494941494b49478b90002", "28d104950f10"} {
		b, err := hex.DecodeString(h)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := raw.Write(b); err != nil {
			t.Fatal(err)
		}
		if _, tagged := c.until(fmt.Sprintf("a%d", i+1)); !strings.HasPrefix(tagged, "OK") {
			t.Errorf("got %q", tagged)
		}
	}
}

// TestCompressBomb: limits are those of what was decoded, and what is refused is
// read over, not kept.
func TestCompressBomb(t *testing.T) {
	t.Parallel()
	c := newSuite(t).login()
	c.ok("COMPRESS DEFLATE")
	c.deflate()
	go func() {
		_, _ = c.c.Write([]byte("a SELECT " + strings.Repeat("x", 10<<20) + "\r\n")) // cut off by the server
	}()
	c.expect("* BYE Command is too long")
}

func TestCompressCorrupt(t *testing.T) {
	t.Parallel()
	c := newSuite(t).login()
	c.ok("COMPRESS DEFLATE")
	if _, err := c.c.Write([]byte("b NOOP\r\n")); err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(c.r); err != nil || len(got) > 0 {
		t.Errorf("got %q, %v, want the end", got, err)
	}
}

// TestUnauthenticatePipelined: the client's compression ends with the line break
// of UNAUTHENTICATE, and a login may follow at once (RFC 8437 §3).
func TestUnauthenticatePipelined(t *testing.T) {
	t.Parallel()
	c := newSuite(t).login()
	c.ok("COMPRESS DEFLATE")
	var b bytes.Buffer
	w, err := flate.NewWriter(&b, 6)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write([]byte("x1 SELECT INBOX\r\nx2 UNAUTHENTICATE\r\n")); err != nil {
		t.Fatal(err)
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	fmt.Fprintf(&b, "x3 LOGIN bob@example.test \"%s\"\r\n", password)
	c.send(b.String())
	z := inflate.NewReader(c.c)
	c.r.Reset(c.c)
	var said []byte
	one := make([]byte, 1)
	for !bytes.Contains(said, []byte("x2 OK")) || said[len(said)-1] != '\n' {
		if _, err := z.Read(one); err != nil {
			t.Fatalf("got %q, %v", said, err)
		}
		said = append(said, one[0])
	}
	z.End()
	c.r.Reset(z)
	c.expect("x3 OK")
	c.says("STATUS INBOX (MESSAGES)", `* STATUS "INBOX" (MESSAGES 0)`)
}

// BenchmarkCompress measures what a session that asked for compression takes
// while it waits.
func BenchmarkCompress(b *testing.B) {
	s := newSuite(b)
	s.fill("INBOX", 1000)
	c := s.login()
	c.ok("COMPRESS DEFLATE")
	c.deflate()
	c.ok("SELECT INBOX")
	b.ReportAllocs()
	for b.Loop() {
		c.ok("FETCH 1:* (FLAGS ENVELOPE)")
	}
}
