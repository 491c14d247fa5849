package backup

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"mailstead/storage"
)

// Errors that callers decide by.
var (
	ErrNoBackup     = errors.New("holds no backup")
	ErrNoGeneration = errors.New("no such generation")
	ErrNotEmpty     = errors.New("is not empty")
	ErrInside       = errors.New("is inside the data directory")
	ErrBusy         = errors.New("another backup is being made there")
	ErrNewerLayout  = errors.New("made by a newer version")
	ErrDamaged      = errors.New("backup is damaged")
)

// layout is the version of how a backup lies in its directory.
const layout = 1

// Names in a backup.
const (
	markerName     = "mailstead-backup"
	lockName       = "lock"
	readingName    = "reading" // locked by who reads, so that nothing goes meanwhile
	journalName    = "journal"
	generationsDir = "generations"
	manifestName   = "manifest.json"
	checkpointName = "index.ckp"
	partialSuffix  = ".partial"
	// AccountsName is the file of a generation with the accounts.
	AccountsName = "accounts.db"
)

// Manifest says what a generation is and needs.
type Manifest struct {
	// Checksum is the SHA-256 of the manifest's file with zeros in its place.
	Checksum    string    `json:"checksum"`
	Layout      int       `json:"layout"`
	Generation  string    `json:"generation"` // name of its directory
	Number      int       `json:"number"`     // one more than that of the one before
	Time        time.Time `json:"time"`       // the moment it is of
	Version     string    `json:"version"`    // of the program
	StoreFormat int       `json:"store_format"`
	Sequence    uint64    `json:"sequence"` // of the checkpoint
	// Complete tells that nothing is missing or damaged; else Problems says
	// what.
	Complete  bool      `json:"complete"`
	Problems  []string  `json:"problems"`
	Accounts  []Account `json:"accounts"`
	Mailboxes int64     `json:"mailboxes"`
	Messages  int64     `json:"messages"`
	Bodies    int64     `json:"bodies"` // copies of a message share one
	Bytes     int64     `json:"bytes"`  // of all files
	Files     []File    `json:"files"`
}

// Account is what a generation has of an account.
type Account struct {
	ID       uint32 `json:"id"`
	Address  string `json:"address"`
	Messages int64  `json:"messages"`
	Bytes    int64  `json:"bytes"`
}

// File is a file of a generation.
type File struct {
	Name string `json:"name"` // what it is, like mail/000001.seg
	Path string `json:"path"` // where it lies in the backup
	// Size is how much of the file belongs to the generation, in bytes: it may
	// be longer. SHA256 is of that much.
	Size     int64    `json:"size"`
	SHA256   string   `json:"sha256"`
	Identity string   `json:"identity,omitempty"`
	Damaged  []string `json:"damaged,omitempty"` // what was not sound when it was copied
}

const noChecksum = "0000000000000000000000000000000000000000000000000000000000000000"

// encode packs a manifest with its checksum.
func (m *Manifest) encode() ([]byte, error) {
	m.Checksum = noChecksum
	b, err := json.MarshalIndent(m, "", " ")
	if err != nil {
		return nil, fmt.Errorf("pack manifest: %w", err)
	}
	b = append(b, '\n')
	sum := sha256.Sum256(b)
	m.Checksum = hex.EncodeToString(sum[:])
	return bytes.Replace(b, []byte(noChecksum), []byte(m.Checksum), 1), nil
}

func decodeManifest(b []byte) (*Manifest, error) {
	var m Manifest
	if err := json.Unmarshal(b, &m); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	if m.Layout > layout {
		return nil, fmt.Errorf("layout %d, this program knows layouts up to %d: %w", m.Layout, layout, ErrNewerLayout)
	}
	sum := sha256.Sum256(bytes.Replace(b, []byte(m.Checksum), []byte(noChecksum), 1))
	if m.Checksum != hex.EncodeToString(sum[:]) {
		return nil, fmt.Errorf("wrong checksum: %w", ErrDamaged)
	}
	for _, f := range m.Files {
		if !filepath.IsLocal(f.Path) || !filepath.IsLocal(f.Name) || f.Size < 0 {
			return nil, fmt.Errorf("file %q: %w", f.Path, ErrDamaged)
		}
	}
	return &m, nil
}

