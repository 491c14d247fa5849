package backup

import (
	"bufio"
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"mailstead/internal/durable"
	"mailstead/storage"
)

// stock is what the backup has of message files.
type stock struct {
	dir    string
	byName map[string][]File // by Name, the longest known of each Path
	paths  map[string]bool   // that a manifest or the journal names
}

// loadStock reads what the manifests name, and what a run that ended early had
// copied by then.
func loadStock(dir string, earlier []*Manifest, journal []File) *stock {
	s := &stock{dir, map[string][]File{}, map[string]bool{}}
	for _, m := range earlier {
		for _, f := range m.Files {
			s.add(f)
		}
	}
	for _, f := range journal {
		s.add(f)
	}
	return s
}

func (s *stock) add(f File) {
	if !strings.HasPrefix(f.Path, "mail/") {
		return
	}
	s.paths[f.Path] = true
	list := s.byName[f.Name]
	for i, o := range list {
		if o.Path == f.Path {
			if f.Size >= o.Size {
				list[i] = f
			}
			return
		}
	}
	s.byName[f.Name] = append(list, f)
}

// find gives what the backup has of a file of the store, or the beginning of
// it; nil when it has nothing. Nothing damaged is given.
func (s *stock) find(f *storage.HeldFile) *File {
	for _, o := range s.byName[f.Name] {
		info, err := os.Stat(filepath.Join(s.dir, o.Path))
		if err == nil && info.Size() >= o.Size && o.Identity == f.Identity && len(o.Damaged) == 0 && s.sameStory(f, &o) {
			return &o
		}
	}
	return nil
}

// sameStory tells whether the end of what the store and the backup have in
// common is the same. A store that was brought back may have gone on
// differently within a segment.
func (s *stock) sameStory(f *storage.HeldFile, o *File) bool {
	if !strings.HasSuffix(f.Name, ".seg") || f.Size < 0 {
		return true
	}
	end := min(f.Size, o.Size)
	n := min(end, 4096)
	a, errA := readAt(f.Path, end-n, n)
	b, errB := readAt(filepath.Join(s.dir, o.Path), end-n, n)
	return errA == nil && errB == nil && bytes.Equal(a, b)
}

func readAt(path string, off, n int64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b := make([]byte, n)
	_, err = f.ReadAt(b, off)
	return b, err
}

// place gives a path for a new file: its name, unless another file of that name
// is there.
func (s *stock) place(name string) string {
	p := name
	for i := 2; s.paths[p]; i++ {
		ext := path.Ext(name)
		p = fmt.Sprintf("%s.%d%s", strings.TrimSuffix(name, ext), i, ext)
	}
	s.paths[p] = true
	return p
}

// sumOf is the SHA-256 of the first size bytes of a file, going on with h when
// given.
func sumOf(ctx context.Context, f durable.File, size int64, h hash.Hash) (string, error) {
	h, err := hashOf(ctx, f, size, h)
	if err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// journal notes the files of a run that is not finished, a line of JSON each.
type journal struct {
	f  durable.File
	at int64
}

// openJournal gives the journal and what is in it; its last line may be torn.
func openJournal(fsys durable.FS, dir string) (*journal, []File, error) {
	path := filepath.Join(dir, journalName)
	b, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, nil, err
	}
	var list []File
	at := int64(0)
	for lines := bufio.NewReader(bytes.NewReader(b)); ; {
		line, err := lines.ReadBytes('\n')
		var f File
		if err != nil || json.Unmarshal(line, &f) != nil || !filepath.IsLocal(f.Path) {
			break
		}
		list, at = append(list, f), at+int64(len(line))
	}
	f, err := fsys.Open(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err == nil {
		err = f.Truncate(at)
	}
	return &journal{f, at}, list, err
}

// note adds a file whose bytes are durable.
func (j *journal) note(f File) error {
	b, err := json.Marshal(f)
	if err != nil {
		return err
	}
	b = append(b, '\n')
	_, err = j.f.WriteAt(b, j.at)
	j.at += int64(len(b))
	return err
}
