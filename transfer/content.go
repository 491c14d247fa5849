package transfer

import (
	"bytes"
	"errors"
	"hash/crc32"
	"io"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"

	"mailstead/internal/spool"
	"mailstead/storage"
)

// copyBuffer is how much of a message is read at once, in bytes.
const copyBuffer = 64 << 10

var errEmpty = errors.New("is empty")

// memory is a small message.
type memory struct{ *bytes.Reader }

// Close implements io.Closer.
func (memory) Close() error { return nil }

// file is a message that is a file as it stands.
type file struct {
	*os.File
	size int64
}

// Size implements storage.Content.
func (f file) Size() int64 { return f.size }

// openRegular opens a file that is one itself and not a link to one.
func openRegular(path string) (*os.File, fs.FileInfo, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, nil, err
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = errors.New("is not a regular file")
	}
	if err != nil {
		return nil, nil, errors.Join(err, f.Close())
	}
	return f, info, nil
}

// openMessage opens a file that holds one message. A message whose first line
// ends in LF alone gets CRLF everywhere; exact leaves it alone.
func openMessage(path string, exact bool) (_ storage.Content, err error) {
	f, info, err := openRegular(path)
	if err != nil {
		return nil, err
	}
	if info.Size() == 0 {
		return nil, errors.Join(errEmpty, f.Close())
	}
	if info.Size() > spool.DefaultMemoryLimit {
		return openLarge(f, info.Size(), exact)
	}
	b := make([]byte, info.Size())
	_, err = io.ReadFull(f, b)
	if err = errors.Join(err, f.Close()); err != nil {
		return nil, err
	}
	if !exact && bareLF(b) {
		b = appendCRLF(make([]byte, 0, len(b)+len(b)/32+64), b, 0)
	}
	return memory{bytes.NewReader(b)}, nil
}

func openLarge(f *os.File, size int64, exact bool) (storage.Content, error) {
	if exact {
		return file{f, size}, nil
	}
	head := make([]byte, copyBuffer)
	n, err := f.ReadAt(head, 0)
	if err != nil && err != io.EOF {
		return nil, errors.Join(err, f.Close())
	}
	if !bareLF(head[:n]) {
		return file{f, size}, nil
	}
	out := spool.Dir{}.New()
	_, err = io.CopyBuffer(&crlfWriter{w: out}, io.NewSectionReader(f, 0, size), head)
	if err = errors.Join(err, f.Close()); err != nil {
		return nil, errors.Join(err, out.Close())
	}
	return out, nil
}

// bareLF tells whether the first line ends in LF alone.
func bareLF(b []byte) bool {
	i := bytes.IndexByte(b, '\n')
	return i == 0 || i > 0 && b[i-1] != '\r'
}

// appendCRLF appends b with CR put before every LF that has none; last is the
// byte before b.
func appendCRLF(dst, b []byte, last byte) []byte {
	for len(b) > 0 {
		i := bytes.IndexByte(b, '\n')
		if i < 0 {
			return append(dst, b...)
		}
		if i > 0 {
			last = b[i-1]
		}
		dst = append(dst, b[:i]...)
		if last != '\r' {
			dst = append(dst, '\r')
		}
		dst = append(dst, '\n')
		b, last = b[i+1:], '\n'
	}
	return dst
}

// crlfWriter passes on what is written to it with CRLF for every LF.
type crlfWriter struct {
	w    io.Writer
	last byte
	buf  []byte
}

// Write implements io.Writer.
func (c *crlfWriter) Write(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	c.buf = appendCRLF(c.buf[:0], p, c.last)
	c.last = p[len(p)-1]
	if _, err := c.w.Write(c.buf); err != nil {
		return 0, err
	}
	return len(p), nil
}

// bodyCRC is the CRC the store keeps of a body.
func bodyCRC(b storage.Body, table *crc32.Table, buf []byte) (uint32, error) {
	h := crc32.New(table)
	_, err := io.CopyBuffer(struct{ io.Writer }{h}, struct{ io.Reader }{io.NewSectionReader(b, 0, b.Size())}, buf)
	return h.Sum32(), err
}

// sameBody compares two bodies byte for byte.
func sameBody(a, b storage.Body) (bool, error) {
	if a.Size() != b.Size() {
		return false, nil
	}
	p := make([]byte, min(copyBuffer, a.Size()))
	q := make([]byte, len(p))
	for off := int64(0); off < a.Size(); {
		n := min(int64(len(p)), a.Size()-off)
		if err := errors.Join(readFull(a, p[:n], off), readFull(b, q[:n], off)); err != nil {
			return false, err
		}
		if !bytes.Equal(p[:n], q[:n]) {
			return false, nil
		}
		off += n
	}
	return true, nil
}

// readFull reads len(p) bytes; io.EOF with all of them is none.
func readFull(r io.ReaderAt, p []byte, off int64) error {
	n, err := r.ReadAt(p, off)
	if n == len(p) {
		return nil
	}
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}
