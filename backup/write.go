package backup

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"hash"
	"io"
	"os"
	"path/filepath"
	"time"

	"mailstead/internal/durable"
)

// hashOf hashes the first size bytes of a file, going on with h when given.
func hashOf(ctx context.Context, f io.ReaderAt, size int64, h hash.Hash) (hash.Hash, error) {
	if h == nil {
		h = sha256.New()
	}
	buf := make([]byte, min(copyChunk, max(size, 1)))
	for at := int64(0); at < size; {
		b := buf[:min(copyChunk, size-at)]
		if n, err := f.ReadAt(b, at); n < len(b) {
			if err == nil || err == io.EOF {
				err = io.ErrUnexpectedEOF
			}
			return nil, err
		}
		h.Write(b)
		if at += int64(len(b)); ctx.Err() != nil {
			return nil, ctx.Err()
		}
	}
	return h, nil
}

// sumFile is the SHA-256 of the first size bytes of a file.
func sumFile(ctx context.Context, path string, size int64) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	h, err := hashOf(ctx, f, size, nil)
	if err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// pace keeps to a rate and tells the progress.
type pace struct {
	limit       int64 // bytes a second, 0 for none
	start       time.Time
	done, total int64
	tell        func(Progress)
}

func (p *pace) step(ctx context.Context, n int64) error {
	p.done += n
	if p.tell != nil {
		p.tell(Progress{p.done, max(p.total, p.done)})
	}
	if p.limit <= 0 {
		return ctx.Err()
	}
	due := time.Duration(float64(p.done) / float64(p.limit) * float64(time.Second))
	select {
	case <-time.After(due - time.Since(p.start)):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// appender writes a file from its beginning.
type appender struct {
	f   durable.File
	at  int64
	err error
}

// Write implements io.Writer.
func (a *appender) Write(p []byte) (int, error) {
	n, err := a.f.WriteAt(p, a.at)
	a.at += int64(n)
	a.err = errors.Join(a.err, err)
	return n, err
}

// writeFile replaces a small file as a whole.
func writeFile(fsys durable.FS, path string, data []byte) error {
	temp := path + partialSuffix
	f, err := fsys.Open(temp, os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.WriteAt(data, 0)
	if err == nil {
		err = f.Datasync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	if err := fsys.Rename(temp, path); err != nil {
		return err
	}
	return fsys.SyncDir(filepath.Dir(path))
}
