package imapd

import (
	"context"
	"sync"

	"github.com/klauspost/compress/flate"

	"mailstead/imapd/wire"
	"mailstead/internal/inflate"
)

// deflateLevel is fast: what IMAP says is compressed well at any level.
const deflateLevel = 1

// deflating is the layer that compresses (RFC 4978) between the session and its
// connection. Read and Write are for one goroutine each, like the connection's.
//
// A compressor takes far more memory than the session beside it. So it is taken
// from the pool for one answer, from the first byte to the flush, and the next
// answer begins without its history. The client's history is kept, as DEFLATE
// demands, and takes what the client has sent, 32 KiB at most.
type deflating struct {
	conn *conn
	pool *sync.Pool
	out  *flate.Writer // nil: all that was written is flushed
	in   *inflate.Reader
	over bool // both directions are plain again
}

func newDeflating(c *conn, pool *sync.Pool) *deflating {
	return &deflating{conn: c, pool: pool, in: inflate.NewReader(c)}
}

// Read decodes what the client sends.
func (d *deflating) Read(p []byte) (int, error) { return d.in.Read(p) }

// Write compresses; Flush sends it.
func (d *deflating) Write(p []byte) (int, error) {
	if d.out == nil {
		w, _ := d.pool.Get().(*flate.Writer)
		if w == nil {
			var err error
			if w, err = flate.NewWriter(d.conn, deflateLevel); err != nil {
				return 0, err
			}
		}
		w.Reset(d.conn)
		d.out = w
	}
	return d.out.Write(p)
}

// Flush ends what was written so that the client can decode all of it.
func (d *deflating) Flush() error {
	if d.out == nil {
		return nil
	}
	w := d.out
	d.out = nil
	err := w.Flush()
	w.Reset(nil) // holds the connection no longer
	d.pool.Put(w)
	return err
}

// compress is RFC 4978 §3.
func (s *session) compress(_ context.Context, c *wire.Command) (reply, error) {
	switch {
	case c.Args.(wire.CompressArgs).Algorithm != "DEFLATE":
		return bad("Only DEFLATE is known"), nil
	case s.deflates():
		return no("COMPRESSIONACTIVE", "DEFLATE is active already, by COMPRESS"), nil
	case s.r.Buffered() > 0 || s.deflate != nil && s.deflate.in.Plain() > 0:
		return bad("Nothing may be sent between COMPRESS and its answer"), nil
	}
	return reply{kind: kindOK, text: "DEFLATE active"}, nil
}

// beginCompress makes all further bytes compressed, once the answer has gone.
func (s *session) beginCompress() error {
	if err := s.w.Flush(); err != nil {
		return fatal{err}
	}
	s.deflate = newDeflating(s.conn, &s.srv.deflaters)
	s.conn.coded = true
	s.w.Reset(s.deflate)
	return nil
}

// endCompress ends the layer in both directions, once the answer has gone (RFC
// 8437 §4.1).
func (s *session) endCompress() error {
	if !s.deflates() {
		return nil
	}
	if err := s.w.Flush(); err != nil {
		return fatal{err}
	}
	if s.r.Buffered() > 0 {
		return fatal{inflate.ErrCorrupt} // compressed commands behind the last one
	}
	s.deflate.in.End()
	s.deflate.over = true
	s.conn.coded = false
	s.w.Reset(s.conn)
	return nil
}

// deflates tells whether the layer is active.
func (s *session) deflates() bool { return s.deflate != nil && !s.deflate.over }
