package spool

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"testing/iotest"

	"golang.org/x/sys/unix"
	"pgregory.net/rapid"

	"mailstead/internal/faultfs"
)

func TestSmallMessageStaysInMemory(t *testing.T) {
	t.Parallel()
	f := Dir{Path: filepath.Join(t.TempDir(), "missing"), MemoryLimit: 10}.New()
	defer f.Close()
	if _, err := f.Write([]byte("0123456789")); err != nil {
		t.Fatalf("write at the limit: got %v, want no file and so no error", err)
	}
	if _, err := f.Write([]byte("x")); err == nil {
		t.Fatal("write over the limit: got no error, want one for the missing directory")
	}
	if _, err := f.Write([]byte("x")); err == nil {
		t.Fatal("write after a failed one: got no error")
	}
}

func TestFileHasNoName(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	f := Dir{Path: dir, MemoryLimit: -1}.New()
	if _, err := f.Write([]byte("hello")); err != nil {
		t.Fatal(err)
	}
	if f.file == nil {
		t.Fatal("got a message in memory, want it on disk")
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 0 {
		t.Errorf("got %v, %v, want an empty directory", entries, err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Errorf("close again: got %v", err)
	}
	if _, err := f.ReadAt(make([]byte, 1), 0); !errors.Is(err, ErrClosed) {
		t.Errorf("read after close: got %v, want %v", err, ErrClosed)
	}
	if _, err := f.Write([]byte("x")); !errors.Is(err, ErrClosed) {
		t.Errorf("write after close: got %v, want %v", err, ErrClosed)
	}
}

// TestReadAtGivesWhatWasWritten compares against a byte slice, over all three
// kinds: in memory, on disk, and joined.
func TestReadAtGivesWhatWasWritten(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	rapid.Check(t, func(t *rapid.T) {
		limit := rapid.SampledFrom([]int64{-1, 1, 16, 1000}).Draw(t, "limit")
		f := Dir{Path: dir, MemoryLimit: limit}.New()
		defer f.Close()
		var want []byte
		for _, chunk := range rapid.SliceOfN(rapid.SliceOfN(rapid.Byte(), 0, 40), 0, 10).Draw(t, "chunks") {
			if n, err := f.Write(chunk); n != len(chunk) || err != nil {
				t.Fatalf("write: got %d, %v", n, err)
			}
			want = append(want, chunk...)
		}
		compare(t, f, want)
		prefix := rapid.SliceOfN(rapid.Byte(), 0, 20).Draw(t, "prefix")
		off := rapid.IntRange(0, len(want)).Draw(t, "off")
		size := rapid.IntRange(0, len(want)-off).Draw(t, "size")
		compare(t, Join(prefix, f, int64(off), int64(size)), append(bytes.Clone(prefix), want[off:off+size]...))
	})
}

// compare checks a body against the bytes it must have.
func compare(t *rapid.T, got interface {
	io.ReaderAt
	Size() int64
}, want []byte) {
	t.Helper()
	if got.Size() != int64(len(want)) {
		t.Fatalf("size: got %d, want %d", got.Size(), len(want))
	}
	if err := iotest.TestReader(io.NewSectionReader(got, 0, got.Size()), want); err != nil {
		t.Fatal(err)
	}
	off := rapid.Int64Range(0, int64(len(want))+2).Draw(t, "at")
	p := make([]byte, rapid.IntRange(0, 50).Draw(t, "len"))
	n, err := got.ReadAt(p, off)
	wn, werr := bytes.NewReader(want).ReadAt(make([]byte, len(p)), off)
	if n != wn || (len(p) > 0 && err != werr) {
		t.Fatalf("ReadAt(%d, %d) of %d: got %d, %v, want %d, %v", len(p), off, len(want), n, err, wn, werr)
	}
	if n > 0 && !bytes.Equal(p[:n], want[off:off+int64(n)]) {
		t.Fatalf("ReadAt(%d, %d): got %q, want %q", len(p), off, p[:n], want[off:])
	}
}

func TestJoinedReportsMissingBytes(t *testing.T) {
	t.Parallel()
	j := Join([]byte("ab"), bytes.NewReader([]byte("cd")), 1, 5)
	n, err := j.ReadAt(make([]byte, 7), 0)
	if n != 3 || err != io.ErrUnexpectedEOF {
		t.Errorf("got %d, %v, want 3, %v", n, err, io.ErrUnexpectedEOF)
	}
	if _, err := j.ReadAt(make([]byte, 1), -1); err == nil {
		t.Error("negative offset: got no error")
	}
}

func TestConcurrentReaders(t *testing.T) {
	t.Parallel()
	want := bytes.Repeat([]byte("0123456789"), 1000)
	f := Dir{Path: t.TempDir(), MemoryLimit: 100}.New()
	defer f.Close()
	if _, err := f.Write(want); err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			got, err := io.ReadAll(io.NewSectionReader(f, 0, f.Size()))
			if err != nil || !bytes.Equal(got, want) {
				t.Errorf("got %d bytes, %v, want %d", len(got), err, len(want))
			}
		})
	}
	wg.Wait()
}

// TestFullDiskEndsTheMessage fails each operation of a message that goes to
// disk: the write that needs it says why, and so does every one after it.
func TestFullDiskEndsTheMessage(t *testing.T) {
	t.Parallel()
	for k := 1; ; k++ {
		fsys, err := faultfs.New(t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		in := fsys.Inject(faultfs.Fault{At: k, Err: unix.ENOSPC, Tear: faultfs.Prefix})
		f := Dir{Path: t.TempDir(), MemoryLimit: 10, FS: fsys}.New()
		defer f.Close()
		var failed error
		for range 4 {
			n, err := f.Write([]byte("0123456"))
			if failed != nil && (n != 0 || err != failed) {
				t.Errorf("operation %d: write after a failed one: got %d, %v, want %v", k, n, err, failed)
			}
			failed = err
		}
		if len(in.Fired()) == 0 {
			if failed != nil || k < 4 {
				t.Errorf("without a fault: got %v after %d operations", failed, k-1)
			}
			return
		}
		if !errors.Is(failed, unix.ENOSPC) {
			t.Errorf("operation %d: got %v, want ENOSPC", k, failed)
		}
	}
}

func TestUnreadableFile(t *testing.T) {
	t.Parallel()
	fsys, err := faultfs.New(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	f := Dir{Path: t.TempDir(), MemoryLimit: -1, FS: fsys}.New()
	defer f.Close()
	if _, err := f.Write([]byte("hello")); err != nil {
		t.Fatal(err)
	}
	defer fsys.FailReads(faultfs.ReadFault{})()
	if _, err := f.ReadAt(make([]byte, 5), 0); !errors.Is(err, unix.EIO) {
		t.Errorf("got %v, want EIO", err)
	}
}