func readManifest(dir, generation string) (*Manifest, error) {
	b, err := os.ReadFile(filepath.Join(dir, generationsDir, generation, manifestName))
	var m *Manifest
	if err == nil {
		m, err = decodeManifest(b)
	}
	if err == nil && m.Generation != generation {
		err = fmt.Errorf("it is that of %q: %w", m.Generation, ErrDamaged)
	}
	if err != nil {
		return nil, fmt.Errorf("manifest of generation %q: %w", generation, err)
	}
	return m, nil
}

// Generations lists the generations in a backup, the newest first. When a
// manifest cannot be read the others are given together with an error.
// ErrNoBackup.
func Generations(dir string) (list []*Manifest, err error) {
	if err := known(dir); err != nil {
		return nil, err
	}
	names, err := generationNames(dir)
	if err != nil {
		return nil, err
	}
	var errs []error
	for _, name := range names {
		m, err := readManifest(dir, name)
		switch {
		case errors.Is(err, fs.ErrNotExist): // one that was not finished
		case err != nil:
			errs = append(errs, err)
		default:
			list = append(list, m)
		}
	}
	slices.SortFunc(list, func(a, b *Manifest) int { return cmp.Compare(b.Number, a.Number) })
	return list, errors.Join(errs...)
}

// known tells whether a directory is a backup of a layout we know.
func known(dir string) error {
	b, err := os.ReadFile(filepath.Join(dir, markerName))
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%q %w", dir, ErrNoBackup)
	}
	if err != nil {
		return fmt.Errorf("look for a backup: %w", err)
	}
	var n int
	if _, err := fmt.Sscanf(string(b), "layout %d", &n); err != nil || n < 1 {
		return fmt.Errorf("%q: %q: %w", dir, markerName, ErrDamaged)
	}
	if n > layout {
		return fmt.Errorf("%q has layout %d, this program knows layouts up to %d: %w", dir, n, layout, ErrNewerLayout)
	}
	return nil
}

func generationNames(dir string) (names []string, err error) {
	entries, err := os.ReadDir(filepath.Join(dir, generationsDir))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("list generations: %w", err)
	}
	for _, e := range entries {
		if e.IsDir() {
			names = append(names, e.Name())
		}
	}
	return names, nil
}

// Find gives a generation: the newest for an empty name, else the one whose
// name begins with it, or the newest of those. Errors: ErrNoBackup,
// ErrNoGeneration.
func Find(dir, generation string) (*Manifest, error) {
	list, err := Generations(dir)
	for _, m := range list {
		if strings.HasPrefix(m.Generation, generation) {
			return m, nil
		}
	}
	if err != nil {
		return nil, err
	}
	if generation == "" {
		return nil, fmt.Errorf("%q: none was finished: %w", dir, ErrNoGeneration)
	}
	return nil, fmt.Errorf("%q: generation %q: %w", dir, generation, ErrNoGeneration)
}

// describe takes over what the held store says of itself.
func (m *Manifest) describe(h *storage.Held) {
	m.Mailboxes, m.Messages, m.Bodies = h.Mailboxes, h.Messages, h.Bodies
	for _, a := range h.Accounts {
		m.Accounts = append(m.Accounts, Account{uint32(a.ID), a.Name, a.Messages, a.Bytes})
	}
}

// problem notes what makes the generation incomplete.
func (m *Manifest) problem(format string, args ...any) {
	m.Complete = false
	if len(m.Problems) < maxProblems {
		m.Problems = append(m.Problems, fmt.Sprintf(format, args...))
	}
}

// maxProblems is how many are named.
const maxProblems = 1000

// Has tells whether a generation has files whose names begin with prefix.
func (m *Manifest) Has(prefix string) bool {
	return slices.ContainsFunc(m.Files, func(f File) bool { return strings.HasPrefix(f.Name, prefix) })
}
