package transfer

import (
	"bufio"
	"context"
	"io"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"mailstead/storage"
)

// maxHeaderLines bounds the header that is looked through for flags.
const maxHeaderLines = 2000

// emlSource reads a directory of .eml files, each directory below it a mailbox,
// or one such file.
type emlSource struct {
	oddities
	dirs map[string]string // by mailbox
	only string            // the one file
}

// openEML looks for the directories.
func openEML(root string) (*emlSource, error) {
	s := &emlSource{dirs: map[string]string{}}
	info, err := os.Stat(root)
	if err != nil {
		return s, err
	}
	if !info.IsDir() {
		s.only, s.dirs["INBOX"] = filepath.Base(root), filepath.Dir(root)
		return s, nil
	}
	err = filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			s.note(path, err.Error())
			if d != nil && d.IsDir() {
				return fs.SkipDir
			}
			return nil
		}
		if !d.IsDir() {
			return nil
		}
		rel, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		name := "INBOX"
		if rel != "." {
			name = strings.ToValidUTF8(filepath.ToSlash(rel), "_")
		}
		for s.dirs[name] != "" {
			name += "_"
		}
		s.dirs[name] = path
		return nil
	})
	return s, err
}

// Mailboxes implements Source: the directories that hold messages.
func (s *emlSource) Mailboxes(ctx context.Context) ([]Mailbox, error) {
	list := []Mailbox{}
	for name, dir := range s.dirs {
		m := Mailbox{Name: name, Subscribed: true}
		err := eachName(ctx, dir, func(file string) error {
			if s.wanted(file) {
				m.Messages++
			}
			return nil
		})
		if ctx.Err() != nil {
			return nil, err
		}
		if err != nil {
			s.note(dir, err.Error())
		}
		if m.Messages > 0 {
			list = append(list, m)
		}
	}
	slices.SortFunc(list, byName)
	return list, nil
}

func (s *emlSource) wanted(file string) bool {
	return s.only == file || s.only == "" && isEML(file)
}

// Messages implements Source. Files come in the order of their names.
func (s *emlSource) Messages(ctx context.Context, m Mailbox) iter.Seq2[Message, error] {
	return func(yield func(Message, error) bool) {
		if !s.tell(yield) {
			return
		}
		dir := s.dirs[m.Name]
		list, err := listNames(ctx, dir, s.wanted)
		if err != nil {
			yield(Message{}, err)
			return
		}
		defer list.Close()
		for _, e := range list.rest() {
			name, err := list.name(e)
			if err != nil {
				yield(Message{}, err)
				return
			}
			if !yield(emlMessage(filepath.Join(dir, name))) {
				return
			}
		}
	}
}

// emlMessage describes a file. Its date is that of the message, since an .eml
// file is a copy made at some other time.
func emlMessage(path string) (Message, error) {
	m := Message{Item: path}
	f, info, err := openRegular(path)
	if err != nil {
		return m, err
	}
	defer f.Close()
	st := state{}
	lines := bufio.NewReader(io.LimitReader(f, mboxBuffer))
	for range maxHeaderLines {
		line, err := lines.ReadString('\n')
		line = strings.TrimRight(line, "\r\n")
		if err != nil || line == "" {
			break
		}
		name, value, _ := strings.Cut(line, ":")
		st.read(name, value)
	}
	m.Flags, m.Keywords, m.Date = st.flags, st.keywords, st.date
	if m.Date.IsZero() {
		m.Date = info.ModTime().UTC().Truncate(time.Second)
	}
	m.Open = func(context.Context) (storage.Content, error) { return openMessage(path, false) }
	return m, nil
}
