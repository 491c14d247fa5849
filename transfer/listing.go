package transfer

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"errors"
	"hash/maphash"
	"io"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"mailstead/internal/spool"
)

// dirSlice is how many names are read of a directory at once.
const dirSlice = 1024

// maxFileName bounds the name of a file with the directory it is in, in bytes.
const maxFileName = 1024

// listed is a file of a Maildir: 24 bytes, because there can be millions. Its
// name is in the listing's spool.
type listed struct {
	hash uint64 // of the name without its flags
	age  uint64 // delivery time and what orders within a second
	off  uint64 // of the name; with the highest bit (used) it has been given out
}

// used marks an entry that has been given out.
const used = 1 << 63

// listing is the files of one Maildir.
type listing struct {
	seed    maphash.Seed
	names   *spool.File // "cur/NAME", each ended by NUL
	w       *bufio.Writer
	off     uint64 // of the next name
	entries []listed
	byHash  bool
}

// listMaildir reads the names in cur and new. Close it.
func listMaildir(ctx context.Context, dir string) (_ *listing, err error) {
	l := newListing()
	defer func() {
		if err != nil {
			err = errors.Join(err, l.names.Close())
		}
	}()
	for _, sub := range []string{"cur", "new"} {
		err := eachName(ctx, filepath.Join(dir, sub), func(name string) error {
			if name[0] == '.' {
				return nil
			}
			base, _ := splitFlags(name)
			return l.add(sub+"/"+name, base)
		})
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return nil, err
		}
	}
	return l, l.w.Flush()
}

// listNames reads the names in a directory that are wanted. Close it.
func listNames(ctx context.Context, dir string, wanted func(string) bool) (_ *listing, err error) {
	l := newListing()
	err = eachName(ctx, dir, func(name string) error {
		if !wanted(name) {
			return nil
		}
		return l.add(name, name)
	})
	if err = errors.Join(err, l.w.Flush()); err != nil {
		return nil, errors.Join(err, l.names.Close())
	}
	return l, nil
}

func newListing() *listing {
	names := spool.Dir{}.New()
	return &listing{seed: maphash.MakeSeed(), names: names, w: bufio.NewWriterSize(names, copyBuffer)}
}

func (l *listing) add(name, base string) error {
	l.entries = append(l.entries, listed{maphash.String(l.seed, base), ageOf(base), l.off})
	n, err := l.w.WriteString(name + "\x00")
	l.off += uint64(n)
	return err
}

// eachName walks the names in a directory, in no order.
func eachName(ctx context.Context, dir string, visit func(name string) error) error {
	d, err := os.OpenFile(dir, os.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW, 0)
	if err != nil {
		return err
	}
	defer d.Close()
	for {
		names, err := d.Readdirnames(dirSlice)
		for _, name := range names {
			if err := visit(name); err != nil {
				return err
			}
		}
		if err == io.EOF {
			return nil
		}
		if err = cmp.Or(err, ctx.Err()); err != nil {
			return err
		}
	}
}

// ageOf orders names as they were delivered: by the seconds they begin with,
// then by the microseconds ("1700000000.M123456") or the count
// ("1700000000_12") many have.
func ageOf(base string) uint64 {
	n := 0
	for n < len(base) && base[n] >= '0' && base[n] <= '9' {
		n++
	}
	sec, err := strconv.ParseUint(base[:n], 10, 32)
	if err != nil {
		sec = 1<<32 - 1 // names of no known form come last
	}
	within, rest := uint64(0), strings.TrimPrefix(strings.TrimPrefix(base[n:], ".M"), "_")
	for i := 0; i < len(rest) && rest[i] >= '0' && rest[i] <= '9' && within < 1<<27; i++ {
		within = within*10 + uint64(rest[i]-'0')
	}
	return sec<<32 | within
}

// name reads an entry's name.
func (l *listing) name(e listed) (string, error) {
	var buf [maxFileName]byte
	n, err := l.names.ReadAt(buf[:], int64(e.off&^used))
	if i := bytes.IndexByte(buf[:n], 0); i >= 0 {
		return string(buf[:i]), nil
	}
	return "", cmp.Or(err, io.ErrUnexpectedEOF)
}

// take finds the file whose name without flags is base, and marks it.
func (l *listing) take(base string) (name string, ok bool, err error) {
	if !l.byHash {
		slices.SortFunc(l.entries, func(a, b listed) int { return cmp.Compare(a.hash, b.hash) })
		l.byHash = true
	}
	h := maphash.String(l.seed, base)
	i := sort.Search(len(l.entries), func(i int) bool { return l.entries[i].hash >= h })
	for ; i < len(l.entries) && l.entries[i].hash == h; i++ {
		e := &l.entries[i]
		if e.off&used != 0 {
			continue
		}
		if name, err = l.name(*e); err != nil {
			return "", false, err
		}
		if b, _ := splitFlags(name[len("cur/"):]); b == base {
			e.off |= used
			return name, true, nil
		}
	}
	return "", false, nil
}

// rest gives the entries not taken, in the order of delivery. It ends take.
func (l *listing) rest() []listed {
	l.entries = slices.DeleteFunc(l.entries, func(e listed) bool { return e.off&used != 0 })
	slices.SortFunc(l.entries, func(a, b listed) int {
		if c := cmp.Compare(a.age, b.age); c != 0 {
			return c
		}
		p, errA := l.name(a)
		q, errB := l.name(b)
		if errA != nil || errB != nil { // shows again when the name is needed
			return cmp.Compare(a.off, b.off)
		}
		return cmp.Compare(p, q)
	})
	return l.entries
}

// Close frees the names.
func (l *listing) Close() error { return l.names.Close() }
