package transfer

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"strings"
)

// Format is how messages are kept in files.
type Format string

// The formats. FormatMboxLengths is mbox whose messages are as long as their
// Content-Length says, where that fits (mboxcl2): From_ lines are not quoted in
// it. It is never guessed.
const (
	FormatAuto        Format = "auto"
	FormatMaildir     Format = "maildir"
	FormatMbox        Format = "mbox"
	FormatMboxLengths Format = "mboxcl2"
	FormatEML         Format = "eml"
)

// ErrFormat is what Open gives when it does not recognise what is there.
var ErrFormat = errors.New("neither a Maildir nor mbox nor .eml files are there")

// Open makes a source of a Maildir with its subfolders, an mbox, a directory
// of those, an .eml file or a directory of those, and tells which it is. Only
// links in the path itself are followed.
func Open(path string, f Format) (Source, Format, error) {
	root, err := filepath.EvalSymlinks(path)
	if err != nil {
		return nil, f, err
	}
	if f == FormatAuto || f == "" {
		if f, err = detect(root); err != nil {
			return nil, f, fmt.Errorf("%q: %w", path, err)
		}
	}
	src, found, err := open(root, f)
	if err == nil && found == 0 {
		err = fmt.Errorf("%q: %w", path, ErrFormat)
	}
	return src, f, err
}

// open makes a source and tells how many mailboxes it may have.
func open(root string, f Format) (Source, int, error) {
	switch f {
	case FormatMaildir:
		s, err := openMaildir(root)
		return s, len(s.dirs), err
	case FormatMbox, FormatMboxLengths:
		s, err := openMboxes(root, f == FormatMboxLengths)
		return s, len(s.files), err
	case FormatEML:
		s, err := openEML(root)
		return s, len(s.dirs), err
	}
	return nil, 0, fmt.Errorf("no format %q", f)
}

// detect looks for the first thing it knows.
func detect(root string) (Format, error) {
	if f := exported(root); f != "" {
		return f, nil
	}
	found := FormatAuto
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && isMaildir(path):
			found = FormatMaildir
		case d.Type().IsRegular() && isMbox(path):
			found = FormatMbox
		case d.Type().IsRegular() && isEML(d.Name()):
			found = FormatEML
		default:
			return nil
		}
		return filepath.SkipAll
	})
	if err == nil && found == FormatAuto {
		err = ErrFormat
	}
	return found, err
}

func isEML(name string) bool { return strings.EqualFold(filepath.Ext(name), ".eml") }

// isMbox tells whether a file begins like an mbox.
func isMbox(path string) bool {
	f, _, err := openRegular(path)
	if err != nil {
		return false
	}
	defer f.Close()
	b := make([]byte, 64)
	n, _ := io.ReadFull(f, b) // a short file is one that is too short
	return bytes.HasPrefix(bytes.TrimLeft(b[:n], "\r\n"), []byte(fromPrefix))
}
