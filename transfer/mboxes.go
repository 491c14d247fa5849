package transfer

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"mailstead/storage"
)

// mboxSource reads an mbox, or all of a directory.
type mboxSource struct {
	oddities
	lengths bool
	files   map[string]string // by mailbox
}

// openMboxes looks for the files.
func openMboxes(root string, lengths bool) (*mboxSource, error) {
	s := &mboxSource{lengths: lengths, files: map[string]string{}}
	info, err := os.Stat(root)
	if err != nil {
		return s, err
	}
	if !info.IsDir() {
		s.files[tidyName(strings.TrimSuffix(filepath.Base(root), ".mbox"))] = root
		return s, nil
	}
	ours := exported(root) == FormatMbox
	err = filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			s.note(path, err.Error())
			if d != nil && d.IsDir() {
				return fs.SkipDir
			}
		case d.IsDir() && path != root && strings.HasPrefix(d.Name(), "."):
			return fs.SkipDir
		case d.Type().IsRegular():
			s.file(root, path, ours)
		case !d.IsDir():
			s.note(path, "is not a regular file")
		}
		return nil
	})
	return s, err
}

// file takes a file that is an mbox. Those that mail programs put beside them
// are passed over without a word.
func (s *mboxSource) file(root, path string, ours bool) {
	rel, err := filepath.Rel(root, path)
	if err != nil || strings.HasPrefix(filepath.Base(path), ".") {
		return
	}
	switch strings.ToLower(filepath.Ext(path)) {
	case ".msf", ".dat", ".html", ".json", ".sqlite", ".lock", ".txt", ".cmeta", ".ibex", ".index":
		return
	}
	if info, err := os.Lstat(path); err == nil && info.Size() > 0 && !isMbox(path) {
		s.note(path, errNoMbox.Error())
		return
	}
	levels := strings.Split(filepath.ToSlash(rel), "/")
	for i, l := range levels {
		if ours {
			levels[i] = unescapeLevel(strings.TrimSuffix(l, ".mbox"))
			continue
		}
		if i < len(levels)-1 {
			l = strings.TrimSuffix(l, ".sbd") // Thunderbird: what is below a mailbox
		}
		levels[i] = decodeLevel(strings.TrimSuffix(l, ".mbox"))
	}
	name := strings.Join(levels, "/")
	for s.files[name] != "" {
		name += "_"
	}
	s.files[name] = path
}

// unescapeLevel undoes escapeLevel.
func unescapeLevel(l string) string {
	if u, err := url.PathUnescape(l); err == nil {
		return u
	}
	return l
}

// escapeLevel makes a file name of a level of a mailbox name.
func escapeLevel(l string) string {
	l = strings.ReplaceAll(l, "%", "%25")
	if strings.HasPrefix(l, ".") {
		l = "%2E" + l[1:]
	}
	for _, ext := range []string{".mbox", ".sbd"} {
		if cut, ok := strings.CutSuffix(l, ext); ok {
			l = cut + "%2E" + ext[1:]
		}
	}
	return l
}

// Mailboxes implements Source. Messages are counted by their From_ lines.
func (s *mboxSource) Mailboxes(ctx context.Context) ([]Mailbox, error) {
	list := []Mailbox{}
	for name, path := range s.files {
		m := Mailbox{Name: name, Subscribed: true}
		var err error
		if m.Messages, err = countFrom(ctx, path); ctx.Err() != nil {
			return nil, err
		}
		if st, err := firstState(path); err == nil {
			m.UIDValidity, m.UIDNext = st.validity, st.next
		}
		list = append(list, m)
	}
	slices.SortFunc(list, byName)
	return list, nil
}

// countFrom counts the lines that begin with "From ".
func countFrom(ctx context.Context, path string) (n int64, err error) {
	f, _, err := openRegular(path)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	mark := []byte("\n" + fromPrefix)
	buf := append(make([]byte, 0, 1<<20), '\n')
	for {
		m, err := f.Read(buf[len(buf):cap(buf)])
		buf = buf[:len(buf)+m]
		n += int64(bytes.Count(buf, mark))
		if err == io.EOF {
			return n, nil
		}
		if err = errors.Join(err, ctx.Err()); err != nil {
			return n, err
		}
		keep := buf[max(0, len(buf)-len(mark)+1):]
		buf = append(buf[:0], keep...)
	}
}

// firstState reads the header of the first message.
func firstState(path string) (st state, err error) {
	f, info, err := openRegular(path)
	if err != nil {
		return st, err
	}
	defer f.Close()
	lines := bufio.NewScanner(io.NewSectionReader(f, 0, min(info.Size(), mboxBuffer)))
	for lines.Scan() && lines.Text() != "" {
		name, value, _ := strings.Cut(lines.Text(), ":")
		st.read(name, value)
	}
	return st, lines.Err()
}

// Messages implements Source.
func (s *mboxSource) Messages(ctx context.Context, m Mailbox) iter.Seq2[Message, error] {
	return func(yield func(Message, error) bool) {
		if !s.tell(yield) {
			return
		}
		path := s.files[m.Name]
		f, info, err := openRegular(path)
		if err != nil {
			yield(Message{Item: path}, err)
			return
		}
		defer f.Close()
		for r := newMboxReader(f, info.Size(), s.lengths); ; {
			msg, err := r.next()
			if err == io.EOF {
				return
			}
			if err != nil {
				yield(Message{}, fmt.Errorf("%s: %w", path, err))
				return
			}
			if !give(path, msg, yield) {
				return
			}
		}
	}
}

// give hands a message out, and closes it when it is not wanted.
func give(path string, msg *mboxMessage, yield func(Message, error) bool) bool {
	if msg.internal {
		return msg.body.Close() == nil
	}
	m := Message{Item: fmt.Sprintf("%s, byte %d", path, msg.at), UID: msg.uid, Flags: msg.flags, Keywords: msg.keywords, Date: msg.date}
	if t, ok := fromDate(msg.from); ok {
		m.Date = t
	}
	if msg.own != nil {
		m.Date = msg.own.date
	}
	if msg.body.Size() == 0 && msg.own == nil {
		return yield(m, errors.Join(errEmpty, msg.body.Close()))
	}
	taken := false
	m.Open = func(context.Context) (storage.Content, error) {
		taken = true
		return msg.body, nil
	}
	more := yield(m, nil)
	if !taken {
		_ = msg.body.Close() // nobody has it
	}
	return more
}
