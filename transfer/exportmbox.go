package transfer

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"mailstead/storage"
)

// mboxExport writes an mboxrd for each mailbox: INBOX.mbox, A.mbox, A/B.mbox.
type mboxExport struct {
	root  string
	box   Mailbox
	path  string
	f     *os.File // under another name until it is whole
	w     *bufio.Writer
	r     *bufio.Reader // of messages, used again
	buf   []byte        // the same
	first bool
}

// begin implements writer.
func (x *mboxExport) begin(ctx context.Context, m Mailbox) (done bool, n int64, err error) {
	levels := strings.Split(m.Name, "/")
	for i, l := range levels {
		levels[i] = escapeLevel(l)
		if len(levels[i])+len("..mbox.part") > maxFileNameBytes {
			return false, 0, fmt.Errorf("file name: %w", unix.ENAMETOOLONG)
		}
	}
	last := len(levels) - 1
	dir := filepath.Join(x.root, filepath.Join(levels[:last]...))
	x.box, x.path, x.first = m, filepath.Join(dir, levels[last]+".mbox"), true
	if _, err := os.Lstat(x.path); err == nil {
		n, err := countFrom(ctx, x.path) // of ours, so every one is a message
		return true, n, err
	}
	if err := makeDir(dir); err != nil {
		return false, 0, err
	}
	if x.f, err = create(filepath.Join(dir, "."+levels[last]+".mbox.part")); err != nil {
		return false, 0, err
	}
	x.w = bufio.NewWriterSize(x.f, copyBuffer)
	return false, 0, nil
}

// put implements writer.
func (x *mboxExport) put(ctx context.Context, m Message) (there bool, n int64, err error) {
	body, err := m.Open(ctx)
	if err != nil {
		return false, 0, err
	}
	o, err := x.survey(body)
	if err == nil { // whatever fails from here has written half a message
		err = failed(x.message(m, o, body))
	}
	return false, body.Size(), errors.Join(err, body.Close())
}

// survey looks whether the message can be written with LF alone and read back:
// not with other line ends in it, nor with lines too long to be looked at whole.
func (x *mboxExport) survey(body storage.Body) (o own, err error) {
	var last, before byte = '\n', 0
	length := 0 // of the line
	if x.buf == nil {
		x.buf = make([]byte, copyBuffer)
	}
	for off := int64(0); off < body.Size(); off += copyBuffer {
		buf := x.buf[:min(copyBuffer, body.Size()-off)]
		if err := readFull(body, buf, off); err != nil {
			return o, err
		}
		for _, c := range buf {
			if c == '\n' && (last != '\r' || before == '\r') {
				o.kept = true
			}
			if length++; c == '\n' {
				length = 0
			}
			o.kept = o.kept || length >= mboxBuffer-1
			before, last = last, c
		}
	}
	o.open = last != '\n'
	o.kept = o.kept || last == '\r'
	return o, nil
}

// message writes one message.
func (x *mboxExport) message(m Message, o own, body storage.Body) error {
	fields := statusFields(m)
	if x.first {
		last := storage.UID(0)
		if x.box.UIDNext > 0 {
			last = x.box.UIDNext - 1
		}
		fields = append([]string{fmt.Sprintf("X-IMAPbase: %d %d", x.box.UIDValidity, last)}, fields...)
		x.first = false
	}
	o.date, o.fields = m.Date, len(fields)
	fmt.Fprintf(x.w, "From MAILER-DAEMON %s\n%s: %s\n", m.Date.UTC().Format(time.ANSIC), ownField, o) // bufio keeps an error
	for _, f := range fields {
		x.w.WriteString(f + "\n")
	}
	if err := x.lines(o, body); err != nil {
		return err
	}
	end := "\n"
	if o.open && body.Size() > 0 {
		end = "\n\n"
	}
	_, err := x.w.WriteString(end)
	return err
}

// lines writes the message itself, quoted.
func (x *mboxExport) lines(o own, body storage.Body) error {
	if x.r == nil {
		x.r = bufio.NewReaderSize(nil, mboxBuffer)
	}
	x.r.Reset(io.NewSectionReader(body, 0, body.Size()))
	for begins := true; ; {
		b, err := x.r.ReadSlice('\n')
		if err != nil && err != io.EOF && !errors.Is(err, bufio.ErrBufferFull) {
			return err
		}
		text, end := cutEnd(b)
		if begins && (bytes.HasPrefix(text, []byte(fromPrefix)) || quoted(text)) {
			x.w.WriteByte('>')
		}
		if begins = end != ""; begins && !o.kept {
			x.w.Write(text)
			x.w.WriteByte('\n')
		} else {
			x.w.Write(b)
		}
		if err == io.EOF {
			return nil
		}
	}
}

// end implements writer.
func (x *mboxExport) end(whole bool) error {
	err := errors.Join(x.w.Flush(), x.f.Close())
	if err != nil || !whole {
		return errors.Join(err, os.Remove(x.f.Name()))
	}
	return os.Rename(x.f.Name(), x.path)
}

// finish implements writer.
func (*mboxExport) finish([]Mailbox) error { return nil }
