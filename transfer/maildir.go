package transfer

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"mailstead/storage"
)

// maildirSource reads a Maildir, a Maildir++ or Maildirs in directories.
type maildirSource struct {
	oddities
	root  string
	exact bool              // of an export: line ends are as they were
	dirs  map[string]string // by mailbox
}

// openMaildir looks for the mailboxes.
func openMaildir(root string) (*maildirSource, error) {
	s := &maildirSource{root: root, dirs: map[string]string{}, exact: exported(root) == FormatMaildir}
	if isMaildir(root) {
		s.dirs["INBOX"] = root
	}
	if err := s.look(root, "", storage.MaxNameDepth); err != nil {
		return s, err
	}
	return s, nil
}

// look finds Maildirs below dir, which is the mailbox name.
func (s *maildirSource) look(dir, name string, depth int) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		path := filepath.Join(dir, e.Name())
		sub, plus := decodeFolder(e.Name())
		switch {
		case e.Type()&fs.ModeSymlink != 0 && (plus || isMaildir(path)):
			s.note(path, "is a symbolic link, not followed")
		case !e.IsDir() || e.Name() == "cur" || e.Name() == "new" || e.Name() == "tmp" || depth == 0:
		case plus && name == "" && isMaildir(path):
			s.add(sub, path)
		case !plus && !strings.HasPrefix(e.Name(), "."):
			sub := strings.TrimPrefix(name+"/"+decodeLevel(e.Name()), "/")
			if isMaildir(path) {
				s.add(sub, path)
			}
			if err := s.look(path, sub, depth-1); err != nil {
				s.note(path, err.Error())
			}
		}
	}
	return nil
}

func (s *maildirSource) add(name, dir string) {
	for s.dirs[name] != "" {
		name += "_" // two spellings of one name
	}
	s.dirs[name] = dir
}

// isMaildir tells whether a directory is one: cur alone will do.
func isMaildir(dir string) bool {
	info, err := os.Lstat(filepath.Join(dir, "cur"))
	return err == nil && info.IsDir()
}

// Mailboxes implements Source.
func (s *maildirSource) Mailboxes(ctx context.Context) ([]Mailbox, error) {
	subscribed, all := s.subscriptions()
	list := []Mailbox{}
	for name, dir := range s.dirs {
		m := Mailbox{Name: name, Subscribed: all || subscribed[name]}
		for _, sub := range []string{"cur", "new"} {
			err := eachName(ctx, filepath.Join(dir, sub), func(string) error { m.Messages++; return nil })
			if err != nil && !errors.Is(err, os.ErrNotExist) && ctx.Err() != nil {
				return nil, err
			}
		}
		if l, end, err := s.uids(dir); err == nil {
			m.UIDValidity, m.UIDNext = l.validity, l.next
			end()
		}
		list = append(list, m)
	}
	slices.SortFunc(list, byName)
	return list, nil
}

// byName puts INBOX first and what is below a mailbox after it.
func byName(a, b Mailbox) int {
	if in := strings.EqualFold(a.Name, "INBOX"); in != strings.EqualFold(b.Name, "INBOX") {
		if in {
			return -1
		}
		return 1
	}
	return slices.Compare(strings.Split(a.Name, "/"), strings.Split(b.Name, "/"))
}

// subscriptions reads the list of subscriptions; all when there is none.
func (s *maildirSource) subscriptions() (names map[string]bool, all bool) {
	f, _, err := openRegular(filepath.Join(s.root, "subscriptions"))
	if err != nil {
		return nil, true
	}
	defer f.Close()
	names = map[string]bool{}
	sep := "."
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, maxListLine)
	for lines.Scan() {
		line := lines.Text()
		switch {
		case strings.HasPrefix(line, "V\t"):
			sep = "\t" // version 2: levels divided by tabs
		case strings.EqualFold(line, "INBOX"):
			names["INBOX"] = true
		case line != "":
			names[decodeLevels(line, sep)] = true
		}
	}
	return names, false
}

// uids opens the list of UIDs of a Maildir; end closes it.
func (s *maildirSource) uids(dir string) (l *uidList, end func(), err error) {
	f, _, err := openRegular(filepath.Join(dir, uidListName))
	if err != nil {
		return nil, nil, err
	}
	if l, err = newUIDList(f); err != nil {
		return nil, nil, errors.Join(err, f.Close())
	}
	return l, func() { _ = f.Close() }, nil // only read
}

// Messages implements Source: first those of the list of UIDs in its order,
// then those it does not name as they were delivered.
func (s *maildirSource) Messages(ctx context.Context, m Mailbox) iter.Seq2[Message, error] {
	return func(yield func(Message, error) bool) {
		if !s.tell(yield) {
			return
		}
		dir := s.dirs[m.Name]
		list, err := listMaildir(ctx, dir)
		if err != nil {
			yield(Message{}, err)
			return
		}
		defer list.Close()
		words := s.keywords(dir)
		if l, end, err := s.uids(dir); err == nil {
			defer end()
			for e := range l.entries() {
				name, ok, err := list.take(e.base)
				if err != nil {
					yield(Message{}, err)
					return
				}
				if ok && !yield(s.message(dir, name, words, e)) {
					return
				}
			}
		}
		for _, e := range list.rest() {
			name, err := list.name(e)
			if err != nil {
				yield(Message{}, err)
				return
			}
			if !yield(s.message(dir, name, words, uidEntry{})) {
				return
			}
		}
	}
}

func (s *maildirSource) keywords(dir string) []string {
	f, _, err := openRegular(filepath.Join(dir, keywordsName))
	if err != nil {
		return nil
	}
	defer f.Close()
	return readKeywords(f)
}

// message describes a file.
func (s *maildirSource) message(dir, name string, words []string, e uidEntry) (Message, error) {
	path := filepath.Join(dir, name)
	m := Message{Item: path, UID: e.uid}
	info, err := os.Lstat(path)
	if err != nil {
		return m, err
	}
	if !info.Mode().IsRegular() {
		return m, fmt.Errorf("is not a regular file")
	}
	_, letters := splitFlags(name)
	m.Flags, m.Keywords = readFlags(letters, words)
	m.Keywords = append(m.Keywords, e.keywords...)
	if m.Date = info.ModTime().Truncate(time.Second); e.hasZone {
		m.Date = m.Date.In(time.FixedZone("", e.zone*60))
	} else {
		m.Date = m.Date.UTC()
	}
	m.Open = func(context.Context) (storage.Content, error) { return openMessage(path, s.exact) }
	return m, nil
}
