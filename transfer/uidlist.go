package transfer

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"iter"
	"strconv"
	"strings"

	"mailstead/storage"
)

// uidListName is the file in which Dovecot keeps the UIDs of a Maildir.
const uidListName = "dovecot-uidlist"

// maxListLine bounds a line of Dovecot's files, in bytes.
const maxListLine = 16 << 10

var errNoUIDList = errors.New("not a dovecot-uidlist of version 1 or 3")

// uidEntry is a line of a dovecot-uidlist. Zone and keywords are fields of our
// own (Z, minutes east of UTC, and K), which Dovecot passes over.
type uidEntry struct {
	uid      storage.UID
	base     string // the file's name without its flags
	zone     int
	hasZone  bool
	keywords []string
}

// uidList reads a dovecot-uidlist.
type uidList struct {
	validity uint32
	next     storage.UID
	version  int
	lines    *bufio.Scanner
}

// newUIDList reads the first line.
func newUIDList(r io.Reader) (*uidList, error) {
	l := &uidList{lines: bufio.NewScanner(r)}
	l.lines.Buffer(nil, maxListLine)
	if !l.lines.Scan() {
		return nil, errors.Join(errNoUIDList, l.lines.Err())
	}
	words := strings.Fields(l.lines.Text())
	if len(words) < 3 {
		return nil, errNoUIDList
	}
	switch words[0] {
	case "1":
		l.version, l.validity, l.next = 1, number(words[1]), storage.UID(number(words[2]))
	case "3":
		l.version = 3
		for _, w := range words[1:] {
			switch w[0] {
			case 'V':
				l.validity = number(w[1:])
			case 'N':
				l.next = storage.UID(number(w[1:]))
			}
		}
	}
	if l.version == 0 || l.validity == 0 {
		return nil, errNoUIDList
	}
	return l, nil
}

// number reads digits; anything else is zero.
func number(s string) uint32 {
	n, err := strconv.ParseUint(s, 10, 32)
	if err != nil {
		return 0
	}
	return uint32(n)
}

// entries walks the lines; those that make no sense are passed over. It ends
// at the first line that cannot be read.
func (l *uidList) entries() iter.Seq[uidEntry] {
	return func(yield func(uidEntry) bool) {
		for l.lines.Scan() {
			if e, ok := l.entry(l.lines.Text()); ok && !yield(e) {
				return
			}
		}
	}
}

func (l *uidList) entry(line string) (e uidEntry, ok bool) {
	first, rest, _ := strings.Cut(line, " ")
	if e.uid = storage.UID(number(first)); e.uid == 0 {
		return e, false
	}
	for l.version == 3 && rest != "" && rest[0] != ':' {
		field, after, _ := strings.Cut(rest, " ")
		rest = strings.TrimLeft(after, " ")
		switch {
		case field == "":
		case field[0] == 'Z':
			zone, err := strconv.Atoi(field[1:])
			e.zone, e.hasZone = zone, err == nil && zone > -24*60 && zone < 24*60
		case field[0] == 'K':
			e.keywords = append(e.keywords, field[1:])
		}
	}
	e.base, _ = splitFlags(strings.TrimPrefix(rest, ":"))
	return e, e.base != "" && !strings.ContainsRune(e.base, '/')
}

// line writes the entry as it stands in a version 3 list.
func (e *uidEntry) line(size int64) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d W%d", e.uid, size)
	if e.zone != 0 {
		fmt.Fprintf(&b, " Z%d", e.zone)
	}
	for _, k := range e.keywords {
		fmt.Fprintf(&b, " K%s", k)
	}
	fmt.Fprintf(&b, " :%s\n", e.base)
	return b.String()
}
